"""The page of metrics is what the code exports, and the rules for alarms speak of what there is."""

import re
from pathlib import Path

from click.testing import CliRunner
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from api.accounting import HttpCounts
from api.exposition import snapshot
from cli.exported import Standing, every_metric, http_metrics, process_metrics
from cli.metrics_page import metrics_page
from framework.domain.metric_names import MARATHON_NAME, NAMES
from framework.runtime.metrics import Exported

_ROOT = Path(__file__).resolve().parents[3]
_NAME = re.compile(r"(?:marathon|stayer|process)_[a-z0-9_]+")


def exposition() -> str:
    exported = Exported()
    exported.add(every_metric)
    return exported.text().decode()


def test_the_page_is_what_the_code_exports() -> None:
    printed = CliRunner().invoke(metrics_page).output
    told = (_ROOT / "docs" / "metrics.md").read_text()
    assert told == printed, "run: python -m cli.metrics_page > docs/metrics.md"


def test_all_names_of_marathon_and_no_name_twice() -> None:
    names = [family.name for family in every_metric()]
    assert len(set(names)) == len(names)
    assert {name for name in names if name.startswith("marathon_")} == set(MARATHON_NAME)
    assert all(name.startswith(("marathon_", "stayer_", "process_")) for name in names)


def test_the_text_is_well_formed_and_each_metric_explained() -> None:
    families = list(text_string_to_metric_families(exposition()))
    assert all(family.documentation for family in families)
    # The same text twice: nothing is registered outside the registry that is read.
    assert generate_latest(CollectorRegistry()) == b""


def test_the_snapshot_has_marathons_names_in_marathons_form() -> None:
    found = snapshot(exposition())
    assert list(found) == ["version", "counters", "gauges", "histograms", "meters", "timers"]
    shown = {name for kind in list(found)[1:] for name in found[kind]}
    assert shown >= {f"marathon.{name}" for name in NAMES}
    assert found["gauges"]["marathon.instances.running.gauge"] == {"value": 0}
    assert found["counters"]["marathon.mesos.task-updates.task-lost.counter"] == {"count": 0}


def test_what_http_counted() -> None:
    counts = HttpCounts(received=10, sent=20, by_class=[0, 0, 6, 0, 2, 0])
    for millis in range(1, 101):
        counts.durations.add(millis / 1000, now_seconds=5.0)
    counts.by_method["GET"].add(0.5, now_seconds=5.0)
    exported = Exported()
    exported.add(lambda: http_metrics(counts, 5.0, 3))
    exported.add(lambda: process_metrics(Standing(uptime_seconds=2.0)))
    text = exported.text().decode()
    assert "stayer_access_log_lost_lines_total 3.0" in text
    assert "stayer_leader 0.0" in text
    found = snapshot(text)
    timer = found["timers"]["marathon.http.requests.duration.timer.seconds"]
    assert (timer["count"], timer["duration_units"]) == (100, "seconds")
    assert abs(timer["mean"] - 0.0505) < 1e-9
    assert 0.04 < timer["p50"] < 0.06
    assert 0.09 < timer["p999"] < 0.12
    get = found["timers"]["marathon.http.requests.get.duration.timer.seconds"]
    post = found["timers"]["marathon.http.requests.post.duration.timer.seconds"]
    assert (get["count"], post["count"], post["p99"]) == (1, 0, 0.0)
    assert found["meters"]["marathon.http.responses.2xx.rate.meter"] == {
        "count": 6,
        "mean_rate": 3.0,
        "units": "events/second",
    }


def test_how_a_process_stands() -> None:
    def told(standing: Standing) -> dict[str, float]:
        return {one.name: one.samples[0].value for one in process_metrics(standing)}

    leads = told(Standing(5.0, 2.0))
    follows = told(Standing(5.0, None, 1.5))
    assert (leads["stayer_leader"], follows["stayer_leader"]) == (1, 0)
    assert leads["marathon_leadership_duration_gauge_seconds"] == 2
    assert follows["marathon_leadership_duration_gauge_seconds"] == 0
    assert follows["stayer_following_behind_seconds"] == 1.5
    assert "stayer_following_behind_seconds" not in leads


def test_rules_for_alarms_speak_of_metrics_that_are_there() -> None:
    there = {
        sample.name
        for family in text_string_to_metric_families(exposition())
        for sample in family.samples
    } | {"stayer_mesos_calls_total", "stayer_mesos_events_total"}
    rules = (_ROOT / "examples" / "prometheus-alerts.yml").read_text()
    spoken_of = {name for line in rules.splitlines() for name in _NAME.findall(line)}
    assert len(spoken_of) >= 8
    assert spoken_of <= there
