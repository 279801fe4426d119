"""Rules on volumes and on apps with persistent ones; the texts are Marathon's where it has them.

The structure of a volume is judged on the canonical dict, where all of it still stands in its
place; what it asks of the app is judged on the record.
"""

from collections.abc import Iterator
from typing import Any

from api.faults import Fault
from constraints import CompilePattern, Problem, parse
from framework.domain.app import App
from framework.domain.ids import MESOS_TASK_ID_MAX_BYTES, safe_id

_UUID_LENGTH = 36
_ELSEWHERE = frozenset({"external", "secret"})
_OPERATORS = ("LIKE", "UNLIKE")


def volume_faults(app: dict[str, Any], compile_pattern: CompilePattern) -> Iterator[Fault]:
    """What is wrong with each volume of a canonical definition."""
    paths = set()
    for index, volume in enumerate(app.get("container", {}).get("volumes", [])):
        place = f"/container/volumes({index})"
        container_path = volume["containerPath"]
        if not container_path:
            yield Fault(f"{place}/containerPath", "must not be empty")
        elif container_path in paths:
            yield Fault(f"{place}/containerPath", "is the path of another volume, too")
        paths.add(container_path)
        if "persistent" in volume:
            for path, error in _persistent_errors(volume, compile_pattern):
                yield Fault(f"{place}{path}", error)
        elif not _ELSEWHERE & volume.keys() and not volume.get("hostPath"):
            error = "must not be empty" if "hostPath" in volume else "not defined"
            yield Fault(f"{place}/hostPath", error)


def _persistent_errors(
    volume: dict[str, Any], compile_pattern: CompilePattern
) -> Iterator[tuple[str, str]]:
    path = volume["containerPath"]
    if "/" in path:
        yield "/containerPath", 'value must not contain "/"'
    if path in (".", ".."):
        yield "/containerPath", 'value must not be "." or ".."'
    if "hostPath" in volume:
        yield "/hostPath", "must be empty with a persistent volume"
    if volume.get("mode", "RW") != "RW":
        yield "/mode", f"got {volume['mode']}, expected RW"
    persistent = volume["persistent"]
    kind = persistent.get("type", "mount" if "profileName" in persistent else "root")
    largest = persistent.get("maxSize")
    if largest is not None:
        if kind != "mount":
            yield "/persistent/maxSize", "Only mount volumes can have maxSize"
        if largest <= persistent["size"]:
            yield "/persistent/maxSize", "Max size must be larger than size"
    for path, error in _constraint_errors(persistent, kind, compile_pattern):
        yield f"/persistent{path}", error
    if "profileName" in persistent:
        error = (
            "is not supported by this release: disks with a profile are those of storage (CSI) "
            "providers; name the disk by a constraint on its path"
        )
        yield "/persistent/profileName", error


def _constraint_errors(
    persistent: dict[str, Any], kind: str, compile_pattern: CompilePattern
) -> Iterator[tuple[str, str]]:
    constraints = persistent.get("constraints", [])
    if constraints and kind == "root":
        yield "/constraints", "Constraints on root volumes are not supported"
    for index, constraint in enumerate(constraints):
        error = _constraint_error(constraint, compile_pattern)
        if error:
            yield f"/constraints({index})", error


def _constraint_error(constraint: list[str], compile_pattern: CompilePattern) -> str:
    match constraint:
        case [] | [_]:
            return "Missing field and operator"
        case ["path", operator, _] if operator in _OPERATORS:
            wrong = isinstance(parse(constraint, compile_pattern), Problem)
            return "Invalid regular expression" if wrong else ""
        case ["path", operator, *_] if operator not in _OPERATORS:
            return f"Operator must be one of {', '.join(_OPERATORS)}"
    return f"Unsupported constraint {','.join(constraint)}"


def resident_faults(app: App) -> Iterator[Fault]:
    """What persistent volumes ask of the rest of the definition, and residency of them."""
    if not app.persistent_volumes:
        if app.residency is not None:
            yield Fault("/residency", "is only for apps with persistent volumes")
        return
    if app.role == "*":
        yield Fault("/role", "Resident apps cannot have the role *")
    if app.accepted_resource_roles != ("*",):
        error = 'A resident app must have `acceptedResourceRoles = ["*"]`.'
        yield Fault("/acceptedResourceRoles", error)
    if not app.unreachable_strategy.disabled:
        error = "unreachableStrategy must be disabled for resident tasks"
        yield Fault("/unreachableStrategy", error)
    over = app.upgrade_strategy.maximum_over_capacity
    if over:
        yield Fault("/upgradeStrategy/maximumOverCapacity", f"got {over}, expected 0.0")
    for volume in app.persistent_volumes:
        length = len(f"{safe_id(app.id)}#{volume.container_path}#".encode()) + _UUID_LENGTH
        if length > MESOS_TASK_ID_MAX_BYTES:
            yield Fault("/container/volumes", f"the path {volume.container_path} is too long")
