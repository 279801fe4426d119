"""What is frozen: of which apps nothing may be launched or killed by our own decision.

Statuses, probes and commands are taken as ever, so that records stay true; only what would start
or end a task waits (``freezes`` says how a freeze begins and ends).
"""

from framework.core.turn import Turn
from framework.domain.freezing import EVERYTHING, Freeze
from framework.domain.ids import parse_task_id, safe_id

_SAFE_MODE = Freeze("", "this process runs in safe mode", 0)


def over(turn: Turn, app_id: str) -> Freeze | None:
    """The freeze that an app is under: that of everything, else its own."""
    if turn.context.policy.safe_mode:
        return _SAFE_MODE
    freezes = turn.world.freezes
    return freezes.get(EVERYTHING) or freezes.get(app_id)


def anything(turn: Turn) -> bool:
    """Whether anything is frozen at all."""
    return bool(turn.world.freezes) or turn.context.policy.safe_mode


def frozen(turn: Turn, app_id: str) -> bool:
    """Whether nothing of the app may be launched or killed."""
    return anything(turn) and over(turn, app_id) is not None


def over_task(turn: Turn, task_id: str) -> Freeze | None:
    """The freeze that a task is under, whether or not we have a record of it."""
    parsed = parse_task_id(task_id)
    instance = None if parsed is None else turn.world.state.instances.get(parsed[0])
    if instance is not None:
        return over(turn, instance.app_id)
    whole = over(turn, "")
    if whole is not None:
        return whole
    freezes = turn.world.state.freezes.values()
    return next((one for one in freezes if task_id.startswith(f"{safe_id(one.app_id)}.")), None)
