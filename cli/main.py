"""The command `stayer`: every group and command in one place."""

from importlib.metadata import version

import click

from cli.alarms import alarm
from cli.apps import app
from cli.completion import completion
from cli.deployments import deployment
from cli.events import events
from cli.flags import flags
from cli.forgetting import forget_framework
from cli.frameworks import framework
from cli.freezes import crash, freeze, unfreeze
from cli.groups import group
from cli.imports import import_command
from cli.local import local
from cli.mesos import mesos
from cli.queues import queue
from cli.scheduler import agent, info, leader, logger, metrics, orphan
from cli.serve import serve
from cli.state import state
from cli.tasks import task


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("stayer"), prog_name="stayer")
def main() -> None:
    """Keep long-running applications running on Apache Mesos.

    `stayer local --demo` shows all of it on this machine; `stayer serve` is the scheduler itself;
    the other commands talk to a running one.
    """


for command in (
    agent,
    alarm,
    app,
    completion,
    crash,
    deployment,
    events,
    flags,
    framework,
    freeze,
    group,
    import_command,
    info,
    leader,
    local,
    logger,
    mesos,
    metrics,
    orphan,
    queue,
    serve,
    state,
    task,
    unfreeze,
):
    main.add_command(command)
state.add_command(forget_framework)
