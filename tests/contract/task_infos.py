"""What each field of an app definition makes of a task's TaskInfo: definitions, and what of their
TaskInfos differs from that of the least app.

``python -m tests.contract.task_infos`` writes task_infos.json beside this file: the shapes that
tests hold to. Definitions go the whole way: read as the API reads them, decided on by the core,
encoded by the driver's builder.
"""

import json
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from api.options import ApiOptions
from framework.core.policy import Policy
from framework.domain.actions import Launch
from framework.domain.app import App
from framework.domain.disks import DiskSource, DiskType
from framework.domain.mesos import Agent, Attribute, Offer, OfferResource
from framework.mesos.templates import TaskInfoBuilder
from tests.unit.api.reading import app_of
from tests.unit.core.session import Session, launches

FILE = Path(__file__).with_suffix(".json")
OPTIONS = ApiOptions(enable_features=("secrets", "gpu_resources", "external_volumes"))
AGENT = Agent("agent-1", "host1.example", (Attribute("rack", text="r1"),), "eu", "eu-1")

LEAST: dict[str, Any] = {"id": "/web", "cmd": "serve", "portDefinitions": []}
_SECRETS = {"db": {"source": "prod/db"}}
_HTTP_TIMES = {
    "gracePeriodSeconds": 1,
    "intervalSeconds": 2,
    "timeoutSeconds": 3,
    "delaySeconds": 4,
    "maxConsecutiveFailures": 5,
}


def _docker(**fields: Any) -> dict[str, Any]:
    return {"type": "DOCKER", "docker": {"image": "nginx:1", **fields}}


def _mesos(**fields: Any) -> dict[str, Any]:
    return {"type": "MESOS", **fields}


