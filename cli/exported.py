"""What the driver and the prober count about themselves, as Prometheus metrics.

Names are Marathon's where they mean the same (behaviour.md, section 10).
"""

from collections.abc import Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    UnknownMetricFamily,
)

from api.events.writer import EventCounts
from framework.health.counts import ProbeCounts
from framework.mesos.counts import DriverCounts
from framework.store.zookeeper.store import Counts as ZooKeeperCounts

_CALLS_OF_MARATHON = {
    "REVIVE": "marathon_mesos_calls_revive_counter",
    "SUPPRESS": "marathon_mesos_calls_suppress_counter",
}


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
        # Untyped, since a counter would be named ..._total, and Marathon's is not.
        yield UnknownMetricFamily(name, f"{kind} calls", value=sent.get(kind, 0))
    for name, text, value in (
        ("stayer_mesos_subscriptions", "subscriptions made", counts.subscriptions),
        ("stayer_mesos_disconnections", "subscriptions that ended", counts.disconnections),
        ("stayer_mesos_silences", "subscriptions ended for missing heartbeats", counts.silences),
        ("stayer_mesos_malformed", "events that could not be read", counts.malformed),
        ("stayer_mesos_unknown", "events of a type that is not known", counts.unknown),
    ):
        yield CounterMetricFamily(name, text, value=value)


def probe_metrics(counts: ProbeCounts) -> Iterator[Metric]:
    """Health and readiness checks that the scheduler carries out."""
    for name, text, value in (
        ("stayer_probe_looks", "checks carried out", counts.looks),
        ("stayer_probe_failures", "checks that failed", counts.failures),
        ("stayer_probe_skipped", "checks left out because one was not over", counts.skipped),
        ("stayer_probe_late_seconds", "time by which checks began late", counts.late_ms / 1000),
    ):
        yield CounterMetricFamily(name, text, value=value)
    yield GaugeMetricFamily("stayer_probe_targets", "checks that are watched", value=counts.targets)
    yield GaugeMetricFamily("stayer_probe_queued", "checks that are due", value=counts.queued)


def event_metrics(counts: EventCounts) -> Iterator[Metric]:
    """Event streams and what went out on them."""
    yield GaugeMetricFamily("stayer_event_streams", "open event streams", value=counts.readers)
    yield CounterMetricFamily("stayer_events", "events told", value=counts.events)
    yield CounterMetricFamily(
        "stayer_event_streams_too_slow",
        "event streams closed because they were read too slowly",
        value=counts.too_slow,
    )


def zookeeper_store_metrics(counts: ZooKeeperCounts) -> Iterator[Metric]:
    """The log of changes in ZooKeeper and its checkpoints."""
    for name, text, value in (
        ("stayer_store_log_bytes", "log since the last checkpoint", counts.log_bytes),
        ("stayer_store_log_segments", "znodes of that log", counts.log_segments),
        ("stayer_store_checkpoint_bytes", "size of the last checkpoint", counts.checkpoint_bytes),
    ):
        yield GaugeMetricFamily(name, text, value=value)
    for name, text, value in (
        ("stayer_store_checkpoints", "checkpoints written", counts.checkpoints),
        ("stayer_store_repeated_writes", "writes sent again", counts.repeated_writes),
    ):
        yield CounterMetricFamily(name, text, value=value)
