"""Asking several clusters at once, so that one which is slow or down keeps no other waiting.

Each is asked by a thread of its own for as long as one question takes. Whoever was late the last
time is not waited for; its answer counts when it comes. A single cluster is asked in place.
"""

import threading
import time
from collections.abc import Callable, Sequence

from msgspec import Struct

from api.client import Client, ClientError
from haproxy_bridge.snapshot import Snapshot
from haproxy_bridge.source.reading import Reader, Unchanged

MAIN = "main"
"""The cluster of the URLs that are arguments."""
PATIENCE_SECONDS = 1.0


class Source(Struct, frozen=True):
    """One cluster: its name here, and how it is reached."""

    name: str
    reader: Reader
    client: Client


class Heard(Struct, frozen=True):
    """``answer``: what a cluster said last, None if it never did. ``why``: why nothing can be heard
    of it now, "" if something can. ``fresh``: this is not what was heard the last time."""

    name: str
    answer: Snapshot | None
    why: str = ""
    fresh: bool = True


class Asking:
    """Asks again and again. ``patience_seconds``: how long all are waited for, None for as long as
    it takes. ``late`` is called when one answered that was not waited for."""

    def __init__(
        self,
        sources: Sequence[tuple[str, Reader]],
        *,
        patience_seconds: float | None = None,
        late: Callable[[], None] = lambda: None,
    ) -> None:
        self._asked = [_Asked(name, reader, late) for name, reader in sources]
        self._patience_seconds = patience_seconds

    def heard(self) -> list[Heard]:
        """What is known of each now, in their order."""
        if len(self._asked) == 1:
            self._asked[0].ask()
            return [self._asked[0].told()]
        begun = [one for one in self._asked if one.begin()]
        deadline = None
        if self._patience_seconds is not None:
            deadline = time.monotonic() + self._patience_seconds
        for one in begun:
            one.wait(deadline)
        return [one.told() for one in self._asked]


class _Asked:
    """One of them. ``_punctual``: it is waited for; ``_owed``: it answered when nobody waited, and
    that was not told yet."""

    def __init__(self, name: str, reader: Reader, late: Callable[[], None]) -> None:
        self._name = name
        self._reader = reader
        self._late = late
        self._answer: Snapshot | None = None
        self._why = ""
        self._fresh = self._owed = self._waiting = False
        self._punctual = True
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ended.set()

    def begin(self) -> bool:
        """Ask, unless a question is open or its answer was not told yet; whether to wait."""
        with self._lock:
            if not self._ended.is_set() or self._owed:
                return False
            self._ended.clear()
            self._waiting = self._punctual
        threading.Thread(target=self._run, name=f"ask {self._name}", daemon=True).start()
        return self._punctual

    def wait(self, deadline: float | None) -> None:
        """Until it answered, or the time is over (of ``time.monotonic``)."""
        self._ended.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        with self._lock:
            self._punctual = self._ended.is_set()
            self._waiting = False

    def _run(self) -> None:
        try:
            self.ask()
        except Exception as error:  # noqa: BLE001 - one cluster's trouble is no other's
            self._know(self._answer, f"a bug: {error!r}")
        with self._lock:
            self._owed = late = not self._waiting
            self._ended.set()
        if late:
            self._late()

    def ask(self) -> None:
        """Ask, and take the answer."""
        tag = "" if self._answer is None else self._answer.tag
        try:
            read = self._reader.read(tag)
        except ClientError as error:
            self._know(self._answer, str(error))
        else:
            self._know(self._answer if isinstance(read, Unchanged) else read, "")

    def _know(self, answer: Snapshot | None, why: str) -> None:
        with self._lock:
            self._fresh = self._fresh or answer is not self._answer or why != self._why
            self._answer, self._why = answer, why

    def told(self) -> Heard:
        """What is known now; once it was told it is not fresh any more."""
        with self._lock:
            if self._owed and not self._why:
                self._punctual = True
            why = self._why or ("" if self._answer is not None else "it has not answered yet")
            found = Heard(self._name, self._answer, why, self._fresh)
            self._fresh = self._owed = False
            return found
