"""Metrics of the process as Prometheus text; names are Marathon's where they mean the same.

Read from counts that the parts keep anyway: nothing is measured twice, a scrape costs the deciding
thread nothing and grows with what is starting or being killed, never with all instances.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector

from framework.core.policy import Policy
from framework.domain.instance import STAGED, Condition
from framework.domain.notices import DeploymentEnded, DeploymentStarted, Notice
from framework.domain.replies import Refused, Reply, Why
from framework.runtime.counted import CountedState
from framework.runtime.families import counter, gauge, marathon
from framework.runtime.loop import LoopCounts
from framework.runtime.pipeline import PipelineCounts

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Collect = Callable[[], Iterable["Metric"]]


class Exported(Collector):
    """What each part says of itself, collected when somebody asks."""

    def __init__(self) -> None:
        self._parts: list[Collect] = []
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def add(self, collect: Collect) -> None:
        """Export another part's metrics too."""
        self._parts.append(collect)

    def text(self) -> bytes:
        """The exposition text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator["Metric"]:
        """Every metric, read now."""
        for collect in self._parts:
            yield from collect()


@dataclass(slots=True)
class ChangeCounts:
    """Of deployments, since this process leads."""

    started: int = 0
    failed: int = 0
    dismissed: int = 0

    def heard(self, notice: Notice) -> None:
        """Count it if it is about a deployment."""
        if isinstance(notice, DeploymentStarted):
            self.started += 1
        elif isinstance(notice, DeploymentEnded) and notice.failure:
            self.failed += 1

    def replied(self, reply: Reply) -> None:
        """Count it if it refuses one deployment more."""
        if isinstance(reply, Refused) and reply.why is Why.TOO_MANY_DEPLOYMENTS:
            self.dismissed += 1


def state_metrics(view: CountedState, policy: Policy, now_ms: int) -> Iterator["Metric"]:
    """What is there."""
    conditions = view.conditions
    staged = sum(conditions[condition] for condition in STAGED)
    waiting = sum(stats.waiting for stats in list(view.launch_stats.values()))
    set_aside = sum(bool(crash.set_aside_ms) for crash in list(view.crashes.values()))
    yield marathon("apps.active.gauge", "app definitions", len(view.apps))
    yield marathon("pods.active.gauge", "pods: there are none", 0)
    yield marathon("groups.active.gauge", "groups, the root included", max(1, len(view.groups)))
    yield marathon("deployments.active.gauge", "deployments under way", len(list(view.deployments)))
    yield marathon(
        "instances.running.gauge", "instances whose task runs", conditions[Condition.RUNNING]
    )
    yield marathon("instances.staged.gauge", "instances that are starting", staged)
    yield marathon(
        "instances.launch-overdue.gauge",
        "instances that have been starting for longer than they may",
        _overdue(view, policy, now_ms),
    )
    yield gauge("stayer_instances_waiting", "instances that wait for an offer", waiting)
    yield gauge(
        "stayer_instances_unreachable",
        "instances on agents that Mesos can not reach",
        conditions[Condition.UNREACHABLE] + conditions[Condition.UNREACHABLE_INACTIVE],
    )
    yield gauge(
        "stayer_orphans", "tasks that Mesos calls ours and no record knows", len(view.orphans)
    )
    yield gauge("stayer_alarms", "alarms that stand", len(view.alarms))
    yield gauge("stayer_frozen", "freezes: of everything, or of apps", len(view.freezes))
    yield gauge(
        "stayer_crashes_set_aside",
        "events and apps that are not handled any more after crashes",
        set_aside,
    )
    connection = view.connection
    yield gauge("stayer_mesos_subscribed", "1 while Mesos is connected", connection.subscribed)
    yield gauge("stayer_mesos_synced", "1 once all tasks are reconciled", connection.synced)


def _overdue(view: CountedState, policy: Policy, now_ms: int) -> int:
    """As ``core.launches`` sees it."""
    connected_ms = view.connection.since_ms
    overdue = 0
    for instance_id in list(view.starting):
        instance = view.instances.get(instance_id)
        if instance is None:
            continue
        waited_ms = now_ms - max(instance.since_ms, connected_ms)
        unheard = instance.condition is Condition.PROVISIONED
        limit_ms = policy.task_launch_confirm_timeout if unheard else policy.task_launch_timeout
        overdue += waited_ms >= limit_ms
    return overdue


def change_metrics(counts: ChangeCounts) -> Iterator["Metric"]:
    """Deployments."""
    yield marathon("deployments.counter", "deployments begun", counts.started)
    yield marathon(
        "deployments.dismissed.counter",
        "changes refused because too many deployments are under way",
        counts.dismissed,
    )
    yield counter("stayer_deployments_failed", "deployments that failed", counts.failed)


def kill_metrics(under_way: int, attempts: int) -> Iterator["Metric"]:
    """Kills."""
    yield marathon("instances.inflight-kills.gauge", "tasks asked to end that have not", under_way)
    yield marathon(
        "instances.inflight-kill-attempts.gauge", "how often those were asked, in all", attempts
    )


def offer_metrics(at_hand: int) -> Iterator["Metric"]:
    """Offers that are open."""
    yield gauge("stayer_offers_at_hand", "offers kept open while nothing waits", at_hand)


def work_metrics(loop: LoopCounts, pipeline: PipelineCounts, queued: int) -> Iterator["Metric"]:
    """Deciding, storing, and what Mesos is asked for."""
    yield gauge("stayer_loop_queue_events", "events that wait to be decided", queued)
    for name, text, value in (
        ("stayer_loop_steps", "steps decided", loop.steps),
        ("stayer_loop_events", "events decided", loop.events),
        ("stayer_loop_busy_seconds", "time spent deciding", loop.seconds),
        ("stayer_store_appends", "batches made durable", pipeline.batches),
        ("stayer_store_changes", "changes made durable", pipeline.changes),
        ("stayer_store_append_seconds", "time spent appending", pipeline.append_seconds),
    ):
        yield counter(name, text, value)
    yield gauge("stayer_loop_longest_step_seconds", "the longest step so far", loop.longest_seconds)
    yield gauge(
        "stayer_store_longest_append_seconds",
        "the longest append so far",
        pipeline.longest_append_seconds,
    )
    launches = pipeline.launches
    yield marathon("tasks.launched.counter", "tasks that Mesos was asked to launch", launches)
    yield marathon("mesos.offers.used.counter", "offers accepted", pipeline.offers_used)
    yield marathon("mesos.offers.declined.counter", "offers declined", pipeline.offers_declined)
    yield marathon("mesos.offer-operations.launch.counter", "launches asked for", launches)
    yield marathon("mesos.offer-operations.launch-group.counter", "of pods: there are none", 0)
    yield marathon(
        "mesos.offer-operations.reserve.counter", "reservations asked for", pipeline.reservations
    )
