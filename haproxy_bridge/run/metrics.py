"""What a node's bridge tells Prometheus, as text: from what is remembered, and of a daemon also
what only it knows. A single run writes the same to a file for the node's exporter.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from math import inf
from pathlib import Path

from msgspec import Struct

from haproxy_bridge.exits import Exit
from haproxy_bridge.rendered import Trouble
from haproxy_bridge.run.state_file import State
from haproxy_bridge.source import MAIN
from haproxy_bridge.swap import files

TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PREFIX = "stayer_bridge_"
_TEXTFILE_MODE = 0o644

Labels = dict[str, str]
Sample = tuple[str, Labels, float]


class Latency:
    """Seconds from an event to a haproxy that serves what follows from it."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """One change that went live."""
        place = next((at for at, limit in enumerate(BUCKETS) if seconds <= limit), len(BUCKETS))
        self.counts[place] += 1
        self.sum += seconds


class Live(Struct, frozen=True, kw_only=True):
    """What only a daemon knows. ``haproxy_up``: it answers; ``restarts``: how often the daemon
    started its own anew, None if it has none of its own; ``old_workers``: how many serve their last
    connections, None if nobody can tell. ``stream``: events are listened to."""

    runs: dict[str, int]
    latency: Latency
    stream: bool
    haproxy_up: bool
    restarts: int | None = None
    old_workers: int | None = None


def text(state: State, live: Live | None, now_ms: int) -> str:
    """All of it in Prometheus' text format."""
    families = [*_remembered(state, now_ms), *(() if live is None else _live(live))]
    return "".join(_family(*family) for family in families)


def write_textfile(path: Path, state: State, now_ms: int) -> None:
    """For the textfile collector of node_exporter, whole or not at all. OSError."""
    files.write_atomically(path, text(state, None, now_ms).encode(), _TEXTFILE_MODE)


def staleness_seconds(state: State, now_ms: int) -> float:
    """Since the last success; without end if there was none."""
    return max(0, now_ms - state.last_success_ms) / 1000 if state.last_success_ms else inf


def left_out(state: State) -> list[str]:
    """Apps of which something is not served as their labels ask."""
    return sorted({problem.app_id for problem in state.problems if problem.keeps_out})


Family = tuple[str, str, str, Sequence[Sample]]


def _remembered(state: State, now_ms: int) -> Iterator[Family]:
    backends = () if state.applied is None else state.applied.backends
    servers = [server for backend in backends for server in backend.servers]
    broken = sum(bool(one.problem) for one in state.certificates)
    troubles = Counter(problem.trouble for problem in state.problems)
    gauges: dict[str, tuple[str, float]] = {
        "last_run_timestamp_seconds": ("When the last run ended.", state.last_run_ms / 1000),
        "last_success_timestamp_seconds": (
            "When haproxy was last known to serve what the scheduler says.",
            state.last_success_ms / 1000,
        ),
        "staleness_seconds": ("Since the last success.", staleness_seconds(state, now_ms)),
        "failing": ("1 if the last run kept everything as it was.", bool(state.failure)),
        "held": ("1 if an answer is not believed yet.", bool(state.why_held)),
        "quarantined_apps": ("Apps not served as they ask.", len(left_out(state))),
        "services": ("Backends that are served.", len(backends)),
        "servers": ("Servers in them.", len(servers)),
        "certificates_with_problems": ("Broken, missing, or soon at their end.", broken),
        "draining_servers": ("Servers that get nothing new.", sum(one.draining for one in servers)),
    }
    for name, (about, value) in gauges.items():
        yield name, "gauge", about, [("", {}, value)]
    if state.kept or state.others:
        names = (MAIN, *state.others)
        kept: list[Sample] = [("", {"cluster": name}, name in state.kept) for name in names]
        yield "cluster_kept", "gauge", "1 while a cluster's last servers are kept.", kept
    kinds: list[Sample] = [("", {"kind": kind.value}, troubles[kind]) for kind in Trouble]
    ends: list[Sample] = [
        ("", {"file": one.file}, one.ends_ms / 1000) for one in state.certificates if one.ends_ms
    ]
    yield "certificate_expiry_timestamp_seconds", "gauge", "When a certificate ends.", ends
    yield "problems", "gauge", "What was found wrong with labels.", kinds
    counters = {
        "changes_total": ("Runs that changed haproxy.", state.changes),
        "route_changes_total": ("Changes of routes without a reload.", state.route_changes),
        "reloads_total": ("Reloads of haproxy.", state.reloads),
        "failed_reloads_total": ("Reloads that were taken back.", state.failed_reloads),
    }
    for name, (about, value) in counters.items():
        yield name, "counter", about, [("", {}, value)]


def _live(live: Live) -> Iterator[Family]:
    runs: list[Sample] = [
        ("", {"exit": code.name.lower()}, live.runs.get(code.name, 0)) for code in Exit
    ]
    yield "runs_total", "counter", "Turns of the daemon by how they ended.", runs
    yield "event_stream_up", "gauge", "1 while events are read.", [("", {}, live.stream)]
    yield "haproxy_up", "gauge", "1 if haproxy answers.", [("", {}, live.haproxy_up)]
    if live.restarts is not None:
        about = "How often haproxy was started anew."
        yield "haproxy_restarts_total", "counter", about, [("", {}, live.restarts)]
    if live.old_workers is not None:
        about = "Workers of before a reload that serve their last connections."
        yield "haproxy_old_workers", "gauge", about, [("", {}, live.old_workers)]
    about = "From an event to a haproxy that serves what follows from it."
    yield "event_to_live_seconds", "histogram", about, list(_histogram(live.latency))


def _histogram(latency: Latency) -> Iterator[Sample]:
    totals = list(accumulate(latency.counts))
    for limit, total in zip((*(f"{one:g}" for one in BUCKETS), "+Inf"), totals, strict=True):
        yield "_bucket", {"le": limit}, total
    yield "_sum", {}, latency.sum
    yield "_count", {}, totals[-1]


def _family(name: str, kind: str, about: str, samples: Iterable[Sample]) -> str:
    head = f"# HELP {_PREFIX}{name} {about}\n# TYPE {_PREFIX}{name} {kind}\n"
    lines = (_line(f"{_PREFIX}{name}{end}", labels, value) for end, labels, value in samples)
    return head + "".join(lines)


def _line(name: str, labels: Labels, value: float) -> str:
    inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    number = "+Inf" if value == inf else repr(float(value))
    return f"{name}{{{inner}}} {number}\n" if inner else f"{name} {number}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
