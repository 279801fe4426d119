"""Every field of an app definition reaches the TaskInfo, or is known not to."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import NODEFAULT, UNSET, Struct, structs

from framework.domain.app import App
from tests.contract.task_infos import CASES, FILE, app_of_case, current, task_info

# Fields that say how, when, where and how many tasks are started, watched and replaced: what a
# task is told does not depend on them.
NOT_TOLD = {
    "App.created_at",
    "App.config",
    "App.keep_old",
    "App.suspended_from",
    "App.last_scaling_at",
    "App.last_config_change_at",
    "App.instances",
    "App.constraints",
    "App.backoff_seconds",
    "App.backoff_factor",
    "App.max_launch_delay_seconds",
    "App.readiness_checks",
    "App.dependencies",
    "App.upgrade_strategy",
    "App.kill_selection",
    "App.unreachable_strategy",
    "App.residency",
    "PortMapping.service_port",
    "HealthCheck.ignore_http1xx",
    "PersistentVolume.max_size_mib",
    "PersistentVolume.constraints",
    "ExternalVolume.provider",
    "ExternalVolume.shared",
}
"""``App.version`` is stamped by the core, ``App.id`` names the app."""


def test_task_infos_are_as_recorded() -> None:
    recorded = json.loads(FILE.read_text())
    assert json.loads(json.dumps(current())) == recorded, (
        "if that is meant: python -m tests.contract.task_infos"
    )


@pytest.mark.parametrize("name", CASES)
def test_a_case_differs_from_the_least_app(name: str) -> None:
    assert json.loads(FILE.read_text())[name]


def test_every_field_that_a_task_is_told_of_is_in_a_case() -> None:
    told = {field for name in CASES for field in _told(name)}
    fields = {field for record in _records(App) for field in _fields_of(record)}
    assert fields >= NOT_TOLD
    assert fields - {"App.id", "App.version"} - told == NOT_TOLD


def _told(name: str) -> Iterator[str]:
    """The fields of a case's app without which its TaskInfo would be another one."""
    app = app_of_case(name)
    whole = task_info(app)
    for field, without in _without_each(app):
        try:
            if task_info(without) != whole:
                yield field
        except ValueError:  # nothing can be launched without it
            yield field


def _without_each(record: Any) -> Iterator[tuple[str, Any]]:
    """For each field of a record and of those in it, the record with that field as if unset."""
    for field in structs.fields(record):
        value = getattr(record, field.name)
        unset = _unset(field)
        if value != unset:
            yield f"{type(record).__name__}.{field.name}", _replaced(record, field.name, unset)
        if isinstance(value, Struct):
            for name, inner in _without_each(value):
                yield name, _replaced(record, field.name, inner)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, Struct):
                    for name, inner in _without_each(item):
                        items = (*value[:index], inner, *value[index + 1 :])
                        yield name, _replaced(record, field.name, items)


def _replaced(record: Any, name: str, value: Any) -> Any:
    return structs.replace(record, **{name: value})


def _unset(field: structs.FieldInfo) -> Any:
    if field.default not in (NODEFAULT, UNSET):
        return field.default
    if field.default_factory is not NODEFAULT:
        return field.default_factory()
    return 1 if field.type is int else "x"  # what has to be given: another value


def _fields_of(record: type[Struct]) -> Iterator[str]:
    return (f"{record.__name__}.{field.name}" for field in structs.fields(record))


def _records(record: type[Struct]) -> set[type[Struct]]:
    """The record and all that it is made of, but for what no task is told of."""
    found = {record}
    for field in structs.fields(record):
        if f"{record.__name__}.{field.name}" not in NOT_TOLD:
            for part in _structs_in(field.type):
                found |= _records(part)
    return found


def _structs_in(annotation: Any) -> Iterator[type[Struct]]:
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _structs_in(part)
