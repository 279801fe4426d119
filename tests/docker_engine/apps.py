"""Docker apps of the tests: small definitions, and what became of their tasks."""

import urllib.error
import urllib.request
from typing import Any

from localmesos.apache.engine import ApacheEngine
from tests.docker_engine.fixtures import Docker
from tests.integration.product import Stayer, agents_of, definition_of, sandbox_text
from tests.polling import eventually

Json = dict[str, Any]


def docker_app(docker: Docker, app_id: str, container: Json | None = None, **fields: Any) -> Json:
    """A small docker app; `container` has more fields of it, `docker` more of the image's."""
    container = {"docker": {}, **(container or {})}
    image = {"image": docker.image, **container.pop("docker")}
    return definition_of(
        app_id,
        **{
            "mem": 32,
            "container": {"type": "DOCKER", "docker": image, **container},
            "cmd": "exec sleep 1000",
            "backoffSeconds": 60,
            **fields,
        },
    )


def failure_of(stayer: Stayer, app_id: str) -> Json:
    """The first failure of an app's tasks."""
    return dict(
        eventually(lambda: stayer.app(app_id).get("lastTaskFailure", {}), f"a failure of {app_id}")
    )


def sandbox_of(mesos: ApacheEngine, failure: Json, name: str) -> str:
    """A file that a failed task left."""
    return sandbox_text(agents_of(mesos.url)[failure["slaveId"]], failure["taskId"], name)


def await_no_containers(docker: Docker, *task_ids: str) -> None:
    """Wait until the tasks' containers are removed."""
    eventually(
        lambda: not any(docker.containers(task_id) for task_id in task_ids),
        "the removal of the containers",
    )


def page(port: int) -> str:
    """What is served on a port of this machine; AssertionError while nothing is."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, ConnectionError) as problem:
        raise AssertionError(problem) from None
