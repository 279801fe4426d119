"""What is found in a state that is not right, and that nothing is found in one that is."""

import pytest

from framework.core.consistency import Finding, check_state
from framework.domain.app import App, PortDefinition
from framework.domain.crashes import Crash
from framework.domain.freezing import Freeze
from framework.domain.groups import Group
from framework.domain.instance import Condition, Goal, Instance, Orphan, Tombstone
from framework.domain.mesos import Agent
from framework.domain.records import replace
from framework.domain.rollout import (
    ActionName,
    Delay,
    Deployment,
    DeploymentPart,
    Framework,
    PlannedAction,
    Wait,
)
from framework.domain.state import Change, Kind, State

V1, V2 = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"
WEB = App(id="/shop/web", version=V2, port_definitions=(PortDefinition(10_000),))
OLD_WEB = replace(WEB, version=V1, cmd="old")
ID = "shop_web.instance-0b1c2d3e-4f50-6172-8394-a5b6c7d8e9f0"
RUNS = Instance(ID, "/shop/web", V1, agent_id="S0", condition=Condition.RUNNING)
ACTION = PlannedAction(1, ActionName.RESTART, "/shop/web", V1)
RIGHT = (
    Change(Kind.APP, "/shop/web", replace(WEB, keep_old=True)),
    Change(Kind.APP_VERSION, f"/shop/web@{V1}", OLD_WEB),
    Change(Kind.APP_VERSION, f"/shop/web@{V2}", WEB),
    Change(Kind.INSTANCE, ID, RUNS),
    Change(Kind.AGENT, "S0", Agent("S0", "host")),
    Change(Kind.DEPLOYMENT, "d", Deployment("d", V2, parts=1, total_steps=1, current_step=1)),
    Change(Kind.DEPLOYMENT_PART, "d/0", DeploymentPart("d", (ACTION,))),
    Change(Kind.GROUP, "/", Group("/", V2)),
    Change(Kind.GROUP, "/shop", Group("/shop", V2)),
    Change(Kind.DELAY, "/shop/web@", Delay("/shop/web", V1, 1000, 2000)),
    Change(Kind.TOMBSTONE, f"{ID}._app.9", Tombstone(f"{ID}._app.9", 1, "expunged")),
    Change(Kind.FRAMEWORK, "framework", Framework("state", "framework-1")),
    Change(Kind.FREEZE, "/idle", Freeze("/idle", "maintenance", 1)),
    Change(Kind.CRASH, "c-1", Crash("c-1", "event", "offer", 1, 1, 1)),
    Change(Kind.WAIT, "/shop/web", Wait("/shop/web", 1)),
)


def findings(*changes: Change) -> list[Finding]:
    """Of the right state with these changes."""
    state = State()
    state.apply(RIGHT)
    state.apply(changes)
    return list(check_state(state))


def gone(kind: Kind, id_: str) -> Change:
    return Change(kind, id_, None)


def test_a_right_state() -> None:
    assert findings() == []
    assert list(check_state(State())) == []


@pytest.mark.parametrize(
    "instance",
    [
        replace(RUNS, version="long ago", goal=Goal.DECOMMISSIONED),
        replace(RUNS, version="long ago", condition=Condition.SCHEDULED),
        replace(RUNS, agent_id="", condition=Condition.SCHEDULED),
    ],
    ids=["stopping", "waiting", "nowhere-yet"],
)
def test_what_can_be_explained(instance: Instance) -> None:
    assert findings(Change(Kind.INSTANCE, ID, instance)) == []


def test_an_instance_outlives_its_app_while_it_stops() -> None:
    stopping = Change(Kind.INSTANCE, ID, replace(RUNS, goal=Goal.DECOMMISSIONED))
    removed = [
        gone(Kind.APP, "/shop/web"),
        gone(Kind.DELAY, "/shop/web@"),
        gone(Kind.WAIT, "/shop/web"),
        gone(Kind.DEPLOYMENT, "d"),
        gone(Kind.DEPLOYMENT_PART, "d/0"),
        gone(Kind.APP_VERSION, f"/shop/web@{V1}"),
        gone(Kind.APP_VERSION, f"/shop/web@{V2}"),
    ]
    assert findings(stopping, *removed) == []


