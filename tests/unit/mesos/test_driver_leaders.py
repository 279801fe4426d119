"""Whom the driver subscribes at, and whether it may: leaders that change, and who leads us."""

import logging
import queue
import threading
from collections.abc import Callable

import pytest

from framework.domain.actions import Kill
from framework.domain.events import CallNotSent, Disconnected, OffersReceived, Subscribed
from framework.interfaces import LeadershipLostError
from framework.mesos.backoff import Backoff
from framework.mesos.driver import HttpDriver
from framework.mesos.master import Endpoint, parse_endpoint
from tests.polling import eventually
from tests.unit.mesos.conftest import Start, connected, stream_thread
from tests.unit.mesos.fake_master import FakeMaster

KILL = Kill("t", "a")


class Appointed:
    """A detector to which the test says who leads."""

    def __init__(self, address: str | None) -> None:
        self._leader = None if address is None else parse_endpoint(address)
        self._changed: Callable[[], None] = lambda: None
        self.after_answer: Callable[[], None] = lambda: None
        self.stopped = False

    def __str__(self) -> str:
        return "as the test says"

    def start(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def appoint(self, address: str | None) -> None:
        self._leader = None if address is None else parse_endpoint(address)
        self._changed()

    def leader(self) -> Endpoint | None:
        known, act = self._leader, self.after_answer
        self.after_answer = lambda: None
        act()  # what happens before the driver has used the answer
        return known

    def leads(self, endpoint: Endpoint) -> bool:
        return self._leader is None or endpoint == self._leader

    def stop(self) -> None:
        self.stopped = True


def test_each_subscription_is_confirmed_first(master: FakeMaster, start: Start) -> None:
    confirmed: list[str] = []
    _, log = start(more={"confirm": lambda: confirmed.append(threading.current_thread().name)})
    peer = master.accept()
    peer.read()
    assert confirmed == ["mesos-stream"], "before it asks, and by the thread that asks"
    with FakeMaster() as leader:
        peer.answer(307, Location=f"//{leader.address}/api/v1/scheduler")
        stream, _ = leader.accept_subscription()
        log.wait_for(Subscribed)
        assert len(confirmed) == 2
        stream.close()
        connected(master, log)
        assert len(confirmed) == 3


def test_who_leads_no_longer_displaces_nobody(master: FakeMaster, start: Start) -> None:
    """Mesos would take the subscription: a stale leader that wakes up must not ask for it."""
    lost: list[LeadershipLostError] = []
    fences = iter([None, LeadershipLostError("another leads")])

    def confirm() -> None:
        if (refusal := next(fences)) is not None:
            raise refusal

    driver, log = start(more={"confirm": confirm, "on_lost": lost.append})
    connected(master, log).close()
    log.wait_for(Disconnected)
    assert master.accept().read_to_end() == b""
    eventually(lambda: stream_thread(driver) is None, "the driver gives up")
    assert [str(each) for each in lost] == ["another leads"]
    driver.perform([KILL])
    assert log.next() == CallNotSent(KILL, "not subscribed")
    assert driver.counts.subscriptions == 1


def test_a_confirmation_that_waits_does_not_hinder_stopping(
    master: FakeMaster, start: Start
) -> None:
    waiting, go_on = threading.Event(), threading.Event()

    def confirm() -> None:
        waiting.set()
        assert go_on.wait(30)

    driver, log = start(more={"confirm": confirm})
    peer = master.accept()
    assert waiting.wait(30)
    stopping = threading.Thread(target=driver.stop)
    stopping.start()
    eventually(driver._stopping.is_set, "it stops")
    go_on.set()
    stopping.join()
    assert peer.read_to_end() == b"", "what is confirmed too late is not sent"
    assert log.drain() == []


def test_without_a_known_leader_it_waits_and_then_connects_at_once(
    master: FakeMaster, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    detector = Appointed(None)
    driver, log = start(more={"detector": detector, "backoff": Backoff(60.0, 60.0)})
    eventually(lambda: "known (as the test says)" in caplog.text, "it waits")
    detector.appoint(master.address)
    connected(master, log)
    driver.stop()
    assert detector.stopped


def test_another_leader_is_followed_at_once(master: FakeMaster, start: Start) -> None:
    detector = Appointed(master.address)
    _, log = start(more={"detector": detector, "backoff": Backoff(60.0, 60.0)})
    stream = connected(master, log)
    with FakeMaster() as other:
        detector.appoint(other.address)
        assert stream.read_to_end() == b""
        assert log.wait_for(Disconnected).why == f"{other.address} leads now"
        again = connected(other, log)
        detector.appoint(None)
        detector.appoint(other.address)
        again.event({"type": "OFFERS", "offers": {"offers": []}})
        assert log.next() == OffersReceived(()), "the same address, or nobody, is no reason"


def test_a_leader_that_changes_while_we_connect_is_not_subscribed_at(
    master: FakeMaster, start: Start
) -> None:
    detector = Appointed(master.address)
    with FakeMaster() as other:
        detector.after_answer = lambda: detector.appoint(other.address)
        _, log = start(more={"detector": detector, "backoff": Backoff(60.0, 60.0)})
        assert master.accept().read_to_end() == b""
        connected(other, log)


def test_stopping_while_we_connect_subscribes_nowhere(master: FakeMaster, start: Start) -> None:
    detector = Appointed(master.address)
    drivers: queue.Queue[HttpDriver] = queue.Queue()

    def stop() -> None:
        driver = drivers.get(timeout=30)
        threading.Thread(target=driver.stop).start()
        eventually(driver._stopping.is_set, "it stops")

    detector.after_answer = stop
    driver, log = start(more={"detector": detector})
    drivers.put(driver)
    assert master.accept().read_to_end() == b""
    eventually(lambda: detector.stopped, "the end")
    assert log.drain() == []


def test_a_master_that_answers_too_late_to_lead_is_not_waited_for(
    master: FakeMaster, start: Start
) -> None:
    detector = Appointed(master.address)
    _, log = start(more={"detector": detector, "backoff": Backoff(60.0, 60.0)})
    master.accept().read()  # and no answer ever
    with FakeMaster() as other:
        detector.appoint(other.address)
        connected(other, log)
