"""Whose framework the state belongs to: what must stop us before anything is touched.

Tasks run under a framework id. Under another one Mesos knows none of them, and each instance
would seem lost and be started a second time. So a state and an id that do not belong together end
the process, and the texts say what an operator can do.
"""

from framework.domain.actions import Halt
from framework.domain.exits import ExitCode
from framework.domain.records import replace
from framework.domain.rollout import Framework
from framework.domain.state import Change, Kind, State
from framework.domain.volumes import OperationKind, ReservationState

_EARLIER_IDS = 100  # so many are remembered
_MISSING = (
    "the state holds {count} instances but no framework id, so Mesos can not tell us of their"
    " tasks; nothing was changed. Restore a backup that has both (stayer state restore), or give"
    " Stayer the store that belongs to these tasks"
)
_ANOTHER = (
    "Mesos registered us as {told}, the state belongs to {known}: nothing was changed. Give Stayer"
    " the store that belongs to this framework, or the Mesos master that knows it"
)
_DISPLACED = "another scheduler took over this framework ({message}); stopping"
_REMOVED = (
    "Mesos has removed this framework ({message}) and ended its tasks: its failover_timeout passed"
    " while we were away, or somebody tore it down. The state is kept, and each start with it ends"
    " here. To start the same apps again under a new id: stayer state forget-framework {id}"
)


def missing(state: State) -> Halt | None:
    """Why to stop: instances were launched, but under which framework id is not known."""
    framework = state.framework
    if not state.instances or (framework is not None and framework.framework_id):
        return None
    return Halt(ExitCode.FRAMEWORK_ID_MISMATCH, _MISSING.format(count=len(state.instances)))


def differs(state: State, told: str) -> Halt | None:
    """Why to stop: Mesos registered us as ``told``, which is not the state's framework."""
    framework = state.framework
    if framework is None or framework.framework_id in {"", told}:
        return missing(state)
    text = _ANOTHER.format(told=told, known=framework.framework_id)
    return Halt(ExitCode.FRAMEWORK_ID_MISMATCH, text)


def is_removed(message: str) -> bool:
    """Whether Mesos says that the framework is dead, not only that something is wrong."""
    lower = message.lower()
    return "removed" in lower or "completed" in lower


def refused(state: State, message: str) -> Halt:
    """What Mesos' refusal of the framework means to us."""
    if "failed over" in message.lower():
        return Halt(ExitCode.LEADERSHIP_LOST, _DISPLACED.format(message=message))
    if is_removed(message):
        framework_id = "" if state.framework is None else state.framework.framework_id
        text = _REMOVED.format(message=message, id=framework_id)
        return Halt(ExitCode.FRAMEWORK_REMOVED, text)
    return Halt(ExitCode.MESOS_ERROR, f"Mesos refuses this framework: {message}")


def removed(framework: Framework) -> Framework:
    """Its record once Mesos has forgotten it: the next subscription makes a new one."""
    earlier = (*framework.earlier_ids, framework.framework_id)[-_EARLIER_IDS:]
    return replace(framework, framework_id="", earlier_ids=earlier)


def is_ours(state: State, framework_id: str) -> bool:
    """Whether reservations with this label were made by us, under whatever id."""
    known = state.framework
    return known is not None and framework_id in {known.framework_id, *known.earlier_ids} - {""}


def unanswered(state: State) -> list[str]:
    """Reservations that the removed framework was just making or giving back: nobody will ever
    say whether that came about. Those that are there all the same are found in offers, as orphans,
    and wait for an operator; the others would be waited for in vain."""
    return [
        one.instance_id
        for one in state.reservations.values()
        if any(
            each.kind in (OperationKind.RESERVE, OperationKind.UNRESERVE) for each in one.pending
        )
        or one.state is ReservationState.RESERVING
    ]


def forgotten(state: State) -> list[Change]:
    """What makes a state start anew in Mesos: everything about tasks goes, the framework id with
    it; apps, their histories and deployments stay. Only right when Mesos runs none of the tasks
    any more, or it will run them twice."""
    framework = state.framework
    gone = [
        Change(kind, key, None)
        for kind in (Kind.INSTANCE, Kind.AGENT, Kind.TOMBSTONE, Kind.ORPHAN)
        for key in state.tables[kind]
    ]
    gone += [Change(Kind.RESERVATION, key, None) for key in unanswered(state)]
    if framework is not None:
        gone.append(Change(Kind.FRAMEWORK, "framework", removed(framework)))
    return gone
