"""Actions as calls, and what we say of ourselves when we subscribe."""

import json
from typing import Any

import pytest

from framework.domain.actions import (
    Accept,
    AcceptInverseOffer,
    Acknowledge,
    Action,
    Decline,
    DeclineInverseOffer,
    Halt,
    Kill,
    Reconcile,
    RemoveFramework,
    Revive,
    Suppress,
    UpdateRoles,
)
from framework.mesos.calls import CallEncoder, FrameworkDescription, subscribe_call
from framework.mesos.options import MesosOptions
from framework.mesos.templates import TaskInfoBuilder
from tests.unit.mesos.launches import TASK_ID, a_launch, an_app

FRAMEWORK = FrameworkDescription(MesosOptions(), "someone", "host0")
ENCODER = CallEncoder(FRAMEWORK, "f1", TaskInfoBuilder())
CAPABILITIES = [
    "PARTITION_AWARE",
    "MULTI_ROLE",
    "RESERVATION_REFINEMENT",
    "REGION_AWARE",
    "TASK_KILLING_STATE",
]
INFO = {
    "user": "someone",
    "name": "stayer",
    "id": {"value": "f1"},
    "failover_timeout": 604_800.0,
    "checkpoint": True,
    "hostname": "host0",
    "roles": ["a", "b"],
    "capabilities": [{"type": name} for name in CAPABILITIES],
}
TASK = {"task_id": {"value": "t"}, "agent_id": {"value": "a"}}


@pytest.mark.parametrize(
    ("action", "kind", "body"),
    [
        (
            AcceptInverseOffer(("i1",), 600.0),
            "ACCEPT_INVERSE_OFFERS",
            {"inverse_offer_ids": [{"value": "i1"}], "filters": {"refuse_seconds": 600.0}},
        ),
        (
            DeclineInverseOffer(("i1", "i2"), 0.0),
            "DECLINE_INVERSE_OFFERS",
            {
                "inverse_offer_ids": [{"value": "i1"}, {"value": "i2"}],
                "filters": {"refuse_seconds": 0.0},
            },
        ),
        (
            Decline(("o1", "o2"), 120.5),
            "DECLINE",
            {
                "offer_ids": [{"value": "o1"}, {"value": "o2"}],
                "filters": {"refuse_seconds": 120.5},
            },
        ),
        (Kill("t", "a"), "KILL", TASK),
        (Kill("t", ""), "KILL", {"task_id": {"value": "t"}}),
        (
            Kill("t", "a", 5),
            "KILL",
            TASK | {"kill_policy": {"grace_period": {"nanoseconds": 5_000_000_000}}},
        ),
        (
            Kill("t", "a", 0),
            "KILL",
            TASK | {"kill_policy": {"grace_period": {"nanoseconds": 0}}},
        ),
        (Acknowledge("t", "a", "+/9LSQ=="), "ACKNOWLEDGE", TASK | {"uuid": "+/9LSQ=="}),
        (Reconcile(), "RECONCILE", {"tasks": []}),
        (
            Reconcile((("t", "a"), ("u", ""))),
            "RECONCILE",
            {"tasks": [TASK, {"task_id": {"value": "u"}}]},
        ),
        (Revive(("a",)), "REVIVE", {"roles": ["a"]}),
        (Suppress(("a", "b")), "SUPPRESS", {"roles": ["a", "b"]}),
        (
            UpdateRoles(("a", "b"), ("b",)),
            "UPDATE_FRAMEWORK",
            {"framework_info": INFO, "suppressed_roles": ["b"]},
        ),
        (
            Accept(("o",), (), 0.0),
            "ACCEPT",
            {
                "offer_ids": [{"value": "o"}],
                "operations": [],
                "filters": {"refuse_seconds": 0.0},
            },
        ),
    ],
)
def test_calls(action: Action, kind: str, body: dict[str, Any]) -> None:
    call = json.loads(ENCODER.encode(action))
    assert call == {"framework_id": {"value": "f1"}, "type": kind, kind.lower(): body}


def test_a_teardown_has_no_body() -> None:
    call = json.loads(ENCODER.encode(RemoveFramework()))
    assert call == {"framework_id": {"value": "f1"}, "type": "TEARDOWN"}


def test_an_accept_launches_all_tasks_in_one_operation() -> None:
    launch = a_launch(an_app())
    call = json.loads(ENCODER.encode(Accept(("o1", "o2"), (launch, launch), 0.5)))["accept"]
    (operation,) = call["operations"]
    assert operation["type"] == "LAUNCH"
    ids = [task["task_id"]["value"] for task in operation["launch"]["task_infos"]]
    assert ids == [TASK_ID, TASK_ID]
    assert call["offer_ids"] == [{"value": "o1"}, {"value": "o2"}]


def test_a_halt_is_no_call() -> None:
    with pytest.raises(ValueError, match="Halt"):
        ENCODER.encode(Halt(1, "x"))


def test_the_first_subscription_has_no_id() -> None:
    call = json.loads(subscribe_call(FRAMEWORK, "", ("a", "b"), ()))
    info = {name: value for name, value in INFO.items() if name != "id"}
    assert call == {
        "type": "SUBSCRIBE",
        "subscribe": {"framework_info": info, "suppressed_roles": []},
    }


def test_a_later_subscription_tells_everything_we_know() -> None:
    options = MesosOptions(
        framework_name="mine",
        failover_timeout=5,
        checkpoint=False,
        webui_url="http://ui",
        mesos_authentication_principal="me",
        enable_features=("gpu_resources",),
    )
    framework = FrameworkDescription(options, "someone", "host0")
    call = json.loads(subscribe_call(framework, "f1", ("a", "b"), {"b", "a"}))
    assert call["framework_id"] == {"value": "f1"}
    assert call["subscribe"]["suppressed_roles"] == ["a", "b"]
    assert call["subscribe"]["framework_info"] == INFO | {
        "name": "mine",
        "failover_timeout": 5.0,
        "checkpoint": False,
        "webui_url": "http://ui",
        "principal": "me",
        "capabilities": [{"type": name} for name in [*CAPABILITIES, "GPU_RESOURCES"]],
    }
