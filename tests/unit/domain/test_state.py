"""The State: moved by changes alone, so that any copy of it can be rebuilt from them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from framework.domain.app import App
from framework.domain.instance import Instance
from framework.domain.records import replace
from framework.domain.rollout import (
    ActionName,
    Connection,
    Deployment,
    DeploymentPart,
    Framework,
    PlannedAction,
    part_key,
)
from framework.domain.state import VOLATILE, Change, Kind, State, version_key
from tests.property.strategies import changes

ONE = Instance("web.instance-1", "/web", "v1")
TWO = Instance("web.instance-2", "/web", "v1")


def same(one: State, other: State) -> bool:
    """Equal in all that can be read."""
    return (
        one.tables == other.tables
        and one.instances_of == other.instances_of
        and one.versions_of == other.versions_of
        and one.reservations_of == other.reservations_of
        and one.destroying == other.destroying
    )


def test_an_empty_state() -> None:
    state = State()
    assert state.framework is None
    assert state.connection == Connection()
    assert state.changes() == []


def test_put_returns_what_was_there() -> None:
    state = State()
    assert state.put(Kind.INSTANCE, ONE.id, ONE) is None
    assert state.put(Kind.INSTANCE, ONE.id, TWO) is ONE
    assert state.put(Kind.INSTANCE, ONE.id, None) is TWO
    assert state.put(Kind.INSTANCE, ONE.id, None) is None


def test_instances_by_app() -> None:
    state = State()
    state.apply([Change(Kind.INSTANCE, one.id, one) for one in (ONE, TWO)])
    assert state.instances_of == {"/web": {ONE.id: ONE, TWO.id: TWO}}
    state.apply([Change(Kind.INSTANCE, ONE.id, None), Change(Kind.INSTANCE, TWO.id, None)])
    assert state.instances_of == {}


def test_versions_by_app_even_with_an_at_sign_in_the_id() -> None:
    state = State()
    app = App(id="/a@b", version="v1")
    state.put(Kind.APP_VERSION, version_key(app.id, app.version), app)
    assert state.versions_of == {"/a@b": {"v1": app}}
    state.put(Kind.APP_VERSION, version_key(app.id, app.version), None)
    state.put(Kind.APP_VERSION, version_key("/other", "v1"), None)
    assert state.versions_of == {}


class _Vanishing(dict[str, object]):
    """A table of which another thread removes whatever was just looked for."""

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) and self.pop(str(key)) is not None


def test_a_plan_of_a_deployment_that_ends_while_it_is_read() -> None:
    state, deployment = State(), Deployment("d", "v1", parts=1, total_steps=1)
    scale = PlannedAction(1, ActionName.SCALE, "/web")
    state.put(Kind.DEPLOYMENT_PART, part_key("d", 0), DeploymentPart("d", (scale,)))
    assert state.plan(deployment).affected == ("/web",)
    table = _Vanishing(state.tables[Kind.DEPLOYMENT_PART])
    state.tables[Kind.DEPLOYMENT_PART] = table  # type: ignore[assignment]  # one that races
    state.plan(deployment)
    table.clear()
    assert state.plan(deployment).affected == ()


def test_a_checkpoint_leaves_out_what_is_never_stored() -> None:
    state = State()
    state.put(Kind.FRAMEWORK, "framework", Framework("s"))
    state.put(Kind.CONNECTION, "connection", Connection(subscribed=True))
    assert {change.kind for change in state.changes()} == {Kind.FRAMEWORK}
    assert Kind.CONNECTION in VOLATILE


def of_one_app(change: Change) -> Change:
    """An instance never changes its app."""
    if isinstance(change.record, Instance):
        return change._replace(record=replace(change.record, app_id=change.id.partition(".")[0]))
    return change


@settings(max_examples=30)
@given(st.lists(changes.map(of_one_app), max_size=20))
def test_any_history_can_be_rebuilt_and_repeated(history: list[Change]) -> None:
    once, twice, rebuilt = State(), State(), State()
    once.apply(history)
    for change in history:
        twice.apply([change, change])
    rebuilt.apply(once.changes())
    assert same(once, twice)
    assert same(once, rebuilt)
