"""What ``/v3/services`` says of each app, and in which order that changed.

An edge that names what it has already is told only what is otherwise since. Each service is kept as
it was told last, and is rendered again only after something changed that it shows; what was told of
the whole has a checksum, so that whoever puts it together from pieces can tell that nothing is
missing. What is kept is bounded: beyond that, nothing is remembered and all is told every time.
"""

import secrets
import threading
from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from itertools import compress, takewhile
from operator import ne
from typing import NamedTuple

import msgspec

from api.render.json import encode
from api.render.services import service
from framework.domain.app import App
from framework.domain.state import Kind, State

LIMIT_BYTES = 256 * 1024 * 1024
MAX_GONE = 10_000
"""Apps that are remembered as gone; who knows of older times is told all."""
_OVERHEAD_BYTES = 500  # of what is kept beside a text
_DIGEST_BYTES = 8
_BESIDE = (Kind.AGENT, Kind.DEPLOYMENT, Kind.DEPLOYMENT_PART, Kind.SHARES)


class Told(NamedTuple):
    """``services`` of all apps by id, or only those that are otherwise ``since`` what was asked
    with, and then the ids of those that are ``gone``. ``version`` and ``digest`` are those of the
    whole; "" if nothing is remembered."""

    services: list[msgspec.Raw]
    version: str = ""
    digest: str = ""
    since: str = ""
    gone: tuple[str, ...] = ()


class _Row(NamedTuple):
    """``version``: since when it reads so."""

    text: msgspec.Raw
    digest: int
    version: int
    size_bytes: int


class _Share(NamedTuple):
    """What an app shows beside its own records and its agents."""

    deploying: bool = False
    of_name: float | None = None
    of_new: float | None = None


_ALONE = _Share()


class ServiceLog:
    """For any number of threads, and one view."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES, max_gone: int = MAX_GONE) -> None:
        self._limit_bytes = limit_bytes
        self._max_gone = max_gone
        self._lock = threading.Lock()
        self._own = secrets.token_hex(4)  # versions of another process mean nothing here
        self._forget()

    def _forget(self) -> None:
        self._rows: dict[str, _Row] = {}  # the latest change last
        self._gone: dict[str, int] = {}
        self._version = 0
        self._oldest = 0
        self._digest = 0
        self._size_bytes = 0
        self._revisions: dict[str, int] = {}
        self._beside: tuple[int, ...] = ()
        self._places: dict[str, tuple[str, str | None]] = {}
        self._shares: dict[str, _Share] = {}

    def told(self, view: State, epoch: int, since: str = "") -> Told:
        """What is so now, of the leader of this ``epoch``. ``since``: the version of an earlier
        answer; all is told if it is none, or too old."""
        with self._lock:
            self._look(view)
            if self._size_bytes > self._limit_bytes:
                services = self._all()
                self._forget()
                self._own = secrets.token_hex(4)
                return Told(services)
            lead = f"{epoch}.{self._own}/"
            version, digest = f"{lead}{self._version}", f"{self._digest:0{2 * _DIGEST_BYTES}x}"
            known = self._known(since, lead)
            if known is None:
                return Told(self._all(), version, digest)
            rows, gone = reversed(self._rows.values()), reversed(self._gone.items())
            changed = [one.text for one in takewhile(lambda row: row.version > known, rows)]
            left = [app_id for app_id, _ in takewhile(lambda one: one[1] > known, gone)]
            return Told(changed, version, digest, since, tuple(left))

    def _all(self) -> list[msgspec.Raw]:
        return [self._rows[app_id].text for app_id in sorted(self._rows)]

    def _known(self, since: str, lead: str) -> int | None:
        """The number in a version of ours that all changes since are known of."""
        number = since.removeprefix(lead)
        if number == since or not (number.isascii() and number.isdecimal() and len(number) < 20):
            return None
        return int(number) if self._oldest <= int(number) <= self._version else None

    # What changed

    def _look(self, view: State) -> None:
        """Render what may read otherwise now. Numbers of changes are read before the records: what
        changes meanwhile is looked at again the next time."""
        beside = tuple([view.kind_revisions.get(kind, 0) for kind in _BESIDE])
        revisions = view.app_revisions.copy()
        doubtful = _different(self._revisions, revisions)
        if beside != self._beside:
            doubtful |= self._moved(view) | self._shared(view)
        self._revisions, self._beside = revisions, beside
        version = self._version + 1
        for app_id in doubtful:
            self._take(app_id, view.apps.get(app_id), view, version)
        while len(self._gone) > self._max_gone:
            self._oldest = self._gone.pop(next(iter(self._gone)))

    def _moved(self, view: State) -> set[str]:
        """Apps with instances on agents that are elsewhere now."""
        before = self._places
        self._places = {one.id: (one.hostname, one.address) for one in list(view.agents.values())}
        moved = {
            agent_id
            for agent_id in before.keys() | self._places.keys()
            if before.get(agent_id) != self._places.get(agent_id)
        }
        if not moved:
            return set()
        return {one.app_id for one in list(view.instances.values()) if one.agent_id in moved}

    def _shared(self, view: State) -> set[str]:
        """Apps with other deployments, or another part of the traffic."""
        before = self._shares
        self._shares = _shares(view)
        return {
            app_id
            for app_id in before.keys() | self._shares.keys()
            if before.get(app_id) != self._shares.get(app_id)
        }

    def _take(self, app_id: str, app: App | None, view: State, version: int) -> None:
        """What is told of an app from now on; None: nothing."""
        row = self._rows.get(app_id)
        new = None if app is None else self._rendered(app, view, version)
        if (row and row.text) == (new and new.text):
            return
        self._version = version
        self._gone.pop(app_id, None)
        if row is not None:
            del self._rows[app_id]
            self._digest ^= row.digest
            self._size_bytes -= row.size_bytes
        if new is None:
            self._gone[app_id] = version
        else:
            self._rows[app_id] = new
            self._digest ^= new.digest
            self._size_bytes += new.size_bytes

    def _rendered(self, app: App, view: State, version: int) -> _Row:
        share = self._shares.get(app.id, _ALONE)
        told = service(app, view, share.of_name, share.of_new, deploying=share.deploying)
        text = encode(told)
        digest = int.from_bytes(blake2b(text, digest_size=_DIGEST_BYTES).digest(), "big")
        return _Row(msgspec.Raw(text), digest, version, len(text) + _OVERHEAD_BYTES)


def _different(before: Mapping[str, int], after: Mapping[str, int]) -> set[str]:
    """The keys of what came, went or changed. Most stand where they stood."""
    if list(before) == list(after):
        return set(compress(after, map(ne, before.values(), after.values())))
    return {key for key, _ in before.items() ^ after.items()}


def _shares(view: State) -> dict[str, _Share]:
    """Of apps that are not alone: those that a deployment holds, or that share a name."""
    # An app that several names divide by has the share of the last one.
    records = sorted(view.shares.values(), key=lambda one: one.since_ms)
    by_name = {app_id: share for one in records for app_id, share in one.shares.items()}
    found = {app_id: _Share(of_name=share) for app_id, share in by_name.items()}
    of_new: dict[str, float] = {}
    held: Counter[str] = Counter()
    for deployment in list(view.deployments.values()):
        affected = view.plan(deployment).affected
        held.update(affected)
        if deployment.share is not None:
            for app_id in affected:
                of_new.setdefault(app_id, deployment.share)
    for app_id in held:
        found[app_id] = _Share(True, by_name.get(app_id), of_new.get(app_id))
    return found
