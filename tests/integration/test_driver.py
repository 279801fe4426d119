"""The driver against a simulated and against a genuine Mesos, by our own transport and by
pymesos: the same tests for all."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from framework.domain.actions import (
    Accept,
    Acknowledge,
    Decline,
    Kill,
    Launch,
    Reconcile,
    RemoveFramework,
    TaskResource,
)
from framework.domain.app import App, HealthCheck, Network, PortDefinition, ResourceLimits
from framework.domain.events import (
    Disconnected,
    FrameworkRefused,
    OffersReceived,
    Subscribed,
    TaskStatusReceived,
)
from framework.domain.ids import instance_id, task_id
from framework.domain.mesos import Offer, OfferResource, TaskState, TaskStatus
from framework.mesos.driver import HttpDriver
from framework.mesos.options import MesosOptions
from framework.mesos.pymesos_driver import PymesosTransport
from framework.mesos.transport import HttpTransport
from localmesos.apache.engine import ApacheEngine
from localmesos.cluster import agent_specs
from localmesos.simulated.engine import SimulatedEngine
from tests.integration.conftest import ApacheCluster
from tests.unit.mesos.event_log import EventLog

Connect = Callable[..., tuple[HttpDriver, EventLog]]


@pytest.fixture(scope="module")
def simulated() -> Iterator[SimulatedEngine]:
    with SimulatedEngine(agent_specs(3, domain_region="eu", domain_zone="eu-{i%2}")) as engine:
        yield engine


@pytest.fixture(params=["simulated", pytest.param("apache", marks=pytest.mark.mesos)])
def master(request: pytest.FixtureRequest) -> str:
    engine: SimulatedEngine | ApacheEngine = request.getfixturevalue(request.param)
    return engine.url


@pytest.fixture(params=[HttpTransport, PymesosTransport])
def transport(request: pytest.FixtureRequest) -> type[HttpTransport | PymesosTransport]:
    kind: type[HttpTransport | PymesosTransport] = request.param
    return kind


@pytest.fixture
def connect(master: str, transport: type[HttpTransport | PymesosTransport]) -> Iterator[Connect]:
    """Start a driver; all that a test starts are removed from Mesos with it, tasks included."""
    running: list[tuple[HttpDriver, EventLog]] = []

    def start(
        framework_id: str = "", roles: tuple[str, ...] = ("*",)
    ) -> tuple[HttpDriver, EventLog]:
        options = MesosOptions(master=master, failover_timeout=60)
        driver, log = HttpDriver(options, transport=transport(options)), EventLog()
        driver.start(log.submit, framework_id, roles)
        running.append((driver, log))
        return driver, log

    yield start
    for driver, _ in running:
        driver.perform([RemoveFramework()])
        driver.stop()


def _app(**changes: object) -> App:
    fields: dict[str, object] = {
        "id": "/driver/sleeper",
        "version": "2026-01-01T00:00:00.000Z",
        "cmd": 'test "$MY_OWN" = yes && test "$PORT" = "$PORT0" && exec sleep 1000',
        "cpus_millis": 100,
        "mem_millis": 16_000,
        "env": {"MY_OWN": "yes"},
        "labels": {"team": "driver"},
        "port_definitions": (PortDefinition(port=10_000, name="http"),),
        "task_kill_grace_period_seconds": 3,
    }
    return App(**(fields | changes))  # type: ignore[arg-type]  # keywords are checked when it is made


def _launch(offer: Offer, app: App) -> Launch:
    """The app on this offer, taking what it needs from the first entries that have it."""
    instance = instance_id(app.id, str(uuid.uuid4()))
    port = _entry(offer, "ports").ranges[0][0]
    return Launch(
        task_id=task_id(instance, 1),
        instance_id=instance,
        app=app,
        agent=offer.agent,
        role=offer.role,
        host_ports=(port,),
        effective_ports=(port,),
        resources=(
            TaskResource(_entry(offer, "cpus"), app.cpus_millis),
            TaskResource(_entry(offer, "mem"), app.mem_millis),
            TaskResource(_entry(offer, "ports"), ranges=((port, port),)),
        ),
    )


def _entry(offer: Offer, name: str) -> OfferResource:
    return next(entry for entry in offer.resources if entry.name == name and entry.plain)


def _first_offer(driver: HttpDriver, log: EventLog) -> Offer:
    """One offer; the others that came with it are given back."""
    offers = log.wait_for(OffersReceived, lambda event: bool(event.offers)).offers
    driver.perform([Decline(tuple(offer.id for offer in offers[1:]), 1.0)] if offers[1:] else [])
    return offers[0]


def _await_status(
    driver: HttpDriver, log: EventLog, task: str, fits: Callable[[TaskStatus], bool]
) -> TaskStatus:
    """The task's next status that fits; it and all before it are acknowledged."""

    def look(event: TaskStatusReceived) -> bool:
        status = event.status
        if status.uuid:
            driver.perform([Acknowledge(status.task_id, status.agent_id, status.uuid)])
        return status.task_id == task and fits(status)

    return log.wait_for(TaskStatusReceived, look).status


