"""Each launch stands in the records, on resources and an agent that its app asks for."""

from collections.abc import Sequence

from framework.core.policy import Policy
from framework.core.turn import Step
from framework.core.world import World
from framework.domain.actions import Launch
from framework.domain.app import App, PersistentVolume
from framework.domain.disks import DiskType
from framework.domain.instance import Condition
from framework.domain.notices import InstanceChanged
from framework.domain.state import Kind
from framework.domain.volumes import Volume
from tests.simulation import oracle
from tests.simulation.bundles import used_by
from tests.simulation.holdings import (
    amounts_of,
    disk_name,
    disk_of,
    owner_of,
    ports_of,
    volumes_of,
)
from tests.simulation.stage import Violation

HOME_REGION = "west"


def check(
    world: World, decided: Step, launches: Sequence[Launch], now_ms: int, policy: Policy
) -> None:
    """Check the launches of one step, in the order in which they were decided."""
    by_task = {launch.task_id: launch for launch in launches}
    order = [
        notice.instance.task_id
        for notice in decided.notices
        if isinstance(notice, InstanceChanged)
        and notice.instance.condition is Condition.PROVISIONED
    ]
    if sorted(order) != sorted(by_task):
        raise Violation("launches and the notices of them differ")
    stored = {change.id for change in decided.changes if change.kind is Kind.INSTANCE}
    later = {launch.instance_id for launch in launches}
    for task_id in order:
        launch = by_task[task_id]
        _recorded(world, launch, stored)
        if launch.app.persistent_volumes:
            _whole_reservation(world, launch)
        else:
            _resources(launch)
        _patient(world, launch.app, now_ms)
        if all(part.source.owner is None for part in launch.resources):  # else where its data is
            _constraints(world, launch, later)
        later.discard(launch.instance_id)
    for agent_id in sorted({launch.agent.id for launch in launches}):
        there = [one for one in world.state.instances.values() if one.agent_id == agent_id]
        if sum(map(oracle.starting, there)) > policy.max_launches_per_agent:
            raise Violation(f"too many tasks start on {agent_id} at once")


def _recorded(world: World, launch: Launch, stored: set[str]) -> None:
    instance = world.state.instances.get(launch.instance_id)
    if instance is None or instance.task_id != launch.task_id or instance.id not in stored:
        raise Violation(f"{launch.task_id} is launched without its record")
    if instance.agent_id != launch.agent.id or instance.ports != launch.host_ports:
        raise Violation(f"{launch.task_id} is not launched where its record says")
    if (instance.version, instance.config) != (launch.app.version, launch.app.config):
        raise Violation(f"{launch.task_id} is recorded with another version than launched")


def _resources(launch: Launch) -> None:
    app = launch.app
    taken = used_by(launch.resources)
    needs = {"cpus": app.cpus_millis, "mem": app.mem_millis, "disk": app.disk_millis}
    needs["gpus"] = app.gpus * 1000
    for name, millis in needs.items():
        if taken.amount(name, app.accepted_resource_roles) != millis:
            raise Violation(f"{launch.task_id} takes {taken}, wants {millis} {name}")
    ports = taken.port_numbers(app.accepted_resource_roles)
    if ports != {*launch.host_ports} or len(launch.host_ports) != len(ports):
        raise Violation(f"{launch.task_id} takes ports {ports}, says {launch.host_ports}")
    wanted = app.requested_host_ports
    if len(wanted) != len(launch.host_ports) or any(
        port not in {0, given} for port, given in zip(wanted, launch.host_ports, strict=True)
    ):
        raise Violation(f"{launch.task_id} has ports {launch.host_ports}, wants {wanted}")


def _whole_reservation(world: World, launch: Launch) -> None:
    app, parts = launch.app, launch.resources
    needs = {"cpus": app.cpus_millis, "mem": app.mem_millis, "disk": app.disk_millis}
    needs["gpus"] = app.gpus * 1000
    roots = [one for one in app.persistent_volumes if one.type is DiskType.ROOT]
    needs["disk"] += sum(one.size_mib for one in roots) * 1000
    taken = [one for one in amounts_of(parts) if disk_of(one[0]) is None]
    if taken != sorted((name, one) for name, one in needs.items() if one):
        raise Violation(f"{launch.task_id} takes {amounts_of(parts)}, wants {needs}")
    if ports_of(parts) != {*launch.host_ports}:
        raise Violation(f"{launch.task_id} takes {ports_of(parts)}, says {launch.host_ports}")
    held = world.state.reservations.get(launch.instance_id)
    if held is None or (held.agent_id, held.app_id) != (launch.agent.id, app.id):
        raise Violation(f"{launch.task_id} starts where none of its volumes is recorded")
    made = {one.container_path: one for one in held.volumes}
    for wanted in app.persistent_volumes:
        if not _is_such(made[wanted.container_path], wanted):
            raise Violation(f"{launch.task_id} has {made} for {wanted}")
    if volumes_of(parts) != sorted(one.persistence_id for one in held.volumes):
        raise Violation(f"{launch.task_id} has other volumes than are recorded")
    if {owner_of(part) for part in parts} != {(held.framework_id, launch.instance_id)}:
        raise Violation(f"{launch.task_id} takes what is not reserved for it")


def _is_such(made: Volume, wanted: PersistentVolume) -> bool:
    disk = disk_of(disk_name(made.type, made.root))
    if disk is None:
        return wanted.type is DiskType.ROOT and made.size_millis == wanted.size_mib * 1000
    return oracle.suits(wanted, disk, made.size_millis)


def _patient(world: World, app: App, now_ms: int) -> None:
    delay = world.state.delays.get(app.id)
    if delay and delay.config == app.config and delay.until_ms > now_ms:
        raise Violation(f"{app.id} is launched {delay.until_ms - now_ms} ms before its delay ends")


def _constraints(world: World, launch: Launch, later: set[str]) -> None:
    app, state = launch.app, world.state
    others = [
        oracle.values_of(state.agents[instance.agent_id])
        for instance in oracle.counted(app, state, without=later)
    ]
    if not oracle.admits(app, launch.agent, others):
        raise Violation(
            f"{launch.task_id} on {launch.agent.hostname} breaks {app.constraints}: {others}"
        )
    if not oracle.at_home(app, launch.agent, HOME_REGION):
        raise Violation(f"{launch.task_id} goes to region {launch.agent.region} unasked")
