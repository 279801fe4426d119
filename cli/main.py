"""The command `stayer`: every group and command in one place."""

import click

from cli.deferred import Deferred, DeferredCommands, DeferringGroup

_COMMANDS = {
    "agent": Deferred("cli.agents:agent", "Agents of Mesos: list, drain, undrain."),
    "alarm": Deferred("cli.alarms:alarm", "What an operator should look at: list."),
    "app": Deferred("cli.apps:app", "Apps: add, list, show, change, roll back, suspend, remove."),
    "completion": Deferred("cli.completion:completion", "Print the completion for a shell."),
    "crash": Deferred("cli.freezes:crash", "Crashes of the scheduler's decisions: list, forget."),
    "deployment": Deferred(
        "cli.deployments:deployment",
        "Deployments: list, show, watch, pause, promote, resume, revert, cancel.",
    ),
    "edge": Deferred("cli.edges:edge", "Load balancers that follow: list, forget."),
    "events": Deferred("cli.events:events", "Tell what happens, as it happens."),
    "flags": Deferred(
        "cli.flags:flags", "Print every setting of the scheduler as a Markdown table."
    ),
    "framework": Deferred("cli.frameworks:framework", "The registration with Mesos: teardown."),
    "freeze": Deferred(
        "cli.freezes:freeze",
        "Launch and kill nothing: of the named apps, or without any of all of them.",
    ),
    "group": Deferred(
        "cli.groups:group", "Groups of apps: list, show, apply, scale, roll back, remove."
    ),
    "haproxy": Deferred(
        "cli.haproxy.commands:haproxy",
        "The haproxy bridge of an edge node: running apps as a tested, hot-swapped configuration.",
    ),
    "import": Deferred(
        "cli.imports:import_command",
        "Take over apps and groups from a running Marathon (its URLs) or from files (- reads "
        "standard input): answers of /v2/groups or /v2/apps, or definitions.",
    ),
    "info": Deferred("cli.scheduler:info", "What answers: its release, framework id and leader."),
    "leader": Deferred("cli.scheduler:leader", "Who leads; with `abdicate` it gives up its lead."),
    "local": Deferred(
        "cli.local:local",
        "Boot a Mesos on this machine and run the scheduler on it, in the foreground.",
    ),
    "logger": Deferred(
        "cli.scheduler:logger", "How much the scheduler writes to its log: list, set."
    ),
    "mesos": Deferred(
        "cli.mesos:mesos", "A Mesos for this machine: a whole cluster, or single nodes of one."
    ),
    "metrics": Deferred(
        "cli.scheduler:metrics", "Counters and gauges; with TEXT those that have it in their name."
    ),
    "orphan": Deferred(
        "cli.scheduler:orphan",
        "Tasks that Mesos calls ours and no record knows: list, adopt, kill.",
    ),
    "queue": Deferred(
        "cli.queues:queue", "What waits for offers and why; with ID the whole story of one app."
    ),
    "replacements": Deferred(
        "cli.replacements:replacements",
        "Replacements of lost instances: show, hold, pace, release.",
    ),
    "serve": Deferred(
        "cli.serve:serve", "Run the scheduler against a Mesos that exists, in the foreground."
    ),
    "state": Deferred(
        "cli.state:state", "The stored state: backup, restore, check, show, migrate."
    ),
    "task": Deferred("cli.tasks:task", "Tasks: list, kill."),
    "unfreeze": Deferred(
        "cli.freezes:unfreeze",
        "End the freeze of the named apps, or without any that of everything.",
    ),
    "volume": Deferred("cli.volumes:volume", "Persistent volumes: list, show, remove."),
}


@click.group(
    cls=DeferringGroup,
    commands=DeferredCommands(_COMMANDS),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="stayer", prog_name="stayer")
def main() -> None:
    """Keep long-running applications running on Apache Mesos.

    `stayer local --demo` shows all of it on this machine; `stayer serve` is the scheduler itself;
    the other commands talk to a running one.
    """
