"""The images of `docker-images/`, built on a base made here, and the whole cluster of its compose
file: an app is submitted through the edge, and answers there."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from docker.api.client import APIClient

from localmesos.apache.docker_engine import NoDockerError, find_docker
from tests.docker_engine.base_image import base_tar
from tests.docker_engine.daemon import DockerDaemon
from tests.integration.product import definition_of
from tests.polling import eventually

pytestmark = [pytest.mark.mesos, pytest.mark.timeout(1800)]

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
BOOT_SECONDS = 180.0
NAME = "hello.example.org"
SERVE = 'echo "$MARATHON_APP_ID on $HOST" > index.html; exec python3 -m http.server $PORT0'
APP = definition_of(
    "/hello",
    cmd=SERVE,
    mem=32,
    instances=2,
    constraints=[["rack", "UNIQUE"]],
    portDefinitions=[{"port": 0}],
    healthChecks=[{"protocol": "HTTP", "path": "/", "portIndex": 0, "intervalSeconds": 1}],
    labels={"HAPROXY_0_VHOST": NAME},
)
DOCKERS_OWN = (
    ".dockerenv",
    "dev",
    "etc",
    "etc/hostname",
    "etc/hosts",
    "etc/mtab",
    "etc/resolv.conf",
)


class Images:
    """What is built is named apart from everything else that an engine has."""

    def __init__(self, host: str) -> None:
        self.prefix = f"stayer-test-{os.getpid()}"
        own = {name: os.environ[name] for name in os.environ if not name.startswith("STAYER_")}
        self.environment = own | {
            "DOCKER_HOST": host,
            "DOCKER_BUILDKIT": "0",
            "STAYER_IMAGES": self.prefix,
            "COMPOSE_PROJECT_NAME": self.prefix,
            "EDGE_PORT": "",  # any free one
            "API_PORT": "",
            "MESOS_PORT": "",
        }
        self.api = APIClient(base_url=host, timeout=300)

    def build(self, *words: str) -> None:
        """As a user does, on the tests' base."""
        if not self.api.images(self.prefix):
            self.api.import_image_from_file(str(base_tar()), self.prefix, "base")
        base = ["--base", f"{self.prefix}:base", "--images", self.prefix]
        command = [sys.executable, "docker-images/build.py", *base, *words]
        _run(command, self.environment)

    def compose(self, *words: str) -> str:
        """What a command about the cluster says."""
        program = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        return _run([*program, "--file", "docker-images/compose.yaml", *words], self.environment)

    def run(self, image: str, *command: str, **variables: str) -> tuple[int, str]:
        """Exit code and output of an image's program."""
        container = self.api.create_container(
            f"{self.prefix}/{image}", list(command), environment=variables
        )["Id"]
        self.api.start(container)
        code = self.api.wait(container)["StatusCode"]
        output = self.api.logs(container).decode()
        self.api.remove_container(container)
        return code, output

    def files(self, image: str) -> dict[str, tuple[object, ...]]:
        """All that is in an image but for what Docker makes for each container."""
        container = self.api.create_container(f"{self.prefix}/{image}", ["none"])["Id"]
        found: dict[str, tuple[object, ...]] = {}
        command = ["docker", "export", container]
        with (
            subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE) as export,
            tarfile.open(fileobj=export.stdout, mode="r|") as tar,
        ):
            for member in tar:
                if member.name not in DOCKERS_OWN and not member.name.startswith("dev/"):
                    content = tar.extractfile(member) if member.isfile() else None
                    digest = sha256(content.read() if content else b"").hexdigest()
                    # A folder has the time at which something was put into it.
                    time = 0 if member.isdir() else member.mtime
                    whose = (member.mode, member.uid, member.gid, time)
                    found[member.name] = (member.type, member.linkname, *whose, digest)
        self.api.remove_container(container)
        return found

    def forget(self) -> None:
        """Remove all of it."""
        for image in self.api.images():
            for tag in image["RepoTags"] or ():
                if tag.startswith(self.prefix):
                    self.api.remove_image(tag, force=True)
        self.api.close()


@pytest.fixture
def images() -> Iterator[Images]:
    """The machine's engine, or one of this test."""
    with ExitStack() as running:
        try:
            host = f"unix://{find_docker(os.environ).socket}"
        except NoDockerError:
            host = running.enter_context(DockerDaemon(large_images=True)).host
        images = Images(host)
        running.callback(images.forget)
        yield images