def _status(driver: HttpDriver, log: EventLog, task: str, state: TaskState) -> TaskStatus:
    def is_there(status: TaskStatus) -> bool:
        assert status.state not in _BAD or status.state is state, status
        return status.state is state

    return _await_status(driver, log, task, is_there)


_BAD = {TaskState.FAILED, TaskState.ERROR, TaskState.LOST, TaskState.DROPPED}


def _start_task(driver: HttpDriver, log: EventLog, app: App) -> Launch:
    offer = _first_offer(driver, log)
    launch = _launch(offer, app)
    driver.perform([Accept((offer.id,), (launch,), 0.0)])
    _status(driver, log, launch.task_id, TaskState.RUNNING)
    return launch


def test_offers_describe_agents(connect: Connect) -> None:
    driver, log = connect()
    subscribed = log.wait_for(Subscribed)
    offer = _first_offer(driver, log)

    assert subscribed.framework_id
    assert offer.role == "*"
    assert offer.agent.hostname.startswith("agent")
    assert offer.agent.address
    assert {attribute.name: attribute.text for attribute in offer.agent.attributes}["rack"]
    assert _entry(offer, "cpus").millis == 4000
    assert _entry(offer, "mem").millis == 4_096_000


def test_a_task_runs_and_is_killed(connect: Connect) -> None:
    driver, log = connect()
    launch = _start_task(driver, log, _app())

    driver.perform([Kill(launch.task_id, launch.agent.id)])
    killed = _status(driver, log, launch.task_id, TaskState.KILLED)

    assert killed.agent_id == launch.agent.id
    assert killed.timestamp_ms > 1_700_000_000_000
    assert killed.uuid
    driver.stop()
    assert driver.counts.calls["ACCEPT", "202"] == 1
    assert driver.counts.calls["KILL", "202"] == 1
    assert driver.counts.calls["ACKNOWLEDGE", "202"] >= 2
    assert {result for _, result in driver.counts.calls} == {"202"}


def test_the_executor_runs_the_health_check(connect: Connect) -> None:
    driver, log = connect()
    check = HealthCheck(
        protocol="COMMAND",
        command='test "$MARATHON_APP_ID" = /driver/sleeper',
        interval_seconds=1,
        delay_seconds=0,
    )
    offer = _first_offer(driver, log)
    launch = _launch(offer, _app(health_checks=(check,)))
    driver.perform([Accept((offer.id,), (launch,), 0.0)])

    status = _await_status(driver, log, launch.task_id, lambda status: bool(status.healthy))
    assert status.state is TaskState.RUNNING


