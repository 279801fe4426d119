"""Tasks that Mesos calls ours and our records do not.

One with a tombstone, or of an incarnation that its record has replaced, was given up by us: it
is killed when it turns out to live. One with neither is never killed unasked (our state may be
the one that is wrong): it is listed, and an operator adopts or kills it.
"""

from framework.core.deadlines import Due
from framework.core.freezing import over_task
from framework.core.kills import send_kill
from framework.core.transitions import ALIVE, condition_of, is_last_word
from framework.core.turn import Turn
from framework.domain.actions import Kill, Reconcile
from framework.domain.events import AdoptOrphan, KillOrphan
from framework.domain.ids import parse_task_id, safe_id
from framework.domain.instance import STAGED, Condition, Instance, Orphan
from framework.domain.mesos import Agent, TaskState, TaskStatus
from framework.domain.notices import UnknownInstanceTerminated
from framework.domain.records import replace
from framework.domain.replies import Done, Refused, Reply, Why
from framework.domain.state import Kind


def stranger(turn: Turn, status: TaskStatus) -> None:
    """A status of a task without a record."""
    parsed = parse_task_id(status.task_id)
    if parsed is not None and is_last_word(status):
        turn.notices.append(UnknownInstanceTerminated(parsed[0], condition_of(status)))
    if status.task_id in turn.world.state.tombstones:
        given_up(turn, status)
    elif status.state in ALIVE or (
        status.state is TaskState.UNREACHABLE and _is_known(turn, status)
    ):
        _list(turn, status)
    else:
        turn.put(Kind.ORPHAN, status.task_id, None)


def _is_known(turn: Turn, status: TaskStatus) -> bool:
    """Whether Mesos speaks of a task that it or we know: asked about any task whatever of an
    unreachable agent, it answers that it is unreachable, even of one that ended long ago."""
    return status.reason != "REASON_RECONCILIATION" or status.task_id in turn.world.state.orphans


def given_up(turn: Turn, status: TaskStatus) -> None:
    """A status of a task that we gave up: kill it if it lives, forget it once its end is sure."""
    if status.state in ALIVE:
        kill_given_up(turn, status)
        return
    turn.forget_kill(status.task_id)
    if is_last_word(status):
        turn.put(Kind.TOMBSTONE, status.task_id, None)


def kill_given_up(turn: Turn, status: TaskStatus) -> None:
    """A task returned that we had given up; asked again each time Mesos shows it to us, and a few
    times by ourselves until Mesos says something else of it."""
    if over_task(turn, status.task_id) is not None:
        return
    sent = turn.world.kills_sent.get(status.task_id)
    if sent is None or turn.now_ms - sent.at_ms >= turn.policy.kill_retry_timeout:
        turn.remark("info", f"killing {status.task_id}: it was given up and has returned")
        send_kill(turn, status.task_id, status.agent_id, given_up=True)


def _list(turn: Turn, status: TaskStatus) -> None:
    orphans = turn.world.state.orphans
    known = orphans.get(status.task_id)
    if known is not None:
        # Mesos answers the kill of a task out of reach by showing that again.
        if known.kill_requested and status.state in ALIVE:
            turn.actions.append(Kill(status.task_id, status.agent_id))
        if known.state != str(status.state):
            turn.put(Kind.ORPHAN, status.task_id, replace(known, state=str(status.state)))
        return
    if len(orphans) >= turn.policy.max_orphans:
        return
    orphan = Orphan(
        task_id=status.task_id,
        agent_id=status.agent_id,
        state=str(status.state),
        first_seen_ms=turn.now_ms,
        message=status.message[:1_000],
    )
    turn.put(Kind.ORPHAN, status.task_id, orphan)
    turn.remark(
        "warning",
        f"task {status.task_id} runs under our framework id and is in none of our records; "
        "it is left alone: see /v3/orphans to adopt or kill it",
    )


def kill_orphan(turn: Turn, command: KillOrphan) -> Reply:
    """An operator wants it gone."""
    orphan = turn.world.state.orphans.get(command.task_id)
    if orphan is None:
        return Refused(Why.ORPHAN_UNKNOWN, command.task_id)
    turn.put(Kind.ORPHAN, orphan.task_id, replace(orphan, kill_requested=True))
    turn.actions.append(Kill(orphan.task_id, orphan.agent_id))
    return Done()


def adopt_orphan(turn: Turn, command: AdoptOrphan) -> Reply:
    """An operator says that it is an instance of this app, at the app's present version."""
    orphan = turn.world.state.orphans.get(command.task_id)
    app = turn.world.state.apps.get(command.app_id)
    if orphan is None:
        return Refused(Why.ORPHAN_UNKNOWN, command.task_id)
    if app is None:
        return Refused(Why.APP_UNKNOWN, command.app_id)
    parsed = parse_task_id(orphan.task_id)
    if (
        parsed is None
        or not parsed[0].startswith(f"{safe_id(app.id)}.")
        or parsed[0] in turn.world.state.instances
    ):
        message = f"task {orphan.task_id} was not made for app {app.id}; kill it instead"
        return Refused(Why.INVALID, orphan.task_id, message, (("/appId", message),))
    condition = condition_of(TaskStatus(orphan.task_id, TaskState(orphan.state)))
    running = condition is Condition.RUNNING
    adopted = Instance(
        id=parsed[0],
        app_id=app.id,
        version=app.version,
        config=app.config,
        agent_id=orphan.agent_id,
        incarnation=parsed[1],
        condition=condition,
        since_ms=turn.now_ms,
        staged_at_ms=orphan.first_seen_ms,
        started_at_ms=turn.now_ms if running else 0,
        role=app.role,
    )
    if orphan.agent_id not in turn.world.state.agents:
        turn.put_agent(Agent(orphan.agent_id, hostname=orphan.agent_id))
    turn.put(Kind.ORPHAN, orphan.task_id, None)
    turn.put_instance(adopted)
    turn.look_at_agent(adopted.agent_id)
    # How it is doing now, its health too: nobody would say that again.
    turn.actions.append(Reconcile(((orphan.task_id, orphan.agent_id),)))
    if condition in STAGED:
        turn.world.deadlines.set(turn.now_ms, Due.LAUNCH_CHECK, adopted.task_id)
    if condition is Condition.UNREACHABLE:
        turn.world.deadlines.set(turn.now_ms, Due.UNREACHABLE, adopted.id)
    return Done(instances=(adopted,))
