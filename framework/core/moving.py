"""Replacement first: a marked instance serves on until another one serves in its place.

Marked are instances that a check of ours found unhealthy, and those whose agent is drained. Sizing
launches one beside each and stops the marked one once so many others serve as are wanted. Where
that does not come about in time an unhealthy one is killed anyway, one at a time of an app: the
next one waits until it serves again, or could have long ago. One that is only to leave its agent
waits, unless its drain has a deadline.
"""

from framework.core import kills
from framework.core.deadlines import Due
from framework.core.freezing import frozen
from framework.core.index import MARKED, OLD_MARKED, serves
from framework.core.statuses import remember_failure
from framework.core.turn import Turn
from framework.domain.app import App
from framework.domain.instance import WAITING, Goal, Instance, Mark, MarkedFor
from framework.domain.mesos import Agent
from framework.domain.notices import UnhealthyKilled
from framework.domain.records import replace

_MARKED = (*MARKED, *OLD_MARKED)


def mark_unhealthy(turn: Turn, instance: Instance, message: str) -> None:
    """A check of ours failed as often as it may. Also one that is to leave its agent anyway. With
    persistent volumes there is nothing to wait for: only it can stand in for itself."""
    stays = _stays(turn, instance)
    kill_at_ms = turn.now_ms + (0 if stays else turn.policy.unhealthy_kill_patience)
    since_ms = turn.now_ms if instance.mark is None else instance.mark.since_ms
    mark = Mark(MarkedFor.UNHEALTHY, message, since_ms, kill_at_ms)
    turn.put_instance(replace(instance, mark=mark, awaited_since_ms=0))
    turn.remark("warning", f"{instance.id} is to be replaced: {message}")


def _stays(turn: Turn, instance: Instance) -> bool:
    """Whether it has to start again where its volumes are."""
    definition = turn.world.definition_of(instance)
    return definition is not None and bool(definition.persistent_volumes)


def take_back(turn: Turn, instance: Instance) -> Instance:
    """It is well again, so it stays unless its agent is to be empty; what was launched in its
    place is one too many then."""
    unmarked = replace(instance, mark=_agents_mark(turn, instance))
    turn.put_instance(unmarked)
    return unmarked


def refresh(turn: Turn, instance: Instance) -> None:
    """Whether its agent is to be empty may have changed."""
    if instance.mark is not None and instance.mark.why is MarkedFor.UNHEALTHY:
        return
    mark = _agents_mark(turn, instance)
    if (mark is None) is not (instance.mark is None):
        turn.put_instance(replace(instance, mark=mark))


def _agents_mark(turn: Turn, instance: Instance) -> Mark | None:
    agent = turn.world.state.agents.get(instance.agent_id)
    why = "" if agent is None else leaving(turn, agent)
    return Mark(MarkedFor.LEAVES_AGENT, why, turn.now_ms) if why else None


def leaving(turn: Turn, agent: Agent) -> str:
    """Why the agent is to be empty from now on, in words; empty if it is not."""
    drains, maintenance = turn.world.drains, turn.world.maintenance
    if not drains and not maintenance:
        return ""
    drained = drains.get(agent.id) or drains.get(agent.hostname)
    if drained is not None:
        return f"agent {agent.hostname} is drained" + _because(drained.reason)
    window = maintenance.get(agent.id)
    if window is None or turn.now_ms < window.from_ms - turn.policy.maintenance_lead:
        return ""
    over = window.for_ms is not None and turn.now_ms >= window.from_ms + window.for_ms
    return "" if over else f"agent {agent.hostname} comes up for maintenance"


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def replaced(turn: Turn, instance: Instance) -> None:
    """Others serve in its place: let it go."""
    assert instance.mark is not None
    kills.decommission(turn, instance, _reason(turn, instance, instance.mark))


def _reason(turn: Turn, instance: Instance, mark: Mark) -> str:
    """The reason of its kill; told to whoever wants to know of failures, if it is one."""
    if mark.why is not MarkedFor.UNHEALTHY:
        return mark.message
    message = f"Task was killed since {mark.message}"
    remember_failure(turn, instance, "TASK_KILLED", message)
    turn.notices.append(UnhealthyKilled(instance, message))
    return message


def watch(turn: Turn, app_id: str) -> None:
    """Set when to look at the app's marked instances again."""
    index = turn.world.apps.get(app_id)
    if index is None or not index.size(*_MARKED):
        return
    for instance in _marked(turn, app_id):
        if instance.mark is not None and instance.mark.kill_at_ms:
            _look_at(turn, instance, instance.mark.kill_at_ms)


def _look_at(turn: Turn, instance: Instance, at_ms: int) -> None:
    """Look at it then, unless it waits for another one; when that serves this is set anew."""
    its_turn_ms = _its_turn_ms(turn, instance)
    if its_turn_ms is not None:
        turn.world.deadlines.set(max(at_ms, its_turn_ms), Due.MOVE, instance.id)


