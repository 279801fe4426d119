"""The bridge of a node as the daemon has it: the same turns as a single run takes, but what is
known stays in memory, and the file and what is remembered follow a moment later.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace

from haproxy_bridge.exits import Exit
from haproxy_bridge.rendered import Rendered
from haproxy_bridge.run import again, leftovers, state_file
from haproxy_bridge.run.clusters import Clusters
from haproxy_bridge.run.config_file import ConfigFile
from haproxy_bridge.run.node import renderer, wall_ms
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.outcome import SETTLED, Outcome
from haproxy_bridge.run.reread import Files, Reread
from haproxy_bridge.run.state_file import State
from haproxy_bridge.run.tls import Tls
from haproxy_bridge.run.turn import How, Load, Turn, remembered
from haproxy_bridge.snapshot import Snapshot
from haproxy_bridge.source import MAIN, Asking, Heard, Kind, Reader, resolving
from haproxy_bridge.source.asking import PATIENCE_SECONDS
from haproxy_bridge.swap import load, lock


class Resident:
    """``turn`` is for one thread; ``write`` may be called by another. ``heard`` is what is known of
    each cluster. ``others``: those behind the main one, by name; ``late`` is called when one of
    them answered after it was waited for. ``reread``: the options as their files are now."""

    def __init__(
        self,
        reader: Reader,
        options: NodeOptions,
        now_ms: Callable[[], int] = wall_ms,
        load_it: Load = load.load,
        others: Sequence[tuple[str, Reader]] = (),
        late: Callable[[], None] = lambda: None,
        reread: Reread | None = None,
    ) -> None:
        self.state = State()
        self.heard: list[Heard] = []
        self.rendered: Rendered | None = None
        self.last = Outcome(exit=Exit.OK)
        self._reader = reader
        self._resolvers = [reader.resolver, *(one.resolver for _, one in others)]
        sources = [(MAIN, reader), *others]
        self._asking = Asking(sources, patience_seconds=PATIENCE_SECONDS, late=late)
        self._options = options
        self._files = Files(options, reread)
        self._now_ms = now_ms
        self._load_it = load_it
        self._path = Path(options.state)
        self._file = ConfigFile(Path(options.config), late=True)
        self._clusters = Clusters(options.guard, options.spread)
        self._tls = Tls(options)
        self._certificates = options.render.certificates
        self._render = renderer(options, self._certificates)
        self._saver = state_file.Saver(self._path)
        self._saved: State | None = None
        self._began = False
        self._saving = threading.Lock()

    @property
    def kind(self) -> Kind:
        """What answers as the main cluster."""
        return self._reader.kind

    @property
    def answer(self) -> Snapshot | None:
        """What the main cluster said last."""
        return self.heard[0].answer if self.heard else None

    @contextmanager
    def opened(self) -> Iterator[str]:
        """What is remembered is loaded, and nobody else takes turns for as long as the block
        lasts. A note if it begins anew. LockedError, OSError."""
        self._path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        with lock.held(self._path.with_suffix(".lock"), self._options.lock_seconds):
            leftovers.swept(self._options)
            self.state, note = state_file.load(self._path)
            self._tls.tried = self.state.tried
            resolving.recall(self._resolvers, self.state.addresses)
            yield note

    def turn(self, how: How) -> Outcome:
        """One turn. What goes wrong is in the outcome."""
        now_ms = self._now_ms()
        if how.everything:
            self._look_at_files(now_ms)
        outcome = self._tried(how, now_ms)
        if outcome.exit is Exit.REFUSED and self._files.step_back(outcome.why):
            self._render = renderer(self._files.now, self._certificates)
            outcome = self._tried(how, now_ms)
        elif outcome.exit in SETTLED:
            self._files.proven()
        outcome = self._files.told(outcome)
        if how.everything:
            outcome = self._tls.put_in(outcome, self._reload if how.may_reload else None)
        else:
            outcome = self._tls.told(outcome)
        state = remembered(self.state, outcome, now_ms)
        addresses = resolving.found(self._resolvers) if how.everything else state.addresses
        self.state = replace(
            state, certificates=self._tls.known, tried=self._tls.tried, addresses=addresses
        )
        self.last = replace(outcome, before=b"", after=b"")
        return outcome

    def _look_at_files(self, now_ms: int) -> None:
        """Those of the operator, and certificates."""
        changed = self._files.look()
        found = self._tls.looked_at(now_ms, write=True)
        if changed or found != self._certificates:
            self._certificates = found
            self._render = renderer(self._files.now, found)

    def _reload(self) -> str:
        """Have haproxy load its file as it is; why it did not."""
        self._file.write()
        return again.loaded(self._options, self.state, self._load_it)

    def _tried(self, how: How, now_ms: int) -> Outcome:
        try:
            return self._taken(how, now_ms)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            return Outcome(exit=Exit.INTERNAL, why=f"{where}{error.strerror or error}")

    def _taken(self, how: How, now_ms: int) -> Outcome:
        self.heard = self._asking.heard()
        settled = self.last.exit in SETTLED and not (self.last.postponed or self.last.kept)
        unchanged = self._began and not any(one.fresh for one in self.heard)
        if unchanged and settled and not how.everything:
            return _still(self.last)
        self._began = True
        turn = Turn(
            self._files.now,
            self.state,
            self._file,
            self._clusters,
            self._render,
            now_ms,
            how,
            self._load_it,
        )
        outcome = turn.take(self.heard)
        self.state = turn.state
        self.rendered = turn.rendered or self.rendered
        return outcome

    def write(self, *, memory: bool = True) -> None:
        """Write the file if it is behind, and with ``memory`` what is remembered. OSError, and
        then it is still owed."""
        with self._saving:
            self._file.write()
            state = self.state
            if memory and state is not self._saved:
                self._saver.save(state)
                self._saved = state


def _still(last: Outcome) -> Outcome:
    """The same as after the last turn, and nothing was done."""
    return Outcome(
        exit=last.exit, problems=last.problems, services=last.services, servers=last.servers
    )
