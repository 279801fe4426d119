"""Instances that run already, written into the store and into the simulated Mesos: no launches.

What a scheduler finds that comes back to a state of this size: apps with their versions, groups,
agents, the framework, and running instances whose tasks Mesos knows.
"""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from api.client import Client, ClientError
from framework.core.consistency import check_state
from framework.domain.app import App, PortDefinition
from framework.domain.clock import iso
from framework.domain.groups import Group
from framework.domain.ids import instance_id
from framework.domain.instance import Condition, Instance
from framework.domain.mesos import Agent
from framework.domain.rollout import Framework
from framework.domain.state import Change, Kind, State, version_key
from tests.integration.zookeeper_stores import open_writer, session_at
from tests.polling import eventually

PROBE = "/probe"
INSTANCES_AN_APP = 100
MOST_APPS = 1_000
FIRST_PORT = 31_000
_FIRST_SERVICE_PORT = 10_000
_CPUS_MILLIS, _MEM_MILLIS = 10, 16_000
_SINCE_MS = 1_700_000_000_000
_VERSION = iso(_SINCE_MS)
_APPENDED = 1000
_ANSWER_SECONDS = 60.0
_ASK_SECONDS = 5.0
_PATIENCE_SECONDS = 600.0


def preload(mesos_url: str, zk_url: str, count: int) -> list[str]:
    """Let so many instances run, spread over all agents, and one app without any be defined.
    Nobody may have subscribed, or lead, yet. The ids of the tasks."""
    agents = [Agent(one["id"], one["hostname"]) for one in ask(f"{mesos_url}/state")["slaves"]]
    framework = Framework(str(uuid4()), f"{uuid4()}-0000", _SINCE_MS)
    running = list(instances(agents, count))
    for place, agent in enumerate(agents):
        own = {one.task_id: _resources(one) for one in running[place :: len(agents)]}
        tasks = {"framework_id": framework.framework_id, "agent": agent.id, "tasks": own}
        ask(f"{mesos_url}/simulated/add_tasks", json.dumps(tasks).encode())
    changes = [Change(Kind.FRAMEWORK, "framework", framework), *definitions(count)]
    changes += [Change(Kind.AGENT, one.id, one) for one in agents]
    changes += [Change(Kind.INSTANCE, one.id, one) for one in running]
    state = State()
    state.apply(changes)
    wrong = list(check_state(state))
    assert not wrong, wrong[:3]
    with session_at(zk_url) as session:
        store = open_writer(session)
        for first in range(0, len(changes), _APPENDED):
            store.append(changes[first : first + _APPENDED])
        store.close()
    return [one.task_id for one in running]


def instances_an_app(count: int) -> int:
    """Of so many in all: at most a thousand apps."""
    return max(INSTANCES_AN_APP, -(-count // MOST_APPS))


def app_id(number: int, count: int) -> str:
    """Of the app to which the instance of this number belongs, where there are so many."""
    return f"/bench/app{number // instances_an_app(count)}"


def definitions(count: int) -> Iterator[Change]:
    """The groups, and the apps that so many instances belong to."""
    for path in ("/", "/bench"):
        yield Change(Kind.GROUP, path, Group(path, _VERSION))
    sizes = {PROBE: 0}
    each = instances_an_app(count)
    for first in range(0, count, each):
        sizes[app_id(first, count)] = min(each, count - first)
    for port, (id_, size) in enumerate(sizes.items(), _FIRST_SERVICE_PORT):
        app = App(
            id=id_,
            version=_VERSION,
            config=_VERSION,
            last_scaling_at=_VERSION,
            last_config_change_at=_VERSION,
            cmd="sleep 100000",
            instances=size,
            cpus_millis=_CPUS_MILLIS,
            mem_millis=_MEM_MILLIS,
            port_definitions=(PortDefinition(port),),
        )
        yield Change(Kind.APP, id_, app)
        yield Change(Kind.APP_VERSION, version_key(id_, _VERSION), app)


def instances(agents: list[Agent], count: int) -> Iterator[Instance]:
    """Running since long ago, each with a port of its own on its agent."""
    for number in range(count):
        yield Instance(
            id=instance_id(app_id(number, count), str(uuid4())),
            app_id=app_id(number, count),
            version=_VERSION,
            config=_VERSION,
            agent_id=agents[number % len(agents)].id,
            condition=Condition.RUNNING,
            since_ms=_SINCE_MS,
            staged_at_ms=_SINCE_MS,
            started_at_ms=_SINCE_MS,
            ports=(FIRST_PORT + number // len(agents),),
            addresses=("127.0.0.1",),
        )


def _resources(one: Instance) -> str:
    (port,) = one.ports
    return f"cpus:{_CPUS_MILLIS / 1000};mem:{_MEM_MILLIS / 1000};ports:[{port}-{port}]"


def hear_of_all(url: str) -> None:
    """Wait until the leader has heard of all tasks, and runs one that it launches itself."""
    eventually(lambda: writes(url, 1), "a write", _PATIENCE_SECONDS)
    eventually(lambda: runs(url, 1), "a task", _PATIENCE_SECONDS)
    eventually(lambda: _synced(url), "all tasks answer", _PATIENCE_SECONDS)


def _synced(url: str) -> bool:
    with urllib.request.urlopen(f"{url}/metrics/prometheus", timeout=_ANSWER_SECONDS) as answer:
        return b"\nstayer_mesos_synced 1" in answer.read()


def writes(url: str, instances: int) -> bool:
    """Whether it acknowledges a write, which asks for a task too."""
    client = Client((url,), timeout_seconds=_ASK_SECONDS)
    try:
        client.scale_app(PROBE, instances, force=True)
    except ClientError:
        return False
    else:
        return True
    finally:
        client.close()


def runs(url: str, instances: int) -> bool:
    """Whether so many tasks of the probe run."""
    client = Client((url,), timeout_seconds=_ASK_SECONDS)
    try:
        return bool(client.get_app(PROBE)["tasksRunning"] == instances)
    except ClientError:
        return False
    finally:
        client.close()


def ask(url: str, body: bytes | None = None) -> dict[str, Any]:
    """What the simulated Mesos answers."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as answer:
        content: dict[str, Any] = json.loads(answer.read())
    return content
