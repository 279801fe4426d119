"""One answer of the scheduler, judged: what serves from now on, or why nothing changes."""

from msgspec import Struct

from haproxy_bridge.guard import losses, rotation
from haproxy_bridge.guard.memory import GuardOptions, Memory
from haproxy_bridge.snapshot import Snapshot


class Judged(Struct, frozen=True):
    """``snapshot``: the tasks that serve (and drain), to be rendered; None if the last good
    configuration is to stay, and ``why`` then. ``memory`` is for the next run: it is to be stored
    as it is if nothing changes, and once the configuration is in place if it does."""

    snapshot: Snapshot | None
    memory: Memory
    why: str = ""


def judge(
    new: Snapshot, memory: Memory, options: GuardOptions, now_ms: int, *, force: bool = False
) -> Judged:
    """``force`` believes the answer whatever it takes away. Times are milliseconds of the wall
    clock; a clock that goes back begins a hold anew."""
    return Judge(options).judge(new, memory, now_ms, force=force)


class Judge:
    """Judges again and again, at the cost of what changed."""

    def __init__(self, options: GuardOptions) -> None:
        self._options = options
        self._rotation = rotation.Rotation(options)

    def judge(self, new: Snapshot, memory: Memory, now_ms: int, *, force: bool = False) -> Judged:
        """As the function of this name."""
        stale = losses.stale(new, memory)
        if stale and not force:
            return Judged(None, memory, stale)
        whole = rotation.merged(new, memory)
        serving, verdicts = self._rotation.decide(whole, memory, now_ms)
        believed = Memory(serving, verdicts)
        why = "" if force else losses.suspicious(serving, memory, self._options)
        if not why:
            return Judged(serving, believed)
        held = losses.held_again(why, losses.signature_of(new), memory.held, now_ms)
        if losses.is_over(held, self._options, now_ms):
            return Judged(serving, believed)
        return Judged(None, Memory(memory.rotation, memory.verdicts, held), why)