def _run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-5000:]}\n{done.stderr[-5000:]}"
    return done.stdout


@contextmanager
def _cluster(images: Images) -> Iterator[tuple[str, str]]:
    """The compose file's cluster: the addresses of the API and of the apps, both at the edge."""
    try:
        images.compose("up", "--detach")
        api, apps = (images.compose("port", "edge", port).strip() for port in ("8080", "80"))
        yield api, apps
    except BaseException:
        print(images.compose("logs", "--tail", "100"))  # noqa: T201 - shown by pytest
        raise
    finally:
        images.compose("down", "--volumes", "--timeout", "2")


def _answer(address: str, path: str, app: Json | None = None, host: str = "") -> str:
    """What is served, to a PUT if there is an app; AssertionError while it is not."""
    body = json.dumps(app).encode() if app else None
    headers = {"Content-Type": "application/json", **({"Host": host} if host else {})}
    request = urllib.request.Request(
        f"http://{address}{path}", body, headers, method="PUT" if app else "GET"
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as refused:
        with refused:
            raise AssertionError(f"{refused}: {refused.read()!r}") from None
    except (OSError, HTTPException) as problem:
        raise AssertionError(problem) from None


def _leader(api: str) -> str:
    return str(json.loads(_answer(api, "/v2/leader"))["leader"])


def _await_both_agents(apps: str) -> None:
    """Wait until the app is served from the two agents, in turn."""
    expected = {f"/hello on mesos-agent-{number}\n" for number in (1, 2)}
    eventually(
        lambda: {_answer(apps, "/", host=NAME) for _ in range(4)} == expected,
        "both instances",
        BOOT_SECONDS,
    )


def test_the_cluster_of_the_compose_file_serves_an_app_at_its_edge(images: Images) -> None:
    """And goes on when the leader is stopped."""
    images.build()
    for image in ("scheduler", "edge", "zookeeper", "mesos"):
        config = images.api.inspect_image(f"{images.prefix}/{image}")["Config"]
        assert config["User"] == "10001:10001"
        assert config["Healthcheck"]["Test"]
    with _cluster(images) as (api, apps):
        leader = eventually(lambda: _leader(api), "a leader", BOOT_SECONDS)
        assert leader in ("stayer-1:8080", "stayer-2:8080")
        eventually(lambda: _answer(api, "/v2/apps//hello", APP), "the acceptance of the app")
        _await_both_agents(apps)
        eventually(lambda: _all_healthy(images), "seven healthy services", BOOT_SECONDS)

        images.compose("stop", leader.removesuffix(":8080"))
        eventually(lambda: _leader(api) != leader, "another leader", BOOT_SECONDS)
        _await_both_agents(apps)
    _is_refused_or_elsewhere(images)


def _all_healthy(images: Images) -> bool:
    chosen = {"label": f"com.docker.compose.project={images.prefix}"}
    states = [each["Status"] for each in images.api.containers(all=True, filters=chosen)]
    assert len(states) == 7, states
    assert all("(healthy)" in state for state in states), states
    return True


def _is_refused_or_elsewhere(images: Images) -> None:
    """One variable: a Mesos elsewhere. And what serves beyond loopback wants credentials."""
    elsewhere = {"MESOS_MASTER": "zk://zk1:2181/mesos"}
    for node in ("master", "agent"):
        code, output = images.run("mesos", node, **elsewhere)
        assert (code, output) == (
            0,
            f"No Mesos {node} runs here: MESOS_MASTER names one elsewhere.\n",
        )
    images.environment |= elsewhere
    assert "STAYER_MASTER: zk://zk1:2181/mesos" in images.compose("config")
    code, output = images.run("scheduler")
    assert code == 2
    assert "credentials" in output


@pytest.mark.long
def test_the_same_sources_make_the_same_images(images: Images) -> None:
    seen = []
    for _ in range(2):
        images.build("--no-cache", "scheduler", "edge")
        seen.append({image: images.files(image) for image in ("scheduler", "edge")})
    for image, files in seen[0].items():
        again = seen[1][image]
        assert {name for name in {*files, *again} if files.get(name) != again.get(name)} == set()
        assert "opt/stayer/bin/stayer" in files or image == "edge"
