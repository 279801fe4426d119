"""Persistent volumes: reserved with the first launch, used by each next one, given back when the
app goes; and what becomes of that when anything on the way is lost."""

import pytest

from framework.core.consistency import check_state
from framework.domain.actions import (
    Accept,
    AcknowledgeOperation,
    Kill,
    Operation,
    ReconcileOperations,
    Revive,
    Suppress,
    UpdateRoles,
)
from framework.domain.app import (
    App,
    Container,
    HealthCheck,
    PersistentVolume,
    UnreachableStrategy,
    UpgradeStrategy,
)
from framework.domain.disks import DiskSource, DiskType
from framework.domain.events import (
    AgentFailed,
    CallNotSent,
    ChangeApps,
    DrainAgent,
    FreezeApps,
    KillTasks,
    LiftFreeze,
    OperationStatusReceived,
    PutApp,
    RemoveVolume,
    UndrainAgent,
)
from framework.domain.health import ProbeResult, ProbesReported, health_key
from framework.domain.instance import Condition
from framework.domain.mesos import (
    Agent,
    Offer,
    OfferResource,
    OperationState,
    OperationStatus,
    TaskState,
)
from framework.domain.records import replace
from framework.domain.replies import Done, Why
from framework.domain.volumes import OperationKind, Reservation, ReservationState, Volume
from tests.unit.core.session import FRAMEWORK_ID, Session, agent, killed, launches, of_type

ROLE = "stayer"
DB = App(
    id="/db",
    cmd="x",
    cpus_millis=500,
    mem_millis=64_000,
    role=ROLE,
    container=Container(type="MESOS", persistent_volumes=(PersistentVolume("data", 10),)),
    unreachable_strategy=UnreachableStrategy(disabled=True),
    upgrade_strategy=UpgradeStrategy(0.5, 0.0),
    port_definitions=(),
)
DISK = OfferResource("disk", 100_000)
HOST = agent(1)


class Volumes(Session):
    """With words for reservations."""

    def plain(self, where: Agent = HOST) -> Offer:
        """An offer with enough disk."""
        return self.offer_of(where, DISK, role=ROLE)

    def start(self, app: App = DB, where: Agent = HOST) -> None:
        """The app's one instance gets its reservation and runs."""
        self.put(app)
        self.offer(self.plain(where))
        self.finish()
        self.status(self.only(app.id), TaskState.RUNNING)

    @property
    def kept(self) -> Reservation:
        (reservation,) = self.state.reservations.values()
        return reservation

    def finish(self, state: OperationState = OperationState.FINISHED) -> None:
        """Mesos' last word on all that is pending."""
        for one in self.kept.pending:
            self.tell(one.id, state)

    def tell(self, operation_id: str, state: OperationState, **more: str) -> None:
        fields = {"agent_id": HOST.id, "uuid": "u"} | more
        self.step(OperationStatusReceived(OperationStatus(operation_id, state, **fields)))

    def holding(self, reservation: Reservation, where: Agent = HOST) -> Offer:
        """An offer of plain resources and of this reservation."""
        return self.offer_of(where, DISK, *owned(reservation), role=ROLE)

    def kill(self) -> None:
        """The task ends, the instance stays wanted."""
        self.status(self.only("/db"), TaskState.KILLED)


def owned(reservation: Reservation, *, volumes: bool = True) -> tuple[OfferResource, ...]:
    """The entries of an offer that a reservation is."""
    owner = (reservation.framework_id, reservation.instance_id)
    entries = [
        OfferResource(name, millis, role=ROLE, reservations="[{}]", plain=False, owner=owner)
        for name, millis in reservation.scalars
    ]
    made = [
        OfferResource(
            "disk",
            volume.size_millis,
            role=ROLE,
            reservations="[{}]",
            plain=False,
            disk="{}",
            volume_id=volume.persistence_id,
            container_path=volume.container_path,
            disk_source=source_of(volume),
            owner=owner,
        )
        for volume in reservation.volumes
        if volumes
    ]
    return (*entries, *made)


