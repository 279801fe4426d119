"""Three machines at a switch, set up by the provisioning scripts: an ensemble of ZooKeeper, three
Stayers, a Mesos, and an edge that cron looks after. The leading Stayer's machine loses its power.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from localmesos.apache.cache import cache_folder
from tests.machine.machine import CHECKOUT, Machine
from tests.machine.provisioning import (
    NAME,
    await_answer,
    await_served,
    gather_wheels,
    logs,
    provision,
    put_app,
    settle,
    start_haproxy,
)
from tests.machine.switch import Switch

pytestmark = [pytest.mark.mesos, pytest.mark.long, pytest.mark.timeout(900)]

ADDRESSES = tuple(f"192.168.56.{number}" for number in (11, 12, 13))
LIST = ",".join(ADDRESSES)
SECRET = "operator:one-for-all"
CLUSTER = ("cluster.sh", "/cluster.env")
SERVE = 'echo {} >index.html && exec python3 -m http.server "$PORT0"'
APP = {
    "id": "/hello",
    "cpus": 0.1,
    "mem": 32,
    "constraints": [["zone", "CLUSTER", "b"]],
    "healthChecks": [{"protocol": "HTTP", "path": "/", "intervalSeconds": 1}],
    "labels": {"HAPROXY_0_VHOST": NAME},
}
CRON_SECONDS = 180.0  # it begins with the next minute


@pytest.fixture
def machines() -> Iterator[list[Machine]]:
    with ExitStack() as running:
        switch = running.enter_context(Switch())
        machines = [running.enter_context(Machine(each, switch)) for each in ADDRESSES]
        yield machines
        for each in (machines[0], machines[2]):
            print(each.address, logs(each))  # noqa: T201 - shown by pytest


def test_a_leaders_machine_loses_its_power(machines: list[Machine], tmp_path: Path) -> None:
    """The first machine has the Mesos master besides, the second one leads, and the third, which is
    set up without wheels, has an agent and the edge."""
    first, second, third = machines
    gather_wheels(tmp_path)
    for each, wheels in zip(machines, (tmp_path, tmp_path, None), strict=True):
        settle(each, {"ZOOKEEPER_SERVERS": LIST, "SCHEDULERS": LIST}, wheels)
        cluster = f"{CHECKOUT}/vagrant/provision/cluster.sh"
        each.run("env", f"STAYER_CREDENTIALS={SECRET}", cluster, "/cluster.env", inside=True)
    third.run("dpkg", "--remove", "--force-depends", "cron")  # so that it is to be installed
    for each in machines:
        steps: list[tuple[str, ...]] = [
            CLUSTER,
            ("zookeeper.sh", each.address),
            ("scheduler.sh", each.address),
        ]
        if each is first:
            steps.append(("mesos-master.sh", each.address, "a"))
        if each is third:
            steps += [("mesos-agent.sh", each.address, "b", "r1"), ("edge.sh",)]
        provision(each, steps, inside=each is not third)
        assert each.path("/etc/stayer/credentials").read_text() == f"{SECRET}\n"
        assert set(provision(each, steps, inside=each is not third).values()) == {0}

    for each in machines:
        each.start_unit("stayer-zookeeper")
    first.start_unit("stayer-mesos-master")
    _bring_engine(third)
    third.start_unit("stayer-mesos-agent")
    for each in (second, first, third):
        each.start_unit("stayer")
        await_answer(each, "/v2/leader", second.address)
    start_haproxy(third)
    third.start("cron", "-f", log="/var/log/stayer-cron.log")
    put_app(first, {**APP, "cmd": SERVE.format("one")})
    await_served(third, "one", CRON_SECONDS)

    second.cut_power()
    await_served(third, "one")
    leader = await_answer(first, "/v2/leader", '"leader"')
    assert second.address not in leader
    put_app(third, {**APP, "cmd": SERVE.format("two")})
    await_answer(first, "/v2/apps//hello", '"tasksHealthy":1')
    await_served(third, "two", CRON_SECONDS)


def _bring_engine(machine: Machine) -> None:
    """What a machine with a network of its own would fetch from the package index."""
    cache = machine.path("/var/lib/mesos-agent/cache/stayer")
    for each in cache_folder().glob("*mesos*"):
        (cache / each.name).write_bytes(each.read_bytes())
