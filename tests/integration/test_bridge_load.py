"""Changes of an app on a genuine Mesos while load comes through the bridge: nobody's request fails.

The load is wrk's where every request has to succeed, and our own generator's where a process is
killed without a word and each failure is looked at.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from haproxy_bridge.runtime import apply
from localmesos.apache.engine import ApacheEngine
from localmesos.cluster import agent_specs
from tests.integration.bridge_load import (
    Generator,
    Watching,
    access_log,
    answers,
    asked,
    watching,
    wrk,
)
from tests.integration.poller import is_healthy, service
from tests.integration.product import Json, Stayer, pids_of, serving
from tests.integration.test_product_failover import group, ids, leading
from tests.polling import eventually

pytestmark = pytest.mark.mesos

_APP = "/web"
_EDGE_PORTS = 900  # from there on, of the thousand of this test process
_SERVICE_PORT = 910
_BACKEND = "web_{}"
_AT_ONCE = 2  # requests that a task has at most


@pytest.fixture
def here(task_ports: int, tmp_path: Path) -> Iterator[ApacheEngine]:
    """A Mesos whose agents say that they are at 127.0.0.1, where their tasks really answer."""
    ports = f"ports:[{{{task_ports + 700}+i*50}}-{{{task_ports + 749}+i*50}}]"
    specs = agent_specs(2, resources=f"cpus:4;mem:4096;disk:10000;{ports}", hostname="127.0.0.1")
    flags = {"allocation_interval": "200ms"}
    with ApacheEngine(specs, state_dir=tmp_path / "mesos", flags=flags) as engine:
        yield engine


@pytest.fixture
def app(task_ports: int) -> Json:
    """Three tasks behind one port of the edge; an upgrade keeps all of them."""
    return service(
        _APP,
        instances=3,
        portDefinitions=[{"port": task_ports + _SERVICE_PORT, "name": "http"}],
        upgradeStrategy={"minimumHealthCapacity": 1, "maximumOverCapacity": 0.34},
        labels={"HAPROXY_0_MAXCONN_SERVER": str(_AT_ONCE)},
    )


class Served:
    """The app behind the bridge."""

    def __init__(self, stayer: Stayer, edge: Watching, port: int) -> None:
        self.stayer = stayer
        self.edge = edge
        self.port = port
        self.backend = _BACKEND.format(port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def create(self, app: Json) -> None:
        """Until all of its tasks serve."""
        self.stayer.client.create_app(app)
        self.await_tasks(app["instances"])
        eventually(lambda: answers(self.port), f"an answer\n{self.edge.output()}")

    def await_tasks(self, count: int, release: str = "1") -> list[Json]:
        """Wait until so many of a release are healthy, and haproxy serves exactly them."""

        def fits(tasks: list[Json]) -> bool:
            assert all(map(is_healthy, tasks))
            assert self.stayer.app(_APP)["env"]["RELEASE"] == release
            return True

        tasks = self.stayer.await_running(_APP, count, fits)
        ports = {task["ports"][0] for task in tasks}

        def look() -> bool:
            up = self.edge.await_serving(self.backend, count)
            assert {one.port for one in up.values()} == ports
            return True

        eventually(look, "haproxy to serve the tasks that run")
        return tasks

    def release(self, number: str) -> None:
        """Replace all tasks, and wait until the last old one has gone."""
        before = {task["id"] for task in self.stayer.running(_APP)}
        self.stayer.client.update_app(_APP, {"env": service(_APP, number)["env"]})

        def is_new() -> bool:
            return not before & {task["id"] for task in self.stayer.running(_APP)}

        eventually(is_new, "tasks of the new release only")
        self.await_tasks(len(before), number)

    def scale(self, count: int, release: str) -> None:
        self.stayer.client.scale_app(_APP, count)
        self.await_tasks(count, release)


@pytest.fixture
def served(here: ApacheEngine, task_ports: int, tmp_path: Path) -> Iterator[Served]:
    with (
        serving(here.url, tmp_path / "stayer") as stayer,
        watching(stayer.client.urls, task_ports + _EDGE_PORTS) as edge,
    ):
        yield Served(stayer, edge, task_ports + _SERVICE_PORT)


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.long)])
def test_no_request_fails_while_tasks_are_replaced_and_come_and_go(
    served: Served, app: Json, rounds: int
) -> None:
    served.create(app)
    before = served.edge.reloads()
    with wrk(served.url) as load:
        for number in range(2, 2 + rounds):
            served.release(str(number))
            served.scale(5, str(number))
            served.scale(2, str(number))
    load.check()
    assert served.edge.reloads() == before, "members need no reload"
    late = [line for line in served.stayer.output().splitlines() if "gets no requests of" in line]
    assert late == [], "the edge says in time that it uses what is new"


def test_traffic_moves_from_the_old_to_the_new_version_and_back(served: Served, app: Json) -> None:
    served.create({**app, "instances": 2})
    strategy = {"minimumHealthCapacity": 1, "maximumOverCapacity": 1, "canary": 2}
    change = {"env": service(_APP, "2")["env"], "upgradeStrategy": strategy}
    with wrk(served.url) as load:
        deployment = served.stayer.client.update_app(_APP, change)["deploymentId"]
        said = _shift(served, deployment, "--step", "25%", "--to", "75%", "--interval", "0")
        assert [line.split()[-2] for line in said if "new version" in line] == ["25%", "50%", "75%"]
        _await_share(served, 65, 85)  # beside the old ones, so that all can go back to them
        assert len(served.edge.await_serving(served.backend, 4)) == 4
        _shift(served, deployment, "--undo")
        _await_share(served, 0, 0)
        _shift(served, deployment, "--step", "100%", "--interval", "0", "--promote", "--wait")
        served.await_tasks(2, "2")
        _await_share(served, 100, 100)
    load.check()


def _shift(served: Served, deployment: str, *words: str) -> list[str]:
    """The command as people call it; its lines."""
    arguments = ["haproxy", "shift", "--deployment", deployment, *words]
    for url in served.stayer.client.urls:
        arguments += ["--url", url]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def _await_share(served: Served, least: int, most: int) -> None:
    """Wait until of a hundred requests so many are answered by the new version."""

    def look() -> bool:
        bodies = [asked(served.port) for _ in range(100)]
        assert set(bodies) <= {"1", "2"}, bodies
        return least <= bodies.count("2") <= most

    eventually(look, f"{least} to {most} % for the new version\n{served.edge.output()}")


@pytest.mark.parametrize("hangs", ["", "GET", "POST"])
def test_a_task_that_is_killed_costs_nobody_a_get_and_only_posts_that_it_had(
    here: ApacheEngine, task_ports: int, tmp_path: Path, app: Json, hangs: str
) -> None:
    """``hangs``: before, it stops to answer, and has two requests of this kind when it ends."""
    with (
        serving(here.url, tmp_path / "stayer") as stayer,
        access_log() as log,
        watching(
            stayer.client.urls,
            task_ports + _EDGE_PORTS,
            *("--log", f"{log.address} local0", "--json-log"),
        ) as edge,
        ExitStack() as load,
    ):
        served = Served(stayer, edge, task_ports + _SERVICE_PORT)
        served.create(app)
        victim = served.stayer.running(_APP)[0]
        generators = {
            method: Generator(served.port, [method] * 4)
            for method in sorted(("GET", "POST"), key=lambda one: one != hangs)
        }
        for method, generator in generators.items():
            load.enter_context(generator)
            _await_answers(generator)
            if method == hangs:
                _signalled(victim, signal.SIGSTOP)
                eventually(lambda: _sessions(served, victim) >= _AT_ONCE, "requests that hang")
        began = time.monotonic()
        _signalled(victim, signal.SIGKILL)
        eventually(lambda: not pids_of(victim["id"]), "its end")
        ended = time.monotonic()
        eventually(lambda: victim["id"] not in ids(stayer, _APP), "its end to be known")
        served.await_tasks(3)
        load.close()
        assert not generators["GET"].failures
        posts = generators["POST"].failures
        assert len(posts) in (range(_AT_ONCE + 1) if not hangs else [(hangs == "POST") * _AT_ONCE])
        for one in posts:
            assert one.began < ended, "it was in flight before"
            assert began < one.ended, "it would have gone well"
            line = log.line(one.path)
            assert line["task"] == victim["id"], one
            # Its connection to the task stood. One that is refused by a port where nobody listens
            # any more reads SC: that request could have gone to another task.
            assert line["ended"] == "SH", line


def _await_answers(generator: Generator) -> None:
    eventually(lambda: generator.answered > 50, "load")


def _signalled(task: Json, number: signal.Signals) -> None:
    for pid in pids_of(task["id"]):
        os.kill(pid, number)


def _sessions(served: Served, task: Json) -> int:
    """Those that its server has, and what waits for a place there."""
    found = apply.sessions(served.edge.admin_socket, [served.backend])
    return sum(number for (_, name), number in found.items() if name.startswith(task["id"]))


def test_a_haproxy_that_is_killed_serves_again(served: Served, app: Json) -> None:
    served.create(app)
    for pid in served.edge.processes().workers:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: answers(served.port), "haproxy to serve again")
    served.await_tasks(3)


def test_no_request_fails_while_another_scheduler_takes_over(
    here: ApacheEngine, zk_url: str, task_ports: int, tmp_path: Path, app: Json
) -> None:
    with group(here.url, zk_url, tmp_path, 2) as (first, second):
        urls = [*first.client.urls, *second.client.urls]
        with watching(urls, task_ports + _EDGE_PORTS) as edge:
            served = Served(first, edge, task_ports + _SERVICE_PORT)
            served.create(app)
            told = edge.servers(served.backend)
            with wrk(served.url) as load:
                first.crash()
                eventually(lambda: leading([second]), "another leader")
                served.stayer = second
                served.await_tasks(3)
                assert edge.servers(served.backend).keys() == told.keys(), "none was taken away"
                served.scale(4, "1")
            load.check()
