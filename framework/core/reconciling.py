"""Reconciliation: asking Mesos what it knows of our tasks until each one has answered.

Implicitly first (all that Mesos knows, in one call), then explicitly in rounds for those that
have not answered: Mesos is silent about agents that have not come back yet. While answers still
come nobody is asked again, which would have Mesos say everything once more: with a million tasks
the answers of one call take more than a minute.
"""

from framework.core import operations
from framework.core.deadlines import Due
from framework.core.turn import Turn
from framework.domain.actions import Reconcile
from framework.domain.instance import WAITING
from framework.domain.records import replace
from framework.domain.rollout import Connection
from framework.domain.state import Kind

_FIRST_PAUSE_MS = 1_000
_LONGEST_PAUSE_MS = 60_000
_TASKS_A_CALL = 1_000
_MANY_ANSWERS = 1_000  # since the last look: more are on their way


def begin(turn: Turn) -> None:
    """Start over: every task that could live is to be heard of, the orphans that we list too."""
    reconciliation = turn.world.reconciliation
    state = turn.world.state
    reconciliation.pending = {
        instance.task_id: instance.agent_id
        for instance in state.instances.values()
        if instance.condition not in WAITING
    }
    reconciliation.pending.update((one.task_id, one.agent_id) for one in state.orphans.values())
    reconciliation.pause_ms = _FIRST_PAUSE_MS
    reconciliation.running = True
    _note_silence(turn)
    turn.actions.append(Reconcile())
    operations.reconcile(turn)
    _next_round(turn)
    turn.world.deadlines.reset(turn.now_ms + turn.policy.reconciliation_interval, Due.RECONCILE_ALL)
    finish_if_done(turn)


def round_due(turn: Turn) -> None:
    """Ask again for those that have not answered."""
    reconciliation = turn.world.reconciliation
    if not turn.world.subscribed or not reconciliation.running:
        return
    if _answers_come(turn):
        turn.world.deadlines.reset(turn.now_ms + _FIRST_PAUSE_MS, Due.RECONCILE_ROUND)
        return
    _forget_ended(turn)
    _note_silence(turn)
    tasks = list(reconciliation.pending.items())
    for start in range(0, len(tasks), _TASKS_A_CALL):
        turn.actions.append(Reconcile(tuple(tasks[start : start + _TASKS_A_CALL])))
    reconciliation.pause_ms = min(reconciliation.pause_ms * 2, _LONGEST_PAUSE_MS)
    _next_round(turn)


def _answers_come(turn: Turn) -> bool:
    """Whether to wait for more of them first: many have come since the last look, or so much
    waits to be handled that they may be among it; but not for ever, where none is."""
    reconciliation = turn.world.reconciliation
    if reconciliation.silent - len(reconciliation.pending) >= _MANY_ANSWERS:
        _note_silence(turn)
        return True
    return turn.context.behind and turn.now_ms - reconciliation.silent_since_ms < _LONGEST_PAUSE_MS


def _note_silence(turn: Turn) -> None:
    reconciliation = turn.world.reconciliation
    reconciliation.silent, reconciliation.silent_since_ms = len(reconciliation.pending), turn.now_ms


def finish_if_done(turn: Turn) -> None:
    """Once all have answered, what we show is what is: say so."""
    reconciliation = turn.world.reconciliation
    if not reconciliation.running or reconciliation.pending or not turn.world.subscribed:
        return
    reconciliation.running = False
    turn.world.deadlines.clear(Due.RECONCILE_ROUND)
    connection = turn.world.state.connection
    if not connection.synced:
        turn.put(Kind.CONNECTION, "connection", replace(connection, synced=True))


def _next_round(turn: Turn) -> None:
    at_ms = turn.now_ms + turn.world.reconciliation.pause_ms
    turn.world.deadlines.reset(at_ms, Due.RECONCILE_ROUND)


def _forget_ended(turn: Turn) -> None:
    """Drop tasks whose instance is gone or relaunched."""
    pending = turn.world.reconciliation.pending
    for task_id in list(pending):
        if task_id in turn.world.state.orphans:
            continue
        instance = turn.world.instance_of(task_id)
        if instance is None or instance.condition in WAITING:
            del pending[task_id]


def disconnected(turn: Turn, master: str = "") -> None:
    """What we show may be out of date from now on."""
    turn.world.reconciliation.running = False
    turn.put(Kind.CONNECTION, "connection", Connection(False, False, master, turn.now_ms))
