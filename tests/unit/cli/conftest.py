"""The commands against a scripted API: a server on loopback, and a way to run `stayer`."""

from collections.abc import Callable, Iterator

import click
import pytest
from click.testing import CliRunner, Result

from cli.agents import agent
from cli.alarms import alarm
from cli.apps import app
from cli.deployments import deployment
from cli.edges import edge
from cli.events import events
from cli.frameworks import framework
from cli.freezes import crash, freeze, unfreeze
from cli.groups import group
from cli.queues import queue
from cli.replacements import replacements
from cli.tasks import task
from tests.unit.cli.scripted_http import ScriptedServer, scripted

Stayer = Callable[..., Result]


@pytest.fixture
def api() -> Iterator[ScriptedServer]:
    """A scheduler whose answers the test writes into ``script``."""
    with scripted() as server:
        yield server


@pytest.fixture
def stayer(api: ScriptedServer) -> Stayer:
    """Runs a command line; it finds the scripted scheduler through its environment."""
    commands = click.Group(
        commands=[
            agent,
            alarm,
            app,
            crash,
            deployment,
            edge,
            events,
            framework,
            freeze,
            group,
            queue,
            replacements,
            task,
            unfreeze,
        ]
    )

    def run(*words: str, stdin: str | bytes | None = None, url: str | None = None) -> Result:
        env = {
            "STAYER_URL": url or api.url,
            "STAYER_CREDENTIALS_FILE": None,
            "STAYER_CA_FILE": None,
        }
        return CliRunner(env=env).invoke(commands, words, input=stdin, catch_exceptions=False)

    return run
