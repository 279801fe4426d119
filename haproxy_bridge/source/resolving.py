"""Names of agents to addresses, here and not in haproxy.

haproxy looks a name up when it loads its configuration, one after the other, and never again; a
server that is added at run time may have an address only. So the configuration has addresses, and
a name that can not be found falls back to what the scheduler knows, or stays for haproxy to try.
"""

import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

KEPT_SECONDS = 60.0
UNKNOWN_SECONDS = 10.0
"""How long a name that was not found is not asked for again."""
WAIT_SECONDS = 3.0
"""How long all lookups of one answer may take together."""
_THREADS = 16
_MOST = 100_000

Addresses = Callable[[Mapping[str, str]], Mapping[str, str]]
"""By host, what stands for it in a configuration; takes hosts with what to fall back to."""


def unresolved(hosts: Mapping[str, str]) -> Mapping[str, str]:
    """Each host stands for itself."""
    return {host: host for host in hosts}


class Resolver:
    """Looks names up, several at the same time, and remembers them for a while."""

    def __init__(
        self,
        lookup: Callable[[str], str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``lookup`` gives the address of a name, or raises OSError."""
        self._lookup = lookup or _address
        self._clock = clock
        self._known: dict[str, tuple[float, str]] = {}

    def addresses(self, hosts: Mapping[str, str]) -> dict[str, str]:
        """An address for each host; the fallback, or the host itself, where there is none."""
        now = self._clock()
        missing = [
            host for host in hosts if not _is_address(host) and not self._is_known(host, now)
        ]
        if missing:
            self._find(missing, now)
        return {host: self._of(host, fallback) for host, fallback in hosts.items()}

    def _is_known(self, host: str, now: float) -> bool:
        known = self._known.get(host)
        return known is not None and now < known[0]

    def _of(self, host: str, fallback: str) -> str:
        known = self._known.get(host)
        found = known[1] if known is not None else ""
        return found or fallback or host

    def _find(self, hosts: list[str], now: float) -> None:
        """What is not found in time keeps the address it had, and is asked for again soon."""
        found = _together(self._lookup, hosts)
        if len(self._known) > _MOST:
            self._known.clear()
        for host in hosts:
            address = found.get(host, "")
            if address:
                self._known[host] = (now + KEPT_SECONDS, address)
            else:
                before = self._known.get(host, (0.0, ""))[1]
                self._known[host] = (now + UNKNOWN_SECONDS, before)


def _is_address(host: str) -> bool:
    with suppress(ValueError):
        ipaddress.ip_address(host.partition("%")[0])
        return True
    return False


def _address(host: str) -> str:
    """The first address of a name, one of IPv4 if it has any."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    found.sort(key=lambda one: one[0] is not socket.AF_INET)
    return str(found[0][4][0])


def _together(lookup: Callable[[str], str], hosts: list[str]) -> dict[str, str]:
    """Those that were found in time. The threads of a resolver that hangs are left behind: they
    end with it, and keep nobody from ending."""
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()
    answers: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    for host in hosts:
        asked.put(host)

    def work() -> None:
        while True:
            try:
                host = asked.get_nowait()
            except queue.Empty:
                return
            try:
                answers.put((host, lookup(host)))
            except (OSError, UnicodeError):
                answers.put((host, ""))

    for _ in range(min(_THREADS, len(hosts))):
        threading.Thread(target=work, name="resolver", daemon=True).start()
    return _collected(answers, len(hosts))


def _collected(answers: "queue.SimpleQueue[tuple[str, str]]", count: int) -> dict[str, str]:
    deadline = time.monotonic() + WAIT_SECONDS
    found: dict[str, str] = {}
    for _ in range(count):
        try:
            host, address = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[host] = address
    return found
