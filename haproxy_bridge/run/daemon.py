"""The daemon put together: the loop, and the threads around it (events, files, haproxy, registry,
metrics), from the first turn to an end that leaves the file as haproxy runs.
"""

import gc
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from random import SystemRandom
from time import monotonic

import msgspec
from msgspec import Struct

from api.client import Client, Credentials
from haproxy_bridge.rendered import Rendered
from haproxy_bridge.run import admin, first_config, metrics
from haproxy_bridge.run.admin import Shown
from haproxy_bridge.run.bell import Bell, Note
from haproxy_bridge.run.drains import Sessions
from haproxy_bridge.run.listener import SILENCE_SECONDS, Listener
from haproxy_bridge.run.metrics import Latency, Live
from haproxy_bridge.run.node import wall_ms
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.outcome import SETTLED, Outcome
from haproxy_bridge.run.pace import Pace, PaceOptions
from haproxy_bridge.run.registry import Registry, Report, reported
from haproxy_bridge.run.reread import Reread
from haproxy_bridge.run.resident import Resident
from haproxy_bridge.run.supervisor import HaproxyOptions, Supervisor
from haproxy_bridge.run.watch import Watch
from haproxy_bridge.run.writer import Writer
from haproxy_bridge.runtime import master, socket
from haproxy_bridge.runtime.master import Processes
from haproxy_bridge.runtime.socket import SocketError
from haproxy_bridge.snapshot import Snapshot
from haproxy_bridge.source import MAIN, Kind, Reader, Source
from haproxy_bridge.swap import load

_FIRST_UP_SECONDS = 10.0
_LEAVE_SECONDS = 5.0
_JSON = "application/json"


class DaemonOptions(Struct, frozen=True, kw_only=True):
    """``haproxy``: it is the daemon's own, to be started and stopped. ``metrics_bind``: host and
    port, None for no pages; ``metrics_access``: for those pages that are not for all.
    ``edge``: the name under which it registers with Stayer, "" for not at all. ``events``: listen
    to them, else only look now and then. ``force``: believe the first answer whatever it takes
    away."""

    pace: PaceOptions = PaceOptions()
    haproxy: HaproxyOptions | None = None
    metrics_bind: tuple[str, int] | None = None
    metrics_access: Credentials | None = None
    edge: str = ""
    events: bool = True
    force: bool = False
    silence_seconds: float = SILENCE_SECONDS


class _Followed:
    """One cluster: its events ring, and its scheduler knows of this edge once it was heard."""

    def __init__(self, source: Source, listener: Listener, registry: Registry) -> None:
        self.name = source.name
        self.listener = listener
        self.registered = False
        self._reader = source.reader
        self._registry = registry

    @property
    def kind(self) -> Kind:
        """What answers there."""
        return self._reader.kind

    def tell(self, report: Report) -> None:
        """What is true of this edge now."""
        self._registry.tell(report)
        if not self.registered:
            self.registered = True
            self._registry.start()

    def stop(self) -> None:
        """Follow no more."""
        self.listener.stop()
        self._registry.stop()

    def leave(self) -> None:
        """Have it wait for this edge no more."""
        if self.registered:
            self._registry.leave()


