"""What crashes the decisions again and again is set aside, and only that.

The fault is put into the core itself. ``Lives`` are processes one after the other on what was
stored; what the shell stores of a crash is asked of the core as the shell asks it.
"""

from collections.abc import Callable
from types import ModuleType

import pytest

from framework.core import (
    commands,
    crashes,
    deployments,
    launches,
    orphans,
    placing,
    probing,
    sizing,
    statuses,
    volumes,
    waiting,
)
from framework.domain.actions import Accept, Acknowledge, Decline, Kill, Reconcile
from framework.domain.app import HealthCheck, UnreachableStrategy
from framework.domain.crashes import Crash
from framework.domain.events import (
    Asked,
    CallNotSent,
    ChangeApps,
    Command,
    Event,
    ForgetCrash,
    FreezeApps,
    LiftFreeze,
    OffersReceived,
    PutApp,
    Started,
    TaskStatusReceived,
)
from framework.domain.freezing import EVERYTHING
from framework.domain.health import ProbeResult, ProbesReported, health_key
from framework.domain.instance import Condition, Instance
from framework.domain.mesos import TaskState, TaskStatus
from framework.domain.notices import Remarked
from framework.domain.records import replace
from framework.domain.replies import Done, Refused, Why
from framework.domain.state import Change, State
from tests.unit.core.session import START_MS, WEB, Session, agent, of_type, status_of
from tests.unit.core.session import launches as launched

API = replace(WEB, id="/api")
MINUTE_MS = 60_000
Patch = pytest.MonkeyPatch


class PoisonError(Exception):
    """The bug."""


def poison(patch: Patch, module: ModuleType, name: str, bad: Callable[..., bool]) -> None:
    """Let a function of the core raise where its arguments are bad."""
    right = getattr(module, name)

    def wrong(*arguments: object) -> object:
        if bad(*arguments):
            raise PoisonError
        result: object = right(*arguments)
        return result

    patch.setattr(module, name, wrong)


class Lives:
    """A store, and the processes on it. ``/web`` and ``/api`` run, one instance each."""

    def __init__(self) -> None:
        self.stored: list[Change] = []
        self.now_ms = START_MS
        first = Session()
        first.running(WEB, agent(1))
        first.running(API, agent(1))
        self._keep(first)

    @property
    def state(self) -> State:
        """What is stored."""
        state = State()
        state.apply(self.stored)
        return state

    @property
    def crash(self) -> Crash:
        """The only crash that is stored."""
        (crash,) = self.state.crashes.values()
        return crash

    def instance(self, app_id: str = "/web") -> Instance:
        (instance,) = self.state.instances_of[app_id].values()
        return instance

    def live(self, *events: Event, gap_ms: int = 1_000) -> Session | None:
        """A process that starts, subscribes and is told these in one turn each. None: it crashed,
        and that is stored."""
        self.now_ms += gap_ms
        session = Session(state=self.state, connected=False)
        session.now_ms = self.now_ms
        try:
            session.step(Started())
            session.connect()
            for event in events:
                session.step(event)
        except PoisonError:
            self._keep(session)
            self.stored += crashes.counted(session.world, "PoisonError at x.py:1", self.now_ms)
            return None
        self._keep(session)
        return session

    def crashes(self, *events: Event, times: int = 3) -> None:
        """So many processes die of these."""
        for _ in range(times):
            assert self.live(*events) is None

    def survives(self, *events: Event) -> Session:
        """The next one does not."""
        session = self.live(*events)
        assert session is not None
        return session

    def _keep(self, session: Session) -> None:
        for decided in session.steps:
            self.stored += decided.changes


@pytest.fixture
def lives() -> Lives:
    return Lives()


def of_web(_turn: object, instance: Instance, *_rest: object) -> bool:
    return instance.app_id == "/web"


def put_web(_turn: object, command: ChangeApps) -> bool:
    return any(put.app.id == "/web" for put in command.puts)


def asked(command: Command) -> Asked:
    return Asked(1, command)


def everything_else_works(session: Session) -> None:
    """``/api`` is changed, launched and killed; of ``/web`` nothing is."""
    session.put(replace(API, instances=2), force=True)
    started = launched(session.offer(session.offer_of(agent(2))))
    assert [one.app.id for one in started] == ["/api"]
    session.put(replace(API, instances=0), force=True)
    killed = of_type(session.last.actions, Kill)
    assert len(killed) == 2
    assert all("api" in one.task_id for one in killed)


