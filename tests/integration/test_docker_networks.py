"""Docker apps with a network of their own, with privileges, and from a registry."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.api.client import APIClient
from docker.errors import APIError

from localmesos.apache.engine import ApacheEngine
from localmesos.launcher.docker_pull import ensure_image
from tests.docker_engine.apps import await_no_containers, docker_app, failure_of, page, sandbox_of
from tests.docker_engine.fixtures import Docker
from tests.docker_engine.image import image_tar
from tests.docker_engine.registry import registry
from tests.integration.product import Stayer, serving
from tests.polling import eventually

pytestmark = pytest.mark.mesos

Json = dict[str, Any]
INSIDE = 8080
SERVE = f"ls /sys/class/net > /tmp/index.html; exec httpd -f -p {INSIDE} -h /tmp"
CHECK = {"protocol": "HTTP", "path": "/", "portIndex": 0, "intervalSeconds": 1}


@pytest.fixture
def stayer(docker_apache: ApacheEngine, tmp_path: Path) -> Iterator[Stayer]:
    with serving(docker_apache.url, tmp_path / "stayer") as stayer:
        yield stayer


def test_ports_are_published_from_the_bridge_and_from_a_named_network(
    stayer: Stayer, docker: Docker
) -> None:
    """The scheduler's own health check gets there by the published port, too."""
    mappings = [
        {"containerPort": INSIDE, "hostPort": 0},
        {"containerPort": 53, "hostPort": 0, "protocol": "udp"},
    ]
    fields = {"cmd": SERVE, "healthChecks": [CHECK], "taskKillGracePeriodSeconds": 0}
    bridge = [{"mode": "container/bridge"}]
    with docker.network() as name:
        networks = {"bridge": bridge, name: [{"mode": "container", "name": name}]}
        apps = {network: f"/{number}" for number, network in enumerate(networks)}
        for network, app_id in apps.items():
            stayer.client.create_app(
                docker_app(
                    docker, app_id, {"portMappings": mappings}, networks=networks[network], **fields
                )
            )
        task_ids = [_has_its_own_network(stayer, docker, apps[name], name) for name in apps]
        for app_id in apps.values():
            stayer.client.delete_app(app_id, force=True)
        await_no_containers(docker, *task_ids)


def _has_its_own_network(stayer: Stayer, docker: Docker, app_id: str, network: str) -> str:
    """Check it inside and outside; the task's id."""
    (task,) = stayer.await_running(app_id, 1)
    tcp, udp = task["ports"]
    assert set(eventually(lambda: page(tcp), f"its page in {network}").split()) == {"eth0", "lo"}
    found = docker.container_of(task["id"])["NetworkSettings"]
    ports = {inside: {each["HostPort"] for each in at} for inside, at in found["Ports"].items()}
    assert ports == {f"{INSIDE}/tcp": {str(tcp)}, "53/udp": {str(udp)}}
    assert list(found["Networks"]) == [network]
    address = found["Networks"][network]["IPAddress"]
    assert [each["ipAddress"] for each in task["ipAddresses"]] == [address]
    eventually(lambda: stayer.app(app_id)["tasksHealthy"] == 1, "the health check")
    return str(task["id"])


def test_a_privileged_container_may_what_others_may_not(
    stayer: Stayer, docker: Docker, docker_apache: ApacheEngine
) -> None:
    """It mounts something, and sees the devices of the machine."""
    mount = "mkdir /m && mount -t tmpfs none /m && echo mounted; exit 9"
    runtime = {"parameters": [{"key": "runtime", "value": docker.runtime}]}
    said = {}
    for app_id, privileged in (("/may", True), ("/may-not", False)):
        container = {"docker": {"privileged": privileged, **runtime}}
        stayer.client.create_app(docker_app(docker, app_id, container, cmd=mount))
        failure = failure_of(stayer, app_id)
        assert failure["message"] == "Container exited with status 9"
        said[app_id] = sandbox_of(docker_apache, failure, "stdout")
    assert said == {"/may": "mounted\n", "/may-not": ""}


def test_images_are_pulled_from_a_registry(
    stayer: Stayer, docker: Docker, docker_apache: ApacheEngine
) -> None:
    """Once, unless the definition forces it: then a tag that has moved is noticed."""
    with registry() as images:
        said, log = [], ""
        for number, force in enumerate((False, False, True), 1):
            image = images.push("team/web", "1", image_tar(f"image {number}\n"))
            container = {"docker": {"image": image, "forcePullImage": force}}
            app = docker_app(docker, f"/v{number}", container, cmd="cat /etc/version; exit 3")
            stayer.client.create_app(app)
            failure = failure_of(stayer, f"/v{number}")
            said.append(sandbox_of(docker_apache, failure, "stdout"))
            log = sandbox_of(docker_apache, failure, "stderr")
        assert said == ["image 1\n", "image 1\n", "image 3\n"]
        assert f"Pulled image {image}: 1 of 1 layers" in log
        docker.forget(image)

        missing = {"docker": {"image": f"{images.address}/team/none:1"}}
        stayer.client.create_app(docker_app(docker, "/missing", missing))
        failure = failure_of(stayer, "/missing")
        assert f"{images.address}/team/none:1" in failure["message"]


def test_a_registry_is_given_the_credentials_of_dockers_configuration(
    docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with registry("builder:s3cret") as images:
        image = images.push("team/web", "1", image_tar())
        api = APIClient(base_url=docker.host)
        with pytest.raises(APIError):
            ensure_image(api, image, force=False)
        credentials = base64.b64encode(b"builder:s3cret").decode()
        entries = {"auths": {images.address: {"auth": credentials}}}
        (tmp_path / "config.json").write_text(json.dumps(entries))
        api = APIClient(base_url=docker.host)
        ensure_image(api, image, force=False)
        assert api.inspect_image(image)["RepoTags"] == [image]
        docker.forget(image)
