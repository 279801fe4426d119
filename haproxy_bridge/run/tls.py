"""The node's certificates in a run: looked at before it, put into haproxy after it, and told.

They are the node's own, so they do not wait for a scheduler that does not answer.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from haproxy_bridge.certificates import live
from haproxy_bridge.certificates.live import Live
from haproxy_bridge.certificates.shelf import Kept, Shelf
from haproxy_bridge.rendered import Problem, Trouble
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.outcome import SETTLED, Outcome
from haproxy_bridge.run.state_file import Certificate
from haproxy_bridge.runtime.socket import SocketError

FOLDER = "stayer-certificates"
SOON_MS = 14 * 86_400_000
"""Before its end a certificate is a problem that is told."""


_NOT_BY_RELOAD = "nor does haproxy load it anew"
Reload = Callable[[], str]
"""Has haproxy load its file again; why it did not, "" if it did."""


class Tls:
    """Those of one node. ``known`` is what was last found; ``tried`` as the state has it."""

    def __init__(self, options: NodeOptions) -> None:
        render = options.render
        self.known: tuple[Certificate, ...] = ()
        self.tried: tuple[str, ...] = ()
        self._asked = render.certificates
        self._socket = Path(render.socket)
        folder = Path(options.config).absolute().with_name(FOLDER)
        named = render.certificates if render.https_bind else ()
        sources = [str(folder.parent / path) for path in named]  # as haproxy takes relative ones
        self._shelf = Shelf(folder, sources, options.seed or "localhost")
        self._kept: tuple[Kept, ...] = ()
        self._now_ms = 0

    def looked_at(self, now_ms: int, *, write: bool) -> tuple[str, ...]:
        """What haproxy is to load: the folder of copies; nothing where there is none, unless
        nothing may be written."""
        self._now_ms = now_ms
        try:
            self._kept = self._shelf.sync(now_ms, write=write)
        except OSError as error:
            folder = self._shelf.folder
            self._kept = (Kept(folder, folder, None, error.strerror or str(error)),)
        there = any(one.found for one in self._kept)
        self._tell(now_ms, Live())
        if there:
            return (self._shelf.folder,)
        return () if write else self._asked

    def put_in(self, outcome: Outcome, reload: Reload | None = None) -> Outcome:
        """Bring a haproxy that runs to what was found; the outcome of the run with that. What its
        socket does not take comes by ``reload``, once; None if that has to wait."""
        try:
            done = self._brought()
            due = [path for path, one in done.stuck.items() if one not in self.tried]
            if due and reload is not None:
                outcome, done = self._reloaded(due, done, reload, outcome)
        except SocketError:
            return self.told(outcome)
        self._tell(self._now_ms, done)
        outcome = self.told(outcome)
        if due and reload is None:
            outcome = replace(outcome, postponed=True)
        if not done.done:
            return outcome
        changed = outcome.changed or outcome.exit in SETTLED
        return replace(outcome, certificates=done.done, changed=changed)

    def _brought(self) -> Live:
        wanted = {one.path: one.found for one in self._kept if one.found}
        done = live.brought(self._socket, self._shelf.folder, wanted)
        stuck = frozenset(done.stuck.values())
        self.tried = tuple(one for one in self.tried if one in stuck)
        return done

    def _reloaded(
        self, due: Sequence[str], done: Live, reload: Reload, outcome: Outcome
    ) -> tuple[Outcome, Live]:
        """The same after a reload. SocketError."""
        self.tried = tuple(done.stuck.values())
        why_not = reload()
        if why_not:
            return replace(outcome, notes=(*outcome.notes, why_not)), done
        names = {one.path: one.source for one in self._kept}
        notes = [
            f"haproxy is reloaded for {names.get(path, path)}: {done.problems[path]}"
            for path in due
        ]
        after = self._brought()
        count = done.done + sum(path not in after.stuck for path in due)
        outcome = replace(outcome, reloaded=True, notes=(*outcome.notes, *notes))
        return outcome, replace(after, done=count + after.done)

    def told(self, outcome: Outcome) -> Outcome:
        """The outcome with what is wrong with certificates among its problems."""
        if outcome.exit not in SETTLED:
            return outcome
        others = [one for one in outcome.problems if one.trouble is not Trouble.CERTIFICATE]
        own = [
            Problem(Trouble.CERTIFICATE, one.file, one.problem) for one in self.known if one.problem
        ]
        if not own and len(others) == len(outcome.problems):
            return outcome
        return replace(outcome, problems=(*others, *own))

    def _tell(self, now_ms: int, done: Live) -> None:
        self.known = tuple(sorted(self._certificates(now_ms, done), key=lambda one: one.file))

    def _certificates(self, now_ms: int, done: Live) -> Iterator[Certificate]:
        for one in self._kept:
            ends = one.found.ends_ms if one.found else 0
            reasons = (one.problem, self._why(one.path, done), _near_end(ends, now_ms))
            yield Certificate(one.source, ends, _joined(reasons))
        for path, found in done.others.items():
            ends = found.ends_ms if found else 0
            why = _joined((self._why(path, done), _near_end(ends, now_ms)))
            yield Certificate(path, ends, why)

    def _why(self, path: str, done: Live) -> str:
        why = done.problems.get(path, "")
        tried = done.stuck.get(path) in self.tried
        return f"{why}; {_NOT_BY_RELOAD}" if why and tried else why


def _near_end(ends_ms: int, now_ms: int) -> str:
    if not ends_ms or ends_ms - now_ms > SOON_MS:
        return ""
    day = datetime.fromtimestamp(ends_ms / 1000, UTC).date().isoformat()
    return f"it {'ended' if ends_ms <= now_ms else 'ends'} on {day}"


def _joined(reasons: Iterable[str]) -> str:
    return "; ".join(reason for reason in reasons if reason)