def test_a_status_is_acknowledged_once_it_is_stored_as_set_aside(
    lives: Lives, monkeypatch: Patch
) -> None:
    web = lives.instance()
    poison(monkeypatch, statuses, "_ended", of_web)
    failed = status_of(web, TaskState.FAILED)
    for count in (1, 2, 3):
        lives.crashes(failed, times=1)
        assert (lives.crash.crashes, lives.crash.set_aside_ms) == (count, 0)
    assert lives.crash.subject == f"TASK_FAILED of {web.task_id}"
    assert lives.crash.app_id == "/web"
    assert lives.state.freezes == {}

    session = lives.survives(failed)
    decided = session.last
    assert [one.uuid for one in of_type(decided.actions, Acknowledge)] == ["uuid-1"]
    assert lives.instance().condition is Condition.RUNNING, "nothing was taken of it"
    assert lives.crash.set_aside_ms == lives.now_ms
    freeze = lives.state.freezes["/web"]
    assert freeze.crash == lives.crash.id
    assert "crashed 3 times" in freeze.reason
    (alarm,) = [one for one in decided.notices if isinstance(one, Remarked)]
    assert alarm.level == "error"
    assert lives.crash.id in alarm.message
    assert any(change.id == lives.crash.id for change in decided.changes)
    everything_else_works(session)


def test_from_then_on_it_is_set_aside_silently_and_reconciliation_ends(
    lives: Lives, monkeypatch: Patch
) -> None:
    poison(monkeypatch, statuses, "_update", of_web)
    running = status_of(lives.instance(), TaskState.RUNNING)
    lives.crashes(running)
    lives.survives(running)
    session = lives.survives(running, status_of(lives.instance("/api"), TaskState.RUNNING))
    assert session.state.connection.synced
    session.step(running)
    assert (session.last.changes, session.last.notices) == ((), ())
    assert of_type(session.last.actions, Acknowledge)


def test_when_forgotten_it_is_tried_again(lives: Lives, monkeypatch: Patch) -> None:
    poison(monkeypatch, statuses, "_ended", of_web)
    failed = status_of(lives.instance(), TaskState.FAILED)
    lives.crashes(failed)
    session = lives.survives(failed)
    monkeypatch.undo()
    assert isinstance(session.ask(ForgetCrash(lives.crash.id)), Done)
    assert (session.state.crashes, session.state.freezes) == ({}, {})
    assert session.world.reconciliation.running, "Mesos is asked for what was missed"
    session.step(failed)
    assert session.only().condition is Condition.FAILED
    assert session.refused(ForgetCrash(lives.crash.id)).why is Why.CRASH_UNKNOWN


def test_lifting_the_freeze_forgets_the_crash_too(lives: Lives, monkeypatch: Patch) -> None:
    poison(monkeypatch, sizing, "have", lambda _turn, index: index.app.id == "/web")
    lives.crashes()
    session = lives.survives()
    assert set(session.state.freezes) == {"/web"}
    monkeypatch.undo()
    session.ask(LiftFreeze(("/web",)))
    assert (session.state.crashes, session.state.freezes) == ({}, {})
    session.put(replace(WEB, instances=0))
    assert len(of_type(session.last.actions, Kill)) == 1


def test_a_command_is_refused_with_the_name_of_its_crash(lives: Lives, monkeypatch: Patch) -> None:
    poison(monkeypatch, commands, "change_apps", put_web)
    lives.crashes(asked(ChangeApps((PutApp(replace(WEB, cmd="new")),))))
    session = lives.survives()
    again = ChangeApps((PutApp(replace(WEB, cmd="newer"), "some version"),), force=True)
    refused = session.ask(again)
    assert isinstance(refused, Refused)
    assert (refused.why, refused.subject) == (Why.SET_ASIDE, lives.crash.id)
    assert refused.subject in refused.message
    assert session.state.freezes["/web"].crash == lives.crash.id
    everything_else_works(session)


def test_of_a_new_app_only_the_command_is_set_aside(lives: Lives, monkeypatch: Patch) -> None:
    poison(monkeypatch, commands, "change_apps", lambda _, command: command.puts[0].app.id == "/x")
    bad = asked(ChangeApps((PutApp(replace(WEB, id="/x")),)))
    lives.crashes(bad)
    session = lives.survives(bad)
    assert lives.crash.set_aside_ms
    assert session.state.freezes == {}
    everything_else_works(session)


