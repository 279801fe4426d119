"""What is found of a Docker Engine, and the command line that stands in for Docker's."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import ImageNotFound

from localmesos.apache.docker_engine import NoDockerError, docker_flags, find_docker
from localmesos.apache.launcher_folder import isolated_python
from localmesos.launcher.docker_executor import place_from
from localmesos.launcher.docker_pull import PullError, ensure_image

CONTAINER = "mesos-0cc77030-69c2-4449-a477-41999daeb3df"
Json = dict[str, Any]


def _why_none(address: str) -> NoDockerError:
    with pytest.raises(NoDockerError) as none:
        find_docker({"DOCKER_HOST": address})
    return none.value


def test_only_an_engine_behind_a_socket_of_this_machine_will_do(tmp_path: Path) -> None:
    assert "DOCKER_HOST is tcp://10.0.0.1:2375" in str(_why_none("tcp://10.0.0.1:2375"))
    path = tmp_path / "plain"
    path.touch()
    for missing in (tmp_path / "missing", path):
        none = _why_none(f"unix://{missing}")
        assert str(none) == f"there is no Docker Engine at {missing}"
        assert none.socket == str(missing)


def test_an_engine_that_does_not_answer_is_none(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        listener.listen()
        threading.Thread(target=_hang_up, args=(listener, 2)).start()
        none = _why_none(f"unix://{path}")
    assert f"the Docker Engine at unix://{path} does not answer: " in str(none)
    assert none.socket == str(path)
    assert docker_flags(none.socket) == {
        "containerizers": "docker,mesos",
        "docker_socket": str(path),
    }


def _hang_up(listener: socket.socket, times: int) -> None:
    for _ in range(times):
        listener.accept()[0].close()


def _stand_in(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = isolated_python("localmesos.launcher.docker_cli", "mesos-docker", packages=True)
    return subprocess.run(
        [*command, "-H", "unix:///nowhere/docker.sock", *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--version"], 0, "Docker version "),
        (["ps", "-a"], 0, "NAMES\n"),
        (["pull", "web:1"], 0, ""),
        (["inspect", CONTAINER], 1, ""),
        (["rm", "-f", "-v", CONTAINER], 1, ""),
        (["build", "."], 1, ""),
    ],
)
def test_an_agent_boots_without_an_engine(arguments: list[str], status: int, words: str) -> None:
    done = _stand_in(*arguments)
    assert done.returncode == status, done.stderr
    assert words in done.stdout
    if status:
        assert done.stdout == ""
        assert "mesos-docker: " in done.stderr
        assert "Traceback" not in done.stderr


def test_any_image_is_shown_as_an_agent_of_mesos_reads_it() -> None:
    (image,) = json.loads(_stand_in("inspect", "mesos-dns:1").stdout)
    assert image["ContainerConfig"] == {"Entrypoint": None, "Env": None}


def test_a_missing_flag_of_the_executor_is_named() -> None:
    flags = {
        "container": CONTAINER,
        "docker_socket": "unix:///var/run/docker.sock",
        "sandbox_directory": "/sand",
        "mapped_directory": "/mnt",
        "launcher_dir": "/programs",
        "cgroups_enable_cfs": "true",
    }
    place = place_from(flags)
    assert (place.socket, place.limit_cpus) == ("/var/run/docker.sock", True)
    for name in set(flags) - {"cgroups_enable_cfs"}:
        with pytest.raises(ValueError, match=f"--{name} is missing"):
            place_from({key: flags[key] for key in flags if key != name})


class Registry:
    """An engine that has some images and can pull others, as its SDK shows it."""

    def __init__(self, *present: str, events: tuple[Json, ...] = ()) -> None:
        self.present = present
        self.events = events
        self.pulled: list[tuple[str, str]] = []

    def inspect_image(self, image: str) -> None:
        if image not in self.present:
            raise ImageNotFound(image)

    def pull(self, repository: str, *, tag: str, stream: bool, decode: bool) -> Iterator[Json]:
        assert stream
        assert decode
        self.pulled.append((repository, tag))
        yield from self.events


@pytest.mark.parametrize(
    ("image", "force", "pulled"),
    [
        ("here:1", False, []),
        ("here:1", True, [("here", "1")]),
        ("new", False, [("new", "latest")]),
        ("host:5000/new:2", False, [("host:5000/new", "2")]),
        ("new@sha256:ab", False, [("new", "sha256:ab")]),
    ],
)
def test_an_image_is_pulled_when_it_must_be(
    image: str, force: bool, pulled: list[tuple[str, str]]
) -> None:
    registry = Registry("here:1")
    ensure_image(registry, image, force=force)
    assert registry.pulled == pulled


def test_a_pull_tells_its_progress_and_its_failure(capfd: pytest.CaptureFixture[str]) -> None:
    events: tuple[Json, ...] = (
        {"status": "Pulling from library/web", "id": "1"},
        {"status": "Already exists", "id": "aa"},
        {"status": "Downloading", "id": "bb", "progressDetail": {"current": 500_000}},
        {"status": "Downloading", "id": "bb", "progressDetail": {"current": 2_500_000}},
        {"status": "Pull complete", "id": "bb"},
    )
    ensure_image(Registry(events=events), "web:1", force=False)
    assert "Pulled image web:1: 2 of 2 layers, 2.5 MB\n" in capfd.readouterr().err
    failing = Registry(events=(*events[:3], {"error": "no space left"}))
    with pytest.raises(PullError, match="no space left"):
        ensure_image(failing, "web:1", force=False)
