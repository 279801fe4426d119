"""The tasks behind a service, with their weights and what haproxy is to check."""

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from haproxy_bridge.services.model import Member
from haproxy_bridge.snapshot import App, Check, Task

FULL_WEIGHT = 100
MAX_WEIGHT = 256
_WHOLE = 100.0


def members(app: App, index: int, check_index: int | None) -> tuple[Member, ...]:
    """Those of an app that can be reached at its ``index``-th port. ``check_index``: the port to
    be checked instead, if a label names one."""
    found = []
    weights = _weights(app, index)
    for task in app.tasks:
        endpoint = task.endpoints[index] if index < len(task.endpoints) else None
        if endpoint is None:
            continue
        check, check_port = _check(task, index, check_index)
        found.append(
            Member(
                task_id=task.id,
                app_id=app.id,
                host=task.host,
                endpoint=endpoint,
                weight=0 if task.draining else FULL_WEIGHT if task.backup else weights[task.old],
                draining=task.draining,
                check=check,
                check_port=check_port,
                backup=task.backup,
                version=task.version,
            )
        )
    return tuple(sorted(found, key=lambda one: (one.endpoint.host, one.endpoint.port, one.task_id)))


def _weights(app: App, index: int) -> tuple[int, int]:
    """Those of a new and of an old task. Where there is none of one kind, the others get all."""
    share = app.new_share
    if share is None:
        return FULL_WEIGHT, FULL_WEIGHT
    counts = Counter(
        task.old
        for task in app.tasks
        if not (task.draining or task.backup)
        and index < len(task.endpoints)
        and task.endpoints[index] is not None
    )
    if not counts[False] or not counts[True]:
        return FULL_WEIGHT, FULL_WEIGHT
    parts = share / counts[False], (_WHOLE - share) / counts[True]
    return _scaled(parts[0], max(parts)), _scaled(parts[1], max(parts))


def _check(task: Task, index: int, check_index: int | None) -> tuple[Check | None, int | None]:
    """The check to repeat: the first with a port of its own, else that of this port; and where
    it goes if not to the endpoint (marathon-lb's choice)."""
    wanted = index if check_index is None else check_index
    with_port = [check for check in task.checks if check.port is not None]
    of_index = [check for check in task.checks if check.port is None and check.port_index == wanted]
    check = next(iter([*with_port, *of_index]), None)
    if check is not None and check.port is not None:
        return check, check.port if 0 < check.port < 65_536 else None
    if check_index is not None and check_index < len(task.endpoints):
        other = task.endpoints[check_index]
        return check, None if other is None else other.port
    return check, None


def shared(groups: Sequence[tuple[App, Sequence[Member]]]) -> tuple[Member, ...]:
    """The members of apps that serve one name together, weighted so that each app gets its share
    whatever the number of its tasks. Apps without a share count by their tasks."""
    if all(app.share is None for app, _ in groups):
        return tuple(member for _, members in groups for member in members)
    parts = {}
    for app, found in groups:
        serving = sum(not (member.draining or member.backup) for member in found)
        share = float(serving) if app.share is None else app.share
        parts[app.id] = share / serving if serving else 0.0
    largest = max(parts.values(), default=0.0)
    return tuple(
        member
        if member.draining or member.backup
        else replace(member, weight=_scaled(parts[app.id], largest))
        for app, found in groups
        for member in found
    )


def _scaled(part: float, largest: float) -> int:
    """Of 1..256 in proportion to the largest; 0 only for no share at all."""
    return 0 if part <= 0 or largest <= 0 else max(1, round(MAX_WEIGHT * part / largest))


def handed_over(
    old: Sequence[Member], new: Sequence[Member], labels: Mapping[str, str], wanted: int
) -> tuple[Member, ...]:
    """marathon-lb's blue/green by counts, as its zdd.py drives it: as many of the old tasks drain
    as the new ones can stand for, those with the lowest ids first. Backups stay."""
    text = labels.get("DEPLOYMENT_TARGET_INSTANCES", "").strip()
    target = int(text) if text.isdecimal() and len(text) < 8 else wanted
    ending = sorted(member.task_id for member in old if not member.backup)
    coming = sum(not member.backup for member in new)
    drained = max(0, min(len(ending), coming, coming + len(ending) - target))
    leaving = set(ending[:drained])
    return (
        *(
            replace(member, weight=0, draining=True) if member.task_id in leaving else member
            for member in old
        ),
        *new,
    )


def rotated(found: tuple[Member, ...], seed: str, name: str) -> tuple[Member, ...]:
    """Begin elsewhere on each node, so that not all of them send their first request to one
    task; without a seed as they are."""
    if not seed or not found:
        return found
    first = zlib.crc32(f"{seed}/{name}".encode()) % len(found)
    return found[first:] + found[:first]
