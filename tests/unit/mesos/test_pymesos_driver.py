"""The driver on pymesos: the same words on the wire, and no harm to the process from pymesos."""

import logging
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.domain.actions import Accept, Kill, RemoveFramework
from framework.domain.events import (
    CallNotSent,
    CallUnanswered,
    Disconnected,
    FrameworkRefused,
    OffersReceived,
    Subscribed,
)
from framework.mesos.backoff import Backoff
from framework.mesos.driver import HttpDriver
from framework.mesos.master import Endpoint
from framework.mesos.options import MesosOptions
from framework.mesos.pymesos_driver import PymesosTransport
from tests.polling import eventually
from tests.unit.mesos.conftest import connected
from tests.unit.mesos.event_log import EventLog
from tests.unit.mesos.fake_master import FRAMEWORK_ID, STREAM_ID, FakeMaster

KILL = Kill("task-1", "agent-1", 3)
ACCEPT = Accept(("offer-1",), (), 5.0)


@pytest.fixture
def drivers(master: FakeMaster) -> Iterator[list[HttpDriver]]:
    running: list[HttpDriver] = []
    yield running
    master.close()
    for driver in running:
        driver.stop()


def start(
    drivers: list[HttpDriver], master: FakeMaster, **options: object
) -> tuple[HttpDriver, EventLog]:
    settings = MesosOptions(master=master.address, **options)  # type: ignore[arg-type]  # checked when it is made
    driver = HttpDriver(
        settings, transport=PymesosTransport(settings), backoff=Backoff(0.001, 0.01)
    )
    drivers.append(driver)
    log = EventLog()
    driver.start(log.submit, "", ("a", "b"))
    return driver, log


