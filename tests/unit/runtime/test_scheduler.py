"""The parts put together: asking, being answered, ending, starting again, and what is measured."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client.parser import text_string_to_metric_families

from cli.patterns import linear_full_match
from framework.core.policy import Policy
from framework.core.trees import ROOT
from framework.domain.actions import Accept, Acknowledge, Halt
from framework.domain.events import (
    ChangeApps,
    FrameworkRefused,
    KillTasks,
    OffersReceived,
    PutApp,
    ResetDelay,
    Subscribed,
)
from framework.domain.mesos import TaskState
from framework.domain.notices import Notice, StatusUpdated
from framework.domain.records import replace
from framework.domain.replies import Done, Refused
from framework.domain.state import Change, Kind
from framework.interfaces import CommandTimeoutError, Scheduler, Store, StoreError
from framework.runtime.scheduler import Facts, RunningScheduler
from framework.store.memory import MemoryDisk, MemoryStore
from tests.polling import eventually
from tests.unit.core.session import FRAMEWORK_ID, WEB, Session, agent, status_of
from tests.unit.runtime.recording import Record, RecordingMesos, RecordingProbes, RecordingStore

PUT = ChangeApps((PutApp(WEB),))


class Process:
    """One scheduler with what surrounds it."""

    def __init__(self, disk: MemoryDisk | None = None, store: Store | None = None) -> None:
        self.record = Record()
        self.mesos = RecordingMesos(self.record)
        self.ends: list[BaseException | Halt] = []
        self.scheduler = RunningScheduler(
            store or MemoryStore(disk),
            self.mesos,
            RecordingProbes(self.record),
            Policy(),
            linear_full_match,
            facts=Facts(leader="host:8080", version="1.2.3", settings={"mesos_role": "*"}),
            on_end=self.ends.append,
        )
        self.scheduler.start()

    def performed(self, kind: type) -> list[object]:
        """The actions of one kind that reached Mesos so far."""
        batches = [batch for batch in self.record.of("perform") if isinstance(batch, list)]
        return [action for batch in batches for action in batch if isinstance(action, kind)]


@pytest.fixture
def process() -> Iterator[Process]:
    made = Process()
    yield made
    made.scheduler.stop()


def test_an_answer_comes_when_all_can_see_what_it_speaks_of(process: Process) -> None:
    answer = process.scheduler.ask(PUT)
    assert isinstance(answer, Done)
    assert process.scheduler.view.apps["/web"] == answer.apps[0]
    refused = process.scheduler.ask(ResetDelay("/none"))
    assert isinstance(refused, Refused)


def test_from_an_offer_to_an_acknowledged_update(process: Process) -> None:
    scheduler, offers = process.scheduler, Session()
    told: list[Notice] = []
    scheduler.listen(told.append)
    scheduler.ask(PUT)
    process.mesos.submit(Subscribed(FRAMEWORK_ID, "master:5050"))
    process.mesos.submit(OffersReceived((offers.offer_of(agent(1)),)))
    eventually(lambda: process.performed(Accept), "a launch")
    eventually(lambda: scheduler.view.instances, "its record")
    (instance,) = scheduler.view.instances.values()
    process.mesos.submit(status_of(instance, TaskState.RUNNING, uuid="abc"))
    assert eventually(lambda: process.performed(Acknowledge), "an acknowledgement") == [
        Acknowledge(instance.task_id, "a1", "abc")
    ]
    updates = eventually(lambda: [one for one in told if isinstance(one, StatusUpdated)], "a word")
    assert updates[0].instance == scheduler.view.instances[instance.id]


def test_the_next_process_knows_all_that_was_answered() -> None:
    disk = MemoryDisk()
    first = Process(disk)
    first.mesos.submit(Subscribed(FRAMEWORK_ID, "master:5050"))
    dev = replace(WEB, id="/dev", role="dev", accepted_resource_roles=("dev",))
    first.scheduler.ask(ChangeApps((PutApp(WEB), PutApp(dev))))
    first.scheduler.stop()
    assert first.record.of("mesos start") == [("", ("*",))]
    second = Process(disk)
    assert set(second.scheduler.view.apps) == {"/web", "/dev"}
    assert second.record.of("mesos start") == [(FRAMEWORK_ID, ("*", "dev"))]
    one, other = first.scheduler.view.framework, second.scheduler.view.framework
    assert one is not None
    assert other is not None
    assert other.epoch > one.epoch
    assert replace(other, epoch=one.epoch) == one
    second.scheduler.stop()


def test_instances_without_a_framework_id_end_the_process_before_it_subscribes() -> None:
    disk = MemoryDisk()
    session = Session()
    session.running(WEB, agent(1))
    store = MemoryStore(disk)
    store.append([change for decided in session.steps for change in decided.changes])
    store.append([Change(Kind.FRAMEWORK, "framework", None)])
    store.close()
    process = Process(disk)
    (halt,) = eventually(lambda: process.ends, "the end")
    assert isinstance(halt, Halt)
    assert halt.exit_code == 108
    assert process.record.of("mesos start") == []
    assert process.performed(object) == []
    process.scheduler.stop()


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    store = RecordingStore(Record())
    process = Process(store=store)
    store.gate.clear()
    with pytest.raises(CommandTimeoutError, match=r"Futures timed out after \[50 milliseconds\]"):
        process.scheduler.ask(PUT, timeout_seconds=0.05)
    assert process.scheduler.view.apps == {}
    store.gate.set()
    eventually(lambda: process.scheduler.view.apps, "it is carried out all the same")
    process.scheduler.stop()


def test_a_store_that_fails_ends_the_process_once() -> None:
    store = RecordingStore(Record())
    store.failure = StoreError("no space left")
    process = Process(store=store)
    eventually(lambda: process.ends, "the end")
    with pytest.raises(CommandTimeoutError):
        process.scheduler.ask(PUT, timeout_seconds=0.05)
    assert process.ends == [store.failure]
    assert process.performed(object) == []
    process.scheduler.stop()


def test_a_halt_ends_the_process_once(process: Process) -> None:
    process.mesos.submit(FrameworkRefused("Framework failed over"))
    process.mesos.submit(FrameworkRefused("Framework has been removed"))
    eventually(lambda: process.ends, "the end")
    process.scheduler.ask(PUT)
    (halt,) = process.ends
    assert isinstance(halt, Halt)
    assert halt.exit_code == 103


def test_stopping_leaves_everything_in_order() -> None:
    process = Process(store=RecordingStore(Record()))
    process.scheduler.stop()
    names = process.record.names()
    assert names.index("probes stop") < names.index("mesos stop")


def test_info(process: Process) -> None:
    known: Scheduler = process.scheduler
    assert known.info() == {
        "leader": "host:8080",
        "version": "1.2.3",
        "settings": {"mesos_role": "*"},
    }


def metrics(process: Process) -> dict[str, float]:
    """What is exposed, by name; it must be well-formed."""
    text = process.scheduler.metrics().decode()
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation for family in families)
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_metrics(process: Process) -> None:
    process.scheduler.ask(ChangeApps((PutApp(replace(WEB, instances=3)),)))
    seen = metrics(process)
    assert seen["marathon_apps_active_gauge"] == 1
    assert seen["marathon_deployments_active_gauge"] == 1
    assert seen["stayer_instances_waiting"] == 3
    assert seen["stayer_mesos_subscribed"] == 0
    assert seen["stayer_loop_steps_total"] >= 1
    assert seen["stayer_store_changes_total"] >= 2
    process.mesos.submit(Subscribed(FRAMEWORK_ID, "master:5050"))
    process.mesos.submit(OffersReceived((Session().offer_of(agent(1)),)))
    eventually(lambda: metrics(process)["marathon_instances_staged_gauge"] == 3, "three start")
    statuses = [
        status_of(one, TaskState.RUNNING) for one in process.scheduler.view.instances.values()
    ]
    for status in statuses:
        process.mesos.submit(status)
    eventually(lambda: metrics(process)["marathon_instances_running_gauge"] == 3, "three run")
    seen = metrics(process)
    assert seen["stayer_mesos_synced"] == 1
    assert len(process.performed(Accept)) == 1
    assert seen["marathon_tasks_launched_counter"] == 3
    assert seen["marathon_mesos_offers_used_counter"] == 1
    assert seen["marathon_deployments_counter"] == 1
    assert seen["marathon_instances_inflight_kills_gauge"] == 0
    (one, *_) = process.scheduler.view.instances
    process.scheduler.ask(KillTasks((one,)))
    seen = metrics(process)
    assert seen["marathon_instances_inflight_kills_gauge"] == 1
    assert seen["marathon_instances_inflight_kill_attempts_gauge"] == 1


def test_what_the_first_step_makes_is_published_when_it_is_started() -> None:
    record = Record()
    store = RecordingStore(record)
    store.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(Process, store=store)
        record.wait_for("append")
        assert not starting.done()
        store.gate.set()
        process = starting.result(60)
    assert ROOT in process.scheduler.view.groups
    process.scheduler.stop()