def source_of(volume: Volume) -> DiskSource | None:
    """The disk that it is on, unless that is the agent's own."""
    if volume.type is DiskType.ROOT:
        return None
    return DiskSource(volume.type, volume.root, f'{{"root":"{volume.root}"}}')


def operations(session: Session) -> list[Operation]:
    """Those of the last step."""
    return [one for accept in of_type(session.last.actions, Accept) for one in accept.operations]


def kinds(session: Session) -> list[OperationKind]:
    return [one.kind for one in operations(session)]


@pytest.fixture
def session() -> Volumes:
    return Volumes()


def test_a_first_launch_reserves_creates_and_launches_in_one_call(session: Volumes) -> None:
    session.put(DB)
    assert UpdateRoles(("*", ROLE), ("*",)) in session.last.actions
    decided = session.offer(session.plain())
    (accept,) = of_type(decided.actions, Accept)
    reserve, create = accept.operations
    assert (reserve.kind, create.kind) == (OperationKind.RESERVE, OperationKind.CREATE)
    (launch,) = accept.launches
    assert launch.resources == reserve.resources
    instance = session.only("/db")
    assert {one.owner for one in reserve.resources} == {(FRAMEWORK_ID, instance.id)}
    assert {one.reserved_role for one in reserve.resources} == {ROLE}
    assert [(one.source.name, one.millis) for one in reserve.resources] == [
        ("cpus", 500),
        ("mem", 64_000),
        ("disk", 10_000),
    ]
    (volume,) = session.kept.volumes
    assert [one.volume for one in create.resources] == [volume]
    assert volume.persistence_id.startswith("db#data#")
    assert session.kept.state is ReservationState.RESERVING
    assert [one.id for one in session.kept.pending] == [reserve.id, create.id]
    stored = {change.id for change in decided.changes}
    assert instance.id in stored, "stored with the step that sends the call"


def test_operations_are_acknowledged_and_then_it_is_ready(session: Volumes) -> None:
    session.put(DB)
    session.offer(session.plain())
    first, second = session.kept.pending
    session.tell(first.id, OperationState.FINISHED)
    assert session.kept.state is ReservationState.RESERVING
    session.tell(second.id, OperationState.FINISHED)
    assert (session.kept.state, session.kept.pending) == (ReservationState.READY, ())
    assert of_type(session.last.actions, AcknowledgeOperation) == [
        AcknowledgeOperation(second.id, HOST.id, "u")
    ]
    session.tell("somebody-elses", OperationState.FINISHED)
    assert of_type(session.last.actions, AcknowledgeOperation)
    session.tell(second.id, OperationState.FINISHED, uuid="")
    assert not of_type(session.last.actions, AcknowledgeOperation)


def test_a_running_task_proves_its_reservation(session: Volumes) -> None:
    session.put(DB)
    session.offer(session.plain())
    session.status(session.only("/db"), TaskState.RUNNING)
    assert session.kept.state is ReservationState.READY


def test_it_starts_again_where_its_volume_is_and_nowhere_else(session: Volumes) -> None:
    session.start()
    before = session.kept
    session.kill()
    assert not launches(session.offer(session.plain(agent(2)), session.plain()))
    decided = session.offer(session.plain(agent(2)), session.holding(before))
    (launch,) = launches(decided)
    assert launch.agent == HOST
    assert launch.instance_id == before.instance_id
    assert session.only("/db").incarnation == session.kept.incarnation == 2
    assert operations(session) == []
    assert [one.source for one in launch.resources] == list(owned(before))
    assert session.kept.volumes == before.volumes


def test_an_offer_without_the_volume_or_with_a_part_is_not_enough(session: Volumes) -> None:
    session.start()
    session.kill()
    parts: tuple[OfferResource, ...] = owned(session.kept)
    for missing in parts:
        rest = [one for one in parts if one is not missing]
        session.offer(session.offer_of(HOST, *rest, role=ROLE))
        assert not launches(session.last), f"without {missing.name}"
        assert not operations(session), "nothing is destroyed because it was not seen"


