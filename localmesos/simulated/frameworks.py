"""Frameworks subscribe, fail over, lose their stream, change, and are removed.

Any SUBSCRIBE with an id is accepted unless the id is dead: the stream it displaces is told so and
closed. A framework whose stream broke keeps its tasks for its failover_timeout.
"""

import re
from collections import deque

from localmesos.simulated import agents, allocation, events, inverse, wire
from localmesos.simulated.state import Cluster, Framework, Stream

_BLANK = re.compile(r"[\s\x08]")
_REMOVED = "Framework has been removed"
_PRINCIPAL = "Changing framework's principal is not allowed."
_MOST_SECONDS = 9.2e9  # Mesos counts nanoseconds in 64 bits


def subscribe(
    cluster: Cluster, now: float, call: wire.Subscribe, info: dict[str, object], stream: Stream
) -> None:
    """Answer on the stream, with SUBSCRIBED or with an ERROR that ends it."""
    asked = call.framework_info
    framework_id = asked.id.value if asked.id is not None else ""
    known = cluster.frameworks.get(framework_id)
    error = info_error(asked, call.suppressed_roles)
    if error is None and framework_id in cluster.removed:
        error = _REMOVED
    if error is None and known is not None and known.principal != asked.principal:
        error = _PRINCIPAL
    if error is not None:
        cluster.emit_to(stream, events.error(error))
        cluster.close(stream)
        return
    if known is None:
        framework = _new(cluster, framework_id, asked, info)
    else:
        framework = known
        _displace(cluster, now, known)
    change(cluster, now, framework, call, info)
    stream.framework, framework.stream = framework, stream
    cluster.emit_to(stream, events.subscribed(cluster, framework))
    _beat(cluster, now, framework, stream)
    allocation.mark_all(cluster, now)


def roles_of(info: wire.FrameworkInfo) -> tuple[str, ...]:
    multi = any(each.type == "MULTI_ROLE" for each in info.capabilities)
    return tuple(dict.fromkeys(info.roles)) if multi else (info.role,)


def info_error(info: wire.FrameworkInfo, suppressed: list[str]) -> str | None:
    """Why the master refuses this FrameworkInfo."""
    roles = roles_of(info)
    multi = any(each.type == "MULTI_ROLE" for each in info.capabilities)
    if multi and info.role != "*":
        return "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"
    if not multi and info.roles:
        return "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"
    if multi and len(roles) < len(info.roles):
        twice = sorted({role for role in roles if info.roles.count(role) > 1})
        return f"'FrameworkInfo.roles' contains duplicate items: {{ {', '.join(twice)} }}"
    for wrong in filter(None, map(role_error, roles)):
        return f"'FrameworkInfo.roles' contains invalid role: {wrong}"
    for role in suppressed:
        if role not in roles:
            return f"Suppressed role '{role}' is not contained in the list of roles"
    if abs(info.failover_timeout) > _MOST_SECONDS:
        return f"The framework failover_timeout ({info.failover_timeout:g}) is invalid"
    return None


def role_error(role: str) -> str | None:
    """Why this cannot be the name of a role."""
    if role == "*":
        return None
    if not role:
        return "Role names cannot be the empty string"
    for part in role.split("/"):
        if not part:
            return f"Role '{role}' cannot start or end with a slash, or have an empty component"
        if part in (".", ".."):
            return f"Role '{role}' cannot include '{part}' as a component"
        if part == "*":
            return f"Role '{role}' cannot include '*' as a component"
        if part[0] == "-":
            return f"Role component '{part}' is invalid because it starts with a dash"
        if _BLANK.search(part):
            return f"Role component '{part}' is invalid because it contains backspace or whitespace"
    return None


def _immutable_error(known: Framework, asked: wire.FrameworkInfo) -> str | None:
    """Why UPDATE_FRAMEWORK is refused; a SUBSCRIBE silently keeps user and checkpoint."""
    if known.principal != asked.principal:
        return _PRINCIPAL
    fields = (
        ("user", known.user, asked.user),
        ("checkpoint", str(known.checkpoint).lower(), str(asked.checkpoint).lower()),
    )
    for name, before, after in fields:
        if before != after:
            return (
                f"Updating 'FrameworkInfo.{name}' is unsupported; "
                f"attempted to update from '{before}' to '{after}'"
            )
    return None


def _new(
    cluster: Cluster, framework_id: str, asked: wire.FrameworkInfo, info: dict[str, object]
) -> Framework:
    if not framework_id:
        framework_id = f"{cluster.id}-{cluster.frameworks_made:04d}"
        cluster.frameworks_made += 1
    framework = Framework(
        framework_id,
        asked.name,
        asked.user,
        (),
        frozenset(),
        asked.failover_timeout,
        asked.checkpoint,
        asked.principal,
        info,
        completed=deque(maxlen=cluster.options.max_completed),
    )
    cluster.frameworks[framework_id] = framework
    return framework


