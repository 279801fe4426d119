"""marathon-deploy 3.0, a command that people deploy with: against Stayer on the genuine Mesos.

It asks ``/ping`` for JSON and ends when the answer is another, and it recognises the deployment it
waits for by comparing whole answers.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.product import Stayer, definition_of

pytestmark = pytest.mark.mesos

# The command, with the name that marathon-python expects of Python up to 3.9.
_COMMAND = """
import collections, collections.abc
collections.Iterable = collections.abc.Iterable
from marathon_deploy.deploytool import main
main()
"""
_SECONDS = 60


def deploy(url: str, *arguments: str) -> str:
    """What the command says; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-c", _COMMAND, "--marathon", url, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith('"pong"\n')
    return done.stdout.removeprefix('"pong"\n')


def test_an_app_is_put_scaled_and_restarted(stayer: Stayer, url: str, tmp_path: Path) -> None:
    file = tmp_path / "app.json"
    file.write_text(json.dumps(definition_of("/deployed/app")))
    assert "Creating app: /deployed/app" in deploy(url, "--put", str(file))
    (first,) = stayer.await_running("/deployed/app", 1)

    deploy(url, "--appid", "deployed/app", "--scale", "2")
    assert deploy(url, "--appid", "/deployed/app", "--instances") == "2\n"
    stayer.await_running("/deployed/app", 2)

    deploy(url, "--appid", "/deployed/app", "--restart")
    tasks = stayer.await_running("/deployed/app", 2)
    assert first["id"] not in {task["id"] for task in tasks}


def test_a_deployment_is_watched_until_it_ends(stayer: Stayer, url: str) -> None:
    """It can not end before it is seen: a new instance is healthy after a second at least."""
    check = {"protocol": "COMMAND", "command": {"value": "sleep 1"}, "delaySeconds": 0}
    stayer.run("/watched/app", healthChecks=[check])
    told = deploy(url, "--appid", "/watched/app", "--restart")
    assert "- /watched/app: " in told
    assert " complete.\n" in told
    assert stayer.app("/watched/app")["tasksHealthy"] == 1


def test_the_tag_of_an_image_is_changed(stayer: Stayer, url: str) -> None:
    image = {"image": "registry.example/app:1", "forcePullImage": True}
    container = {"type": "DOCKER", "docker": image}
    stayer.client.create_app(definition_of("/tagged", instances=0, container=container))
    deploy(url, "--appid", "/tagged", "--tag", "2")
    changed = stayer.app("/tagged")["container"]
    assert changed["docker"]["image"] == "registry.example/app:2"
    assert (changed["type"], changed["docker"]["forcePullImage"]) == ("DOCKER", True)
