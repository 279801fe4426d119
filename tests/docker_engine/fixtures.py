"""A Docker Engine with the tests' own image, and genuine Mesos agents that use it.

Each test process has its own engine, unless one runs on the machine already. A conftest imports
what its tests need.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from docker.api.client import APIClient

from localmesos.apache.docker_engine import NoDockerError, docker_flags, find_docker
from localmesos.apache.engine import ApacheEngine
from localmesos.cluster import agent_specs
from tests.docker_engine.daemon import LIMITED_RUNTIME, DockerDaemon
from tests.docker_engine.image import CHANGES, image_tar

Json = dict[str, Any]
_PORTS_OFFSET, _PORTS = 900, 50  # of the ports of this test process


class Docker:
    """An engine as the tests look at it."""

    def __init__(self, host: str, image: str, runtime: str) -> None:
        self.host = host
        self.image = image
        self.runtime = runtime  # the one for privileged containers
        self.flags = docker_flags(host.removeprefix("unix://"))
        self._api = APIClient(base_url=host)

    def import_image(self) -> None:
        """Make the tests' image known to the engine."""
        repository, _, tag = self.image.partition(":")
        self._api.import_image_from_data(image_tar(), repository, tag, changes=list(CHANGES))

    def container_of(self, task_id: str) -> Json:
        """What the engine knows of the one container of a task; AssertionError if it has none."""
        found = self.containers(task_id)
        assert len(found) == 1, found
        return dict(self._api.inspect_container(found[0]))

    def containers(self, task_id: str) -> list[str]:
        """The ids of a task's containers, ended ones too."""
        chosen = {"label": f"MESOS_TASK_ID={task_id}"}
        return [each["Id"] for each in self._api.containers(all=True, filters=chosen)]

    @contextmanager
    def network(self) -> Iterator[str]:
        """The name of a network that is there while the context lasts."""
        name = f"stayer-test-{os.getpid()}"
        created = self._api.create_network(name, driver="bridge")["Id"]
        try:
            yield name
        finally:
            self._api.remove_network(created)

    def execute(self, task_id: str, *command: str) -> None:
        """Run a command in the container of a task."""
        exec_id = self._api.exec_create(self.containers(task_id)[0], list(command))["Id"]
        self._api.exec_start(exec_id)
        assert self._api.exec_inspect(exec_id)["ExitCode"] == 0

    def forget(self, image: str) -> None:
        """Remove an image that no container uses."""
        self._api.remove_image(image, force=True)

    def close(self) -> None:
        """Forget the tests' image."""
        self.forget(self.image)
        self._api.close()


@pytest.fixture(scope="session")
def docker() -> Iterator[Docker]:
    """The machine's engine, or one of this process."""
    with ExitStack() as running:
        try:
            host, runtime = f"unix://{find_docker(os.environ).socket}", "runc"
        except NoDockerError:
            host, runtime = running.enter_context(DockerDaemon()).host, LIMITED_RUNTIME
        engine = Docker(host, f"stayer-test:{os.getpid()}", runtime)
        engine.import_image()
        running.callback(engine.close)
        yield engine


@pytest.fixture(scope="session")
def docker_apache(
    tmp_path_factory: pytest.TempPathFactory, task_ports: int, docker: Docker
) -> Iterator[ApacheEngine]:
    """One agent that runs docker tasks, for all tests of this process: do not damage it."""
    engine = docker_cluster(tmp_path_factory.mktemp("docker-apache"), task_ports, docker)
    with engine:
        yield engine


def docker_cluster(folder: Path, task_ports: int, docker: Docker, offset: int = 0) -> ApacheEngine:
    """A cluster of one agent that runs docker tasks; `offset` sets its ports apart."""
    first = task_ports + _PORTS_OFFSET + offset
    ports = f"ports:[{first}-{first + _PORTS - 1}]"
    return ApacheEngine(
        agent_specs(1, resources=f"cpus:8;mem:4096;disk:10000;{ports}"),
        state_dir=folder,
        flags={"allocation_interval": "200ms", **docker.flags},
    )