def test_what_it_says_when_it_subscribes_and_calls(
    master: FakeMaster, drivers: list[HttpDriver], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    driver, log = start(
        drivers,
        master,
        mesos_authentication_principal="me",
        mesos_authentication_secret_file=str(secret),
    )
    _, request = master.accept_subscription()
    info = request.body["subscribe"]["framework_info"]
    assert info["roles"] == ["a", "b"]
    assert {"type": "PARTITION_AWARE"} in info["capabilities"]
    assert {"type": "GPU_RESOURCES"} not in info["capabilities"]  # pymesos adds it unasked
    assert request.headers["Authorization"] == "Basic bWU6czNjcmV0"
    assert log.wait_for(Subscribed) == Subscribed(FRAMEWORK_ID, master.address, "eu")
    driver.perform([KILL])
    peer = master.accept()
    call = peer.read()
    assert call.body["kill"]["agent_id"] == {"value": "agent-1"}  # pymesos leaves it out
    assert call.headers["Mesos-Stream-Id"] == STREAM_ID
    assert call.headers["Authorization"] == "Basic bWU6czNjcmV0"
    peer.answer(202)
    eventually(lambda: driver.counts.calls["KILL", "202"] == 1, "the answer counts")


def test_calls_go_one_by_one_in_order(master: FakeMaster, drivers: list[HttpDriver]) -> None:
    driver, log = start(drivers, master)
    connected(master, log)
    driver.perform([ACCEPT, KILL])
    peer = master.accept()
    assert peer.read().body["type"] == "ACCEPT"
    peer.answer(202)
    assert peer.read().body["type"] == "KILL"
    peer.answer(400, "no such task")
    assert log.wait_for(CallNotSent) == CallNotSent(KILL, "400 no such task")


def test_a_call_whose_answer_is_lost_may_have_happened(
    master: FakeMaster, drivers: list[HttpDriver]
) -> None:
    driver, log = start(drivers, master)
    connected(master, log)
    driver.perform([ACCEPT, KILL])
    peer = master.accept()
    peer.read()
    peer.close()
    log.wait_for(Disconnected)
    assert log.wait_for(CallUnanswered) == CallUnanswered(ACCEPT)
    assert log.wait_for(CallNotSent).action == KILL
    connected(master, log)  # with a new stream, and nothing of the old one is sent again


def test_calls_while_away_come_back_at_once(master: FakeMaster, drivers: list[HttpDriver]) -> None:
    driver, log = start(drivers, master)
    driver.perform([KILL])
    assert log.wait_for(CallNotSent) == CallNotSent(KILL, "not subscribed")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_told_with_advice(
    master: FakeMaster, drivers: list[HttpDriver], status: int
) -> None:
    _, log = start(drivers, master)
    peer = master.accept()
    peer.read()
    peer.answer(status, "not you")
    said = log.wait_for(FrameworkRefused).message
    assert f"{status} not you" in said
    assert "check mesos_authentication" in said or "ACLs" in said


def test_a_redirect_is_followed(master: FakeMaster, drivers: list[HttpDriver]) -> None:
    with FakeMaster() as leader:
        _, log = start(drivers, master)
        peer = master.accept()
        peer.read()
        peer.answer(307, Location=f"//{leader.address}/api/v1/scheduler")
        leader.accept_subscription()
        assert log.wait_for(Subscribed).master == leader.address


def test_a_master_that_is_not_ready_or_gone_is_asked_again(
    master: FakeMaster, drivers: list[HttpDriver]
) -> None:
    _, log = start(drivers, master)
    peer = master.accept()
    peer.read()
    peer.answer(503)
    stream = connected(master, log)
    stream.close()
    log.wait_for(Disconnected)
    connected(master, log)


def test_silence_ends_the_subscription(master: FakeMaster, drivers: list[HttpDriver]) -> None:
    driver, log = start(drivers, master, mesos_heartbeat_failure_threshold=3)
    master.accept_subscription(heartbeat_seconds=0.05)
    log.wait_for(Subscribed)
    assert log.wait_for(Disconnected) == Disconnected("no event in time")
    assert driver.counts.silences == 1
    connected(master, log)


def test_an_event_that_is_not_json_ends_nothing_but_the_stream(
    master: FakeMaster, drivers: list[HttpDriver], caplog: pytest.LogCaptureFixture
) -> None:
    """pymesos interrupts the main thread, which would end Stayer, and leaves with a TEARDOWN."""
    interrupted = threading.Event()
    before = signal.signal(signal.SIGINT, lambda _number, _frame: interrupted.set())
    try:
        _, log = start(drivers, master)
        stream = connected(master, log)
        stream.event({"type": "OFFERS", "offers": {"offers": []}})
        assert log.next() == OffersReceived(())
        stream.chunk(b"3\n}{}")
        log.wait_for(Disconnected)
        again = master.accept()
        assert again.read().body["type"] == "SUBSCRIBE"
        assert not interrupted.is_set()
    finally:
        signal.signal(signal.SIGINT, before)
    assert not [each for each in caplog.records if each.levelno > logging.WARNING]


def test_stopping_carries_what_was_handed_over_and_no_teardown(
    master: FakeMaster, drivers: list[HttpDriver]
) -> None:
    driver, log = start(drivers, master)
    connected(master, log)
    driver.perform([KILL])
    stopping = threading.Thread(target=driver.stop)
    stopping.start()
    peer = master.accept()
    assert peer.read().body["type"] == "KILL"
    peer.answer(202)
    stopping.join()
    assert peer.read_to_end() == b""


def test_stopping_waits_for_no_answer_for_long(
    master: FakeMaster, drivers: list[HttpDriver]
) -> None:
    driver, log = start(drivers, master)
    connected(master, log)
    driver.perform([RemoveFramework()])
    peer = master.accept()
    assert peer.read().body["type"] == "TEARDOWN"
    driver.stop()  # though nobody answers


def test_importing_pymesos_leaves_signals_and_logs_alone() -> None:
    handler = signal.getsignal(signal.SIGINT)
    assert getattr(handler, "__module__", "") != "pymesos.process"
    assert not logging.getLogger("pymesos").handlers


@pytest.mark.parametrize("options", [{"mesos_tls": True}, {"mesos_ca_file": "ca.pem"}])
def test_it_says_that_it_can_not_do_tls(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="no TLS"):
        PymesosTransport(MesosOptions(**options))  # type: ignore[arg-type]  # checked when it is made


def test_it_goes_neither_to_https_nor_to_ipv6() -> None:
    transport = PymesosTransport(MesosOptions())
    with pytest.raises(ValueError, match="no TLS"):
        transport.open(Endpoint("master", 5050, secure=True))
    with pytest.raises(ValueError, match="no IPv6"):
        transport.open(Endpoint("::1"))
