"""What is always true of a state between two steps, looked for in one that was loaded.

A broken rule is a bug, damage, or somebody's hand in the store. ``stayer state check`` and tests
ask; nothing is mended here.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

from framework.core.index import ancestors, service_ports
from framework.core.storms import FORGOTTEN
from framework.core.trees import ROOT
from framework.core.world import old_key
from framework.domain.freezing import EVERYTHING
from framework.domain.ids import safe_id
from framework.domain.instance import MOST_FAILURES, WAITING, Goal, Instance, failure_key
from framework.domain.records import replace
from framework.domain.rollout import Deployment, part_key
from framework.domain.state import Kind, Record, State, version_key
from framework.domain.volumes import ReservationState


class Finding(NamedTuple):
    """``wrong``: no right state has it. Otherwise it is allowed, and worth a look."""

    kind: Kind
    id: str
    what: str
    wrong: bool = True


def check_state(state: State) -> Iterator[Finding]:
    """Every broken rule, kind by kind."""
    for check in _CHECKS:
        yield from check(state)


@lru_cache(maxsize=16)  # all failures of an app are looked at in a row
def _failure_keys(app_id: str) -> tuple[str, ...]:
    return tuple(failure_key(app_id, slot) for slot in range(MOST_FAILURES))


# The ids under which a record may be kept, from the record.
_IDS: dict[Kind, Callable[..., tuple[str, ...]]] = {
    Kind.APP: lambda one: (one.id,),
    Kind.APP_VERSION: lambda one: (version_key(one.id, one.version),),
    Kind.INSTANCE: lambda one: (one.id,),
    Kind.AGENT: lambda one: (one.id,),
    Kind.DEPLOYMENT: lambda one: (one.id,),
    Kind.GROUP: lambda one: (one.id,),
    Kind.DELAY: lambda one: (one.app_id, old_key(one.app_id)),
    Kind.FAILURE: lambda one: (one.app_id,),
    Kind.PAST_FAILURE: lambda one: _failure_keys(one.app_id),
    Kind.TOMBSTONE: lambda one: (one.task_id,),
    Kind.ORPHAN: lambda one: (one.task_id,),
    Kind.FRAMEWORK: lambda _: ("framework",),
    Kind.FREEZE: lambda one: (one.app_id or EVERYTHING,),
    Kind.CRASH: lambda one: (one.id,),
    Kind.ALARM: lambda one: (one.key,),
    Kind.STORM: lambda _: ("storm",),
    Kind.DRAIN: lambda one: (one.agent,),
    Kind.MAINTENANCE: lambda one: (one.agent_id,),
    Kind.WAIT: lambda one: (one.app_id, old_key(one.app_id)),
    Kind.RESERVATION: lambda one: (one.instance_id,),
}


def _keys(state: State) -> Iterator[Finding]:
    for kind, ids in _IDS.items():
        records: dict[str, Record] = state.tables[kind]
        for key, record in records.items():
            if key not in ids(record):
                yield Finding(kind, key, f"holds the record of {ids(record)[0]!r}")


def _apps(state: State) -> Iterator[Finding]:
    for app_id, app in state.apps.items():
        stored = state.versions_of.get(app_id, {}).get(app.version)
        if stored is None:
            yield Finding(Kind.APP, app_id, f"its version {app.version} is not in its history")
        elif replace(stored, keep_old=app.keep_old) != app:
            yield Finding(Kind.APP, app_id, f"differs from its own version {app.version}")


def _instances(state: State) -> Iterator[Finding]:
    framework = state.framework
    if state.instances and (framework is None or not framework.framework_id):
        yield Finding(
            Kind.FRAMEWORK, "framework", "there are instances, but no framework id to find them by"
        )
    for key, instance in state.instances.items():
        for what in _wrong_with(instance, state):
            yield Finding(Kind.INSTANCE, key, what)


def _wrong_with(instance: Instance, state: State) -> Iterator[str]:
    if not instance.id.startswith(f"{safe_id(instance.app_id)}."):
        yield f"its id was not made for {instance.app_id}"
    if instance.agent_id and instance.agent_id not in state.agents:
        yield f"its agent {instance.agent_id} is not known"
    if not instance.agent_id and instance.condition not in WAITING:
        yield f"it is {instance.condition} on no agent"
    if instance.held_back and instance.condition not in FORGOTTEN:
        yield f"it is {instance.condition} and held back as lost"
    if instance.goal is Goal.DECOMMISSIONED:
        return  # it may outlive its app and its definition until its task has ended
    app = state.apps.get(instance.app_id)
    if app is None:
        if not {EVERYTHING, instance.app_id} & state.freezes.keys():
            yield f"it is wanted, and its app {instance.app_id} does not exist"
    elif (
        instance.version != app.version
        and instance.version not in state.versions_of.get(app.id, {})
        and instance.condition not in WAITING
    ):
        yield f"its version {instance.version} of {app.id} is not in the history"


def _tasks(state: State) -> Iterator[Finding]:
    current = {
        instance.task_id: instance.id
        for instance in state.instances.values()
        if instance.condition not in WAITING  # else its task is over, or was given up
    }
    for kind, table in ((Kind.TOMBSTONE, state.tombstones), (Kind.ORPHAN, state.orphans)):
        for task_id in table:
            if task_id in current:
                yield Finding(kind, task_id, f"it is the task of instance {current[task_id]}")
    for task_id in state.orphans:
        yield Finding(
            Kind.ORPHAN, task_id, "a task that no record knows: adopt or kill it", wrong=False
        )


def _deployments(state: State) -> Iterator[Finding]:
    changing: Counter[str] = Counter()
    for key, deployment in state.deployments.items():
        for what in _wrong_with_deployment(deployment, state):
            yield Finding(Kind.DEPLOYMENT, key, what)
        parts = [
            state.deployment_parts.get(part_key(key, number)) for number in range(deployment.parts)
        ]
        changing.update({one.app_id for part in parts if part for one in part.actions})
    for app_id, deployments in changing.items():
        if deployments > 1:
            yield Finding(Kind.APP, app_id, f"{deployments} deployments change it at once")


def _wrong_with_deployment(deployment: Deployment, state: State) -> Iterator[str]:
    if not 0 <= deployment.current_step <= deployment.total_steps:
        yield f"it is at step {deployment.current_step} of {deployment.total_steps}"
    for number in range(deployment.parts):
        part = state.deployment_parts.get(part_key(deployment.id, number))
        if part is None:
            yield f"its part {number} of {deployment.parts} is missing"
            continue
        for action in part.actions:
            if not 1 <= action.step <= deployment.total_steps:
                yield f"{action.action} {action.app_id} is in step {action.step}"
            if action.before and action.before not in state.versions_of.get(action.app_id, {}):
                yield f"version {action.before} of {action.app_id}, to go back to, is missing"


def _parts(state: State) -> Iterator[Finding]:
    for key, part in state.deployment_parts.items():
        deployment_id, _, number = key.rpartition("/")
        if deployment_id != part.deployment_id:
            yield Finding(Kind.DEPLOYMENT_PART, key, f"is a part of {part.deployment_id!r}")
        deployment = state.deployments.get(part.deployment_id)
        if deployment is None:
            yield Finding(Kind.DEPLOYMENT_PART, key, "its deployment does not exist")
        elif not number.isdecimal() or int(number) >= deployment.parts:
            yield Finding(Kind.DEPLOYMENT_PART, key, f"there are {deployment.parts} parts only")


def _groups(state: State) -> Iterator[Finding]:
    if (state.apps or state.groups) and ROOT not in state.groups:
        yield Finding(Kind.GROUP, ROOT, "the root of all groups does not exist")
    for path in sorted(state.apps.keys() & state.groups.keys()):
        yield Finding(Kind.GROUP, path, "is an app and a group")
    for kind, paths in ((Kind.APP, state.apps), (Kind.GROUP, state.groups)):
        for path in paths:
            missing = [one for one in ancestors(path) if one not in state.groups]
            if missing:
                yield Finding(kind, path, f"its group {missing[0]} does not exist")


def _history(state: State) -> Iterator[Finding]:
    for key, change in state.tree_changes.items():
        if key.partition("/")[0] != change.version:
            yield Finding(Kind.TREE_CHANGE, key, f"holds the record of {change.version!r}")


def _delays(state: State) -> Iterator[Finding]:
    for kind, table in (
        (Kind.DELAY, state.delays),
        (Kind.FAILURE, state.failures),
        (Kind.PAST_FAILURE, state.past_failures),
        (Kind.WAIT, state.waits),
    ):
        for key, record in table.items():
            if record.app_id not in state.apps:
                yield Finding(kind, key, f"its app {record.app_id} does not exist", wrong=False)


def _ports(state: State) -> Iterator[Finding]:
    """Definitions may name the same port on purpose, so this is a hint."""
    shared = {port for port, uses in service_ports(state.apps.values()).items() if uses > 1}
    if not shared:
        return
    for port in sorted(shared):
        apps = [app_id for app_id, app in state.apps.items() if port in app.service_ports]
        what = f"service port {port} is also that of {', '.join(sorted(apps)[1:]) or 'itself'}"
        yield Finding(Kind.APP, min(apps), what, wrong=False)


def _reservations(state: State) -> Iterator[Finding]:
    for key, one in state.reservations.items():
        instance = state.instances.get(key)
        runs = instance is not None and instance.condition not in WAITING
        if one.state is ReservationState.ORPHAN:
            what = "a reservation that no record knows: remove it if its data is not needed"
            yield Finding(Kind.RESERVATION, key, what, wrong=False)
        elif instance is not None and instance.app_id != one.app_id:
            yield Finding(Kind.RESERVATION, key, f"its instance is of {instance.app_id}")
        elif runs and instance is not None and instance.agent_id != one.agent_id:
            what = f"it is on agent {one.agent_id}, its instance on {instance.agent_id}"
            yield Finding(Kind.RESERVATION, key, what)


_CHECKS = (
    _keys,
    _apps,
    _instances,
    _tasks,
    _deployments,
    _parts,
    _groups,
    _history,
    _delays,
    _ports,
    _reservations,
)
