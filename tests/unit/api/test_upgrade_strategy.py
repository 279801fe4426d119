"""What is ours in ``upgradeStrategy``: read, judged, and shown only where it is set."""

from typing import Any

import pytest

from api.faults import INVALID_JSON, NOT_VALID
from api.render.app import definition
from framework.domain.app import CanaryStep, UpgradeStrategy
from tests.unit.api.reading import app_of, faults_of

CAPACITIES: dict[str, Any] = {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0.25}
OURS: dict[str, Any] = {
    "canary": 1,
    "batchSize": 2,
    "progressDeadlineSeconds": 600,
    "minimumHealthySeconds": 30,
    "countOldInstances": True,
    "canarySteps": [{"share": 5, "seconds": 60}, {"share": 12.5, "seconds": 600}],
}


def web(**strategy: Any) -> dict[str, Any]:
    return {"id": "/web", "cmd": "x", "upgradeStrategy": {**CAPACITIES, **strategy}}


def test_all_of_it() -> None:
    app = app_of(web(**OURS))
    assert app.upgrade_strategy == UpgradeStrategy(
        0.5,
        0.25,
        1,
        2,
        600,
        30,
        count_old_instances=True,
        canary_steps=(CanaryStep(5.0, 60), CanaryStep(12.5, 600)),
    )
    assert definition(app)["upgradeStrategy"] == {**CAPACITIES, **OURS}


@pytest.mark.parametrize(
    "given",
    [
        {},
        dict.fromkeys(OURS),
        {**dict.fromkeys(OURS, 0), "countOldInstances": False, "canarySteps": []},
    ],
)
def test_what_is_off_is_not_shown(given: dict[str, Any]) -> None:
    app = app_of(web(**given))
    assert app.upgrade_strategy == UpgradeStrategy(0.5, 0.25)
    assert definition(app)["upgradeStrategy"] == CAPACITIES


@pytest.mark.parametrize("name", OURS)
def test_each_is_shown_alone(name: str) -> None:
    given = {name: OURS[name], **({"canary": 1} if name == "canarySteps" else {})}
    app = app_of(web(**given))
    assert definition(app)["upgradeStrategy"] == {**CAPACITIES, **given}


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
        ("canarySteps", 5, "error.expected.jsarray"),
        ("canarySteps", [{"share": 1, "seconds": 1}] * 21, "error.maxLength"),
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


@pytest.mark.parametrize(
    ("step", "where", "error"),
    [
        ({"seconds": 1}, "share", "error.path.missing"),
        ({"share": 5}, "seconds", "error.path.missing"),
        ({"share": 101, "seconds": 1}, "share", "error.max"),
        ({"share": -1, "seconds": 1}, "share", "error.min"),
        ({"share": 5, "seconds": 0}, "seconds", "error.min"),
        ({"share": 5, "seconds": 0.5}, "seconds", "error.expected.int"),
    ],
)
def test_bounds_of_a_step(step: dict[str, Any], where: str, error: str) -> None:
    message, faults = faults_of(web(canary=1, canarySteps=[step]))
    path = f"/upgradeStrategy/canarySteps(0)/{where}"
    assert (message, faults) == (INVALID_JSON, {(path, error)})


def test_steps_go_up_and_say_of_how_many() -> None:
    steps = [{"share": 5, "seconds": 1}, {"share": 5, "seconds": 1}]
    path = "/upgradeStrategy/canarySteps"
    assert faults_of(web(canary=1, canarySteps=steps)) == (
        NOT_VALID,
        {(f"{path}(1)/share", "got 5, expected more than 5, the step before")},
    )
    assert faults_of(web(canarySteps=steps[:1])) == (
        NOT_VALID,
        {(path, "got steps, expected canary to say of how many instances")},
    )
