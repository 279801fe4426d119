"""Where a host name leads: asked in threads of our own, remembered for a while.

An agent's host name often means nothing to the scheduler (`agent1.local`), and a name server that
does not answer holds its caller for many seconds. So few threads ask, each name once at a time, a
look waits only briefly, and that a name leads nowhere is remembered too. What is remembered but
old is used at once and asked anew beside it: only the first look at a name ever waits.
"""

import asyncio
import ipaddress
import queue
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

Lookup = Callable[[str, bool], str | None]
Name = tuple[str, bool]  # host name, IPv6

_THREADS = 4
_MAX_PENDING = 1_000
_MAX_KNOWN = 20_000
_NEGATIVE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Known:
    address: str | None
    fresh_until: float
    usable_until: float


def system_lookup(host: str, ipv6: bool) -> str | None:
    """The first address of the host as this machine resolves it; waits for as long as it takes."""
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    try:
        found = socket.getaddrinfo(host, None, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # UnicodeError: a label that is empty or too long
        return None
    return str(found[0][4][0]) if found else None


@lru_cache(maxsize=_MAX_KNOWN)
def ip_version(host: str) -> int | None:
    """4 or 6 if the host is an IP address, None if it is a name."""
    try:
        return ipaddress.ip_address(host).version
    except ValueError:
        return None


class Addresses:
    """Used in the thread of ``loop`` only."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, cache_seconds: float, lookup: Lookup
    ) -> None:
        self._loop = loop
        self._cache_seconds = cache_seconds
        self._lookup = lookup
        self._known: dict[Name, _Known] = {}
        self._pending: dict[Name, asyncio.Future[str | None]] = {}
        self._questions: queue.SimpleQueue[Name | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    async def find(self, host: str, *, ipv6: bool, patience_seconds: float) -> str | None:
        """The address of a host of that IP version; None if there is none or none in time."""
        version = ip_version(host)
        if version is not None:
            return host if version == (6 if ipv6 else 4) else None
        name = (host, ipv6)
        known, now = self._known.get(name), self._loop.time()
        if known is not None and now < known.usable_until:
            if now >= known.fresh_until:
                self._ask(name)
            return known.address
        asked = self._ask(name)
        if asked is None:
            return None
        done, _ = await asyncio.wait((asked,), timeout=patience_seconds)
        if done:
            return asked.result()
        self._remember(name, None)
        return None

    def close(self) -> None:
        """Let the threads end once they have their answers; nobody waits for them."""
        for _ in self._threads:
            self._questions.put(None)

    def _ask(self, name: Name) -> asyncio.Future[str | None] | None:
        """The answer to come; None if too many names are being asked for."""
        pending = self._pending.get(name)
        if pending is None and len(self._pending) < _MAX_PENDING:
            pending = self._pending[name] = self._loop.create_future()
            self._questions.put(name)
            if len(self._threads) < min(_THREADS, len(self._pending)):
                self._add_thread()
        return pending

    def _add_thread(self) -> None:
        # Daemons: a name server that does not answer must not hold the end of the process.
        number = len(self._threads) + 1
        thread = threading.Thread(target=self._answer, name=f"names-{number}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _answer(self) -> None:
        while (name := self._questions.get()) is not None:
            try:
                address = self._lookup(*name)
            except Exception:  # noqa: BLE001 - whatever a resolver raises, it gave no address
                address = None
            try:
                self._loop.call_soon_threadsafe(self._answered, name, address)
            except RuntimeError:  # the loop is closed: nobody wants to know any more
                return

    def _answered(self, name: Name, address: str | None) -> None:
        self._remember(name, address)
        pending = self._pending.pop(name)
        if not pending.done():
            pending.set_result(address)

    def _remember(self, name: Name, address: str | None) -> None:
        self._known.pop(name, None)  # so that the first of the table is the oldest
        if len(self._known) >= _MAX_KNOWN:
            del self._known[next(iter(self._known))]
        now, keep = self._loop.time(), self._cache_seconds
        fresh = keep if address is not None else min(keep, _NEGATIVE_SECONDS)
        self._known[name] = _Known(address, now + fresh, now + 2 * keep)