def test_the_queue_tells_which_volume_it_waits_for(session: Volumes) -> None:
    session.start()
    session.kill()
    session.wait(60)
    session.offer(session.plain(agent(2)))
    stats = session.state.launch_stats["/db"]
    instance_id = session.only("/db").id
    assert stats.explanation[0] == f"waits for its volume on agent host1 (instance {instance_id})"
    assert "NoCorrespondingReservationFound" in stats.refused_attempt


def test_on_a_drained_agent_it_stays_until_the_deadline_and_then_waits_there(
    session: Volumes,
) -> None:
    session.start()
    session.ask_step(DrainAgent("host1", "new disks"))
    assert "/db" not in session.world.demand, "nothing can stand in for it"
    assert of_type(session.wait(24 * 3600), Kill) == []
    session.ask_step(DrainAgent("host1", "new disks", deadline_seconds=60))
    assert [one.task_id for one in of_type(session.wait(60), Kill)] == [session.only("/db").task_id]
    before = session.kept
    session.kill()
    session.wait(60)
    assert not launches(session.offer(session.plain(agent(2)), session.holding(before)))
    (told, *_) = session.state.launch_stats["/db"].explanation
    assert told == (
        f"waits for its volume on agent host1 (instance {before.instance_id}), "
        "and agent host1 is drained: new disks"
    )
    session.ask_step(UndrainAgent("host1"))
    assert len(launches(session.offer(session.holding(before)))) == 1
    assert session.kept.volumes == before.volumes


def test_volumes_of_a_namesake_are_left_alone(session: Volumes) -> None:
    session.start()
    session.kill()
    foreign = replace(session.kept, framework_id="other-framework")
    session.offer(session.holding(foreign))
    assert not launches(session.last)
    session.offer(session.holding(session.kept, agent(2)))
    assert not launches(session.last), "it is on another agent"
    assert len(session.state.reservations) == 1


def test_scaled_away_it_is_kept_and_scaled_up_it_goes_on(session: Volumes) -> None:
    session.start()
    session.put(replace(DB, instances=0))
    session.kill()
    kept = session.kept
    assert session.instances("/db") == []
    assert kept.state is ReservationState.READY
    session.offer(session.holding(kept))
    assert not operations(session)
    session.put(DB)
    (launch,) = launches(session.offer(session.holding(kept)))
    assert launch.task_id == f"{kept.instance_id}._app.2"


def test_more_instances_get_reservations_of_their_own(session: Volumes) -> None:
    session.start()
    session.kill()
    session.put(replace(DB, instances=3))
    decided = session.offer(session.plain(agent(2)), session.plain(agent(3)), session.plain())
    assert len(launches(decided)) == 2, "the third waits for its volume"
    assert kinds(session) == [OperationKind.RESERVE, OperationKind.CREATE] * 2
    assert len(session.state.reservations) == 3


def test_an_upgrade_takes_the_volume_over(session: Volumes) -> None:
    session.start()
    new = replace(DB, cmd="y")
    session.put(new)
    assert killed(session.last), "the old one has to go first"
    session.kill()
    kept = session.kept
    assert session.instances("/db") == []
    (launch,) = launches(session.offer(session.plain(agent(2)), session.holding(kept)))
    assert launch.app.cmd == "y"
    assert launch.task_id == f"{kept.instance_id}._app.2"


def test_removed_with_its_app_it_is_destroyed_and_unreserved(session: Volumes) -> None:
    session.start()
    kept = session.kept
    session.ask_step(ChangeApps(removes=("/db",)))
    session.kill()
    assert session.kept.state is ReservationState.DESTROYING
    assert Suppress((ROLE,)) not in session.last.actions
    session.offer(session.holding(kept))
    assert kinds(session) == [OperationKind.DESTROY, OperationKind.UNRESERVE]
    destroy, unreserve = operations(session)
    assert [one.source.volume_id for one in destroy.resources] == [kept.volumes[0].persistence_id]
    assert [one.source for one in unreserve.resources] == list(owned(kept))
    session.offer(session.holding(kept))
    assert not operations(session), "asked already"
    session.finish()
    assert session.state.reservations == {}
    assert not of_type(session.wait(200), Revive), "no offer is of use any more"


