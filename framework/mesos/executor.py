"""A task run by an executor of the user's own: a program, named by its path, that talks to the
agent itself. Made as Marathon makes it: one executor a task, started by a shell.
"""

import shlex

from framework.domain.actions import Launch
from framework.domain.app import App
from framework.domain.records import replace
from framework.mesos.json_parts import JsonObject


def executor_info(
    app: App,
    task_id: str,
    command: JsonObject,
    resources: object,
    container: JsonObject | None,
) -> JsonObject:
    """ExecutorInfo with this CommandInfo's user, files and environment; the app's command is what
    the program gets as its arguments. ``resources`` are those of ``split``; None: none."""
    program = shlex.quote(app.executor)
    arguments = app.cmd if app.cmd is not None else shlex.join(app.args)
    kept: JsonObject = {
        name: command[name] for name in ("user", "uris", "environment") if name in command
    }
    start = f"chmod ug+rx {program} && exec {program} {arguments}".rstrip()
    info: JsonObject = {
        "type": "CUSTOM",
        "executor_id": {"value": task_id},
        "command": {"shell": True, "value": start, **kept},
    }
    if resources is not None:
        info["resources"] = resources
    if container is not None:
        info["container"] = container
    return info


def split(launch: Launch) -> tuple[Launch, Launch]:
    """The launch with what the task itself takes of the offer, and with what its executor does."""
    wanted = launch.app.executor_needs
    if not wanted:
        return launch, replace(launch, resources=())
    own, executors = [], []
    for one in launch.resources:
        is_volume = one.volume is not None or bool(one.source.disk)
        part = 0 if is_volume else min(one.millis, wanted.get(one.source.name, 0))
        if part:
            wanted[one.source.name] -= part
            executors.append(replace(one, millis=part))
        if part < one.millis or one.ranges:
            own.append(replace(one, millis=one.millis - part) if part else one)
    return replace(launch, resources=tuple(own)), replace(launch, resources=tuple(executors))
