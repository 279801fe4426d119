"""Crashes of the decisions: what was handled when a step raised, and what is set aside for it.

``begin`` is told of every event, and of every app, deadline, deployment and offer before it is
handled. Should that raise, the shell stores who was under way and the process ends. What has
crashed three times is set aside by the next process: not handled, alarmed, its app frozen; an
update is acknowledged and a command refused, once that is stored.
"""

from hashlib import blake2b
from typing import NamedTuple

from framework.core import freezes, reconciling
from framework.core.deadlines import Due
from framework.core.turn import Turn
from framework.core.world import Subject, World
from framework.domain.actions import Accept, Acknowledge, AcknowledgeOperation, Kill
from framework.domain.crashes import Crash
from framework.domain.events import (
    AdoptOrphan,
    Asked,
    CallNotSent,
    ChangeApps,
    Command,
    DrainAgent,
    ForgetCrash,
    FreezeApps,
    KillOrphan,
    KillTasks,
    LiftFreeze,
    OnlyIf,
    OperationStatusReceived,
    PaceReplacements,
    RemoveVolume,
    TaskStatusReceived,
    UndrainAgent,
)
from framework.domain.freezing import Freeze
from framework.domain.ids import parse_task_id
from framework.domain.records import replace
from framework.domain.replies import Done, Refused, Reply, Why
from framework.domain.state import Change, Kind
from framework.domain.volumes import instance_of_operation

LIMIT = 3
_WINDOW_MS = 3_600_000  # crashes further apart than this are counted from one again
_ALIKE = 5  # from so many on, all of an app's subjects of that kind are set aside
_KEPT = 200
_SUBJECT_CHARACTERS = 300


class _Identity(NamedTuple):
    """The same for the same event sent again, whatever of it is new each time. ``id`` empty:
    nothing that could be set aside."""

    kind: str
    subject: str = ""
    app_id: str = ""

    @property
    def id(self) -> str:
        if not self.subject:
            return ""
        text = f"{self.kind}\n{self.subject}"
        return blake2b(text.encode(), digest_size=8).hexdigest()


def begin(turn: Turn, subject: Subject) -> bool:
    """Note that this is handled from now on; False: it is set aside and must not be."""
    turn.world.subject = subject
    return not turn.world.crashes or not _set_aside(turn, subject)


def counted(world: World, error: str, now_ms: int) -> list[Change]:
    """One crash more of what was under way, as changes to be stored before the process ends."""
    identity = _identity(world, world.subject)
    crash_id = identity.id or f"{identity.kind.replace(' ', '-')}"
    known = world.state.crashes.get(crash_id)
    if known is None or now_ms - known.last_ms > _WINDOW_MS:
        known = Crash(crash_id, identity.kind, _shown(identity.subject), 0, now_ms, now_ms)
    crash = replace(
        known,
        crashes=known.crashes + 1,
        last_ms=now_ms,
        app_id=identity.app_id,
        error=error,
    )
    kept = [one for one in world.state.crashes.values() if one.id != crash_id]
    oldest = sorted(kept, key=lambda one: (bool(one.set_aside_ms), one.last_ms))
    dropped = oldest[: max(0, len(kept) - _KEPT + 1)]
    changes = [Change(Kind.CRASH, one.id, None) for one in dropped]
    return [*changes, Change(Kind.CRASH, crash_id, crash)]


def _shown(subject: str) -> str:
    return subject if len(subject) <= _SUBJECT_CHARACTERS else subject[:_SUBJECT_CHARACTERS] + "..."


def forget(turn: Turn, command: ForgetCrash) -> Reply:
    """Handle it again. What was missed is asked for anew: apps are looked at, and Mesos tells the
    state of every task."""
    crash = turn.world.state.crashes.get(command.crash_id)
    if crash is None:
        return Refused(Why.CRASH_UNKNOWN, command.crash_id)
    turn.put(Kind.CRASH, crash.id, None)
    freeze = turn.world.state.freezes.get(crash.app_id)
    if freeze is not None and freeze.crash == crash.id:
        _thaw(turn, freeze)
    elif turn.world.subscribed:
        reconciling.begin(turn)
    _catch_up(turn, crash)
    return Done()


def _thaw(turn: Turn, freeze: Freeze) -> None:
    """Unless the app has another crash that is set aside."""
    others = (
        one
        for one in turn.world.state.crashes.values()
        if one.set_aside_ms and one.app_id == freeze.app_id
    )
    other = next(others, None)
    if other is None:
        freezes.thaw(turn, [freeze.app_id])
    else:
        freezes.put(turn, freeze.app_id, freeze.reason, other.id)


def _catch_up(turn: Turn, crash: Crash) -> None:
    """What comes from ourselves and nobody would send again."""
    if crash.kind in _DUES:
        turn.world.deadlines.set(turn.now_ms, Due(crash.kind), crash.subject)
    elif crash.subject in turn.world.state.deployments:
        turn.advancing[crash.subject] = None
    elif crash.subject in turn.world.state.instances:
        turn.touched[crash.subject] = None


_DUES = frozenset(due.value for due in Due)


def _set_aside(turn: Turn, subject: Subject) -> bool:
    identity = _identity(turn.world, subject)
    crash = _crash_of(turn, identity)
    if crash is None:
        return False
    if not crash.set_aside_ms:
        crash = _alarm(turn, crash)
    _answer(turn, subject, crash)
    return True