def _its_turn_ms(turn: Turn, instance: Instance) -> int | None:
    """When it may be killed with nothing in its place, as far as others of its app go that were:
    each is awaited until it serves, or so long after its end that it could have started. None: one
    of them has not even ended."""
    latest_ms = turn.now_ms
    index, instances = turn.world.apps.get(instance.app_id), turn.world.state.instances
    for one in (instances[key] for key in (index.awaited if index else ()) if key != instance.id):
        definition = turn.world.definition_of(one)
        if definition is None or serves(definition, one):
            continue
        if one.kill_reason and one.condition not in kills.LOST:
            return None
        latest_ms = max(latest_ms, one.awaited_since_ms + _patience_ms(turn, definition))
    return latest_ms


def _patience_ms(turn: Turn, definition: App) -> int:
    """As long as one of it may take to find a place, to start and to be found healthy."""
    grace_seconds = max((one.grace_period_seconds for one in definition.health_checks), default=0)
    policy = turn.policy
    return policy.unhealthy_kill_patience + policy.task_launch_timeout + grace_seconds * 1000


def _marked(turn: Turn, app_id: str) -> list[Instance]:
    index = turn.world.apps.get(app_id)
    if index is None:
        return []
    members, instances = index.members, turn.world.state.instances
    return [instances[key] for slot in _MARKED for key in members[slot]]


def due(turn: Turn, instance_id: str) -> None:
    """Its time is up: killed, though nothing serves in its place, unless that starts already."""
    instance = turn.world.state.instances.get(instance_id)
    if instance is None or not _may_be_killed(turn, instance):
        return
    mark = instance.mark
    assert mark is not None
    if turn.now_ms < mark.kill_at_ms or _its_turn_ms(turn, instance) != turn.now_ms:
        _look_at(turn, instance, mark.kill_at_ms)
    elif turn.world.failing.holds:
        pass  # its end sets this anew
    elif _is_under_way(turn, instance):
        _wait_longer(turn, [instance])
    else:
        awaited = replace(instance, awaited_since_ms=turn.now_ms)
        kills.kill(turn, awaited, _reason(turn, instance, mark))
        others = (one for one in _marked(turn, instance.app_id) if one.id != instance_id)
        _wait_longer(turn, [one for one in others if not one.kill_reason and not _stays(turn, one)])


def _may_be_killed(turn: Turn, instance: Instance) -> bool:
    return (
        instance.mark is not None
        and instance.mark.kill_at_ms > 0
        and instance.goal is Goal.RUNNING
        and not instance.kill_reason
        and instance.condition not in WAITING | kills.LOST
        and turn.world.subscribed
        and not frozen(turn, instance.app_id)
    )


def _is_under_way(turn: Turn, instance: Instance) -> bool:
    """Whether one that is to stand in for it has a place, and is not to be replaced itself."""
    return any(
        one.stands_in_for == instance.id
        and one.goal is Goal.RUNNING
        and one.mark is None
        and one.condition not in WAITING | kills.LOST
        for one in turn.world.state.instances_of.get(instance.app_id, {}).values()
    )


def _wait_longer(turn: Turn, instances: list[Instance]) -> None:
    """Give those that are unhealthy the whole time again."""
    kill_at_ms = turn.now_ms + turn.policy.unhealthy_kill_patience
    for instance in instances:
        mark = instance.mark
        if mark is not None and mark.why is MarkedFor.UNHEALTHY and mark.kill_at_ms < kill_at_ms:
            turn.put_instance(replace(instance, mark=replace(mark, kill_at_ms=kill_at_ms)))


def wait_anew(turn: Turn) -> None:
    """Nothing could be placed, or was to be killed, for a while: the time of every unhealthy
    instance begins anew."""
    instances = turn.world.state.instances.values()
    _wait_longer(turn, [one for one in instances if one.mark is not None])


def explanation(turn: Turn, app_id: str) -> str:
    """What of an app's launches is for marked instances; empty if nothing is."""
    marked = _marked(turn, app_id)
    if not marked or marked[0].mark is None:
        return ""
    many = "an instance serves" if len(marked) == 1 else f"{len(marked)} instances serve"
    why = marked[0].mark.message
    return f"{many} on only until another one serves in its place: {why}"


def stands_in_for(turn: Turn, app: App, before: Instance | None) -> str:
    """The marked instance that one is launched beside; empty if each has one already. ``before``:
    the waiting instance that it comes from; it keeps what it was for in the same configuration."""
    if before is not None and before.config == app.config:
        return before.stands_in_for
    index = turn.world.apps.get(app.id)
    if index is None or not index.size(*_MARKED):
        return ""  # nearly always
    marked = [one for one in _marked(turn, app.id) if one.config == app.config]
    if not marked:
        return ""
    siblings = turn.world.state.instances_of[app.id].values()
    taken = {one.stands_in_for for one in siblings if one.goal is Goal.RUNNING and one.mark is None}
    return next((one.id for one in marked if one.id not in taken), "")
