"""The daemon's metrics as Prometheus reads them, and its pages without passwords."""

import base64
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from api.client import Credentials
from haproxy_bridge.render import RenderOptions, render
from haproxy_bridge.rendered import Backend, Problem, Rendered, Server, Trouble
from haproxy_bridge.run import admin, metrics
from haproxy_bridge.run.admin import Shown
from haproxy_bridge.run.metrics import Latency, Live
from haproxy_bridge.run.state_file import Applied, State
from haproxy_bridge.services import ServiceOptions, build
from tests.unit.haproxy_bridge.made import app, snapshot

STATE = State(
    last_success_ms=1_000_000,
    last_run_ms=1_004_000,
    changes=5,
    reloads=3,
    failed_reloads=1,
    failure="nobody answers",
    problems=(
        Problem(Trouble.REFUSED, "/a", "bad"),
        Problem(Trouble.CONFLICT, "/a", "taken"),
        Problem(Trouble.IGNORED, "/b", "unknown"),
    ),
    applied=Applied("", (Backend("x", (Server("s", "h", 1), Server("t", "h", 2, draining=True))),)),
)


def read(text: str) -> dict[str, float]:
    return {
        f"{one.name}{''.join(one.labels.values())}": one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_what_is_remembered() -> None:
    found = read(metrics.text(STATE, None, 1_060_000))
    expected = {
        "last_success_timestamp_seconds": 1000,
        "last_run_timestamp_seconds": 1004,
        "staleness_seconds": 60,
        "failing": 1,
        "held": 0,
        "quarantined_apps": 1,
        "services": 1,
        "servers": 2,
        "draining_servers": 1,
        "changes_total": 5,
        "reloads_total": 3,
        "failed_reloads_total": 1,
        "problemsrefused": 1,
        "problemsignored": 1,
        "problemsforbidden": 0,
    }
    assert {name: found[f"stayer_bridge_{name}"] for name in expected} == expected
    assert "stayer_bridge_haproxy_up" not in found


def test_what_a_daemon_knows() -> None:
    latency = Latency()
    for seconds in (0.004, 0.02, 0.021, 60.0):
        latency.observe(seconds)
    live = Live(runs={"OK": 4}, latency=latency, stream=True, haproxy_up=False)
    live = replace(live, restarts=2, old_workers=3)
    found = read(metrics.text(STATE, live, 0))
    expected = {
        "event_to_live_seconds_bucket0.005": 1,
        "event_to_live_seconds_bucket0.02": 2,
        "event_to_live_seconds_bucket0.03": 3,
        "event_to_live_seconds_bucket10": 3,
        "event_to_live_seconds_bucket+Inf": 4,
        "event_to_live_seconds_count": 4,
        "runs_totalok": 4,
        "runs_totalheld": 0,
        "event_stream_up": 1,
        "haproxy_up": 0,
        "haproxy_restarts_total": 2,
        "haproxy_old_workers": 3,
        "staleness_seconds": 0,
    }
    assert {name: found[f"stayer_bridge_{name}"] for name in expected} == expected
    assert round(found["stayer_bridge_event_to_live_seconds_sum"], 3) == 60.045


def test_a_textfile_is_whole_and_readable(tmp_path: Path) -> None:
    path = tmp_path / "bridge.prom"
    metrics.write_textfile(path, STATE, 1_060_000)
    assert read(path.read_text())["stayer_bridge_staleness_seconds"] == 60
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.iterdir()] == ["bridge.prom"]


def test_a_shown_configuration_has_no_secrets() -> None:
    config = b"""userlist user_a
  user joe password $5$x$secret
  user ann insecure-password secret
frontend stats
  stats auth admin:secret
backend a
  dynamic-cookie-key secret
  server s 10.0.0.1:80
"""
    shown = admin.without_secrets(config).decode()
    assert "secret" not in shown
    assert "user joe password ***" in shown
    assert "stats auth admin:***" in shown
    assert "server s 10.0.0.1:80" in shown


def test_hosts_that_need_rules_are_in_the_map_of_hosts_too() -> None:
    made = snapshot(
        app("/a", 1, VHOST="x.example"),
        app("/b", 2, VHOST="x.example", PATH="-i /api /v2"),
        app("/c", 3, VHOST="w.example", BACKEND_WEIGHT="7"),
        app("/d", 4, VHOST="*.x.example"),
        app("/e", 5, VHOST="e.example"),
    )
    told = admin.vhost_map(render(build(made, ServiceOptions()), RenderOptions()))
    assert sorted(told.decode().splitlines()) == [
        "e.example e_5",
        "w.example c_3",
        "x.example a_1",
        "x.example/api b_2",
        "x.example/v2 b_2",
    ]


def test_maps_as_marathon_lb_tells_them() -> None:
    files = {
        "stayer-exact-0.map": b"a.example/ a_1\nb.example/api b_2\n",
        "stayer-appid-0.map": b"/a a_1\n",
    }
    assert admin.vhost_map(Rendered(files=files)) == b"a.example a_1\nb.example/api b_2\n"
    assert admin.map_of(files, "appid") == b"/a a_1\n"
    assert admin.map_of({}, "appid") == b""


PAGES = {
    "/metrics": lambda: Shown(metrics.TYPE, b"1"),
    "/_haproxy_health_check": lambda: Shown("", b"", HTTPStatus.SERVICE_UNAVAILABLE),
    "/_haproxy_getconfig": lambda: Shown(admin.TEXT, b"all"),
}


@contextmanager
def serving(host: str, credentials: str = "") -> Iterator[admin.Server]:
    user, _, password = credentials.partition(":")
    server = admin.Server(host, 0, PAGES, Credentials(user, password) if credentials else None)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def asked(server: admin.Server, path: str, credentials: str = "", method: str = "GET") -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", method=method)
    if credentials:
        given = base64.b64encode(credentials.encode()).decode()
        request.add_header("Authorization", f"Basic {given}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(
    ("host", "credentials", "given", "status"),
    [
        ("127.0.0.1", "", "", 200),
        ("localhost", "", "", 200),
        ("0.0.0.0", "", "", 403),
        ("0.0.0.0", "joe:s", "", 401),
        ("127.0.0.1", "joe:s", "joe:t", 401),
        ("127.0.0.1", "joe:s", "joe:s", 200),
    ],
)
def test_beyond_this_machine_pages_want_credentials(
    host: str, credentials: str, given: str, status: int
) -> None:
    with serving(host, credentials) as server:
        assert asked(server, "/_haproxy_getconfig", given) == status
        assert asked(server, "/no/such/page", given) == (404 if status == 200 else status)
        assert asked(server, "/metrics") == 200
        assert asked(server, "/_haproxy_health_check") == 503


def test_tools_of_marathon_lb_ask_by_other_methods_too() -> None:
    with serving("127.0.0.1") as server:
        found = [asked(server, "/_haproxy_getconfig", method=one) for one in ("POST", "HEAD")]
        assert found == [200, 200]
        assert asked(server, "/no/such/page", method="POST") == 404
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("HEAD", "/_haproxy_getconfig")
        answer = connection.getresponse()
        assert (answer.getheader("Content-Length"), answer.read()) == ("3", b"")
        connection.close()
    with serving("127.0.0.1", "joe:s") as server:
        assert asked(server, "/_haproxy_getconfig", method="POST") == 401
