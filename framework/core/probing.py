"""Probes of ours: what to look at, and what the answers mean.

HTTP, HTTPS and TCP health checks are watched while their instance runs, a readiness check until
it says yes. A verdict is stored with the instance, so that it outlives this process; the details
behind it are not. (behaviour.md, section 5; app-definition.md, section 4.)
"""

from framework.core import crashes, health_storms, moving, verdicts
from framework.core.freezing import frozen
from framework.core.turn import Turn
from framework.domain.app import App, HealthCheck, ReadinessCheck
from framework.domain.health import (
    CheckHealth,
    ProbeProtocol,
    ProbeResult,
    ProbeTarget,
    Unwatch,
    Watch,
    health_key,
    parse_key,
    readiness_key,
)
from framework.domain.instance import Condition, Goal, Instance, MarkedFor
from framework.domain.notices import HealthChanged, HealthCheckFailed
from framework.domain.records import replace
from framework.domain.state import Kind

_FIRST_LOOK_SECONDS = 5.0


def watch_touched(turn: Turn) -> None:
    """Bring what is watched in line with the instances that changed in this turn."""
    instances = turn.world.state.instances
    for instance_id in turn.touched:
        if not crashes.begin(turn, ("instance", instance_id)):
            continue
        instance = instances.get(instance_id)
        known_before = instance_id in turn.world.watched
        _watch(turn, instance_id, {} if instance is None else targets(turn, instance))
        if instance is None or instance_id not in turn.world.watched:
            turn.world.failing.remove(instance_id)
        elif not known_before:
            health_storms.watched(turn, instance)
        known = turn.world.state.health.get(instance_id)
        if known is not None and (instance is None or known.task_id != instance.task_id):
            turn.put(Kind.HEALTH, instance_id, None)


def _watch(turn: Turn, instance_id: str, wanted: dict[str, ProbeTarget]) -> None:
    watched = turn.world.watched.get(instance_id, {})
    if wanted == watched:
        return
    turn.probes += [Unwatch(key) for key in watched if key not in wanted]
    turn.probes += [Watch(t) for key, t in wanted.items() if watched.get(key) != t]
    if wanted:
        turn.world.watched[instance_id] = wanted
    else:
        turn.world.watched.pop(instance_id, None)


def targets(turn: Turn, instance: Instance) -> dict[str, ProbeTarget]:
    """What is to be looked at of an instance, by key."""
    wanted = instance.goal is Goal.RUNNING and not instance.kill_reason
    if not wanted or instance.condition is not Condition.RUNNING:
        return {}
    definition = turn.world.definition_of(instance)
    if definition is None:
        return {}
    found = {}
    for index, check in enumerate(definition.health_checks):
        place = None if check.run_by_executor else _place(turn, definition, instance, check)
        if place is not None:
            key = health_key(instance.task_id, index)
            found[key] = _health_target(key, check, *place)
    if instance.ready is False and definition.readiness_checks:
        readiness = definition.readiness_checks[0]
        place = _named_place(turn, definition, instance, readiness.port_name)
        if place is not None:
            key = readiness_key(instance.task_id)
            found[key] = _readiness_target(key, readiness, *place)
    return found


def _health_target(key: str, check: HealthCheck, hosts: tuple[str, ...], port: int) -> ProbeTarget:
    return ProbeTarget(
        key=key,
        protocol=ProbeProtocol(check.protocol),
        hosts=hosts,
        port=port,
        path=check.path or "/",
        interval_seconds=check.interval_seconds,
        timeout_seconds=check.timeout_seconds,
        first_after_seconds=min(check.interval_seconds, _FIRST_LOOK_SECONDS),
        ipv6=check.ip_protocol == "IPv6",
    )


def _readiness_target(
    key: str, check: ReadinessCheck, hosts: tuple[str, ...], port: int
) -> ProbeTarget:
    return ProbeTarget(
        key=key,
        protocol=ProbeProtocol(check.protocol),
        hosts=hosts,
        port=port,
        path=check.path,
        interval_seconds=check.interval_seconds,
        timeout_seconds=check.timeout_seconds,
        statuses=check.http_status_codes_for_ready,
        keep_answer=check.preserve_last_response,
    )


def _place(
    turn: Turn, definition: App, instance: Instance, check: HealthCheck
) -> tuple[tuple[str, ...], int] | None:
    if check.port is not None and check.port_index is None:
        return _hosts(turn, instance), check.port
    return _indexed_place(turn, definition, instance, check.port_index or 0)


def _named_place(
    turn: Turn, definition: App, instance: Instance, name: str
) -> tuple[tuple[str, ...], int] | None:
    declared = definition.port_definitions if definition.on_host_network else ()
    names = [port.name for port in declared or definition.port_mappings]
    return _indexed_place(turn, definition, instance, names.index(name)) if name in names else None