@pytest.mark.parametrize("frozen", ["*", "/shop/web/x"])
def test_a_frozen_instance_outlives_its_app(frozen: str) -> None:
    app_id = "" if frozen == "*" else frozen
    renamed = replace(RUNS, id="shop_web_x.instance-1", app_id="/shop/web/x")
    changes = [
        gone(Kind.INSTANCE, ID),
        Change(Kind.INSTANCE, renamed.id, renamed),
        Change(Kind.FREEZE, frozen, Freeze(app_id, "maintenance", 1)),
    ]
    assert findings(*changes) == []


def test_an_instance_that_waits_for_its_relaunch_was_given_up() -> None:
    waits = Change(Kind.INSTANCE, ID, replace(RUNS, condition=Condition.UNKNOWN))
    stone = Change(Kind.TOMBSTONE, RUNS.task_id, Tombstone(RUNS.task_id, 1, "unknown"))
    assert findings(waits, stone) == []
    assert [finding.id for finding in findings(stone)] == [RUNS.task_id]


OTHER = "shop_web.instance-ffffffff-4f50-6172-8394-a5b6c7d8e9f0"
WRONG = {
    "app under another key": (
        [Change(Kind.APP, "/shop/x", WEB), Change(Kind.APP_VERSION, f"/shop/x@{V2}", WEB)],
        [
            (Kind.APP, "/shop/x", "holds the record of '/shop/web'"),
            (Kind.APP_VERSION, f"/shop/x@{V2}", f"holds the record of '/shop/web@{V2}'"),
        ],
    ),
    "instance under another key": (
        [Change(Kind.INSTANCE, OTHER, RUNS)],
        [(Kind.INSTANCE, OTHER, f"holds the record of '{ID}'")],
    ),
    "freeze under another key": (
        [Change(Kind.FREEZE, "/shop/x", Freeze("/shop/web", "maintenance", 1))],
        [(Kind.FREEZE, "/shop/x", "holds the record of '/shop/web'")],
    ),
    "app without its version": (
        [gone(Kind.APP_VERSION, f"/shop/web@{V2}")],
        [(Kind.APP, "/shop/web", f"its version {V2} is not in its history")],
    ),
    "app unlike its version": (
        [Change(Kind.APP_VERSION, f"/shop/web@{V2}", replace(WEB, cmd="other"))],
        [(Kind.APP, "/shop/web", f"differs from its own version {V2}")],
    ),
    "instance of an unknown version": (
        [Change(Kind.INSTANCE, ID, replace(RUNS, version="long ago"))],
        [(Kind.INSTANCE, ID, "its version long ago of /shop/web is not in the history")],
    ),
    "instance of an unknown app": (
        [Change(Kind.INSTANCE, ID, replace(RUNS, app_id="/shop/web/x"))],
        [
            (Kind.INSTANCE, ID, "its id was not made for /shop/web/x"),
            (Kind.INSTANCE, ID, "it is wanted, and its app /shop/web/x does not exist"),
        ],
    ),
    "instance on an unknown agent": (
        [gone(Kind.AGENT, "S0")],
        [(Kind.INSTANCE, ID, "its agent S0 is not known")],
    ),
    "instance that runs nowhere": (
        [Change(Kind.INSTANCE, ID, replace(RUNS, agent_id=""))],
        [(Kind.INSTANCE, ID, "it is Running on no agent")],
    ),
    "no framework id": (
        [Change(Kind.FRAMEWORK, "framework", Framework("state"))],
        [
            (
                Kind.FRAMEWORK,
                "framework",
                "there are instances, but no framework id to find them by",
            )
        ],
    ),
    "deployment without a part": (
        [gone(Kind.DEPLOYMENT_PART, "d/0")],
        [(Kind.DEPLOYMENT, "d", "its part 0 of 1 is missing")],
    ),
    "deployment beyond its end": (
        [Change(Kind.DEPLOYMENT, "d", Deployment("d", V2, 1, total_steps=1, current_step=2))],
        [(Kind.DEPLOYMENT, "d", "it is at step 2 of 1")],
    ),
    "action in no step": (
        [Change(Kind.DEPLOYMENT_PART, "d/0", DeploymentPart("d", (replace(ACTION, step=2),)))],
        [(Kind.DEPLOYMENT, "d", "RestartApplication /shop/web is in step 2")],
    ),
    "no way back": (
        [Change(Kind.DEPLOYMENT_PART, "d/0", DeploymentPart("d", (replace(ACTION, before="x"),)))],
        [(Kind.DEPLOYMENT, "d", "version x of /shop/web, to go back to, is missing")],
    ),
    "part without a deployment": (
        [Change(Kind.DEPLOYMENT_PART, "e/0", DeploymentPart("e", ()))],
        [(Kind.DEPLOYMENT_PART, "e/0", "its deployment does not exist")],
    ),
    "one part too many": (
        [Change(Kind.DEPLOYMENT_PART, "d/1", DeploymentPart("d", ()))],
        [(Kind.DEPLOYMENT_PART, "d/1", "there are 1 parts only")],
    ),
    "part of another": (
        [Change(Kind.DEPLOYMENT_PART, "e/0", DeploymentPart("d", ()))],
        [(Kind.DEPLOYMENT_PART, "e/0", "is a part of 'd'")],
    ),
    "two deployments of one app": (
        [
            Change(Kind.DEPLOYMENT, "e", Deployment("e", V2, parts=1, total_steps=1)),
            Change(Kind.DEPLOYMENT_PART, "e/0", DeploymentPart("e", (ACTION,))),
        ],
        [(Kind.APP, "/shop/web", "2 deployments change it at once")],
    ),
    "app without its group": (
        [gone(Kind.GROUP, "/shop")],
        [(Kind.APP, "/shop/web", "its group /shop does not exist")],
    ),
    "group without its group": (
        [Change(Kind.GROUP, "/a/b", Group("/a/b", V1))],
        [(Kind.GROUP, "/a/b", "its group /a does not exist")],
    ),
    "no root": (
        [gone(Kind.GROUP, "/")],
        [(Kind.GROUP, "/", "the root of all groups does not exist")],
    ),
    "app and group": (
        [Change(Kind.GROUP, "/shop/web", Group("/shop/web", V1))],
        [(Kind.GROUP, "/shop/web", "is an app and a group")],
    ),
    "orphan with a record": (
        [Change(Kind.ORPHAN, RUNS.task_id, Orphan(RUNS.task_id, "S0", "TASK_RUNNING", 1))],
        [(Kind.ORPHAN, RUNS.task_id, f"it is the task of instance {ID}")],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong(changes: list[Change], expected: list[tuple[Kind, str, str]]) -> None:
    assert [finding[:3] for finding in findings(*changes) if finding.wrong] == expected


def test_what_is_only_worth_a_look() -> None:
    other = App(id="/other", version=V1, port_definitions=(PortDefinition(10_000),))
    found = findings(
        Change(Kind.APP, "/other", other),
        Change(Kind.APP_VERSION, f"/other@{V1}", other),
        Change(Kind.ORPHAN, "t", Orphan("t", "S0", "TASK_RUNNING", 1)),
        Change(Kind.DELAY, "/gone", Delay("/gone", V1, 1, 1)),
    )
    assert found == [
        Finding(Kind.ORPHAN, "t", "a task that no record knows: adopt or kill it", wrong=False),
        Finding(Kind.DELAY, "/gone", "its app /gone does not exist", wrong=False),
        Finding(Kind.APP, "/other", "service port 10000 is also that of /shop/web", wrong=False),
    ]