class Daemon:
    """``told`` is given what came of each turn; ``said`` a line for people now and then.
    ``others``: clusters behind the main one. ``reread``: the options as their files are now."""

    def __init__(
        self,
        client: Client,
        reader: Reader,
        node: NodeOptions,
        options: DaemonOptions,
        told: Callable[[Outcome], None],
        said: Callable[[str], None],
        others: Sequence[Source] = (),
        reread: Reread | None = None,
    ) -> None:
        self.bell = Bell()
        self.pages: admin.Server | None = None
        self._node = node
        self._options = options
        self._told = told
        self._said = said
        self._runs: Counter[str] = Counter()
        self._latency = Latency()
        self._supervisor = self._own_haproxy()
        load_it = load.load if self._supervisor is None else self._supervisor.load
        readers = [(one.name, one.reader) for one in others]
        late = lambda: self.bell.ring(Note.EVENT)  # noqa: E731 - it is said twice
        self._resident = Resident(
            reader, node, load_it=load_it, others=readers, late=late, reread=reread
        )
        self._writer = Writer(lambda memory: self._resident.write(memory=memory))
        self._followed = [self._following(one) for one in (Source(MAIN, reader, client), *others)]
        self._listens = self._settled = False

    def _following(self, source: Source) -> _Followed:
        node, options = self._node, self._options
        listener = Listener(
            source.client,
            lambda: source.reader.kind,
            lambda: self.bell.ring(Note.EVENT),
            silence_seconds=options.silence_seconds,
            max_pause_seconds=options.pace.max_pause_seconds,
        )
        own = options.haproxy
        master = node.load.master_socket if own is None else own.master_socket
        sessions = Sessions(Path(node.render.socket), master)
        registry = Registry(source.client, options.edge, self._staleness, sessions)
        return _Followed(source, listener, registry)

    def _own_haproxy(self) -> Supervisor | None:
        haproxy = self._options.haproxy
        if haproxy is None:
            return None
        return Supervisor(haproxy, lambda: self.bell.ring(Note.ALL), self._said)

    def run(self) -> None:
        """Until the bell says stop. LockedError, CheckError, OSError if it can not begin."""
        chance = SystemRandom().random
        pace = Pace(self._options.pace, monotonic(), chance)
        take, force = self._resident.turn, self._options.force
        loop = Watch(take, pace, self.bell, self._after, force_first=force)
        with ExitStack() as stack:
            note = stack.enter_context(self._resident.opened())
            if note:
                self._said(note)
            stack.enter_context(self._serving_pages())
            if self._supervisor is not None:
                self._start_haproxy(self._supervisor)
                stack.callback(self._leave)
                stack.callback(self._supervisor.stop)
            self._writer.start()
            stack.callback(self._writer.stop)
            for one in self._followed:
                stack.callback(one.stop)
            loop.run()

    def _start_haproxy(self, supervisor: Supervisor) -> None:
        Path(self._node.render.socket).parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        which = first_config.prepared(self._node)
        if which:
            self._said(which)
        supervisor.start()
        supervisor.wait_first(_FIRST_UP_SECONDS)

    def _leave(self) -> None:
        """haproxy ended with us: nobody has to wait for this edge. Nor we for an answer."""
        leaving = [
            threading.Thread(target=one.leave, name="leave", daemon=True) for one in self._followed
        ]
        for one in leaving:
            one.start()
        until = monotonic() + _LEAVE_SECONDS
        for one in leaving:
            one.join(max(0.0, until - monotonic()))

    @contextmanager
    def _serving_pages(self) -> Iterator[None]:
        if self._options.metrics_bind is None:
            yield
            return
        host, port = self._options.metrics_bind
        self.pages = admin.Server(host, port, self._pages(), self._options.metrics_access)
        self.pages.start()
        try:
            yield
        finally:
            self.pages.stop()

    def _after(self, outcome: Outcome, live_seconds: float | None) -> None:
        self._runs[outcome.exit.name] += 1
        if live_seconds is not None:
            self._latency.observe(live_seconds)
        if outcome.changed or outcome.exit not in SETTLED:
            self._writer.owe()
        if self._options.events and not self._listens:
            self._listens = True
            for one in self._followed:
                one.listener.start()
        if outcome.exit in SETTLED and not self._settled:
            self._settled = True
            gc.collect()
            gc.freeze()  # what is known now stays; looking through it again and again takes long
        if outcome.is_live:
            self._register(outcome)
        self._told(outcome)

    def _register(self, outcome: Outcome) -> None:
        """With each cluster whose answer is what haproxy serves now."""
        rendered = self._resident.rendered
        if not self._options.edge or rendered is None:
            return
        left_out = metrics.left_out(self._resident.state)
        for one, heard in zip(self._followed, self._resident.heard, strict=True):
            if (
                one.kind is Kind.STAYER
                and heard.answer is not None
                and one.name not in outcome.kept
            ):
                one.tell(reported(heard.answer, rendered, left_out))

    def _staleness(self) -> float:
        return metrics.staleness_seconds(self._resident.state, wall_ms())

    # What it tells of itself

    def _pages(self) -> dict[str, admin.Page]:
        def again() -> Shown:
            self.bell.ring(Note.ALL)
            return Shown(admin.TEXT, b"everything is looked at anew\n")

        def text(content: bytes) -> Shown:
            return Shown(admin.TEXT, content)

        def rendered() -> Rendered:
            return self._resident.rendered or Rendered()

        return {
            "/metrics": lambda: Shown(metrics.TYPE, self._metrics().encode()),
            "/status": lambda: Shown(_JSON, msgspec.json.encode(self._status())),
            "/_haproxy_health_check": self._health,
            "/_haproxy_getpids": lambda: text(self._pids()),
            "/_haproxy_getconfig": lambda: text(self._shown_config()),
            "/_haproxy_getvhostmap": lambda: text(admin.vhost_map(rendered())),
            "/_haproxy_getappmap": lambda: text(admin.map_of(rendered().files, "appid")),
            "/_mlb_signal/hup": again,
            "/_mlb_signal/usr1": again,
        }

    def _health(self) -> Shown:
        if self._answers():
            return Shown(admin.TEXT, b"haproxy answers\n")
        return Shown(admin.TEXT, b"haproxy does not answer\n", HTTPStatus.SERVICE_UNAVAILABLE)

    def _pids(self) -> bytes:
        """Those of workers: the present one, then those of before that still serve. Tools of
        marathon-lb wait for a reload to be over, which is when there is one."""
        try:
            found = self._processes()
            if found is not None:
                return " ".join(map(str, (*found.workers, *found.old_workers))).encode()
            info = socket.ask(Path(self._node.render.socket), "show info", timeout_seconds=1)
        except SocketError:
            return b""
        lines = (line.partition(":") for line in info.splitlines())
        return next((pid.strip().encode() for name, _, pid in lines if name == "Pid"), b"")

    def _processes(self) -> Processes | None:
        """None without a master's socket. SocketError."""
        own = self._options.haproxy
        path = self._node.load.master_socket if own is None else own.master_socket
        return master.processes(Path(path), timeout_seconds=1) if path else None

    def _old_workers(self) -> int | None:
        try:
            found = self._processes()
        except SocketError:
            return None
        return None if found is None else len(found.old_workers)

    def _shown_config(self) -> bytes:
        rendered = self._resident.rendered
        if rendered is not None:
            return admin.without_secrets(rendered.config)
        path = Path(self._node.config)
        return admin.without_secrets(path.read_bytes()) if path.exists() else b""

    def _metrics(self) -> str:
        own = self._supervisor
        live = Live(
            runs=dict(self._runs),
            latency=self._latency,
            stream=all(one.listener.connected for one in self._followed),
            haproxy_up=self._answers(),
            restarts=None if own is None else own.restarts,
            old_workers=self._old_workers(),
        )
        return metrics.text(self._resident.state, live, wall_ms())

    def _answers(self) -> bool:
        try:
            return bool(socket.ask(Path(self._node.render.socket), "show info", timeout_seconds=1))
        except SocketError:
            return False

    def _status(self) -> dict[str, object]:
        state, last = self._resident.state, self._resident.last
        own, listener = self._supervisor, self._followed[0].listener
        return {
            "exit": last.exit.name.lower(),
            "why": state.failure,
            "held": state.why_held or None,
            "reloadPostponed": last.postponed,
            "staleness": self._staleness() if state.last_success_ms else None,  # never
            "lastRun": state.last_run_ms,
            "lastSuccess": state.last_success_ms,
            "lastChange": state.last_change_ms,
            "lastReload": state.last_reload_ms,
            "changes": state.changes,
            "routeChanges": state.route_changes,
            "reloads": state.reloads,
            "failedReloads": state.failed_reloads,
            "services": last.services,
            "servers": last.servers,
            "certificates": msgspec.to_builtins(state.certificates),
            "problems": msgspec.to_builtins(state.problems),
            "source": _source(self._resident.kind, self._resident.answer),
            "clusters": self._clusters(),
            "events": {"connected": listener.connected, "why": listener.why},
            "haproxy": {
                "up": self._answers(),
                "own": own is not None,
                "pid": None if own is None else own.pid,
                "restarts": None if own is None else own.restarts,
            },
        }

    def _clusters(self) -> list[dict[str, object]]:
        kept = self._resident.state.kept
        return [
            {
                "name": one.name,
                **_source(one.kind, heard.answer),
                "events": one.listener.connected,
                "kept": kept.get(one.name, ""),
            }
            for one, heard in zip(self._followed, self._resident.heard, strict=False)
        ]


def _source(kind: Kind, answer: Snapshot | None) -> dict[str, object]:
    return {
        "kind": kind.value,
        "url": "" if answer is None else answer.source,
        "stateId": "" if answer is None else answer.state_id,
        "epoch": 0 if answer is None else answer.epoch,
    }
