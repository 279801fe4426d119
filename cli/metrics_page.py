"""The page of metrics (docs/metrics.md), made from the metrics themselves."""

import re

import click

from cli.exported import every_metric
from framework.domain.metric_names import MARATHON_NAME

_SECTIONS = {"marathon": "Marathon's", "stayer": "Ours", "process": "Of the operating system"}
_LABELS = {"stayer_mesos_events": "type", "stayer_mesos_calls": "type, result"}


def markdown_tables() -> str:
    """A table for each origin, in the order of names."""
    lines: list[str] = []
    families = {family.name: family for family in every_metric()}
    for origin, title in _SECTIONS.items():
        ours = origin != "marathon"
        lines += ["", f"## {title}", ""]
        columns = "Name | Type | Meaning |" + ("" if ours else " Name in Marathon, and in JSON |")
        lines += [f"| {columns}", "|---" * (3 if ours else 4) + "|"]
        for name in sorted(one for one in families if one.startswith(f"{origin}_")):
            family = families[name]
            shown = f"{name}_total" if family.type == "counter" else name
            labels = f"{{{_LABELS[name]}}}" if name in _LABELS else ""
            kind = {"unknown": "counter"}.get(family.type, family.type)
            row = f"| `{shown}{labels}` | {kind} | {_plain(family.documentation)} |"
            lines.append(row if ours else f"{row} `{MARATHON_NAME[name]}` |")
    return "\n".join(lines[1:]) + "\n"


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().removesuffix(".")


@click.command("metrics-page")
def metrics_page() -> None:
    """Print every metric as Markdown tables."""
    click.echo(f"{_PREFACE}\n{markdown_tables()}", nl=False)


_PREFACE = """# Metrics

Every process answers `GET /metrics` with its own metrics, also one that stands by (where Marathon
answers with the leader's): as Prometheus' text for whoever prefers text, as Prometheus does, else
as JSON in Marathon's form. `/metrics/prometheus` is always text. With credentials on the API,
Prometheus needs them too. What to watch, and rules for alarms:
[operations.md](operations.md#what-to-watch).

Only the process that leads has metrics of apps, of Mesos and of the store; one that stands by has
`stayer_leader` 0, its own HTTP figures, and how far it is behind: `stayer_following_behind_seconds`
is about a second while all is well. Counts begin with the process, those of decisions when it
leads. A scrape reads counts that are kept anyway, and never looks at all instances.

Marathon's counters are untyped in the text, since they lack the `_total` that Prometheus wants of
a counter; `rate()` works on them all the same. Durations are a summary: `_count` and `_sum` since
the start, quantiles of the last minute or two. In JSON a meter has `count` and `mean_rate` and no
moving rates.

Left out of Marathon's: `jvm.*` (there is no such machine; `process_*` says what memory, processor
and files are used), `debug.*` (`stayer_loop_*` and `stayer_store_*` say what decisions and writes
cost), and `persistence.gc.*` (nothing is collected: old versions go with the change that adds one,
and `stayer_store_checkpoints` counts what shortens the log). `launch` operations count one for each
task.
"""


if __name__ == "__main__":
    metrics_page()
