"""Metrics of the process as Prometheus text; names are Marathon's where they mean the same.

Read from counters that the loop, the pipeline and the published view keep anyway: nothing is
measured twice, and a scrape costs the deciding thread nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from framework.domain.instance import STAGED, Condition
from framework.domain.state import State

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from framework.runtime.loop import Loop
    from framework.runtime.pipeline import Pipeline


class Metrics(Collector):
    """Collects on demand."""

    def __init__(self, view: State, loop: "Loop", pipeline: "Pipeline") -> None:
        self._view = view
        self._loop = loop
        self._pipeline = pipeline
        self._others: list[Callable[[], Iterable[Metric]]] = []
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def add(self, collect: Callable[[], Iterable["Metric"]]) -> None:
        """Export another part's metrics too."""
        self._others.append(collect)

    def text(self) -> bytes:
        """The exposition text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator["Metric"]:
        """Every metric, read now."""
        yield from self._state()
        yield from self._work()
        for collect in self._others:
            yield from collect()

    def _state(self) -> Iterator["Metric"]:
        view = self._view
        conditions = Counter(one.condition for one in list(view.instances.values()))
        staged = sum(conditions[condition] for condition in STAGED)
        waiting = sum(stats.waiting for stats in list(view.launch_stats.values()))
        for name, text, value in (
            ("marathon_apps_active_gauge", "app definitions", len(view.apps)),
            ("marathon_deployments_active_gauge", "deployments under way", len(view.deployments)),
            (
                "marathon_instances_running_gauge",
                "instances whose task runs",
                conditions[Condition.RUNNING],
            ),
            ("marathon_instances_staged_gauge", "instances that are starting", staged),
            ("stayer_instances_waiting", "instances that wait for an offer", waiting),
            (
                "stayer_orphans",
                "tasks that Mesos calls ours and no record knows",
                len(view.orphans),
            ),
            ("stayer_alarms", "alarms that stand", len(view.alarms)),
            ("stayer_frozen", "freezes: of everything, or of apps", len(view.freezes)),
            (
                "stayer_crashes_set_aside",
                "events and apps that are not handled any more after crashes",
                sum(bool(crash.set_aside_ms) for crash in list(view.crashes.values())),
            ),
            ("stayer_mesos_subscribed", "1 while Mesos is connected", view.connection.subscribed),
            ("stayer_mesos_synced", "1 once all tasks are reconciled", view.connection.synced),
        ):
            yield GaugeMetricFamily(name, text, value=value)

    def _work(self) -> Iterator["Metric"]:
        loop, pipeline = self._loop.counts, self._pipeline.counts
        yield GaugeMetricFamily(
            "stayer_loop_queue_events", "events that wait to be decided", value=self._loop.depth()
        )
        for name, text, value in (
            ("stayer_loop_steps", "steps decided", loop.steps),
            ("stayer_loop_events", "events decided", loop.events),
            ("stayer_loop_busy_seconds", "time spent deciding", loop.seconds),
            ("stayer_store_appends", "batches made durable", pipeline.batches),
            ("stayer_store_changes", "changes made durable", pipeline.changes),
            ("stayer_store_append_seconds", "time spent appending", pipeline.append_seconds),
        ):
            yield CounterMetricFamily(name, text, value=value)
        yield GaugeMetricFamily(
            "stayer_loop_longest_step_seconds",
            "the longest step so far",
            value=loop.longest_seconds,
        )
        yield GaugeMetricFamily(
            "stayer_store_longest_append_seconds",
            "the longest append so far",
            value=pipeline.longest_append_seconds,
        )
