"""The package for edge nodes: it runs with Python alone, and has nothing of the scheduler."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.scripted_http import Answer, ScriptedServer, scripted

ROOT = Path(__file__).resolve().parents[2]
APPS = {
    "apps": [
        {
            "id": "/web",
            "instances": 1,
            "labels": {"HAPROXY_0_VHOST": "web.example.org"},
            "portDefinitions": [{"port": 10_000}],
            "tasks": [{"id": "web.1", "host": "127.0.0.1", "ports": [31_000]}],
        }
    ]
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the package has, as on a node."""
    folder = tmp_path_factory.mktemp("package")
    build = [sys.executable, "scripts/build_bridge.py", "--only-this-python", "--output"]
    built = subprocess.run(
        [*build, str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=110, check=True
    )
    package = Path(built.stdout.strip())
    assert package.name.startswith("stayer-bridge_")
    assert package.name.endswith("_all.deb")
    subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "node")], timeout=60, check=True)
    return folder / "node"


@pytest.fixture
def marathon() -> Iterator[ScriptedServer]:
    text = Answer(b"web\t10000\t127.0.0.1:31000\t\n", headers={"Content-Type": "text/plain"})
    script = {
        "GET /v3/services": Answer({"message": "URI not found"}, 404),
        "GET /v2/apps": Answer(APPS),
        "GET /v2/tasks": text,
    }
    with scripted(script) as server:
        yield server


def run(node: Path, name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A program of the package, with no package of this machine in reach."""
    command = [sys.executable, "-IS", str(node / "usr/bin" / name), *words]
    return subprocess.run(
        command, cwd=node, env={}, capture_output=True, text=True, timeout=60, check=False
    )


def test_it_runs_with_python_alone(node: Path, marathon: ScriptedServer, tmp_path: Path) -> None:
    version = run(node, "stayer-haproxy", "--version")
    assert version.stdout.startswith("stayer-haproxy, version "), version.stderr
    generated = run(node, "stayer-haproxy", "generate", marathon.url)
    assert generated.returncode == 0, generated.stderr
    assert "web.example.org" in generated.stdout or "127.0.0.1:31000" in generated.stdout
    state = f"--state={tmp_path}/state.json"
    config = f"--config={tmp_path}/haproxy.cfg"
    once = run(
        node, "stayer-haproxy", "once", state, config, "--reload-command=", "--probe-url=none",
        "--haproxy=/usr/sbin/haproxy", marathon.url,
    )  # fmt: skip
    assert once.returncode == 0, once.stderr
    status = run(node, "stayer-haproxy", "status", state)
    assert "last success" in status.stdout, status.stderr


def test_it_answers_to_the_names_of_2014(node: Path, marathon: ScriptedServer) -> None:
    for name in ("haproxy-marathon-bridge", "haproxy_marathon_bridge"):
        told = run(node, name, marathon.url.removeprefix("http://"))
        assert "listen web-10000" in told.stdout, told.stderr


def test_it_has_nothing_of_the_scheduler(node: Path) -> None:
    library = node / "usr/lib/stayer-bridge"
    found = {path.name for path in library.iterdir() if not path.name.endswith(".dist-info")}
    assert found == {"api", "cli", "click", "haproxy_bridge", "msgspec", "rich", "urllib3"}
    assert not (library / "cli" / "serve.py").exists()


def test_it_installs_a_node_by_its_own_name(node: Path, tmp_path: Path) -> None:
    done = run(
        node, "stayer-haproxy", "install", "--cron", "--yes", f"--root={tmp_path}",
        "--program=/usr/bin/stayer-haproxy", "http://m1:8080",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (
        "root /usr/bin/stayer-haproxy once @"
        in (tmp_path / "etc/cron.d/stayer-haproxy").read_text()
    )
