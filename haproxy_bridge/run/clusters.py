"""What several clusters say, as one: each is judged and remembered for itself.

A cluster that does not answer, or is not believed yet, keeps the servers that it had last, and the
others go on. One that never answered since this node remembers anything may have served before:
nothing changes without it until that was so for as long as any answer is held.
"""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from haproxy_bridge.exits import Exit
from haproxy_bridge.guard import GuardOptions, Judge, Memory, Spread, Together, found, losses
from haproxy_bridge.guard.found import Found
from haproxy_bridge.run.state_file import State
from haproxy_bridge.snapshot import Snapshot
from haproxy_bridge.source import MAIN, Heard

_NOTHING = Snapshot(())


class Believed(Struct, frozen=True):
    """``snapshot``: what is to be served, None if all is to stay; ``exit`` and ``why`` say it then.
    ``memories``: of each cluster, for the next run; ``kept``: of which the last servers stay."""

    snapshot: Snapshot | None
    memories: dict[str, Memory]
    kept: dict[str, str] = {}
    exit: Exit = Exit.OK

    @property
    def why(self) -> str:
        """Why all is to stay, or some."""
        if set(self.kept) <= {MAIN}:
            return self.kept.get(MAIN, "")
        return "; ".join(f"cluster {name}: {why}" for name, why in self.kept.items())

    def remembered_in(self, state: State) -> State:
        """The state with these memories."""
        others = {name: one for name, one in self.memories.items() if name != MAIN}
        return replace(state, memory=self.memories[MAIN], others=others)


class _Part(Struct, frozen=True):
    """``snapshot``: what serves of a cluster, with ``why`` if that is what served before; None and
    ``exit`` if nothing may change without it."""

    snapshot: Snapshot | None
    memory: Memory
    why: str = ""
    exit: Exit = Exit.OK


def _known(heard: Heard, before: dict[str, Memory], there: Found) -> Memory:
    memory = before.get(heard.name, Memory())
    if memory.rotation is not None or heard.answer is None or heard.why:
        return memory
    return found.remembered(heard.answer, there)


class Clusters:
    """Judges all of them again and again."""

    def __init__(self, options: GuardOptions, spread: Spread = Spread.FALLBACK) -> None:
        self._options = options
        self._judges: dict[str, Judge] = {}
        self._together = Together(spread)

    def believed(
        self,
        heard: Sequence[Heard],
        state: State,
        now_ms: int,
        *,
        force: bool = False,
        there: Found = frozenset(),
    ) -> Believed:
        """What follows from what was heard, the main cluster's first. ``there``: the servers in
        the configuration that lies there, where nobody remembers how they came about."""
        if len(heard) == 1 and heard[0].why:
            return Believed(None, {MAIN: state.memory}, {MAIN: heard[0].why}, Exit.UNREACHABLE)
        before = {MAIN: state.memory, **state.others}
        parts = {
            one.name: self._part(one, _known(one, before, there), now_ms, force=force)
            for one in heard
        }
        memories = {name: part.memory for name, part in parts.items()}
        kept = {name: part.why for name, part in parts.items() if part.why}
        stays = next((one.exit for one in parts.values() if one.snapshot is None), None)
        if stays is None and len(kept) == len(parts):
            stays = next(one.exit for one in parts.values())
        if stays is not None:
            return Believed(None, memories, kept, stays)
        serving = [one.snapshot for one in parts.values() if one.snapshot is not None]
        return Believed(self._together.of(serving), memories, kept)

    def _part(self, heard: Heard, memory: Memory, now_ms: int, *, force: bool) -> _Part:
        if heard.answer is None or heard.why:
            return self._unheard(heard.why, memory, now_ms, force=force)
        judge = self._judges.setdefault(heard.name, Judge(self._options))
        judged = judge.judge(heard.answer, memory, now_ms, force=force)
        if judged.snapshot is None:
            return _Part(memory.rotation, judged.memory, judged.why, Exit.HELD)
        return _Part(judged.snapshot, judged.memory)

    def _unheard(self, why: str, memory: Memory, now_ms: int, *, force: bool) -> _Part:
        if memory.rotation is not None:
            return _Part(memory.rotation, memory, why, Exit.UNREACHABLE)
        held = losses.held_again(why, losses.signature_of(_NOTHING), memory.held, now_ms)
        over = force or losses.is_over(held, self._options, now_ms)
        waits = why if over else f"{why} (nothing changes before it has answered once; or --force)"
        memory = replace(memory, held=held)
        return _Part(_NOTHING if over else None, memory, waits, Exit.UNREACHABLE)
