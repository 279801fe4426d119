"""Marathon's names of the metrics that mean the same here (behaviour.md, section 10).

In JSON they stand with dots and dashes, in Prometheus' text with underscores; both with the
prefix ``marathon``.
"""

PREFIX = "marathon"

TASK_STATES = (
    "staging",
    "starting",
    "running",
    "failed",
    "finished",
    "killed",
    "killing",
    "error",
    "lost",
    "gone",
    "unreachable",
    "dropped",
    "unknown",
)
RESPONSE_CLASSES = (1, 2, 3, 4, 5)
TIMED_METHODS = ("get", "post", "put", "delete")

NAMES = (
    "apps.active.gauge",
    "pods.active.gauge",
    "groups.active.gauge",
    "deployments.active.gauge",
    "deployments.counter",
    "deployments.dismissed.counter",
    "instances.running.gauge",
    "instances.staged.gauge",
    "instances.launch-overdue.gauge",
    "instances.inflight-kills.gauge",
    "instances.inflight-kill-attempts.gauge",
    "leadership.duration.gauge.seconds",
    "uptime.gauge.seconds",
    "tasks.launched.counter",
    "mesos.calls.revive.counter",
    "mesos.calls.suppress.counter",
    "mesos.offers.incoming.counter",
    "mesos.offers.used.counter",
    "mesos.offers.declined.counter",
    "mesos.offer-operations.launch.counter",
    "mesos.offer-operations.launch-group.counter",
    "mesos.offer-operations.reserve.counter",
    *(f"mesos.task-updates.task-{state}.counter" for state in TASK_STATES),
    "mesos.task.oom.memory-limit-exceeded",
    "mesos.task.oom.memory-limit-unfulfillable",
    "http.event-streams.active.gauge",
    "http.responses.event-stream.size.counter.bytes",
    "http.requests.active.gauge",
    "http.requests.size.counter.bytes",
    "http.responses.size.counter.bytes",
    "http.responses.size.gzipped.counter.bytes",
    *(f"http.responses.{number}xx.rate.meter" for number in RESPONSE_CLASSES),
    "http.requests.duration.timer.seconds",
    *(f"http.requests.{method}.duration.timer.seconds" for method in TIMED_METHODS),
)


def in_prometheus(name: str) -> str:
    """Marathon's name as it stands in Prometheus' text, where letters, digits and underscores
    are all there is."""
    return f"{PREFIX}_{name.replace('.', '_').replace('-', '_')}"


MARATHON_NAME = {in_prometheus(name): f"{PREFIX}.{name}" for name in NAMES}
"""By the name in Prometheus' text: the one in JSON."""
