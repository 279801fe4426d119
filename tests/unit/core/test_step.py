"""The session with Mesos: starting, subscribing, being refused, leaving."""

import pytest

from framework.core.policy import Policy
from framework.domain.actions import Accept, Acknowledge, Decline, Halt, RemoveFramework, Revive
from framework.domain.events import (
    AgentFailed,
    CallNotSent,
    Disconnected,
    FrameworkRefused,
    OffersReceived,
    Subscribed,
    TaskStatusReceived,
    TearDown,
    TimerFired,
)
from framework.domain.mesos import TaskState, TaskStatus
from framework.domain.records import replace
from framework.domain.replies import Done
from framework.domain.rollout import Framework
from framework.domain.state import Kind
from tests.unit.core.session import (
    FRAMEWORK_ID,
    WEB,
    Session,
    agent,
    launches,
    of_type,
    status_of,
)


def test_the_first_start_names_the_state_for_ever() -> None:
    session = Session()
    framework = session.state.framework
    assert framework is not None
    assert framework.state_id
    assert framework.framework_id == FRAMEWORK_ID
    session.restart(seconds_later=10)
    session.connect()
    after = session.state.framework
    assert after is not None
    assert replace(after, epoch=framework.epoch) == framework


def test_each_start_is_a_later_epoch_of_the_state() -> None:
    session = Session()
    epochs = []
    for _ in range(2):
        framework = session.state.framework
        assert framework is not None
        epochs.append(framework.epoch)
        session.restart()
        session.connect()
    assert epochs[1] > epochs[0]


def test_an_epoch_is_later_than_all_before_a_backup_was_restored() -> None:
    session = Session()
    framework = session.state.framework
    assert framework is not None
    assert framework.epoch == session.now_ms // 1000


def test_another_framework_id_than_the_states_is_refused() -> None:
    session = Session()
    session.restart()
    decided = session.step(Subscribed("framework-2", "master:5050"))
    (halt,) = of_type(decided.actions, Halt)
    assert halt.exit_code == 108
    assert "framework-2" in halt.message
    assert FRAMEWORK_ID in halt.message
    assert not session.state.connection.subscribed
    assert decided.changes == ()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Framework failed over", 103),
        ("Framework has been removed", 110),
        ("Framework is completed", 110),
        ("Role 'x' is not whitelisted", 106),
    ],
)
def test_refused_by_mesos_it_stops_and_touches_nothing(message: str, code: int) -> None:
    session = Session()
    session.running(WEB, agent(1))
    decided = session.step(FrameworkRefused(message))
    (halt,) = decided.actions
    assert isinstance(halt, Halt)
    assert halt.exit_code == code
    assert message in halt.message
    assert decided.changes == ()


def test_teardown_forgets_the_tasks_once_mesos_has_removed_us_and_keeps_the_apps() -> None:
    session = Session()
    session.running(WEB, agent(1))
    assert session.ask(TearDown()) == Done()
    assert session.last.actions == (RemoveFramework(),)
    session.step(Disconnected("cut"))
    assert session.instances(), "a cut is no proof"
    assert RemoveFramework() in session.connect().actions, "perhaps it never arrived"
    decided = session.step(FrameworkRefused("Framework has been removed"))
    (halt,) = of_type(decided.actions, Halt)
    assert halt.exit_code == 0
    assert session.instances() == []
    assert set(session.state.apps) == {"/web"}
    framework = session.state.framework
    assert isinstance(framework, Framework)
    assert framework.framework_id == ""


def test_every_update_is_acknowledged_with_its_own_uuid_and_answers_are_not() -> None:
    session = Session()
    (instance,) = session.running(WEB, agent(1))
    decided = session.step(
        status_of(instance, TaskState.RUNNING, uuid="first"),
        status_of(instance, TaskState.RUNNING, uuid=""),
        status_of(instance, TaskState.STAGING, uuid="too late to matter"),
        TaskStatusReceived(TaskStatus("nonsense", TaskState.FAILED, "a7", uuid="unknown task")),
    )
    assert of_type(decided.actions, Acknowledge) == [
        Acknowledge(instance.task_id, "a1", "first"),
        Acknowledge(instance.task_id, "a1", "too late to matter"),
        Acknowledge("nonsense", "a7", "unknown task"),
    ]


def test_offers_are_void_with_the_connection() -> None:
    session = Session()
    session.put(WEB)
    offers = OffersReceived((session.offer_of(agent(1)),))
    decided = session.step(offers, Disconnected("cut"))
    assert not of_type(decided.actions, Accept)
    assert not of_type(decided.actions, Decline)
    assert session.step(offers, Subscribed(FRAMEWORK_ID, "other:5050")).actions
    assert session.instances() == []


def test_an_answer_that_mesos_did_not_take_is_given_again_as_a_decline() -> None:
    session = Session(Policy(decline_offer_duration=5_000))
    (decline,) = of_type(session.offer(session.offer_of(agent(1))).actions, Decline)
    session.step(CallNotSent(decline, "503"))
    assert of_type(session.wait(1), Decline) == [decline]


def test_disconnected_it_goes_on_answering_commands() -> None:
    session = Session()
    session.step(Disconnected("cut"))
    session.put(WEB)
    assert session.state.launch_stats["/web"].explanation == ("not connected to Mesos",)
    session.connect()
    assert len(launches(session.offer(session.offer_of(agent(1))))) == 1


def test_events_that_only_announce_others_change_nothing() -> None:
    session = Session()
    session.running(WEB, agent(1))
    decided = session.step(AgentFailed("a1"), TimerFired())
    assert (decided.changes, decided.actions, decided.notices) == ((), (), ())


def test_what_is_never_stored_is_kept_apart() -> None:
    session = Session()
    decided = session.step(Disconnected("cut"))
    assert decided.changes == ()
    assert [change.kind for change in decided.volatile] == [Kind.CONNECTION]


def test_within_a_turn_the_last_state_of_a_record_is_what_is_stored() -> None:
    session = Session()
    session.put(WEB)
    session.offer(session.offer_of(agent(1)))
    instance = session.only()
    decided = session.step(
        status_of(instance, TaskState.STAGING),
        status_of(instance, TaskState.RUNNING),
        status_of(instance, TaskState.FAILED),
    )
    stored = [change.record for change in decided.changes if change.kind is Kind.INSTANCE]
    assert stored == [session.only()]


def test_a_turn_with_demand_and_offers_launches_in_the_same_turn() -> None:
    session = Session()
    (instance,) = session.running(replace(WEB, backoff_seconds=0), agent(1))
    decided = session.step(
        status_of(instance, TaskState.FAILED), OffersReceived((session.offer_of(agent(2)),))
    )
    assert [one.task_id for one in launches(decided)] == [f"{instance.id}._app.2"]
    assert of_type(decided.actions, Revive) == []
