"""What is ours in ``upgradeStrategy``: read, judged, and shown only where it is set."""

from typing import Any

import pytest

from api.faults import INVALID_JSON, NOT_VALID
from api.render.app import definition
from framework.domain.app import UpgradeStrategy
from tests.unit.api.reading import app_of, faults_of

CAPACITIES: dict[str, Any] = {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.25}
OURS: dict[str, Any] = {
    "canary": 1,
    "batchSize": 2,
    "progressDeadlineSeconds": 600,
    "minimumHealthySeconds": 30,
    "countOldInstances": True,
}


def web(**strategy: Any) -> dict[str, Any]:
    return {"id": "/web", "cmd": "x", "upgradeStrategy": {**CAPACITIES, **strategy}}


def test_all_of_it() -> None:
    app = app_of(web(**OURS))
    assert app.upgrade_strategy == UpgradeStrategy(
        0.5, 0.25, 1, 2, 600, 30, count_old_instances=True
    )
    assert definition(app)["upgradeStrategy"] == {**CAPACITIES, **OURS}


@pytest.mark.parametrize(
    "given",
    [
        {},
        dict.fromkeys(OURS),
        {**dict.fromkeys(OURS, 0), "countOldInstances": False},
    ],
)
def test_what_is_off_is_not_shown(given: dict[str, Any]) -> None:
    app = app_of(web(**given))
    assert app.upgrade_strategy == UpgradeStrategy(0.5, 0.25)
    assert definition(app)["upgradeStrategy"] == CAPACITIES


@pytest.mark.parametrize("name", OURS)
def test_each_is_shown_alone(name: str) -> None:
    app = app_of(web(**{name: OURS[name]}))
    assert definition(app)["upgradeStrategy"] == {**CAPACITIES, name: OURS[name]}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("canary", -1, "error.min"),
        ("canary", 1.5, "error.expected.int"),
        ("canary", True, "error.expected.jsnumber"),
        ("canary", 1_000_001, "error.max"),
        ("batchSize", -1, "error.min"),
        ("batchSize", "2", "error.expected.jsnumber"),
        ("batchSize", 1_000_001, "error.max"),
        ("progressDeadlineSeconds", -1, "error.min"),
        ("progressDeadlineSeconds", 31_622_401, "error.max"),
        ("minimumHealthySeconds", -1, "error.min"),
        ("minimumHealthySeconds", 31_622_401, "error.max"),
        ("countOldInstances", 1, "error.expected.jsboolean"),
    ],
)
def test_bounds(name: str, value: Any, error: str) -> None:
    message, faults = faults_of(web(**{name: value}))
    assert (message, faults) == (INVALID_JSON, {(f"/upgradeStrategy/{name}", error)})


def test_a_deadline_that_nothing_could_keep() -> None:
    both = {"progressDeadlineSeconds": 30, "minimumHealthySeconds": 30}
    error = "got 30, expected more than minimumHealthySeconds, which is 30"
    assert faults_of(web(**both)) == (
        NOT_VALID,
        {("/upgradeStrategy/progressDeadlineSeconds", error)},
    )
    app_of(web(**{**both, "progressDeadlineSeconds": 31}))
    app_of(web(**{**both, "progressDeadlineSeconds": 0}))
