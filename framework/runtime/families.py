"""Single metrics, made from a name and a value.

Marathon's counters are untyped in Prometheus' text: a counter's name would have to end in
``_total``, and Marathon's do not.
"""

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    UnknownMetricFamily,
)

from framework.domain.metric_names import MARATHON_NAME, in_prometheus


def gauge(name: str, text: str, value: float) -> Metric:
    """One of ours that goes up and down."""
    return GaugeMetricFamily(name, text, value=value)


def counter(name: str, text: str, value: float) -> Metric:
    """One of ours that only grows; it is shown with ``_total`` at its end."""
    return CounterMetricFamily(name, text, value=value)


def marathon(name: str, text: str, value: float) -> Metric:
    """One of Marathon's, by Marathon's name."""
    shown = in_prometheus(name)
    assert shown in MARATHON_NAME, f"{name} is not among Marathon's"
    parts = name.split(".")
    if "gauge" in parts:
        return GaugeMetricFamily(shown, text, value=value)
    if parts[-1] == "meter":
        return CounterMetricFamily(shown, text, value=value)
    return UnknownMetricFamily(shown, text, value=value)
