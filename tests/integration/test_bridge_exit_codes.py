"""How `stayer haproxy once` ends as a process, as cron and monitoring see it, on a real haproxy."""

import fcntl
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from haproxy_bridge.exits import Exit
from tests.edge.fixtures import Edge
from tests.integration.product import STAYER
from tests.unit.cli.scripted_http import Answer, scripted

Bridge = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bridge(edge: Edge) -> Bridge:
    """Runs a command on the edge node."""
    haproxy = edge.haproxy
    node = (
        f"--config={haproxy.config}",
        f"--state={edge.options.state}",
        f"--socket={haproxy.admin_socket}",
        f"--master-socket={haproxy.master_socket}",
        f"--http-bind=127.0.0.1:{haproxy.http}",
        f"--https-bind=127.0.0.1:{haproxy.https}",
        f"--stats-bind=127.0.0.1:{haproxy.stats}",
        f"--appid-bind=127.0.0.1:{haproxy.appid}",
        "--metrics-bind=",
        "--log=",
        edge.marathon.url,
    )

    def run(*words: str, first: str = "") -> "subprocess.CompletedProcess[str]":
        urls = [first] if first else []
        command = [STAYER, "haproxy", words[0] if words else "once", *urls, *node, *words[1:]]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)

    return run


def test_changes_and_their_absence(edge: Edge, bridge: Bridge) -> None:
    a, b = edge.task("a"), edge.task("b")
    edge.say(edge.app("a", [a], 0, VHOST="a.example"))
    would = bridge("diff", "--detailed-exitcode")
    assert (would.returncode, "a.example" in would.stdout) == (Exit.CHANGED, False)
    assert "+backend a_" in would.stdout
    assert bridge().returncode == Exit.OK
    quiet = bridge("once", "--detailed-exitcode")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (Exit.OK, "", "")
    edge.say(edge.app("a", [a, b], 0, VHOST="a.example"))
    applied = bridge("once", "--detailed-exitcode")
    assert (applied.returncode, applied.stderr) == (Exit.CHANGED, "")
    assert applied.stdout == "1 servers added: 1 services, 2 servers\n"
    edge.say(edge.app("a", [a, b], 0, VHOST="a.example"), edge.app("b", [b], 0))
    partial = bridge("once", "--detailed-exitcode")
    assert partial.returncode == Exit.PARTIAL
    assert "conflict: /b:" in partial.stderr
    west = bridge("once", "--cluster=west=http://127.0.0.1:1", "--hold-seconds=0", "--hold-runs=1")
    assert west.returncode == Exit.CLUSTER
    assert "cluster west" in west.stderr


def test_an_agent_that_nobody_finds_is_named(edge: Edge, bridge: Bridge) -> None:
    a = edge.task("a")
    app = edge.app("a", [a, a], 0, VHOST="a.example")
    app["tasks"][1] |= {"id": "b", "host": "agent.invalid"}
    edge.say(app)
    done = bridge()
    assert done.returncode == Exit.PARTIAL
    assert "unresolved: /a: 1 of its 2 tasks get nothing" in done.stderr
    assert "for agent.invalid (" in done.stderr
    assert [edge.haproxy.ask("a.example")[1] for _ in range(4)] == ["a"] * 4


def test_a_task_that_has_just_begun_serves_later_if_it_is_asked_for(
    edge: Edge, bridge: Bridge
) -> None:
    old, young = edge.task("old"), edge.task("young")
    app = edge.app("a", [old, young], 0, VHOST="a.example")
    app["tasks"][1]["startedAt"] = datetime.now(UTC).isoformat()
    edge.say(app)
    assert bridge("once", "--min-uptime=3600").returncode == Exit.OK
    assert {edge.haproxy.ask("a.example")[1] for _ in range(4)} == {"old"}
    assert bridge("once", "--min-uptime=0").stdout == "1 servers added: 1 services, 2 servers\n"
    assert {edge.haproxy.ask("a.example")[1] for _ in range(4)} == {"old", "young"}


