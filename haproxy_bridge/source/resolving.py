"""Names of agents to addresses, here and not in haproxy.

haproxy looks a name up when it loads its configuration, one after the other, and never again; a
server that is added at run time may have an address only. So the configuration has addresses, and
a name that can not be found falls back to where it was, also in an earlier process, then to what
the scheduler knows, or stays for haproxy to try.
"""

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from haproxy_bridge.snapshot import is_address

KEPT_SECONDS = 60.0
UNKNOWN_SECONDS = 10.0
"""How long a name that was not found is not asked for again."""
WAIT_SECONDS = 3.0
"""How long an answer waits for all names that are new in it."""
REFRESH_SECONDS = 30.0
"""How long looking up again what is known may take; nobody waits for that."""
_THREADS = 16
_MOST = 100_000
_NEVER = (float("inf"), "")

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
        self._recalled: Mapping[str, str] = {}
        self._refreshing = threading.Lock()

    def recall(self, addresses: Mapping[str, str]) -> None:
        """Where names were found by an earlier process: what stands for one that is not found."""
        self._recalled = addresses

    def found(self) -> Mapping[str, str]:
        """Where names are, for a later process; what was recalled if nobody asked."""
        known = list(self._known)
        found = {host: self._of(host, "") for host in known}
        named = {host: address for host, address in found.items() if is_address(address)}
        return named if known else self._recalled

    def addresses(self, hosts: Mapping[str, str]) -> dict[str, str]:
        """An address for each host; the fallback, or the host itself, where there is none. Waits
        for names that were never asked for; what was found before is looked up again beside."""
        now = self._clock()
        names = [host for host in hosts if not is_address(host)]
        new = [host for host in names if host not in self._known]
        if new:
            self._learn(new, _together(self._lookup, new, WAIT_SECONDS))
        old = [host for host in names if now >= self._known.get(host, _NEVER)[0]]
        if old and not self._refreshing.locked():
            threading.Thread(target=self._refresh, args=(old,), name="refresh", daemon=True).start()
        return {host: self._of(host, fallback) for host, fallback in hosts.items()}

    def _of(self, host: str, fallback: str) -> str:
        known = self._known.get(host)
        found = known[1] if known is not None else ""
        return found or self._recalled.get(host, "") or fallback or host

    def _refresh(self, hosts: list[str]) -> None:
        with self._refreshing:
            self._learn(hosts, _together(self._lookup, hosts, REFRESH_SECONDS))

    def _learn(self, hosts: list[str], found: Mapping[str, str]) -> None:
        """What was not found keeps the address it had, and is asked for again soon."""
        now = self._clock()
        if len(self._known) > _MOST:
            self._known.clear()
        for host in hosts:
            address = found.get(host, "")
            before = self._known.get(host, (0.0, ""))[1]
            kept = KEPT_SECONDS if address else UNKNOWN_SECONDS
            self._known[host] = (now + kept, address or before)


def recall(resolvers: Iterable[Resolver], addresses: Mapping[str, str]) -> None:
    """Have each know where names were."""
    for one in resolvers:
        one.recall(addresses)


def found(resolvers: Iterable[Resolver]) -> dict[str, str]:
    """Where all names are."""
    return {host: address for one in resolvers for host, address in one.found().items()}


def _address(host: str) -> str:
    """The first address of a name, one of IPv4 if it has any."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    found.sort(key=lambda one: one[0] is not socket.AF_INET)
    return str(found[0][4][0])


def _together(
    lookup: Callable[[str], str], hosts: list[str], wait_seconds: float
) -> dict[str, str]:
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
    return _collected(answers, len(hosts), wait_seconds)


def _collected(
    answers: "queue.SimpleQueue[tuple[str, str]]", count: int, wait_seconds: float
) -> dict[str, str]:
    deadline = time.monotonic() + wait_seconds
    found: dict[str, str] = {}
    for _ in range(count):
        try:
            host, address = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        found[host] = address
    return found