def _crash_of(turn: Turn, identity: _Identity) -> Crash | None:
    """The crash for which this is set aside, if any. Of an app that is frozen for a crash each
    further one is enough; and after some of a kind, none of that kind is tried any more."""
    if not identity.id:
        return None
    crashes = turn.world.state.crashes
    crash = crashes.get(identity.id)
    freeze = turn.world.state.freezes.get(identity.app_id)
    limit = 1 if freeze is not None and freeze.crash else LIMIT
    if crash is not None and (crash.set_aside_ms or crash.crashes >= limit):
        return crash
    if not identity.app_id:
        return None
    alike = [
        one
        for one in crashes.values()
        if one.set_aside_ms and (one.kind, one.app_id) == (identity.kind, identity.app_id)
    ]
    return alike[0] if len(alike) >= _ALIKE else None


def _alarm(turn: Turn, crash: Crash) -> Crash:
    """Set it aside for good, and freeze its app."""
    crash = replace(crash, set_aside_ms=turn.now_ms)
    turn.put(Kind.CRASH, crash.id, crash)
    state, app_id = turn.world.state, crash.app_id
    frozen = ""
    if app_id in state.apps or app_id in state.instances_of:
        if app_id not in state.freezes:
            reason = f"the scheduler crashed {crash.crashes} times on {crash.kind} {crash.subject}"
            freezes.put(turn, app_id, reason, crash.id)
        frozen = f"; {app_id} is frozen"
    turn.remark(
        "error",
        f"set aside after {crash.crashes} crashes: {crash.kind} {crash.subject} ({crash.error})"
        f"{frozen}; see /v3/crashes, crash {crash.id}",
    )
    return crash


def _answer(turn: Turn, subject: Subject, crash: Crash) -> None:
    """Whoever waits for an answer gets one: Mesos would send an update again for ever."""
    match subject:
        case TaskStatusReceived():
            status = subject.status
            turn.world.reconciliation.pending.pop(status.task_id, None)
            if status.uuid:
                turn.actions.append(Acknowledge(status.task_id, status.agent_id, status.uuid))
        case OperationStatusReceived():
            told = subject.status
            if told.uuid:
                turn.actions.append(
                    AcknowledgeOperation(told.operation_id, told.agent_id, told.uuid)
                )
        case Asked():
            message = (
                f"The scheduler has crashed on this command {crash.crashes} times and does not "
                f"try it again: crash {crash.id} in /v3/crashes. DELETE it there to try once more."
            )
            refused = Refused(Why.SET_ASIDE, crash.id, message)
            turn.replies.append((subject.token, refused))


def _identity(world: World, subject: Subject) -> _Identity:
    match subject:
        case tuple():
            return _Identity(str(subject[0]), subject[1], _app_of(world, subject[1]))
        case TaskStatusReceived():
            status = subject.status
            name = f"{status.state.value} of {status.task_id}"
            return _Identity("status", name, _app_of(world, status.task_id))
        case OperationStatusReceived():
            told = subject.status
            app_id = _app_of(world, instance_of_operation(told.operation_id))
            return _Identity("operation", f"{told.state.value} of {told.operation_id}", app_id)
        case Asked():
            return _of_command(world, subject.command)
        case CallNotSent(action=Accept() as accept):
            tasks = [launch.task_id for launch in accept.launches]
            app_id = accept.launches[0].app.id if accept.launches else ""
            return _Identity("unsent launch", " ".join(tasks), app_id)
        case CallNotSent(action=Kill() as kill):
            return _Identity("unsent kill", kill.task_id, _app_of(world, kill.task_id))
        case None:
            return _Identity("a step")
    return _Identity(type(subject).__name__)  # it changes what we stand on: never set aside


def _of_command(world: World, command: Command) -> _Identity:
    if isinstance(command, OnlyIf):
        return _of_command(world, command.command)
    if isinstance(command, FreezeApps | LiftFreeze | ForgetCrash | PaceReplacements):
        return _Identity(type(command).__name__)  # the way out stays open
    named, app_id = _named(world, command)
    return _Identity("command", f"{type(command).__name__} {named}", app_id)


def _named(world: World, command: Command) -> tuple[str, str]:
    """What a command names, and the app it is about (the first of several)."""
    match command:
        case ChangeApps():
            apps = [*(put.app.id for put in command.puts), *command.removes]
            groups = [*(group.id for group in command.groups), *command.removed_groups]
            return " ".join([*apps, *groups]), apps[0] if len(apps) == 1 else ""
        case KillTasks():
            apps = sorted({_app_of(world, one) for one in command.instance_ids})
            return " ".join(command.instance_ids), apps[0] if apps else ""
        case AdoptOrphan() | KillOrphan():
            return command.task_id, getattr(command, "app_id", "")
        case RemoveVolume():
            return command.instance_id, _app_of(world, command.instance_id)
        case DrainAgent() | UndrainAgent():
            return command.agent, ""
    app_id = getattr(command, "app_id", "")
    return app_id or getattr(command, "deployment_id", ""), app_id


def _app_of(world: World, name: str) -> str:
    """The app that an app id, a demand's key, an instance, a task or a probe belongs to; empty if
    none is known."""
    if name.startswith("/"):
        return name.removesuffix("@")
    name = name.partition("/")[0]
    parsed = parse_task_id(name)
    instance = world.state.instances.get(parsed[0] if parsed else name)
    return "" if instance is None else instance.app_id