def expected(cluster: Cluster, framework_id: str) -> Framework:
    """The framework; one never heard of is known from now on, and not given up before it has
    subscribed. Raises ValueError for an id that no framework can have."""
    known = cluster.frameworks.get(framework_id)
    if known is not None:
        return known
    if not framework_id or framework_id in cluster.removed:
        raise ValueError(f"there is no framework {framework_id!r}")
    asked = wire.FrameworkInfo(user="root", name=framework_id, checkpoint=True)
    info: dict[str, object] = {"id": {"value": framework_id}, "name": framework_id, "user": "root"}
    return _new(cluster, framework_id, asked, info)


def _displace(cluster: Cluster, now: float, framework: Framework) -> None:
    """Take the framework from the stream it had: its offers are void, nobody is told."""
    if framework.stream is not None:
        cluster.emit(framework, events.error("Framework failed over"))
        cluster.close(framework.stream)
        framework.stream.framework = None
        framework.stream = None
    _take_offers(cluster, now, framework)


def _take_offers(cluster: Cluster, now: float, framework: Framework) -> None:
    for offer in [each for each in cluster.offers.values() if each.framework is framework]:
        allocation.take(cluster, now, offer)
    inverse.withdraw_from(cluster, framework)


def change(
    cluster: Cluster,
    now: float,
    framework: Framework,
    call: wire.Subscribe,
    info: dict[str, object],
) -> None:
    """Set what may change: name, roles, capabilities, failover timeout, suppressed roles."""
    asked = call.framework_info
    before = framework.roles
    framework.name = asked.name
    framework.failover_timeout = asked.failover_timeout
    framework.capabilities = frozenset(each.type for each in asked.capabilities)
    framework.roles = roles_of(asked)
    kept = {"user": framework.user, "checkpoint": framework.checkpoint}
    framework.info = {**info, **kept, "id": {"value": framework.id}}
    removed = [role for role in before if role not in framework.roles]
    for role in removed:
        framework.filters.pop(role, None)
    for offer in [each for each in cluster.offers.values() if each.framework is framework]:
        if offer.role in removed:
            allocation.take(cluster, now, offer, rescind=True)
    for role in framework.suppressed - set(call.suppressed_roles):
        framework.filters.pop(role, None)
    framework.suppressed = set(call.suppressed_roles)
    allocation.mark_all(cluster, now)


def update_framework(
    cluster: Cluster,
    now: float,
    framework: Framework,
    call: wire.Subscribe,
    info: dict[str, object],
) -> str | None:
    """Carry out UPDATE_FRAMEWORK, or say why not."""
    error = info_error(call.framework_info, call.suppressed_roles)
    if error is not None:
        return f"Supplied FrameworkInfo is not valid: {error}"
    error = _immutable_error(framework, call.framework_info)
    if error is not None:
        return f"FrameworkInfo update is not valid: {error}"
    change(cluster, now, framework, call, info)
    return None


def _beat(cluster: Cluster, now: float, framework: Framework, stream: Stream) -> None:
    if framework.stream is stream:
        cluster.emit_to(stream, events.HEARTBEAT)
        due = now + cluster.options.heartbeat_seconds
        cluster.timers.at(due, lambda later: _beat(cluster, later, framework, stream))


def disconnected(cluster: Cluster, now: float, stream: Stream) -> None:
    """The connection of a stream is gone; its framework has its failover_timeout to come back."""
    framework = stream.framework
    stream.framework = None
    if framework is None or framework.stream is not stream:
        return
    framework.stream = None
    _take_offers(cluster, now, framework)
    await_return(cluster, now, framework)


def await_return(cluster: Cluster, now: float, framework: Framework) -> None:
    """Remove the framework after its failover_timeout, unless it subscribes before."""
    framework.disconnections += 1
    count = framework.disconnections

    def give_up(later: float) -> None:
        if framework.stream is None and framework.disconnections == count:
            remove(cluster, later, framework)

    cluster.timers.at(now + max(0.0, framework.failover_timeout), give_up)


def remove(cluster: Cluster, now: float, framework: Framework) -> None:
    """Kill its tasks, close its stream, and never accept its id again."""
    if cluster.frameworks.pop(framework.id, None) is None:
        return
    _take_offers(cluster, now, framework)
    agents.remove_tasks(cluster, now, framework)
    if framework.stream is not None:
        cluster.close(framework.stream)
        framework.stream.framework = None
        framework.stream = None
    framework.filters.clear()
    framework.tasks.clear()
    framework.unreachable.clear()
    framework.operations.clear()
    cluster.removed[framework.id] = framework
    while len(cluster.removed) > cluster.options.max_completed:
        del cluster.removed[next(iter(cluster.removed))]
