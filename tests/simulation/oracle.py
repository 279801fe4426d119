"""Placement rules once more, naively: recounted from scratch, straight from the manual.

Written without a look at the compiled checks, so that the two can be compared.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence

from framework.domain.app import App, PersistentVolume
from framework.domain.disks import DiskSource, DiskType
from framework.domain.instance import STAGED, Condition, Goal, Instance
from framework.domain.mesos import Agent
from framework.domain.state import State
from tests.simulation.bundles import Bundle
from tests.simulation.holdings import disk_of

WAITS = frozenset(
    {
        Condition.SCHEDULED,
        Condition.ERROR,
        Condition.FAILED,
        Condition.FINISHED,
        Condition.KILLED,
        Condition.GONE,
        Condition.DROPPED,
        Condition.UNKNOWN,
    }
)

Values = dict[str, str]


def values_of(agent: Agent) -> Values:
    """The fields of an agent whose attributes are all texts."""
    values = {attribute.name: attribute.text or "" for attribute in agent.attributes}
    values |= {"hostname": agent.hostname, "@hostname": agent.hostname}
    if agent.region is not None:
        values["@region"] = agent.region
    if agent.zone is not None:
        values["@zone"] = agent.zone
    return values


def live(instance: Instance) -> bool:
    """Whether it has a task that takes part in the size of its app."""
    return instance.condition not in WAITS | {Condition.UNREACHABLE_INACTIVE}


def current(app: App, instance: Instance) -> bool:
    """Whether it runs the app's present configuration."""
    return instance.config == app.config or app.keep_old


def serving(state: State, instance: Instance) -> bool:
    """Whether it does its work, by the checks of the definition it was launched with."""
    versions = state.versions_of.get(instance.app_id, {})
    app = versions.get(instance.version) or effective(state, instance.app_id)
    checked = app is not None and bool(app.health_checks)
    healthy = instance.healthy is True or (instance.healthy is None and not checked)
    return (
        instance.goal is Goal.RUNNING
        and instance.condition is Condition.RUNNING
        and not instance.kill_reason
        and healthy
        and instance.ready is not False
    )


def effective(state: State, app_id: str) -> App | None:
    """The definition in force: the stored one, or while its deployment has not come to the app
    the one before (None: it was not there)."""
    for deployment in state.deployments.values():
        plan = state.plan(deployment)
        if app_id not in plan.before:
            continue
        steps = [
            number
            for number, step in enumerate(plan.steps, start=1)
            for action in step
            if action.app_id == app_id and action.action != "StartApplication"
        ]
        if steps and min(steps) > deployment.current_step:
            return state.versions_of.get(app_id, {}).get(plan.before[app_id])
    return state.apps.get(app_id)


def unreachable(instance: Instance) -> bool:
    """Whether Mesos has lost contact with it."""
    return instance.condition in {Condition.UNREACHABLE, Condition.UNREACHABLE_INACTIVE}


def starting(instance: Instance) -> bool:
    """Whether its task is on its way to run."""
    return instance.condition in STAGED


def counted(app: App, state: State, without: Iterable[str] = ()) -> list[Instance]:
    """The instances that the constraints of this definition look at; an earlier one, kept for a
    while, looks at its own only."""
    left_out = {*without}
    in_force = app == effective(state, app.id)
    both = in_force and app.upgrade_strategy.count_old_instances
    return [
        instance
        for instance in state.instances.values()
        if instance.app_id == app.id
        and instance.id not in left_out
        and (instance.config == app.config or both or (in_force and app.keep_old))
        and instance.condition not in WAITS | {Condition.UNREACHABLE}
    ]


def admits(app: App, agent: Agent, others: Sequence[Values]) -> bool:
    """Whether the app's constraints allow one more instance on this agent."""
    mine = values_of(agent)
    return all(
        _admits(constraint[0], constraint[1], constraint[2:], mine, others)
        for constraint in app.constraints
    )


def _admits(
    field: str, operator: str, rest: tuple[str, ...], mine: Values, others: Sequence[Values]
) -> bool:
    value = mine.get(field)
    if operator == "UNLIKE":
        return value is None or re.fullmatch(rest[0], value) is None
    if value is None:
        return False
    there = [other.get(field) for other in others]
    match operator:
        case "LIKE":
            return re.fullmatch(rest[0], value) is not None
        case "IS":
            return value == rest[0]
        case "UNIQUE":
            return value not in there
        case "MAX_PER":
            return there.count(value) < int(rest[0])
        case "CLUSTER":
            return value == rest[0] if rest else _home(there) in {None, value}
        case _:
            return _grouped(value, there, int(rest[0]) if rest else 0)


def _home(there: Sequence[str | None]) -> str | None:
    if not there:
        return None
    sizes = Counter(there)
    most = max(sizes.values())
    return min((value or "~" for value, size in sizes.items() if size == most), default=None)


def _grouped(value: str, there: Sequence[str | None], groups: int) -> bool:
    sizes = Counter(there)
    if value not in sizes:
        return True
    return len(sizes) >= groups and sizes[value] == min(sizes.values())


def fits(app: App, free: Bundle) -> bool:
    """Whether the free resources of an agent suffice for one instance."""
    roles = app.accepted_resource_roles
    mine = free.for_role(app.role)
    needs = [("cpus", app.cpus_millis), ("mem", app.mem_millis), ("disk", app.disk_millis)]
    needs.append(("gpus", app.gpus * 1000))
    roots = [one for one in app.persistent_volumes if one.type is DiskType.ROOT]
    needs[2] = ("disk", app.disk_millis + sum(one.size_mib for one in roots) * 1000)
    if not _disks_suffice(app, mine.disks()):
        return False
    if any(mine.amount(name, roles) < millis for name, millis in needs):
        return False
    if mine.amount("gpus", ("*", app.role)) and not app.gpus:
        return False
    ports = mine.port_numbers(roles)
    wanted = app.requested_host_ports
    fixed = [port for port in wanted if port]
    return ports.issuperset(fixed) and len(ports) >= len(wanted)


def suits(volume: PersistentVolume, disk: DiskSource, millis: int) -> bool:
    """Whether a volume may be made of so much of a disk."""
    most = volume.max_size_mib
    return (
        disk.type is volume.type
        and volume.size_mib * 1000 <= millis
        and (most is None or millis <= most * 1000)
        and all(
            (re.fullmatch(pattern, disk.root) is not None) is (operator == "LIKE")
            for _, operator, pattern in volume.constraints
        )
    )


def _disks_suffice(app: App, free: dict[str, int]) -> bool:
    """Whether there is a disk for each volume, whatever has to be tried for that."""
    volumes = [one for one in app.persistent_volumes if one.type is not DiskType.ROOT]
    for names in itertools.product(free, repeat=len(volumes)):
        left = dict(free)
        for volume, name in zip(volumes, names, strict=True):
            disk = disk_of(name)
            if disk is None or not suits(volume, disk, left[name]):
                break
            whole = disk.type is DiskType.MOUNT
            left[name] -= left[name] if whole else volume.size_mib * 1000
        else:
            return True
    return False


def at_home(app: App, agent: Agent, home_region: str) -> bool:
    """Whether the app may go to the agent's region."""
    anywhere = any(constraint[0] in {"@region", "@zone"} for constraint in app.constraints)
    return anywhere or agent.region in {None, home_region}