@pytest.mark.parametrize(
    ("module", "name", "bad"),
    [
        (sizing, "have", lambda _turn, index: index.app.id == "/web"),
        (waiting, "publish", lambda _t, key, _d: key == "/web"),
        (placing, "launch", lambda _t, request, _r: request.app.id == "/web"),
    ],
)
def test_an_app_that_can_not_be_handled_is_frozen_at_the_next_start(
    lives: Lives, monkeypatch: Patch, module: ModuleType, name: str, bad: Callable[..., bool]
) -> None:
    lives.survives(asked(ChangeApps((PutApp(replace(WEB, instances=2)),))))
    poison(monkeypatch, module, name, bad)
    offer = OffersReceived((Session().offer_of(agent(2)),))
    lives.crashes(offer)
    session = lives.survives(offer)
    assert (lives.crash.kind, lives.crash.subject) == ("app", "/web")
    assert lives.state.freezes["/web"].crash == lives.crash.id
    everything_else_works(session)


@pytest.mark.parametrize("step", ["remainder_of", "look_at"])
def test_offers_of_an_agent_that_crash_us_are_declined(
    lives: Lives, monkeypatch: Patch, step: str
) -> None:
    lives.survives(asked(ChangeApps((PutApp(replace(WEB, instances=2)),))))
    if step == "remainder_of":
        poison(monkeypatch, placing, step, lambda _, offer: offer.agent.id == "a7")
    else:
        poison(monkeypatch, volumes, step, lambda _, rest: rest.offer.agent.id == "a7")
    session = Session()
    both = OffersReceived((session.offer_of(agent(7)), session.offer_of(agent(2))))
    lives.crashes(both)
    session = lives.survives(both)
    assert lives.crash.subject == "a7"
    (declined,) = of_type(session.last.actions, Decline)
    assert declined.offer_ids == (both.offers[0].id,)
    assert len(launched(session.last)) == 1


def test_a_deployment_that_can_not_go_on_stands_still(lives: Lives, monkeypatch: Patch) -> None:
    lives.survives(asked(ChangeApps((PutApp(replace(WEB, instances=2)),))))
    (deployment_id,) = lives.state.deployments
    poison(monkeypatch, deployments, "_step_done", lambda _, one: one.id == deployment_id)
    lives.crashes()
    session = lives.survives()
    assert lives.crash.subject == deployment_id
    assert list(session.state.deployments) == [deployment_id]
    assert session.state.freezes == {}, "which of its apps is to blame is not known"


def test_of_probes_only_the_one_is_set_aside(lives: Lives, monkeypatch: Patch) -> None:
    check = HealthCheck("TCP", port_index=0)
    checked = replace(WEB, id="/checked", health_checks=(check, check))
    first = lives.survives()
    first.running(checked, agent(3))
    lives._keep(first)
    task_id = lives.instance("/checked").task_id
    poison(monkeypatch, probing, "_health", lambda _t, _i, index, _r: index == 0)
    results = tuple(
        ProbeResult(health_key(task_id, index), lives.now_ms, alive=True) for index in (0, 1)
    )
    lives.crashes(ProbesReported(results))
    session = lives.survives(ProbesReported(results))
    (instance,) = session.instances("/checked")
    assert set(session.state.health[instance.id].checks) == {1}
    assert set(session.state.freezes) == {"/checked"}


def test_a_deadline_that_crashes_is_not_waited_for_again(lives: Lives, monkeypatch: Patch) -> None:
    session = lives.survives(asked(ChangeApps((PutApp(replace(WEB, instances=2)),))))
    session.offer(session.offer_of(agent(2)))
    lives._keep(session)
    poison(monkeypatch, launches, "_without_status", of_web)
    for _ in range(3):
        session = lives.survives()
        with pytest.raises(PoisonError):
            session.wait(60)
        lives.stored += crashes.counted(session.world, "", lives.now_ms)
    session = lives.survives()
    session.wait(600)
    assert session.state.freezes["/web"].crash
    everything_else_works(session)


