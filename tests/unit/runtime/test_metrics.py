"""What the counts behind the metrics say after each change, and of what is overdue."""

from hypothesis import given
from hypothesis import strategies as st

from framework.core.policy import Policy
from framework.domain.instance import STAGED, Condition, Instance
from framework.domain.metric_names import MARATHON_NAME, NAMES, in_prometheus
from framework.domain.records import replace
from framework.domain.replies import Refused, Why
from framework.domain.rollout import Connection
from framework.domain.state import Change, Kind
from framework.runtime.counted import CountedState
from framework.runtime.metrics import ChangeCounts, Exported, state_metrics
from tests.property.strategies import changes

ONE = Instance("web.instance-1", "/web", "v1", since_ms=1_000)
OVERDUE = in_prometheus("instances.launch-overdue.gauge")


@given(st.lists(changes, max_size=40))
def test_conditions_are_those_of_the_instances(some: list[Change]) -> None:
    view = CountedState()
    for change in some:
        view.apply([change])
        instances = view.instances.values()
        for condition in Condition:
            found = sum(one.condition is condition for one in instances)
            assert view.conditions[condition] == found
        assert view.starting == {one.id for one in instances if one.condition in STAGED}


def test_from_start_to_end_of_an_instance() -> None:
    view = CountedState()
    for condition in (Condition.STAGING, Condition.STARTING, Condition.RUNNING):
        view.put(Kind.INSTANCE, ONE.id, replace(ONE, condition=condition))
        assert view.starting == ({ONE.id} if condition in STAGED else set())
        assert {one: count for one, count in view.conditions.items() if count} == {condition: 1}
    view.put(Kind.INSTANCE, ONE.id, ONE)
    view.put(Kind.INSTANCE, ONE.id, None)
    assert view.starting == set()
    assert not any(view.conditions.values())


def overdue(view: CountedState, now_ms: int) -> float:
    policy = Policy(task_launch_timeout=5_000, task_launch_confirm_timeout=9_000)
    found = {one.name: one.samples[0].value for one in state_metrics(view, policy, now_ms)}
    return float(found[OVERDUE])


def test_what_is_overdue() -> None:
    view = CountedState()
    two = replace(ONE, id="web.instance-2", condition=Condition.STARTING)
    running = replace(ONE, id="web.instance-3", condition=Condition.RUNNING)
    for one in (ONE, two, running):
        view.put(Kind.INSTANCE, one.id, one)
    assert [overdue(view, at_ms) for at_ms in (5_999, 6_000, 9_999, 10_000)] == [0, 1, 1, 2]
    view.put(Kind.CONNECTION, "connection", Connection(True, True, "m:1", 4_000))
    assert [overdue(view, at_ms) for at_ms in (8_999, 9_000, 13_000)] == [0, 1, 2]


def test_refusals_for_too_many_deployments_are_counted_and_no_others() -> None:
    counts = ChangeCounts()
    for why in Why:
        counts.replied(Refused(why, "/web"))
    assert counts.dismissed == 1


def test_names_are_unique_in_both_forms() -> None:
    assert len(set(NAMES)) == len(NAMES) == len(MARATHON_NAME)
    assert MARATHON_NAME["marathon_mesos_offer_operations_launch_group_counter"] == (
        "marathon.mesos.offer-operations.launch-group.counter"
    )


def test_parts_are_collected_in_order_and_anew_each_time() -> None:
    exported, values = Exported(), iter(range(10))
    exported.add(lambda: state_metrics(CountedState(), Policy(), next(values)))
    assert exported.text() == exported.text()
    assert next(values) == 2