def test_what_could_not_be_given_back_is_tried_again(session: Volumes) -> None:
    session.start()
    kept = session.kept
    session.ask_step(ChangeApps(removes=("/db",)))
    session.kill()
    session.offer(session.holding(kept))
    first = {one.id for one in session.kept.pending}
    session.finish(OperationState.DROPPED)
    assert {one.id for one in session.kept.pending} == set()
    asked = session.wait(60)
    assert any(ROLE in one.roles for one in of_type([*asked, *session.last.actions], Revive))
    session.offer(session.offer_of(HOST, *owned(kept)[1:], role=ROLE))
    assert not operations(session), "a part of it has to wait for the rest"
    session.offer(session.holding(kept))
    assert {one.id for one in session.kept.pending}.isdisjoint(first)
    session.finish()
    assert session.state.reservations == {}


def test_a_volume_destroyed_before_only_has_to_be_unreserved(session: Volumes) -> None:
    session.start()
    kept = session.kept
    session.ask_step(ChangeApps(removes=("/db",)))
    session.kill()
    owner = (kept.framework_id, kept.instance_id)
    disk = OfferResource("disk", 10_000, role=ROLE, plain=False, owner=owner)
    session.offer(session.offer_of(HOST, *owned(kept, volumes=False), disk, role=ROLE))
    assert kinds(session) == [OperationKind.UNRESERVE]


def test_wiped_it_gets_a_new_one_and_the_old_is_destroyed(session: Volumes) -> None:
    session.start()
    old = session.kept
    session.ask_step(KillTasks((old.instance_id,), wipe=True))
    assert session.kept.state is ReservationState.DESTROYING
    session.kill()
    session.offer(session.holding(old))
    assert kinds(session) == [
        OperationKind.DESTROY,
        OperationKind.UNRESERVE,
        OperationKind.RESERVE,
        OperationKind.CREATE,
    ]
    (launch,) = launches(session.last)
    assert launch.instance_id != old.instance_id


def test_killed_unreachable_it_is_destroyed_when_the_agent_returns(session: Volumes) -> None:
    session.start()
    old = session.kept
    session.status(session.only("/db"), TaskState.UNREACHABLE)
    assert session.only("/db").condition is Condition.UNREACHABLE, "it waits for ever"
    session.ask_step(KillTasks((old.instance_id,), wipe=True))
    assert launches(session.offer(session.plain(agent(2)))), "another one, elsewhere"
    assert session.state.reservations[old.instance_id].state is ReservationState.DESTROYING


def test_what_was_never_sent_leaves_nothing(session: Volumes) -> None:
    session.put(DB)
    decided = session.offer(session.plain())
    (accept,) = of_type(decided.actions, Accept)
    session.step(CallNotSent(accept, "not subscribed"))
    assert session.state.reservations == {}
    session.wait(10)
    assert launches(session.offer(session.plain(agent(2))))


def test_an_unsent_removal_is_asked_again(session: Volumes) -> None:
    session.start()
    kept = session.kept
    session.ask_step(ChangeApps(removes=("/db",)))
    session.kill()
    decided = session.offer(session.holding(kept))
    (accept,) = of_type(decided.actions, Accept)
    session.step(CallNotSent(accept, "not subscribed"))
    session.offer(session.holding(kept))
    assert kinds(session) == [OperationKind.DESTROY, OperationKind.UNRESERVE]