def test_a_launch_that_was_not_sent(lives: Lives, monkeypatch: Patch) -> None:
    session = lives.survives(asked(ChangeApps((PutApp(replace(WEB, instances=2)),))))
    (accept,) = of_type(session.offer(session.offer_of(agent(2))).actions, Accept)
    lives._keep(session)
    poison(monkeypatch, launches, "not_sent", lambda *_: True)
    lives.crashes(CallNotSent(accept, "refused"))
    lives.survives(CallNotSent(accept, "refused"))
    assert lives.crash.app_id == "/web"
    assert lives.crash.set_aside_ms


class TestCounting:
    def test_crashes_far_apart_are_counted_from_one(self, lives: Lives, monkeypatch: Patch) -> None:
        poison(monkeypatch, statuses, "_ended", of_web)
        failed = status_of(lives.instance(), TaskState.FAILED)
        lives.crashes(failed, times=2)
        assert lives.live(failed, gap_ms=61 * MINUTE_MS) is None
        assert lives.crash.crashes == 1

    def test_volatile_parts_make_no_other_crash(self, lives: Lives, monkeypatch: Patch) -> None:
        poison(monkeypatch, statuses, "_ended", of_web)
        web = lives.instance()
        for number in range(3):
            details = {"uuid": f"u{number}", "message": f"m{number}", "timestamp_ms": number}
            lives.crashes(status_of(web, TaskState.FAILED, **details), times=1)
        assert lives.crash.crashes == 3
        lives.survives(status_of(web, TaskState.FAILED, uuid="u4"))

    def test_of_an_app_frozen_for_a_crash_one_more_is_enough(
        self, lives: Lives, monkeypatch: Patch
    ) -> None:
        web = lives.instance()
        poison(monkeypatch, statuses, "_update", of_web)
        lives.crashes(status_of(web, TaskState.RUNNING))
        lives.survives(status_of(web, TaskState.RUNNING))
        lives.crashes(status_of(web, TaskState.FAILED), times=1)
        lives.survives(status_of(web, TaskState.FAILED))

    def test_after_some_of_a_kind_none_of_that_app_is_tried(
        self, lives: Lives, monkeypatch: Patch
    ) -> None:
        web = lives.instance()
        poison(monkeypatch, statuses, "_update", of_web)
        states = [*TaskState][:5]
        for number, state in enumerate(states):
            lives.crashes(status_of(web, state), times=1 if number else 3)
            lives.survives(status_of(web, state))
        another = status_of(web, [*TaskState][5])
        session = lives.survives(another)
        assert of_type(session.last.actions, Acknowledge)
        assert len(lives.state.crashes) == 5

    def test_records_are_bounded_and_what_is_set_aside_is_kept_longest(
        self, lives: Lives, monkeypatch: Patch
    ) -> None:
        poison(monkeypatch, statuses, "_ended", of_web)
        failed = status_of(lives.instance(), TaskState.FAILED)
        lives.crashes(failed)
        lives.survives(failed)
        kept = lives.crash.id
        poison(monkeypatch, orphans, "stranger", lambda *_: True)
        for number in range(250):
            status = TaskStatus(f"gone.instance-{number}._app.1", TaskState.RUNNING, "a1", "u")
            lives.crashes(TaskStatusReceived(status), times=1)
        assert len(lives.state.crashes) == 200
        assert kept in lives.state.crashes

    def test_what_we_stand_on_is_never_set_aside(self, lives: Lives, monkeypatch: Patch) -> None:
        from framework.core import step as stepping

        poison(monkeypatch, stepping, "_subscribed", lambda *_: True)
        lives.crashes(times=5)
        assert (lives.crash.kind, lives.crash.crashes) == ("Subscribed", 5)
        assert lives.crash.set_aside_ms == 0

    def test_the_way_out_stays_open(self, lives: Lives, monkeypatch: Patch) -> None:
        poison(monkeypatch, commands, "carry_out", lambda *_: True)
        for command in (FreezeApps(), LiftFreeze(), ForgetCrash("x")):
            lives.crashes(asked(command), times=4)
        assert not any(one.set_aside_ms for one in lives.state.crashes.values())


