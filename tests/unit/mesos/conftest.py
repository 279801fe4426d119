"""A driver started on a master whose every byte is scripted."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from framework.domain.events import Subscribed
from framework.mesos.backoff import Backoff
from framework.mesos.driver import HttpDriver
from framework.mesos.options import MesosOptions
from tests.unit.mesos.event_log import EventLog
from tests.unit.mesos.fake_master import FakeMaster, Peer

Start = Callable[..., tuple[HttpDriver, EventLog]]


@pytest.fixture
def master() -> Iterator[FakeMaster]:
    with FakeMaster() as master:
        yield master


@pytest.fixture
def start(master: FakeMaster) -> Iterator[Start]:
    """Start a driver on the master; ``more`` are arguments of HttpDriver, all others options; it
    ends with the test, after the master's sockets."""
    drivers: list[HttpDriver] = []

    def begin(
        framework_id: str = "",
        clock: Callable[[], float] = time.monotonic,
        more: dict[str, Any] | None = None,
        **options: object,
    ) -> tuple[HttpDriver, EventLog]:
        fields = {"master": master.address, **options}
        settings = MesosOptions(**fields)  # type: ignore[arg-type]  # checked when it is made
        given = {"backoff": Backoff(0.001, 0.01), "clock": clock, **(more or {})}
        driver = HttpDriver(settings, **given)
        drivers.append(driver)
        log = EventLog()
        driver.start(log.submit, framework_id, ("a", "b"))
        return driver, log

    yield begin
    master.close()
    for driver in drivers:
        driver.stop()


def connected(master: FakeMaster, log: EventLog) -> Peer:
    """Subscribe the driver; the stream's end."""
    stream, _ = master.accept_subscription()
    log.wait_for(Subscribed)
    return stream


def stream_thread(driver: HttpDriver) -> threading.Thread | None:
    thread = driver._thread
    return thread if thread is not None and thread.is_alive() else None