def test_a_failed_reservation_is_made_anew_elsewhere(session: Volumes) -> None:
    session.put(DB)
    session.offer(session.plain())
    reserve, create = session.kept.pending
    session.status(session.only("/db"), TaskState.ERROR, reason="REASON_TASK_INVALID")
    session.tell(reserve.id, OperationState.ERROR)
    session.tell(create.id, OperationState.ERROR)
    assert session.state.reservations == {}
    session.wait(10)
    assert kinds_of_next(session) == [OperationKind.RESERVE, OperationKind.CREATE]


def kinds_of_next(session: Volumes) -> list[OperationKind]:
    session.offer(session.plain(agent(2)))
    return kinds(session)


def test_reserved_without_its_volume_it_is_given_back(session: Volumes) -> None:
    session.put(DB)
    session.offer(session.plain())
    reserve, create = session.kept.pending
    session.tell(create.id, OperationState.ERROR)
    session.status(session.only("/db"), TaskState.ERROR, reason="REASON_TASK_INVALID")
    session.tell(reserve.id, OperationState.FINISHED)
    leaving = session.kept
    assert (leaving.state, leaving.pending) == (ReservationState.DESTROYING, ())
    session.wait(10)
    assert kinds_of_next(session) == [OperationKind.RESERVE, OperationKind.CREATE]
    assert leaving.instance_id in session.state.reservations
    assert len(session.state.reservations) == 2, "the instance that follows is another one"


def test_that_mesos_does_not_know_it_is_no_proof_while_the_launch_may_arrive(
    session: Volumes,
) -> None:
    session.put(DB)
    session.offer(session.plain())
    reserve, _ = session.kept.pending
    session.tell(reserve.id, OperationState.UNKNOWN, uuid="")
    assert session.kept.pending, "the call may be on its way"
    session.status(session.only("/db"), TaskState.DROPPED, reason="REASON_INVALID_OFFERS")
    session.tell(reserve.id, OperationState.UNKNOWN, uuid="")
    assert session.state.reservations == {}


def test_a_silent_operation_is_asked_about(session: Volumes) -> None:
    session.put(DB)
    session.offer(session.plain())
    asked = tuple((one.id, HOST.id) for one in session.kept.pending)
    found = of_type(session.wait(25), ReconcileOperations)
    assert found == [ReconcileOperations(asked)] * 2
    session.finish()
    assert not of_type(session.wait(60), ReconcileOperations)


def test_another_process_asks_about_all_and_goes_on(session: Volumes) -> None:
    session.put(DB)
    session.offer(session.plain())
    asked = tuple((one.id, HOST.id) for one in session.kept.pending)
    session.restart()
    session.connect()
    assert ReconcileOperations(asked) in session.last.actions
    assert UpdateRoles(("*", ROLE), ()) in session.last.actions
    session.finish()
    session.status(session.only("/db"), TaskState.RUNNING)
    session.kill()
    assert launches(session.offer(session.holding(session.kept)))


def test_seen_in_an_offer_it_is_there(session: Volumes) -> None:
    session.put(DB)
    session.offer(session.plain())
    session.restart()
    session.connect()
    session.status(session.only("/db"), TaskState.GONE)
    session.offer(session.holding(session.kept))
    assert session.kept.state is ReservationState.READY
    assert launches(session.last)


@pytest.mark.parametrize("told", ["task", "operation"])
def test_of_an_agent_that_is_gone_for_good_the_volume_is_lost(session: Volumes, told: str) -> None:
    session.start()
    instance = session.only("/db")
    asked = of_type(session.step(AgentFailed(HOST.id)).actions, ReconcileOperations)
    ((operation_id, agent_id),) = asked[0].operations
    assert agent_id == HOST.id
    session.step(AgentFailed("another"))
    assert not of_type(session.last.actions, ReconcileOperations)
    if told == "task":
        session.status(instance, TaskState.GONE_BY_OPERATOR)
    else:
        session.tell(operation_id, OperationState.GONE_BY_OPERATOR, uuid="")
        session.status(instance, TaskState.GONE_BY_OPERATOR)
    assert session.kept.state is ReservationState.LOST
    (launch,) = launches(session.offer(session.plain(agent(2))))
    assert launch.instance_id == instance.id, "the instance goes on with nothing"
    assert session.kept.agent_id == "a2"
    assert session.kept.operations_made > 2, "no operation id is used again"


