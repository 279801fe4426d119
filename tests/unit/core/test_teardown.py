"""What a teardown leaves: definitions, and the volumes, which what runs afterwards takes again."""

from framework.core import identity
from framework.domain.actions import Halt, RemoveFramework
from framework.domain.events import (
    ChangeApps,
    FrameworkRefused,
    OffersReceived,
    RemoveVolume,
    Subscribed,
    TearDown,
)
from framework.domain.mesos import OperationState, TaskState
from framework.domain.volumes import OperationKind, ReservationState
from tests.unit.core.session import FRAMEWORK_ID, agent, launches, of_type
from tests.unit.core.test_volumes import DB, Volumes, kinds, operations


def removed(session: Volumes) -> None:
    """Mesos has removed the framework; another process starts, and is registered anew."""
    assert of_type(session.ask_step(TearDown()).actions, RemoveFramework)
    (halt,) = of_type(session.step(FrameworkRefused("Framework has been removed")).actions, Halt)
    assert halt.exit_code == 0
    session.restart(seconds_later=60)
    session.step(Subscribed("framework-2", "master:5050"))


def test_the_data_is_kept_and_used_again_under_another_framework_id() -> None:
    session = Volumes()
    session.start()
    before = session.kept
    removed(session)
    assert session.instances("/db") == []
    assert session.kept.state is ReservationState.READY
    (launch,) = launches(session.offer(session.holding(before)))
    assert launch.instance_id == before.instance_id
    assert operations(session) == [], "all of it is there"
    assert session.kept.framework_id == FRAMEWORK_ID, "as its labels say"


def test_offers_that_came_with_the_removal_are_not_used() -> None:
    session = Volumes()
    session.start()
    session.ask_step(TearDown())
    held = session.holding(session.kept)
    decided = session.step(
        OffersReceived((held, session.plain(agent(2)))),
        FrameworkRefused("Framework has been removed"),
    )
    assert launches(decided) == []
    assert session.state.instances == {}, "they would be without a framework id"


def test_what_was_being_given_back_is_given_back_afterwards() -> None:
    session = Volumes()
    session.start()
    before = session.kept
    session.ask_step(ChangeApps(removes=("/db",)))
    removed(session)
    assert session.kept.state is ReservationState.DESTROYING
    session.offer(session.holding(before))
    assert kinds(session) == [OperationKind.DESTROY, OperationKind.UNRESERVE]
    for operation in [OperationKind.DESTROY, OperationKind.UNRESERVE]:
        (pending,) = [one for one in session.kept.pending if one.kind is operation]
        session.tell(pending.id, OperationState.FINISHED)
    assert session.state.reservations == {}
    assert DB.id not in session.state.apps


def test_what_was_on_its_way_is_an_orphan_if_it_came_about() -> None:
    session = Volumes()
    session.put(DB)
    session.offer(session.plain())
    before = session.kept
    assert before.state is ReservationState.RESERVING
    removed(session)
    assert session.state.reservations == {}, "nobody will ever say what became of it"
    session.offer(session.holding(before))
    found = session.state.reservations[before.instance_id]
    assert (found.state, found.framework_id) == (ReservationState.ORPHAN, FRAMEWORK_ID)
    assert before.instance_id not in session.state.instances
    session.ask_step(RemoveVolume(before.instance_id))
    session.offer(session.holding(found))
    assert kinds(session)[-2:] == [OperationKind.DESTROY, OperationKind.UNRESERVE]


def test_what_was_just_given_back_is_not_waited_for() -> None:
    session = Volumes()
    session.start()
    session.ask_step(ChangeApps(removes=("/db",)))
    session.status(session.instances("/db")[0], TaskState.KILLED)
    session.offer(session.holding(session.kept))
    assert kinds(session) == [OperationKind.DESTROY, OperationKind.UNRESERVE]
    session.restart()
    session.state.apply(identity.forgotten(session.state))
    assert session.state.reservations == {}
