"""RESERVE, CREATE, DESTROY and UNRESERVE on bundles: what Mesos would make of them.

What Mesos would answer with an error, or what would part a reservation, is a Violation: the
scheduler has to ask for nothing of the kind.
"""

from dataclasses import replace

from framework.domain.actions import Launch, Operation, TaskResource
from framework.domain.disks import DiskType
from framework.domain.volumes import OperationKind
from tests.simulation.bundles import Bundle, Key, used_by
from tests.simulation.holdings import (
    Holding,
    amounts_of,
    disk_name,
    disk_of,
    name_of,
    owner_of,
    ports_of,
    volumes_of,
)
from tests.simulation.stage import Violation


def applied(there: Bundle, operation: Operation) -> Bundle:
    """These resources after the operation."""
    match operation.kind:
        case OperationKind.RESERVE:
            return _reserved(there, operation)
        case OperationKind.CREATE:
            holding = _held(there, operation)
            made = tuple(one.volume for one in operation.resources if one.volume is not None)
            if holding.volumes or not all(map(_made_of_it, operation.resources)):
                raise Violation(f"{operation.id} makes {made} of {holding}")
            return _exchanged(there, holding, replace(holding, volumes=made))
        case OperationKind.DESTROY:
            holding = _held(there, operation)
            if volumes_of(operation.resources) != sorted(
                one.persistence_id for one in holding.volumes
            ):
                raise Violation(f"{operation.id} destroys not all of {holding}")
            return _exchanged(there, holding, replace(holding, volumes=()))
        case OperationKind.UNRESERVE:
            holding = _held(there, operation)
            parts = operation.resources
            whole = amounts_of(parts) == holding.scalars and ports_of(parts) == holding.ports
            if holding.volumes or not whole:
                raise Violation(f"{operation.id} gives back not all of {holding}")
            return there - Bundle({}, holdings=frozenset({holding})) + plain(holding)


def _reserved(there: Bundle, operation: Operation) -> Bundle:
    parts = operation.resources
    (owner,) = {owner_of(part) for part in parts}
    (role,) = {part.reserved_role for part in parts}
    needs = used_by(parts)
    if owner is None or role == "*":
        raise Violation(f"{operation.id} reserves for nobody")
    if not there.contains(needs) or not all(
        _may_be_reserved(key, millis, there) for key, millis in needs.scalars.items()
    ):
        raise Violation(f"{operation.id} reserves {needs} of {there}")
    if any(one.owner == owner for one in there.holdings):
        raise Violation(f"{operation.id} reserves a second time for {owner[1]}")
    holding = Holding(owner, role, amounts_of(parts), ports_of(parts))
    return there - needs + Bundle({}, holdings=frozenset({holding}))


def _may_be_reserved(key: Key, millis: int, there: Bundle) -> bool:
    """A MOUNT disk only as a whole."""
    name, role, is_plain = key
    disk = disk_of(name)
    if disk is None:
        return role == "*" and is_plain
    return role == "*" and (disk.type is DiskType.PATH or millis == there.scalars[key])


def _held(there: Bundle, operation: Operation) -> Holding:
    (owner,) = {owner_of(part) for part in operation.resources}
    for holding in there.held():
        if holding.owner == owner:
            return holding
    raise Violation(f"{operation.id} is about what is not there: {there}")


def _made_of_it(part: TaskResource) -> bool:
    volume = part.volume
    if volume is None or volume.size_millis != part.millis:
        return False
    return disk_name(volume.type, volume.root) == name_of(part.source)


def _exchanged(there: Bundle, old: Holding, new: Holding) -> Bundle:
    return replace(there, holdings=there.holdings - {old} | {new})


def plain(holding: Holding) -> Bundle:
    """What it was before it was reserved."""
    scalars = {(name, "*", disk_of(name) is None): millis for name, millis in holding.scalars}
    return Bundle(scalars, frozenset(("*", port) for port in holding.ports))


def needs_of(launch: Launch, there: Bundle) -> Bundle:
    """What a task takes; of what is reserved for its instance, it has to take all."""
    owners = {owner_of(part) for part in launch.resources}
    if owners == {None}:
        return used_by(launch.resources)
    parts = launch.resources
    for holding in there.held():
        if owners == {holding.owner} and holding.owner[1] == launch.instance_id:
            mine = (holding.scalars, holding.ports)
            ids = sorted(one.persistence_id for one in holding.volumes)
            if mine != (amounts_of(parts), ports_of(parts)) or ids != volumes_of(parts):
                raise Violation(f"{launch.task_id} takes not all of {holding}")
            return Bundle({}, holdings=frozenset({holding}))
    raise Violation(f"{launch.task_id} takes what is reserved for {owners} of {there}")