def test_a_kept_volume_of_a_gone_agent_is_forgotten(session: Volumes) -> None:
    session.start()
    session.put(replace(DB, instances=0))
    session.kill()
    kept = session.kept
    session.tell(f"{kept.instance_id}.op-2", OperationState.GONE_BY_OPERATOR, uuid="")
    assert session.state.reservations == {}


def test_an_orphan_is_listed_and_kept_until_an_operator_removes_it(session: Volumes) -> None:
    other = Volumes()
    other.start()
    stranger = replace(other.kept, instance_id="old.instance-1")
    session.offer(session.holding(stranger))
    orphan = session.kept
    assert (orphan.state, orphan.app_id) == (ReservationState.ORPHAN, "")
    assert orphan.volumes == stranger.volumes
    session.put(DB)
    session.offer(session.holding(stranger))
    assert OperationKind.DESTROY not in kinds(session)
    assert [one.wrong for one in check_state(session.state) if one.id == orphan.instance_id] == [
        False
    ]
    session.ask_step(RemoveVolume(orphan.instance_id))
    session.offer(session.holding(stranger))
    assert kinds(session)[:2] == [OperationKind.DESTROY, OperationKind.UNRESERVE]


def test_an_orphan_outlives_restarts_and_removed_apps(session: Volumes) -> None:
    session.start()
    session.step()
    stranger = replace(session.kept, instance_id="old.instance-1")
    session.offer(session.offer_of(HOST, *owned(stranger), role=ROLE))
    session.ask_step(ChangeApps(removes=("/db",)))
    session.restart()
    session.connect()
    assert session.state.reservations["old.instance-1"].state is ReservationState.ORPHAN


def test_what_an_instance_uses_is_not_removed(session: Volumes) -> None:
    session.start()
    kept = session.kept
    assert session.refused(RemoveVolume(kept.instance_id)).why is Why.VOLUME_IN_USE
    assert session.refused(RemoveVolume(kept.instance_id, forget=True)).why is Why.VOLUME_IN_USE
    assert session.refused(RemoveVolume("nobody")).why is Why.VOLUME_UNKNOWN
    session.kill()
    assert session.refused(RemoveVolume(kept.instance_id)).why is Why.VOLUME_IN_USE
    session.ask_step(RemoveVolume(kept.instance_id, forget=True))
    assert session.state.reservations == {}
    session.wait(60)
    assert launches(session.offer(session.plain(agent(2)))), "it waits for it no more"


def test_nothing_is_destroyed_while_frozen(session: Volumes) -> None:
    session.start()
    kept = session.kept
    session.put(replace(DB, instances=0))
    session.kill()
    session.ask(FreezeApps(("/db",)))
    assert session.refused(RemoveVolume(kept.instance_id)).why is Why.FROZEN
    session.ask(LiftFreeze(("/db",)))
    session.ask_step(RemoveVolume(kept.instance_id))
    session.ask(FreezeApps())
    session.offer(session.holding(kept))
    assert not operations(session)
    session.ask(LiftFreeze())
    session.offer(session.holding(kept))
    assert kinds(session) == [OperationKind.DESTROY, OperationKind.UNRESERVE]


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (replace(DB, cpus_millis=600), "may not change resource requirements"),
        (replace(DB, container=None), "Persistent volumes can not be changed!"),
        (replace(DB, role="other"), "?force=true"),
    ],
)
def test_an_update_may_not_need_other_volumes(session: Volumes, new: App, message: str) -> None:
    session.put(DB)
    refused = session.refused(ChangeApps((PutApp(new),)))
    assert refused.why is Why.INVALID
    assert any(message in error for _, error in refused.details)


