"""The role of an app as its top-level group has it (app-definition: roles)."""

from typing import Any

import pytest

from api.definitions import Update, merge, parse_app, read_update
from api.faults import Invalid
from api.options import ApiOptions
from framework.domain.app import App
from tests.unit.api.reading import compile_pattern

OPTIONS = ApiOptions(mesos_role="main")


def enforces(group: str) -> bool:
    return group == "dev"


def role_of(app_id: str, role: str | None = None, existing: str | None = None) -> str:
    body = {"id": app_id, "cmd": "x", "role": role}
    outcome = parse_app(body, OPTIONS, compile_pattern, existing, enforces)
    if isinstance(outcome, Invalid):
        (fault,) = [one for one in outcome.faults if one.path == "/role"]
        return fault.error
    return outcome.role


@pytest.mark.parametrize(
    ("arguments", "outcome"),
    [
        (("/dev/web",), "dev"),
        (("/dev/sub/web",), "dev"),
        (("/dev",), "main"),
        (("/ops/web",), "main"),
        (("/dev/web", "dev"), "dev"),
        (("/dev/web", "main"), "got main, expected one of: [dev]"),
        (("/dev/web", "main", "main"), "main"),
        (("/ops/web", "ops"), "ops"),
        (("/ops/web", "dev"), "got dev, expected one of: [main, ops]"),
        (("/dev", "dev"), "got dev, expected one of: [main]"),
    ],
)
def test_roles(arguments: tuple[Any, ...], outcome: str) -> None:
    assert role_of(*arguments) == outcome


def test_a_partial_update_keeps_the_role_and_may_take_the_groups() -> None:
    existing = App(id="/dev/web", cmd="x", role="main", accepted_resource_roles=("*", "main"))
    for body, role in (({"cmd": "y"}, "main"), ({"role": "dev"}, "dev")):
        update = read_update(body, OPTIONS)
        assert isinstance(update, Update)
        outcome = merge(existing, update, OPTIONS, compile_pattern, enforces)
        assert isinstance(outcome, App)
        assert (outcome.role, outcome.accepted_resource_roles) == (role, tuple(sorted({"*", role})))