CASES: dict[str, dict[str, Any]] = {
    "cmd": {"cmd": "other --flag"},
    "args": {"cmd": None, "args": ["program", "-x"]},
    "args of an image": {"cmd": None, "args": ["-x"], "container": _docker()},
    "user": {"user": "web"},
    "env": {"env": {"COLOUR": "red", "HOST": "mine"}},
    "env with expansion": {
        "env": {"AT": "${HOST}:${PORT0} ${AGENT_ATTRIBUTE_RACK} ${NOBODY}"},
        "expandEnv": True,
        "portDefinitions": [{}],
    },
    "env with a secret": {"env": {"PASSWORD": {"secret": "db"}}, "secrets": _SECRETS},
    "cpus, mem and disk": {"cpus": 0.5, "mem": 64.5, "disk": 7},
    "gpus": {"gpus": 2},
    "resourceLimits": {"resourceLimits": {"cpus": 2, "mem": "unlimited"}},
    "executor": {
        "executor": "/opt/my executor",
        "executorResources": {"cpus": 0.2, "mem": 48, "disk": 11},
        "container": _mesos(),
        "user": "web",
    },
    "fetch": {
        "fetch": [
            {"uri": "http://files/a.tgz"},
            {
                "uri": "http://files/b",
                "extract": False,
                "executable": True,
                "cache": True,
                "destPath": "bin/b",
            },
        ]
    },
    "uris": {"uris": ["http://files/a.tgz", "http://files/b.txt"]},
    "portDefinitions": {
        "portDefinitions": [
            {"port": 10_001, "name": "http", "labels": {"VIP": "/web:80"}},
            {"port": 0, "protocol": "tcp,udp"},
        ]
    },
    "ports": {"ports": [10_002], "portDefinitions": None},
    "requirePorts": {"portDefinitions": [{"port": 31_500}], "requirePorts": True},
    "networks: bridge": {
        "networks": [{"mode": "container/bridge"}],
        "container": {
            **_docker(),
            "portMappings": [
                {"containerPort": 80, "hostPort": 0, "name": "http", "labels": {"a": "b"}},
                {"containerPort": 53, "hostPort": 31_053, "protocol": "udp,tcp"},
            ],
        },
    },
    "networks: bridge of Mesos": {
        "networks": [{"mode": "container/bridge"}],
        "container": _mesos(portMappings=[{"containerPort": 80}]),
    },
    "networks: container": {
        "networks": [{"name": "blue", "labels": {"tier": "1"}}],
        "container": {**_docker(), "portMappings": [{"containerPort": 80}]},
    },
    "networks: several": {
        "networks": [{"name": "blue"}, {"name": "green"}],
        "container": _mesos(
            portMappings=[{"containerPort": 80, "hostPort": 0, "networkNames": ["green"]}]
        ),
    },
    "ipAddress": {"ipAddress": {"networkName": "blue", "labels": {"tier": "1"}}},
    "container.docker": {
        "container": _docker(
            forcePullImage=True,
            privileged=True,
            parameters=[{"key": "hostname", "value": "web"}],
        )
    },
    "container.docker of Mesos": {
        "secrets": _SECRETS,
        "container": _mesos(
            docker={
                "image": "nginx:1",
                "forcePullImage": True,
                "pullConfig": {"secret": "db"},
            }
        ),
    },
    "container.volumes: host": {
        "container": _mesos(
            volumes=[
                {"containerPath": "/in", "hostPath": "/out", "mode": "RO"},
                {"containerPath": "kept", "hostPath": "sandbox", "mode": "RW"},
            ]
        )
    },
    "container.volumes: persistent": {
        "id": "/dev/web",
        "role": "dev",
        "container": _mesos(volumes=[{"containerPath": "data", "persistent": {"size": 64}}]),
    },
    "container.volumes: persistent, on a disk of its own": {
        "id": "/dev/web",
        "role": "dev",
        "container": _mesos(
            volumes=[
                {
                    "containerPath": "data",
                    "persistent": {
                        "size": 64,
                        "type": "mount",
                        "maxSize": 128,
                        "constraints": [["path", "LIKE", "/disks/.*"]],
                    },
                }
            ]
        ),
    },
    "container.volumes: secret": {
        "secrets": _SECRETS,
        "container": _mesos(volumes=[{"containerPath": "key", "secret": "db"}]),
    },
    "container.volumes: external": {
        "container": _mesos(
            volumes=[
                {
                    "containerPath": "/data",
                    "mode": "RW",
                    "external": {
                        "provider": "dvdi",
                        "name": "data",
                        "size": 5,
                        "options": {"dvdi/driver": "rexray", "dvdi/iops": "100"},
                    },
                }
            ]
        )
    },
    "container.volumes: external, of Docker": {
        "container": {
            **_docker(),
            "volumes": [
                {
                    "containerPath": "/data",
                    "mode": "RO",
                    "external": {
                        "provider": "dvdi",
                        "name": "data",
                        "options": {"dvdi/driver": "rexray"},
                    },
                }
            ],
        }
    },
    "container.linuxInfo": {
        "container": _mesos(
            linuxInfo={
                "seccomp": {"profileName": "strict"},
                "ipcInfo": {"mode": "PRIVATE", "shmSize": 64},
            }
        )
    },
    "container.linuxInfo: unconfined": {
        "container": _mesos(linuxInfo={"seccomp": {"unconfined": True}})
    },
    "tty": {"tty": True},
    "healthChecks: COMMAND": {
        "healthChecks": [{"protocol": "COMMAND", "command": {"value": "true"}, **_HTTP_TIMES}]
    },
    "healthChecks: MESOS_HTTP": {
        "portDefinitions": [{}, {}],
        "healthChecks": [{"protocol": "MESOS_HTTP", "path": "/ok", "portIndex": 1}],
    },
    "healthChecks: MESOS_TCP": {
        "healthChecks": [{"protocol": "MESOS_TCP", "port": 8080, "maxConsecutiveFailures": 0}]
    },
    "healthChecks: IPv6": {
        "networks": [{"mode": "container/bridge"}],
        "container": {**_docker(), "portMappings": [{"containerPort": 80}]},
        "healthChecks": [{"protocol": "MESOS_HTTPS", "ipProtocol": "IPv6"}],
    },
    "check: http": {
        "portDefinitions": [{}, {}],
        "check": {
            "http": {"path": "/ok", "portIndex": 1},
            "intervalSeconds": 1,
            "timeoutSeconds": 2,
            "delaySeconds": 3,
        },
    },
    "check: tcp": {"check": {"tcp": {"port": 8080}}},
    "check: shell": {"check": {"exec": {"command": {"shell": "true"}}}},
    "check: argv": {"check": {"exec": {"command": {"argv": ["test", "-f", "x"]}}}},
    "labels": {"labels": {"team": "a", "owner-of.it": "b"}},
    "acceptedResourceRoles": {
        "id": "/dev/web",
        "role": "dev",
        "acceptedResourceRoles": ["dev"],
    },
    "taskKillGracePeriodSeconds": {"taskKillGracePeriodSeconds": 7},
}