def test_a_forced_role_is_for_new_instances(session: Volumes) -> None:
    session.start()
    kept = session.kept
    session.put(replace(DB, role="other", instances=2), force=True)
    session.kill()
    (launch,) = launches(session.offer(session.holding(kept)))
    assert (launch.role, session.state.instances[kept.instance_id].role) == (ROLE, ROLE)
    more = session.offer(session.offer_of(agent(2), DISK, role="other"))
    assert [one.role for one in launches(more)] == ["other"]


def test_an_app_made_anew_with_other_volumes_leaves_the_kept_ones_alone(session: Volumes) -> None:
    session.start()
    assert isinstance(session.ask(ChangeApps(removes=("/db",))), Done)
    session.kill()
    assert session.kept.state is ReservationState.DESTROYING
    session.put(DB)
    (launch,) = launches(session.offer(session.plain(agent(2))))
    assert launch.instance_id not in {
        one.instance_id
        for one in session.state.reservations.values()
        if one.state is ReservationState.DESTROYING
    }


def test_unhealthy_it_is_killed_at_once_since_nothing_can_stand_in_for_it(session: Volumes) -> None:
    check = HealthCheck("TCP", port=80, max_consecutive_failures=1, grace_period_seconds=0)
    session.start(replace(DB, health_checks=(check,)))
    instance = session.only("/db")
    key = health_key(instance.task_id, 0)
    failed = ProbeResult(key, session.now_ms, alive=False, cause="refused")
    decided = [*session.step(ProbesReported((failed,))).actions, *session.wait(1)]
    assert [kill.task_id for kill in of_type(decided, Kill)] == [instance.task_id]
    assert "/db" not in session.world.demand, "no second instance beside it"


def test_a_lost_volume_is_forgotten_with_the_instance_that_waited(session: Volumes) -> None:
    session.start()
    session.status(session.only("/db"), TaskState.GONE_BY_OPERATOR)
    assert session.kept.state is ReservationState.LOST
    session.put(replace(DB, instances=0))
    assert not session.state.reservations


def test_scaled_down_one_that_serves_stays_beside_one_out_of_reach(session: Volumes) -> None:
    """Its agent is drained, and nothing is to stand in for it."""
    session.put(replace(DB, instances=3))
    for number in (1, 2, 3):
        session.offer(session.plain(agent(number)))
    for one in session.instances("/db"):
        session.status(one, TaskState.RUNNING)
    away, *serving = session.instances("/db")
    session.status(away, TaskState.UNREACHABLE)
    session.wait(1)
    for one in serving:
        session.ask(DrainAgent(one.agent_id))
    session.put(DB, force=True)
    assert len(killed(session.last)) < len(serving)


def test_a_freeze_keeps_the_data_of_an_app_of_which_nothing_else_is_left() -> None:
    session = Volumes()
    session.start()
    session.put(replace(DB, instances=0))
    session.kill()
    session.ask_step(FreezeApps(("/db",)))
    session.ask_step(ChangeApps(removes=("/db",)))
    session.ask_step(FreezeApps())  # which tidies up freezes
    session.restart()
    assert not session.state.destroying
    session.ask_step(LiftFreeze())
    session.ask_step(LiftFreeze(("/db",)))
    assert len(session.state.destroying) == 1


def test_that_a_task_is_staging_proves_nothing_of_its_volumes() -> None:
    """The master says so before the agent has heard of anything, and the agent may be cut off."""
    session = Volumes()
    session.put(DB)
    session.offer(session.plain())
    session.status(session.only("/db"), TaskState.STAGING, reason="REASON_RECONCILIATION", uuid="")
    assert session.kept.state is ReservationState.RESERVING
    session.status(session.only("/db"), TaskState.GONE, reason="REASON_RECONCILIATION", uuid="")
    session.finish(OperationState.UNKNOWN)
    assert session.state.reservations == {}
    assert len(launches(session.offer(session.plain(agent(2))))) == 1