def test_the_same_framework_subscribes_again_and_finds_its_task(connect: Connect) -> None:
    first, first_log = connect()
    framework_id = first_log.wait_for(Subscribed).framework_id
    launch = _start_task(first, first_log, _app())
    first.stop()

    second, log = connect(framework_id)
    assert log.wait_for(Subscribed).framework_id == framework_id
    second.perform([Reconcile()])
    implicit = _status(second, log, launch.task_id, TaskState.RUNNING)
    second.perform([Reconcile(((launch.task_id, launch.agent.id),))])
    explicit = _status(second, log, launch.task_id, TaskState.RUNNING)

    assert implicit.reason == explicit.reason == "REASON_RECONCILIATION"
    assert not explicit.uuid


def test_reconciling_a_task_that_never_was(connect: Connect) -> None:
    driver, log = connect()
    offer = _first_offer(driver, log)
    never = task_id(instance_id("/driver/never", str(uuid.uuid4())), 1)
    driver.perform([Reconcile(((never, offer.agent.id),))])
    assert _status(driver, log, never, TaskState.GONE).reason == "REASON_RECONCILIATION"


def test_a_used_offer_drops_the_task(connect: Connect) -> None:
    driver, log = connect()
    offer = _first_offer(driver, log)
    driver.perform([Decline((offer.id,), 0.0)])
    launch = _launch(offer, _app())
    driver.perform([Accept((offer.id,), (launch,), 0.0)])
    dropped = _status(driver, log, launch.task_id, TaskState.DROPPED)
    assert dropped.reason == "REASON_INVALID_OFFERS"


def test_a_displaced_driver_is_told_and_stays_away(connect: Connect) -> None:
    first, first_log = connect()
    framework_id = first_log.wait_for(Subscribed).framework_id
    _, log = connect(framework_id)
    log.wait_for(Subscribed)

    assert "failed over" in first_log.wait_for(FrameworkRefused).message
    first_log.wait_for(Disconnected)
    first.stop()
    assert first.counts.subscriptions == 1


def test_a_removed_framework_is_refused(connect: Connect) -> None:
    driver, log = connect()
    framework_id = log.wait_for(Subscribed).framework_id
    driver.perform([RemoveFramework()])
    log.wait_for(Disconnected)

    _, again = connect(framework_id)
    assert "removed" in again.wait_for(FrameworkRefused).message


def test_a_launch_without_ports_or_with_limits_is_understood(connect: Connect) -> None:
    """Infinity has no number in JSON: Mesos must read the word."""
    driver, log = connect()
    offer = _first_offer(driver, log)
    app = _app(
        cmd="exec sleep 1000",
        port_definitions=(),
        resource_limits=ResourceLimits(cpus_millis=-1, mem_millis=64_000),
        networks=(Network(),),
    )
    instance = instance_id(app.id, str(uuid.uuid4()))
    resources = (
        TaskResource(_entry(offer, "cpus"), 100),
        TaskResource(_entry(offer, "mem"), 16_000),
    )
    launch = Launch(task_id(instance, 1), instance, app, offer.agent, "*", (), (), resources)
    driver.perform([Accept((offer.id,), (launch,), 0.0)])
    status = _await_status(
        driver, log, launch.task_id, lambda status: status.state is not TaskState.STARTING
    )
    # Isolators that can not limit refuse in words; a master that could not read answers 400.
    assert status.state is TaskState.RUNNING or "limit" in status.message.lower(), status


@pytest.mark.mesos
def test_a_killed_master_comes_back_and_so_do_we(apache_cluster: ApacheCluster) -> None:
    engine = apache_cluster(1)
    driver, log = HttpDriver(MesosOptions(master=engine.url)), EventLog()
    driver.start(log.submit, "", ("*",))
    try:
        framework_id = log.wait_for(Subscribed).framework_id
        launch = _start_task(driver, log, _app())
        engine.restart_master()
        log.wait_for(Disconnected)
        assert log.wait_for(Subscribed).framework_id == framework_id
        log.wait_for(OffersReceived)  # so the agent is back with its tasks
        driver.perform([Reconcile(((launch.task_id, launch.agent.id),))])
        _status(driver, log, launch.task_id, TaskState.RUNNING)
    finally:
        driver.perform([RemoveFramework()])
        driver.stop()
