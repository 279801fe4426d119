"""What a configuration that lies there tells, where nothing is remembered of the runs before.

Memory may be lost, damaged or of another release, and haproxy still serves what the last run, or
another program, gave it. Its file then says who served: an answer that takes most of that away is
held as one after a known answer is, and tasks of which health is unknown stay if they are there.
"""

import re

from msgspec.structs import replace

from haproxy_bridge.guard.memory import GuardOptions, Memory
from haproxy_bridge.snapshot import App, Snapshot, Task, Verdict

_SERVER = re.compile(rb"^[ \t]*server[ \t]+\S+[ \t]+(\S+):(\d{1,5})(?:[ \t]|$)", re.MULTILINE)

Found = frozenset[tuple[str, int]]
"""Address and port of each server."""


def servers(config: bytes) -> Found:
    """Those of a haproxy.cfg, whoever made it. One without a port of its own is none of a task."""
    return frozenset(
        (host.decode("utf-8", "replace").strip("[]"), int(port))
        for host, port in _SERVER.findall(config)
    )


def suspicious(wanted: bytes, before: Found, options: GuardOptions) -> str:
    """Why the configuration ``wanted`` should not replace one with these servers at once; "" if
    it may."""
    after = servers(wanted)
    lost = len(before - after)
    if len(after) >= len(before) or (after and lost <= len(before) * options.max_drop):
        return ""
    return (
        f"{lost} of the {len(before)} servers in the configuration that is there would go, and "
        "nothing is remembered of the run before"
    )


def remembered(answer: Snapshot, before: Found) -> Memory:
    """What a run before would remember, as far as it follows from the servers that are there."""
    if not before:
        return Memory()
    apps = tuple(_with_those(app, before) for app in answer.apps)
    served = (task for app in apps for task in app.tasks)
    verdicts = {task.id: Verdict.UP for task in served if task.health is Verdict.UNKNOWN}
    return Memory(replace(answer, apps=apps), verdicts)


def _with_those(app: App, before: Found) -> App:
    return replace(app, tasks=tuple(task for task in app.tasks if _serves(task, before)))


def _serves(task: Task, before: Found) -> bool:
    return any(one is not None and (one.host, one.port) in before for one in task.endpoints)
