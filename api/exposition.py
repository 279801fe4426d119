"""``/metrics``: Prometheus' text for those who ask for text, else Marathon's JSON snapshot.

A process that stands by answers it itself, before any route is looked at; so what is here needs
nothing of the resources.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from api.answers import COMMON_HEADERS, best_of, plain_path
from api.render.json import encode
from framework.domain.metric_names import MARATHON_NAME

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from prometheus_client.core import Metric

SNAPSHOT_PATH, TEXT_PATH = "/metrics", "/metrics/prometheus"
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_KINDS = ("application/json", "text/plain", "application/openmetrics-text")
_SNAPSHOT_VERSION = "4.0.0"
_UPTIME = "marathon_uptime_gauge_seconds"
_PERCENTILES = {0.5: "p50", 0.75: "p75", 0.95: "p95", 0.98: "p98", 0.99: "p99", 0.999: "p999"}


def wants_text(accept: str) -> bool:
    """Whether a client that sends this header ``Accept`` likes text better than JSON."""
    return best_of(_KINDS, accept) not in {None, "application/json"}


class OwnMetrics:
    """Answers for metrics with those of this process. ``text`` is asked for each time."""

    def __init__(self, text: Callable[[], bytes]) -> None:
        self._text = text

    def asked_for(self, environ: "WSGIEnvironment") -> bool:
        """Whether it is a call for metrics."""
        return environ["REQUEST_METHOD"] in {"GET", "HEAD"} and plain_path(environ) in {
            SNAPSHOT_PATH,
            TEXT_PATH,
        }

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> list[bytes]:
        body, kind = self._text(), TEXT_TYPE
        if plain_path(environ) == SNAPSHOT_PATH and not wants_text(environ.get("HTTP_ACCEPT", "")):
            body, kind = encode(snapshot(body.decode())), "application/json"
        headers = [("Content-Type", kind), ("Content-Length", str(len(body)))]
        start_response("200 OK", [*COMMON_HEADERS.items(), *headers])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def snapshot(text: str) -> dict[str, Any]:
    """An exposition text in the form of Marathon's ``/metrics``: Marathon's metrics by Marathon's
    names, ours by those of the text, with the values of labels at the end."""
    families = list(text_string_to_metric_families(text))
    uptime = sum(one.value for family in families for one in family.samples if one.name == _UPTIME)
    found: dict[str, Any] = {
        "version": _SNAPSHOT_VERSION,
        "counters": {},
        "gauges": {},
        "histograms": {},
        "meters": {},
        "timers": {},
    }
    for family in families:
        name = MARATHON_NAME.get(family.name, "")
        if family.type == "summary":
            found["timers"][name or family.name] = _timer(family)
        elif name.endswith(".meter"):
            found["meters"][name] = _meter(family, uptime)
        else:
            kind = _COUNTERS.get(family.type, ("gauges", "value"))
            for sample in family.samples:
                shown = ".".join([name or sample.name, *sample.labels.values()])
                found[kind[0]][shown] = {kind[1]: sample.value}
    return found


_COUNTERS = {"counter": ("counters", "count"), "unknown": ("counters", "count")}


def _timer(family: "Metric") -> dict[str, Any]:
    told: dict[str, Any] = {"count": 0.0, "mean": 0.0}
    total = 0.0
    for sample in family.samples:
        if sample.name.endswith("_count"):
            told["count"] = sample.value
        elif sample.name.endswith("_sum"):
            total = sample.value
        else:
            percentile = _PERCENTILES[float(sample.labels["quantile"])]
            told[percentile] = 0.0 if math.isnan(sample.value) else sample.value
    told["mean"] = total / told["count"] if told["count"] else 0.0
    return {**told, "duration_units": "seconds", "rate_units": "calls/second"}


def _meter(family: "Metric", uptime_seconds: float) -> dict[str, Any]:
    count = sum(sample.value for sample in family.samples)
    rate = count / uptime_seconds if uptime_seconds else 0.0
    return {"count": count, "mean_rate": rate, "units": "events/second"}
