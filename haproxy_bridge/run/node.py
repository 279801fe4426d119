"""One run on a node, as cron starts it: ask, take one turn, and store what is remembered.

What is remembered is stored last, so that a run that dies leaves no more than work to be done
again.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from haproxy_bridge.exits import Exit
from haproxy_bridge.render import Renderer
from haproxy_bridge.rendered import Rendered
from haproxy_bridge.run import again, leftovers, state_file
from haproxy_bridge.run.clusters import Clusters
from haproxy_bridge.run.config_file import ConfigFile
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.outcome import Outcome
from haproxy_bridge.run.state_file import State
from haproxy_bridge.run.tls import Tls
from haproxy_bridge.run.turn import How, Render, Turn, remembered
from haproxy_bridge.services import Builder
from haproxy_bridge.snapshot import Snapshot
from haproxy_bridge.source import MAIN, Asking, Reader, resolving
from haproxy_bridge.swap import load, lock


def wall_ms() -> int:
    """Milliseconds of the wall clock, which run after run shares."""
    return time.time_ns() // 1_000_000


def renderer(options: NodeOptions, certificates: tuple[str, ...]) -> Render:
    """From a snapshot to what this node is to serve; what it was asked for before costs little.
    ``certificates``: what haproxy is to load of them."""
    builder = Builder(options.services, options.seed)
    known = Renderer(replace(options.render, certificates=certificates))
    return lambda snapshot: known.render(builder.build(snapshot))


class Node:
    """The bridge of one node. Each run reads and stores what is remembered, under the lock.
    ``answers``, ``rendered`` and ``state`` are those of the last run: what each cluster said, what
    haproxy was brought to (None if it does not serve what follows), and what is remembered.
    ``others``: clusters behind the main one, by name."""

    def __init__(
        self,
        reader: Reader,
        options: NodeOptions,
        now_ms: Callable[[], int] = wall_ms,
        others: Sequence[tuple[str, Reader]] = (),
    ) -> None:
        self.options = options
        self.answers: dict[str, Snapshot] = {}
        self.rendered: Rendered | None = None
        self.state = State()
        self._asking = Asking([(MAIN, reader), *others])
        self._resolvers = [reader.resolver, *(one.resolver for _, one in others)]
        self._now_ms = now_ms
        self._path = Path(options.state)
        self._tls = Tls(options)

    def run(self, *, force: bool = False, dry_run: bool = False) -> Outcome:
        """One run. ``force``: believe the answer whatever it takes away. ``dry_run``: only say
        what would be. What goes wrong is in the outcome; OSError for a fault of this machine."""
        try:
            self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            with lock.held(self._path.with_suffix(".lock"), self.options.lock_seconds):
                if not dry_run:
                    leftovers.swept(self.options)
                return self._run(How(force=force, dry_run=dry_run))
        except lock.LockedError as error:
            return Outcome(exit=Exit.LOCKED, why=str(error))

    def _run(self, how: How) -> Outcome:
        state, note = state_file.load(self._path)
        resolving.recall(self._resolvers, state.addresses)
        file = ConfigFile(Path(self.options.config))
        now_ms = self._now_ms()
        certificates = self._tls.looked_at(now_ms, write=not how.dry_run)
        clusters = Clusters(self.options.guard, self.options.spread)
        render = renderer(self.options, certificates)
        turn = Turn(self.options, state, file, clusters, render, now_ms, how)
        heard = self._asking.heard()
        self.answers = {one.name: one.answer for one in heard if one.answer and not one.why}
        outcome = turn.take(heard)
        self._tls.tried = state.tried
        told = self._tls.told(outcome)
        if not how.dry_run:
            told = self._tls.put_in(
                outcome, lambda: again.loaded(self.options, turn.state, load.load)
            )
        if note:
            told = replace(told, notes=(note, *told.notes))
        self.rendered = turn.rendered if told.is_live else None
        state = remembered(turn.state, told, now_ms)
        self.state = replace(
            state,
            certificates=self._tls.known,
            tried=self._tls.tried,
            addresses=resolving.found(self._resolvers),
        )
        if not how.dry_run:
            state_file.save(self._path, self.state)
        return told