def test_what_keeps_everything(edge: Edge, bridge: Bridge, tmp_path: Path) -> None:
    a = edge.task("a")
    app = edge.app("a", [a], 0, VHOST="a.example")
    edge.say(app)
    assert bridge().returncode == Exit.OK
    good = edge.haproxy.config.read_bytes()

    def kept(expected: Exit, word: str, *words: str) -> None:
        done = bridge("once", *words)
        assert done.returncode == expected, done.stderr
        assert done.stdout == ""
        assert word in done.stderr
        assert edge.haproxy.config.read_bytes() == good
        assert edge.haproxy.ask("a.example")[:2] == (200, "a")

    edge.marathon.script["GET /v2/apps"] = Answer({"message": "no leader"}, 503)
    kept(Exit.UNREACHABLE, "unreachable")
    edge.say()
    kept(Exit.HELD, "held")
    edge.say(app)
    (tmp_path / "more.cfg").write_text("backend x\n  gibberish\n")
    kept(Exit.REFUSED, "gibberish", f"--include={tmp_path}")
    edge.say(app, edge.app("b", [a], 1, BIND_ADDR="127.0.0.1"))
    a.ill = frozenset({"/probe"})
    probe = f"--probe-url=http://127.0.0.1:{a.port}/probe"
    kept(Exit.NOT_RELOADED, "the configuration before is back", probe)
    edge.say(app)
    with Path(edge.options.state).with_suffix(".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        kept(Exit.LOCKED, "another run holds")
    file = tmp_path / "file"
    file.write_text("")
    kept(Exit.INTERNAL, str(file), f"--state={file}/state.json")
    kept(Exit.USAGE, "--max-drop", "--max-drop=7")


def test_metrics_for_the_textfile_collector_tell_of_trouble_too(
    edge: Edge, bridge: Bridge, tmp_path: Path
) -> None:
    path = tmp_path / "stayer.prom"

    def told() -> dict[str, str]:
        words = (line.split(" ") for line in path.read_text().splitlines() if line[0] != "#")
        return {name.removeprefix("stayer_bridge_"): value for name, value in words}

    edge.marathon.script["GET /v2/apps"] = Answer({"message": "no leader"}, 503)
    assert bridge("once", f"--textfile={path}").returncode == Exit.UNREACHABLE
    never = told()
    assert (never["failing"], never["staleness_seconds"]) == ("1.0", "+Inf")
    edge.say(edge.app("a", [edge.task("a")], 0, VHOST="a.example"))
    assert bridge("once", f"--textfile={path}").returncode == Exit.OK
    found = told()
    assert (found["failing"], found["servers"], found["reloads_total"]) == ("0.0", "1.0", "1.0")
    assert float(found["staleness_seconds"]) < 600
    assert [one.name for one in tmp_path.iterdir()] == ["stayer.prom"]
    unwritable = bridge("once", f"--textfile={tmp_path}/no/such/folder")
    assert (unwritable.returncode, "no/such/folder" in unwritable.stderr) == (Exit.OK, True)


def _silent(handler: BaseHTTPRequestHandler) -> None:
    """Takes the request, and that is all."""
    handler.rfile.read(1)  # until the client gives it up


def _stalls(handler: BaseHTTPRequestHandler) -> None:
    """Half of an answer."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    handler.wfile.write(b'Content-Length: 1000\r\n\r\n{"apps": [')
    handler.wfile.flush()
    handler.rfile.read(1)


@pytest.mark.parametrize("ill", [_silent, _stalls])
def test_a_first_endpoint_that_never_ends_its_answer_keeps_nobody_from_the_second(
    edge: Edge, bridge: Bridge, ill: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    edge.say(edge.app("a", [edge.task("a")], 0, VHOST="a.example"))
    script = dict.fromkeys(("GET /v3/services", "GET /v2/apps"), ill)
    with scripted(script) as dead:
        done = bridge("once", "--request-timeout=0.5", first=dead.url)
        assert (done.returncode, done.stderr) == (Exit.OK, "")
        assert edge.haproxy.ask("a.example")[:2] == (200, "a")
        assert dead.asked() == ["GET /v3/services"], "who answered is asked first from then on"