_DISK = DiskSource(DiskType.MOUNT, "/disks/1", '{"type":"MOUNT","mount":{"root":"/disks/1"}}')


class _Secrets:
    def value(self, source: str) -> bytes:
        return f"the secret at {source}".encode()


def app_of_case(name: str) -> App:
    """The app that the case's definition is."""
    return app_of({**LEAST, **CASES[name]}, OPTIONS)


def launch_of(app: App) -> Launch:
    """The app's launch, as the core decides it on an offer that has everything."""
    session = Session(Policy(gpu_scheduling_behavior="unrestricted"))
    session.connect("eu")
    session.put(replace(app, instances=1))
    (launch,) = launches(session.offer(Offer("o1", AGENT, app.role, _everything(app.role))))
    return launch


def _everything(role: str) -> tuple[OfferResource, ...]:
    """All kinds of resources, unreserved and reserved for the role."""
    plain = (
        *(OfferResource(name, 1_000_000) for name in ("cpus", "mem", "disk")),
        OfferResource("disk", 100_000, plain=False, disk_source=_DISK),
        OfferResource("gpus", 8_000),
        OfferResource("ports", ranges=((31_000, 31_999),)),
    )
    stack = f'[{{"type":"STATIC","role":"{role}"}}]'
    reserved = tuple(replace(one, role=role, reservations=stack) for one in plain)
    return plain if role == "*" else (*plain, *reserved)


def task_info(app: App) -> Any:
    """Its TaskInfo, with environment, labels and resources by name."""
    info = json.loads(bytes(TaskInfoBuilder(secrets=_Secrets()).build(launch_of(app))))
    for part in (info, info.get("executor", {})):
        if "command" in part:
            variables = part["command"]["environment"]["variables"]
            part["command"]["environment"] = {one["name"]: one for one in variables}
        if "resources" in part:
            part["resources"] = {_name_of(one): one for one in part["resources"]}
    return info


def _name_of(resource: dict[str, Any]) -> str:
    return "volume" if "disk" in resource else str(resource["name"])


def difference(found: Any, least: Any) -> Any:
    """What of an object is otherwise than in the other; what only that has is null."""
    if not (isinstance(found, dict) and isinstance(least, dict)):
        return found
    differs = {
        name: difference(value, least.get(name))
        for name, value in found.items()
        if value != least.get(name)
    }
    return differs | {name: None for name in least if name not in found}


def current() -> dict[str, Any]:
    """What the code at hand makes of each case."""
    least = task_info(app_of(LEAST, OPTIONS))
    differences = {name: difference(task_info(app_of_case(name)), least) for name in CASES}
    return {"the least app": least, **differences}


if __name__ == "__main__":
    FILE.write_text(json.dumps(current(), indent=1, sort_keys=True) + "\n")