def test_a_freeze_of_a_person_is_not_replaced(lives: Lives, monkeypatch: Patch) -> None:
    lives.survives(asked(FreezeApps(("/web",), "mine")))
    poison(monkeypatch, statuses, "_ended", of_web)
    failed = status_of(lives.instance(), TaskState.FAILED)
    lives.crashes(failed)
    session = lives.survives(failed)
    assert session.state.freezes["/web"].reason == "mine"
    session.ask(ForgetCrash(lives.crash.id))
    assert session.state.freezes["/web"].reason == "mine"
    assert EVERYTHING not in session.state.freezes


def test_a_deployment_goes_on_when_its_crash_is_forgotten(lives: Lives, monkeypatch: Patch) -> None:
    lives.survives(asked(ChangeApps((PutApp(replace(WEB, instances=0)),))))
    poison(monkeypatch, deployments, "_step_done", lambda *_: True)
    lives.crashes()
    killed = status_of(lives.instance(), TaskState.KILLED)
    session = lives.survives(killed)
    assert session.state.deployments
    monkeypatch.undo()
    session.ask(ForgetCrash(lives.crash.id))
    assert session.state.deployments == {}


def test_a_deadline_comes_up_again_when_its_crash_is_forgotten(
    lives: Lives, monkeypatch: Patch
) -> None:
    session = lives.survives(asked(ChangeApps((PutApp(replace(WEB, instances=2)),))))
    session.offer(session.offer_of(agent(2)))
    lives._keep(session)
    with monkeypatch.context() as patch:
        poison(patch, launches, "_without_status", of_web)
        for _ in range(3):
            session = lives.survives()
            with pytest.raises(PoisonError):
                session.wait(60)
            lives.stored += crashes.counted(session.world, "", lives.now_ms)
        session = lives.survives()
        session.wait(60)
    session.ask(ForgetCrash(lives.crash.id))
    assert any(one.tasks for one in of_type(session.last.actions, Reconcile))


def test_what_no_app_is_frozen_for_is_asked_of_mesos_when_forgotten(
    lives: Lives, monkeypatch: Patch
) -> None:
    poison(monkeypatch, orphans, "stranger", lambda *_: True)
    status = TaskStatus("gone.instance-1._app.1", TaskState.RUNNING, "a1", "u")
    lives.crashes(TaskStatusReceived(status))
    session = lives.survives(TaskStatusReceived(status))
    session.ask(ForgetCrash(lives.crash.id))
    assert of_type(session.last.actions, Reconcile)


def test_an_app_with_two_crashes_is_frozen_until_both_are_forgotten(
    lives: Lives, monkeypatch: Patch
) -> None:
    poison(monkeypatch, statuses, "_update", of_web)
    web = lives.instance()
    for state, times in ((TaskState.RUNNING, 3), (TaskState.FAILED, 1)):
        lives.crashes(status_of(web, state), times=times)
        lives.survives(status_of(web, state))
    session = lives.survives()
    first, second = session.state.crashes
    session.ask(ForgetCrash(first))
    assert session.state.freezes["/web"].crash == second
    session.ask(ForgetCrash(second))
    assert session.state.freezes == {}


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("launch", lambda _t, request, _r: request.app.id == "/api"),
        ("request_of", lambda _t, app: app.id == "/api"),
    ],
)
def test_of_several_apps_that_wait_the_right_one_is_blamed(
    lives: Lives, monkeypatch: Patch, name: str, bad: Callable[..., bool]
) -> None:
    more = [PutApp(replace(app, instances=2)) for app in (WEB, API)]
    lives.survives(asked(ChangeApps((more[0],))))
    lives.survives(asked(ChangeApps((more[1],))))
    poison(monkeypatch, placing, name, bad)
    offer = OffersReceived((Session().offer_of(agent(2)),))
    lives.crashes(offer)
    session = lives.survives(offer)
    assert lives.crash.subject == "/api"
    assert [one.app.id for one in launched(session.last)] == ["/web"]


def test_what_is_looked_at_first_of_all_is_an_app_too(lives: Lives, monkeypatch: Patch) -> None:
    away = replace(WEB, id="/away", unreachable_strategy=UnreachableStrategy(disabled=True))
    session = lives.survives()
    session.running(away, agent(3))
    session.status(session.only("/away"), TaskState.UNREACHABLE)
    lives._keep(session)
    poison(monkeypatch, statuses, "unreachable_for", lambda *_: True)
    lives.crashes()
    session = lives.survives()
    assert set(session.state.freezes) == {"/away"}
    everything_else_works(session)
