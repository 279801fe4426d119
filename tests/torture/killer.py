"""Carries a timetable of faults out, each in a thread of its own, and undoes every one of them.

Two faults of one target do not overlap: the later begins when the earlier is undone.
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, contextmanager

from localmesos.apache.engine import ApacheEngine
from tests.torture.faults import LEADER, Fault, Kind
from tests.torture.stayers import Stayers
from tests.zookeeper.ensemble import Ensemble
from tests.zookeeper.proxy import Proxy

_MAX_AT_ONCE = 8
_DELAY_SECONDS = 0.15
_SILENCE_SECONDS = 0.7

Tell = Callable[[str], None]


class Killer:
    """``run`` a timetable; ``done`` counts what was done."""

    def __init__(
        self, stayers: Stayers, ensemble: Ensemble | None, mesos: ApacheEngine, tell: Tell
    ) -> None:
        self.done: Counter[Kind] = Counter()
        self._stayers = stayers
        self._ensemble = ensemble
        self._mesos = mesos
        self._tell = tell
        self._over = threading.Event()
        servers = ensemble.servers if ensemble is not None else ()
        self._servers = [threading.Lock() for _ in servers]
        self._networks = [threading.Lock() for _ in servers]
        self._engine = threading.Lock()

    def run(self, faults: Sequence[Fault], seconds: float) -> None:
        """Take ``seconds`` for it; returns when all is undone. Raises what a fault raised."""
        began = time.monotonic()
        with ThreadPoolExecutor(_MAX_AT_ONCE, "fault") as threads:
            running: list[Future[None]] = []
            for fault in faults:
                self._over.wait(max(0.0, began + fault.at_seconds - time.monotonic()))
                if self._over.is_set() or time.monotonic() > began + seconds:
                    break
                running.append(threads.submit(self._strike, fault))
            self._over.wait(max(0.0, began + seconds - time.monotonic()))
            self._over.set()
            wait(running)
        for each in running:
            each.result()

    def stop(self) -> None:
        """Let ``run`` come to its end now."""
        self._over.set()

    def _strike(self, fault: Fault) -> None:
        with self._struck(fault):
            self.done[fault.kind] += 1
            self._over.wait(fault.for_seconds)

    def _struck(self, fault: Fault) -> AbstractContextManager[None]:
        match fault.kind:
            case Kind.KILL_STAYER | Kind.PAUSE_STAYER:
                return self._stayer(fault)
            case Kind.DIE_IN_SILENCE:
                return self._silent_death(fault)
            case Kind.KILL_ZOOKEEPER | Kind.PAUSE_ZOOKEEPER:
                return self._server(fault)
            case Kind.KILL_MASTER | Kind.KILL_AGENT:
                return self._engine_part(fault)
            case _:
                return self._network(fault)

    @contextmanager
    def _stayer(self, fault: Fault) -> Iterator[None]:
        index = self._stayers.leader(0) if fault.target == LEADER else fault.target
        member = self._stayers.members[index]
        with self._stayers.held(index):
            self._tell(f"{fault}: Stayer {index}")
            if not member.process.is_running:  # it ended by itself, and is struck while it boots
                member.start()
            if fault.kind is Kind.PAUSE_STAYER:
                member.process.pause()
                yield
                member.process.resume()
            else:
                member.process.kill()
                yield
                member.start()

    @contextmanager
    def _silent_death(self, fault: Fault) -> Iterator[None]:
        """What it asked of ZooKeeper may have been done or not; it can never tell anybody."""
        assert self._ensemble is not None
        with ExitStack() as held:
            for network in self._networks:
                held.enter_context(network)
            for proxy in self._ensemble.proxies:
                held.callback(proxy.heal)
                proxy.half_open()
            self._over.wait(_SILENCE_SECONDS)
            with self._stayer(fault):
                held.close()
                yield

    @contextmanager
    def _server(self, fault: Fault) -> Iterator[None]:
        assert self._ensemble is not None
        index = self._zookeeper(fault)
        with self._servers[index]:
            self._tell(f"{fault}: ZooKeeper {index}")
            server = self._ensemble.servers[index]
            if fault.kind is Kind.PAUSE_ZOOKEEPER:
                server.pause()
                yield
                server.resume()
            else:
                server.kill()
                yield
                server.start_unready()

    @contextmanager
    def _network(self, fault: Fault) -> Iterator[None]:
        assert self._ensemble is not None
        index = self._zookeeper(fault)
        with self._networks[index]:
            self._tell(f"{fault}: ZooKeeper {index}")
            proxy = self._ensemble.proxies[index]
            _NETWORK_FAULTS[fault.kind](proxy)
            yield
            proxy.heal()

    @contextmanager
    def _engine_part(self, fault: Fault) -> Iterator[None]:
        with self._engine:
            self._tell(str(fault))
            if fault.kind is Kind.KILL_MASTER:
                self._mesos.stop_master(signal.SIGKILL)
                yield
                self._mesos.start_master()
            else:
                self._mesos.kill_agent(fault.target)
                yield
                self._mesos.start_agent(fault.target)

    def _zookeeper(self, fault: Fault) -> int:
        assert self._ensemble is not None
        if fault.target != LEADER:
            return fault.target
        modes = [server.mode() for server in self._ensemble.servers]
        return modes.index("leader") if "leader" in modes else 0


_NETWORK_FAULTS: dict[Kind, Callable[[Proxy], None]] = {
    Kind.CUT: Proxy.cut,
    Kind.HALF_OPEN: Proxy.half_open,
    Kind.LOSE_ANSWERS: Proxy.lose_answers,
    Kind.DELAY: lambda proxy: proxy.delay(_DELAY_SECONDS),
}
