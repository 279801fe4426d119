"""A bug that the same event meets again and again: three processes die of it, the fourth lives."""

from collections.abc import Callable

import pytest

from framework.core import commands, statuses
from framework.domain.actions import Accept, Acknowledge
from framework.domain.events import (
    ChangeApps,
    Event,
    OffersReceived,
    PutApp,
    Subscribed,
)
from framework.domain.instance import Condition, Instance
from framework.domain.mesos import TaskState
from framework.domain.records import replace
from framework.domain.replies import Done, Refused, Why
from framework.domain.state import State
from framework.interfaces import CommandTimeoutError, StoreError
from framework.store.memory import MemoryDisk
from tests.polling import eventually
from tests.unit.core.session import FRAMEWORK_ID, WEB, Session, agent, status_of
from tests.unit.runtime.recording import Record, RecordingStore
from tests.unit.runtime.test_scheduler import Process

API = replace(WEB, id="/api")
Patch = pytest.MonkeyPatch


class PoisonError(Exception):
    """The bug; its text is not for the store."""


def poison_statuses(patch: Patch) -> None:
    """Whatever ends a task of ``/web`` raises."""
    right = statuses._ended

    def wrong(turn: object, instance: Instance, *rest: object) -> None:
        if instance.app_id == "/web":
            raise PoisonError("hunter2")
        right(turn, instance, *rest)  # type: ignore[arg-type]  # handed on as they came

    patch.setattr(statuses, "_ended", wrong)


def subscribed(process: Process) -> State:
    """Mesos has accepted it."""
    process.mesos.submit(Subscribed(FRAMEWORK_ID, "master:5050"))
    view = process.scheduler.view
    eventually(lambda: view.connection.subscribed, "the subscription")
    return view


def with_running(disk: MemoryDisk) -> Instance:
    """``/web`` and ``/api`` run, as the store has it; the instance of ``/web``."""
    process = Process(disk)
    view = subscribed(process)
    process.scheduler.ask(ChangeApps((PutApp(WEB), PutApp(API))))
    process.mesos.submit(OffersReceived((Session().offer_of(agent(1)),)))
    eventually(lambda: len(view.instances) == 2, "both launches")
    for one in list(view.instances.values()):
        process.mesos.submit(status_of(one, TaskState.RUNNING))
    eventually(
        lambda: all(one.condition is Condition.RUNNING for one in view.instances.values()), "both"
    )
    process.scheduler.stop()
    return next(iter(view.instances_of["/web"].values()))


def dies(disk: MemoryDisk, of: Callable[[Process], object]) -> None:
    """A process starts and ends by the bug."""
    process = Process(disk)
    subscribed(process)
    of(process)
    eventually(lambda: process.ends, "the end")
    assert isinstance(process.ends[0], PoisonError)
    process.scheduler.stop()


def test_of_a_status_three_die_and_the_fourth_lives(monkeypatch: Patch) -> None:
    disk = MemoryDisk()
    web = with_running(disk)
    poison_statuses(monkeypatch)
    failed = status_of(web, TaskState.FAILED)
    for _ in range(3):
        dies(disk, lambda process: process.mesos.submit(failed))

    process = Process(disk)
    view = subscribed(process)
    process.mesos.submit(failed)
    eventually(lambda: process.performed(Acknowledge), "the acknowledgement")
    assert view.freezes["/web"].crash in view.crashes
    (crash,) = view.crashes.values()
    assert crash.crashes == 3
    assert crash.error.startswith("PoisonError at runtime/test_crashes.py:")
    assert "hunter2" not in crash.error
    assert view.instances[web.id].condition is Condition.RUNNING

    bigger = ChangeApps((PutApp(replace(API, instances=2)), PutApp(replace(WEB, instances=2))))
    assert isinstance(process.scheduler.ask(bigger), Done)
    process.mesos.submit(OffersReceived((Session().offer_of(agent(2)),)))
    eventually(lambda: process.performed(Accept), "a launch")
    assert set(view.instances_of) == {"/web", "/api"}
    assert len(view.instances_of["/api"]) == 2
    assert len(view.instances_of["/web"]) == 1
    assert process.ends == []
    process.scheduler.stop()


def test_of_a_command_three_die_and_the_fourth_refuses_it(monkeypatch: Patch) -> None:
    disk = MemoryDisk()

    def wrong(*_: object) -> None:
        raise PoisonError("hunter2")

    monkeypatch.setattr(commands, "change_apps", wrong)
    put = ChangeApps((PutApp(WEB),))

    def ask(process: Process) -> None:
        with pytest.raises(CommandTimeoutError):
            process.scheduler.ask(put, timeout_seconds=0.2)

    for _ in range(3):
        dies(disk, ask)
    process = Process(disk)
    refused = process.scheduler.ask(put)
    assert isinstance(refused, Refused)
    assert refused.why is Why.SET_ASIDE
    assert process.scheduler.view.crashes[refused.subject].set_aside_ms
    assert process.ends == []
    process.scheduler.stop()


def test_what_was_decided_before_the_crash_is_carried_out(monkeypatch: Patch) -> None:
    disk = MemoryDisk()
    web = with_running(disk)
    poison_statuses(monkeypatch)
    process = Process(disk)
    subscribed(process)
    assert isinstance(process.scheduler.ask(ChangeApps((PutApp(replace(API, cmd="b")),))), Done)
    events: tuple[Event, ...] = (status_of(web, TaskState.FAILED),)
    for event in events:
        process.mesos.submit(event)
    eventually(lambda: process.ends, "the end")
    process.scheduler.stop()

    after = Process(disk)
    assert after.scheduler.view.apps["/api"].cmd == "b"
    assert len(after.scheduler.view.crashes) == 1
    after.scheduler.stop()


def test_a_store_that_fails_meanwhile_hides_no_bug(
    monkeypatch: Patch, caplog: pytest.LogCaptureFixture
) -> None:
    session = Session()
    session.running(WEB, agent(1))
    failed = status_of(session.only(), TaskState.FAILED)
    store = RecordingStore(Record())
    process = Process(store=store)
    subscribed(process)
    monkeypatch.setattr(statuses, "received", _raise)
    store.failure = StoreError("full")
    process.mesos.submit(failed)
    eventually(lambda: process.ends, "the end")
    process.scheduler.stop()
    assert isinstance(process.ends[0], StoreError)
    assert f"crash 1 on status TASK_FAILED of {session.only().task_id}" in caplog.text
    assert "PoisonError at runtime/test_crashes.py:" in caplog.text


def _raise(*_: object) -> None:
    raise PoisonError