def _indexed_place(
    turn: Turn, definition: App, instance: Instance, index: int
) -> tuple[tuple[str, ...], int] | None:
    """Hosts and port of the app's ``index``-th port: the agent's, or the container's own where
    no host port is mapped. None while it can not be known."""
    if definition.on_host_network:
        return _on_agent(turn, instance, index)
    mappings = definition.port_mappings
    if index >= len(mappings):
        return None
    if mappings[index].host_port is None:
        has_address = bool(instance.addresses and mappings[index].container_port)
        return (instance.addresses, mappings[index].container_port) if has_address else None
    before = sum(1 for mapping in mappings[:index] if mapping.host_port is not None)
    return _on_agent(turn, instance, before)


def _on_agent(turn: Turn, instance: Instance, place: int) -> tuple[tuple[str, ...], int] | None:
    """The agent, and the instance's host port at this place; those of an adopted task are not
    known."""
    if place >= len(instance.ports):
        return None
    return _hosts(turn, instance), instance.ports[place]


def _hosts(turn: Turn, instance: Instance) -> tuple[str, ...]:
    agent = turn.world.state.agents.get(instance.agent_id)
    if agent is None:
        return ()
    return tuple(host for host in (agent.hostname, agent.address) if host)


def reported(turn: Turn, results: tuple[ProbeResult, ...]) -> None:
    """Take in what probes found; of tasks that are gone or replaced meanwhile it means nothing."""
    for result in results:
        parsed = parse_key(result.key)
        if parsed is None or not crashes.begin(turn, ("probe", result.key)):
            continue
        instance_id, task_id, index = parsed
        instance = turn.world.state.instances.get(instance_id)
        if instance is None or instance.task_id != task_id:
            continue
        if instance.condition is not Condition.RUNNING:
            continue
        if index is None:
            _readiness(turn, instance, result)
        else:
            _health(turn, instance, index, result)


def _readiness(turn: Turn, instance: Instance, result: ProbeResult) -> None:
    known = verdicts.known(turn, instance)
    turn.put(Kind.HEALTH, instance.id, replace(known, readiness=result))
    if result.alive and instance.ready is False:
        turn.put_instance(replace(instance, ready=True))


def _health(turn: Turn, instance: Instance, index: int, result: ProbeResult) -> None:
    definition = turn.world.definition_of(instance)
    if definition is None or index >= len(definition.health_checks):
        return
    check = definition.health_checks[index]
    known = verdicts.known(turn, instance)
    before = known.checks.get(index, CheckHealth())
    if not result.alive and _in_grace(instance, check, before, result):
        return
    after = verdicts.after(before, result)
    checks = known.checks | {index: after}
    turn.put(Kind.HEALTH, instance.id, replace(known, checks=checks))
    instance = _judge(turn, instance, definition, checks, result.at_ms)
    if not result.alive:
        _failed(turn, instance, check, index, after)


def _in_grace(
    instance: Instance, check: HealthCheck, before: CheckHealth, result: ProbeResult
) -> bool:
    """Failures before the first success do not count while the task may still be starting up."""
    started_up = before.first_success_ms is not None or instance.healthy is True
    return not started_up and result.at_ms < (
        instance.started_at_ms + check.grace_period_seconds * 1000
    )


def _judge(
    turn: Turn,
    instance: Instance,
    definition: App,
    checks: dict[int, CheckHealth],
    at_ms: int,
) -> Instance:
    """Store the verdict when it changes: healthy once every check says so, ours and the
    executor's."""
    ours = [
        checks.get(index, CheckHealth()).alive
        for index, check in enumerate(definition.health_checks)
        if not check.run_by_executor
    ]
    well = all(ours)
    if well and instance.mark is not None and instance.mark.why is MarkedFor.UNHEALTHY:
        instance = moving.take_back(turn, instance)
    if well and instance.id in turn.world.failing:
        health_storms.turned(turn, instance, well=True)
    healthy = verdicts.verdict(definition, checks, instance.healthy)
    if healthy is instance.healthy:
        return instance
    proved = instance.proved and healthy is True
    judged = replace(instance, healthy=healthy, health_since_ms=at_ms, proved=proved)
    turn.put_instance(judged)
    turn.notices.append(HealthChanged(judged))
    if instance.healthy and False in ours:
        health_storms.turned(turn, judged, well=False)
    return judged


def _failed(
    turn: Turn, instance: Instance, check: HealthCheck, index: int, after: CheckHealth
) -> None:
    turn.notices.append(HealthCheckFailed(instance, index, after.cause))
    too_often = 0 < check.max_consecutive_failures <= after.consecutive_failures
    wanted = not instance.kill_reason and instance.goal is Goal.RUNNING
    if not too_often or not wanted or frozen(turn, instance.app_id) or turn.world.failing.holds:
        return
    if instance.mark is None or instance.mark.why is not MarkedFor.UNHEALTHY:
        moving.mark_unhealthy(turn, instance, f"health check failed. Reason: {after.cause}")


def watch_all(turn: Turn) -> None:
    """At start: everything that runs and has a check of ours."""
    for instance in turn.world.state.instances.values():
        turn.touched[instance.id] = None
