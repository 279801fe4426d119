"""What the parts of a process count about themselves, as Prometheus metrics.

Names are Marathon's where they mean the same (behaviour.md, section 10).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, Metric

from api.accounting import HttpCounts
from api.durations import Durations
from api.events.writer import EventCounts
from framework.core.policy import Policy
from framework.domain.mesos import TaskState
from framework.domain.metric_names import RESPONSE_CLASSES, TASK_STATES, in_prometheus
from framework.health.counts import ProbeCounts
from framework.mesos.counts import MEMORY_LIMIT, MEMORY_REQUEST, DriverCounts
from framework.runtime.counted import CountedState
from framework.runtime.families import counter, gauge, marathon
from framework.runtime.loop import LoopCounts
from framework.runtime.metrics import (
    ChangeCounts,
    change_metrics,
    kill_metrics,
    offer_metrics,
    state_metrics,
    work_metrics,
)
from framework.runtime.pipeline import PipelineCounts
from framework.store.zookeeper.store import Counts as ZooKeeperCounts

_PROCESS = ProcessCollector(registry=None)
_CALLS_OF_MARATHON = {"REVIVE": "revive", "SUPPRESS": "suppress"}


@dataclass(frozen=True, slots=True)
class Standing:
    """How a process stands: for how long it runs, for how long it leads (None: it does not), and
    if it follows another one's state, when it last had all of it (seconds ago); and how many
    lines of its log were lost."""

    uptime_seconds: float = 0.0
    leading_seconds: float | None = None
    following_seconds: float | None = None
    lost_lines: int = 0


def process_metrics(standing: Standing) -> Iterator[Metric]:
    """Of every process, also of one that stands by."""
    yield marathon("uptime.gauge.seconds", "time since the start", standing.uptime_seconds)
    yield marathon(
        "leadership.duration.gauge.seconds",
        "time since this process leads; 0 if it does not",
        standing.leading_seconds or 0.0,
    )
    yield gauge("stayer_leader", "1 while this process leads", standing.leading_seconds is not None)
    if standing.following_seconds is not None:
        yield gauge(
            "stayer_following_behind_seconds",
            "of a process that stands by: since when it may lack changes of the state",
            standing.following_seconds,
        )
    yield counter(
        "stayer_log_lost_lines", "lines of the log that nobody read in time", standing.lost_lines
    )
    yield from _PROCESS.collect()


def driver_metrics(counts: DriverCounts) -> Iterator[Metric]:
    """Events from Mesos, calls to it and what became of them."""
    events = CounterMetricFamily(
        "stayer_mesos_events", "events received from Mesos", labels=["type"]
    )
    for kind, count in list(counts.events.items()):
        events.add_metric([kind], count)
    yield events
    calls = CounterMetricFamily(
        "stayer_mesos_calls", "calls to Mesos by their result", labels=["type", "result"]
    )
    sent: dict[str, int] = {}
    for (kind, result), count in list(counts.calls.items()):
        calls.add_metric([kind, result], count)
        sent[kind] = sent.get(kind, 0) + count
    yield calls
    for kind, name in _CALLS_OF_MARATHON.items():
        yield marathon(f"mesos.calls.{name}.counter", f"{kind} calls", sent.get(kind, 0))
    yield marathon("mesos.offers.incoming.counter", "offers received", counts.offers)
    yield from _update_metrics(counts)
    for name, text, value in (
        ("stayer_mesos_subscriptions", "subscriptions made", counts.subscriptions),
        ("stayer_mesos_disconnections", "subscriptions that ended", counts.disconnections),
        ("stayer_mesos_silences", "subscriptions ended for missing heartbeats", counts.silences),
        ("stayer_mesos_malformed", "events that could not be read", counts.malformed),
        ("stayer_mesos_unknown", "events of a type that is not known", counts.unknown),
    ):
        yield counter(name, text, value)


def _update_metrics(counts: DriverCounts) -> Iterator[Metric]:
    by_state = counts.updates
    for name in TASK_STATES:
        count = by_state[TaskState(f"TASK_{name.upper()}")]
        if name == "gone":
            count += by_state[TaskState.GONE_BY_OPERATOR]
        text = f"status updates TASK_{name.upper()}, answers to reconciliation included"
        yield marathon(f"mesos.task-updates.task-{name}.counter", text, count)
    yield marathon(
        "mesos.task.oom.memory-limit-exceeded",
        "status updates that tell of more memory used than the limit",
        counts.reasons[MEMORY_LIMIT],
    )
    yield marathon(
        "mesos.task.oom.memory-limit-unfulfillable",
        "status updates that tell of more memory used than asked for, on an agent without more",
        counts.reasons[MEMORY_REQUEST],
    )


def http_metrics(counts: HttpCounts, now_seconds: float, lost_lines: int) -> Iterator[Metric]:
    """What the HTTP server was asked and answered; ``now_seconds`` by the clock of the counts."""
    with counts.lock:
        found = list(_http_metrics(counts, now_seconds))
    yield from found
    yield counter(
        "stayer_access_log_lost_lines", "requests that the access log had no room for", lost_lines
    )


def _http_metrics(counts: HttpCounts, now_seconds: float) -> Iterator[Metric]:
    yield marathon("http.requests.active.gauge", "requests under way", counts.active)
    for name, text, value in (
        ("http.requests.size.counter.bytes", "bodies of requests", counts.received),
        ("http.responses.size.counter.bytes", "bodies of answers", counts.sent),
        (
            "http.responses.size.gzipped.counter.bytes",
            "those bodies of answers that were compressed",
            counts.sent_compressed,
        ),
    ):
        yield marathon(name, text, value)
    for number in RESPONSE_CLASSES:
        text = f"answers with a status {number}xx"
        yield marathon(f"http.responses.{number}xx.rate.meter", text, counts.by_class[number])
    yield _timer("", counts.durations, now_seconds)
    for method, durations in counts.by_method.items():
        yield _timer(method, durations, now_seconds)


def _timer(method: str, durations: Durations, now_seconds: float) -> Metric:
    """Quantiles are of the last minute or two."""
    name = in_prometheus(
        f"http.requests.{method.lower()}.duration.timer.seconds".replace("..", ".")
    )
    which = f"{method} requests" if method else "requests"
    timer = Metric(name, f"duration of {which}; quantiles of the last minute or two", "summary")
    for quantile, seconds in durations.quantiles(now_seconds):
        timer.add_sample(name, {"quantile": str(quantile)}, seconds)
    timer.add_sample(f"{name}_count", {}, durations.count)
    timer.add_sample(f"{name}_sum", {}, durations.total_seconds)
    return timer


def probe_metrics(counts: ProbeCounts) -> Iterator[Metric]:
    """Health and readiness checks that the scheduler carries out."""
    for name, text, value in (
        ("stayer_probe_looks", "checks carried out", counts.looks),
        ("stayer_probe_failures", "checks that failed", counts.failures),
        ("stayer_probe_skipped", "checks left out because one was not over", counts.skipped),
        ("stayer_probe_late_seconds", "time by which checks began late", counts.late_ms / 1000),
    ):
        yield counter(name, text, value)
    yield gauge("stayer_probe_targets", "checks that are watched", counts.targets)
    yield gauge("stayer_probe_queued", "checks that are due", counts.queued)


def event_metrics(counts: EventCounts) -> Iterator[Metric]:
    """Event streams and what went out on them."""
    yield marathon("http.event-streams.active.gauge", "open event streams", counts.readers)
    yield marathon(
        "http.responses.event-stream.size.counter.bytes",
        "sent on event streams",
        counts.sent_bytes,
    )
    yield counter("stayer_events", "events told", counts.events)
    yield counter(
        "stayer_event_streams_too_slow",
        "event streams closed because they were read too slowly",
        counts.too_slow,
    )


def zookeeper_store_metrics(counts: ZooKeeperCounts) -> Iterator[Metric]:
    """The log of changes in ZooKeeper and its checkpoints."""
    for name, text, value in (
        ("stayer_store_log_bytes", "log since the last checkpoint", counts.log_bytes),
        ("stayer_store_log_segments", "znodes of that log", counts.log_segments),
        ("stayer_store_checkpoint_bytes", "size of the last checkpoint", counts.checkpoint_bytes),
    ):
        yield gauge(name, text, value)
    for name, text, value in (
        ("stayer_store_checkpoints", "checkpoints written", counts.checkpoints),
        ("stayer_store_repeated_writes", "writes sent again", counts.repeated_writes),
    ):
        yield counter(name, text, value)


def every_metric() -> Iterator[Metric]:
    """Each metric there is, of a process in which nothing has happened yet."""
    yield from process_metrics(Standing(following_seconds=0.0))
    yield from state_metrics(CountedState(), Policy(), 0)
    yield from change_metrics(ChangeCounts())
    yield from kill_metrics(0, 0)
    yield from offer_metrics(0)
    yield from work_metrics(LoopCounts(), PipelineCounts(), 0)
    yield from driver_metrics(DriverCounts())
    yield from http_metrics(HttpCounts(), 0.0, 0)
    yield from event_metrics(EventCounts())
    yield from probe_metrics(ProbeCounts())
    yield from zookeeper_store_metrics(ZooKeeperCounts())
