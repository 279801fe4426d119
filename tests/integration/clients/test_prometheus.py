"""Prometheus finds what Stayer runs by its Marathon service discovery, and reads our own metrics.

It is the Debian package: its decoder of ``/v2/apps`` is Go's, which takes no other types than those
it expects. What it found is asked from its own API.
"""

import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from localmesos.apache.ports import free_port
from tests.integration.product import Stayer
from tests.polling import eventually

pytestmark = pytest.mark.mesos

_UNPACKED = Path(sys.prefix) / "debian" / "usr" / "bin" / "prometheus"
_CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: apps
  marathon_sd_configs: [{{servers: ["{url}"], refresh_interval: 1s}}]
- job_name: behind-a-router
  marathon_sd_configs: [{{servers: ["{url}/service/marathon"], refresh_interval: 1s}}]
- job_name: stayer
  static_configs: [{{targets: ["{address}"]}}]
"""


class Prometheus:
    def __init__(self, url: str) -> None:
        self._url = url

    def query(self, path: str) -> Any:
        """The data of an answer of its API; AssertionError until it serves."""
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/{path}", timeout=10) as answer:
                return json.loads(answer.read())["data"]
        except OSError as error:
            raise AssertionError(f"{path}: {error}") from error

    def targets(self, job: str, app_id: str) -> list[dict[str, str]]:
        """What it discovered of an app, before relabelling."""
        found = [
            each["discoveredLabels"]
            for each in self.query("targets")["activeTargets"]
            if each["scrapePool"] == job
        ]
        return [each for each in found if each["__meta_marathon_app"] == app_id]

    def health(self, job: str) -> list[tuple[str, str]]:
        """Of each target of a job, how its last scrape went."""
        targets = self.query("targets")["activeTargets"]
        return [(one["health"], one["lastError"]) for one in targets if one["scrapePool"] == job]


@pytest.fixture
def prometheus(url: str, tmp_path: Path) -> Iterator[Prometheus]:
    config = tmp_path / "prometheus.yml"
    config.write_text(_CONFIG.format(url=url, address=url.removeprefix("http://")))
    listen = f"127.0.0.1:{free_port('127.0.0.1')}"
    command = [
        shutil.which("prometheus") or str(_UNPACKED),
        f"--config.file={config}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={listen}",
    ]
    log = tmp_path / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield Prometheus(f"http://{listen}")
    finally:
        process.kill()
        process.wait()
        print(log.read_text())  # noqa: T201 - shown by pytest when the test failed


def test_apps_are_discovered(stayer: Stayer, prometheus: Prometheus) -> None:
    tasks = stayer.run(
        "/found/web",
        instances=2,
        labels={"team": "red"},
        portDefinitions=[
            {"port": 0, "name": "http", "labels": {"METRICS": "yes"}},
            {"port": 0, "name": "admin"},
        ],
    )

    def look() -> list[dict[str, str]]:
        found = prometheus.targets("apps", "/found/web")
        assert len(found) == 4, found
        assert len(prometheus.targets("behind-a-router", "/found/web")) == 4
        return found

    found = eventually(look, "four targets")
    addresses = {f"{task['host']}:{port}" for task in tasks for port in task["ports"]}
    assert {each["__address__"] for each in found} == addresses
    assert {each["__meta_marathon_task"] for each in found} == {task["id"] for task in tasks}
    for each in found:
        assert each["__meta_marathon_app_label_team"] == "red"
    index, label = "__meta_marathon_port_index", "__meta_marathon_port_definition_label_METRICS"
    assert [each.get(label) for each in sorted(found, key=lambda one: one[index])] == [
        "yes",
        "yes",
        None,
        None,
    ]

    stayer.client.scale_app("/found/web", 1)
    eventually(lambda: len(prometheus.targets("apps", "/found/web")) == 2, "two targets less")


def test_our_own_metrics_are_read(prometheus: Prometheus) -> None:
    def look() -> bool:
        health = prometheus.health("stayer")
        assert health == [("up", "")], health
        return True

    eventually(look, "a scrape of /metrics", 20)
    (up,) = eventually(lambda: prometheus.query("query?query=up{job='stayer'}")["result"], "up")
    assert up["value"][1] == "1"
