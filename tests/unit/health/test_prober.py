"""The prober as the shell uses it: a thread that is told what to watch, and reports."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from framework.domain.health import (
    ProbeAnswer,
    ProbeProtocol,
    ProbesReported,
    Unwatch,
    Watch,
    readiness_key,
)
from framework.domain.ids import instance_id, task_id
from framework.health.options import HealthOptions
from framework.health.prober import AsyncProber
from framework.interfaces import Probes
from tests.polling import eventually
from tests.unit.health.loopback import Behaviour, answering, serving
from tests.unit.health.targets import HOST, Heard, key, target

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
QUICK = HealthOptions(health_report_interval_ms=10)
LONG = 3_600.0


@contextlib.contextmanager
def server(behaviour: Behaviour) -> Iterator[int]:
    """A server in a thread of its own; its port."""
    loop, ports = asyncio.new_event_loop(), []
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with serving(behaviour) as port:
            ports.append(port)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert ready.wait(60)
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@contextlib.contextmanager
def probing(heard: Heard, options: HealthOptions = QUICK) -> Iterator[AsyncProber]:
    """A prober that must not fail."""
    failures: list[BaseException] = []
    prober = AsyncProber(options, on_failure=failures.append, clock=lambda: 1_234)
    prober.start(heard.submit)
    try:
        yield prober
    finally:
        prober.stop()
    assert not failures
    assert not prober._thread.is_alive()


class Silent:
    """Accepts, and never answers; counts who waits, and knows what was asked."""

    def __init__(self) -> None:
        self.open = self.accepted = 0
        self.asked: set[bytes] = set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.accepted += 1
        try:
            while request := await reader.read(1_024):
                self.asked.add(request.split(b" ", 2)[1])
        finally:
            self.open -= 1


class Changing:
    """Answers what was set last; counts the requests."""

    def __init__(self, answer: bytes = OK) -> None:
        self.answer = answer
        self.requests: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(self.answer, self.requests)(reader, writer)


def test_is_the_adapter_of_the_protocol() -> None:
    prober: Probes = AsyncProber(HealthOptions(), on_failure=print)
    prober.stop()


def test_changes_and_failures_are_told_and_successes_only_now_and_then() -> None:
    heard, web = Heard(), Changing()
    with server(web) as port, probing(heard) as prober:
        prober.perform([Watch(target(port))])
        assert heard.first(key()).alive
        eventually(lambda: len(web.requests) > 10, "looks at the interval")
        assert len(heard.about(key())) == 1
        web.answer = BUSY
        eventually(lambda: len(heard.about(key())) > 5, "every failure")
        web.answer = OK
        eventually(lambda: heard.about(key())[-1].alive, "the change back")
        told = heard.about(key())
    assert [one.alive for one in told] == [True, *[False] * (len(told) - 2), True]
    assert {one.cause for one in told} == {"", "HTTP status 503"}
    assert {one.at_ms for one in told} == {1_234}


def test_readiness_tells_every_answer() -> None:
    heard = Heard()
    ready = readiness_key(task_id(instance_id("/shop/web", "0" * 36), 1))
    with server(answering(OK)) as port, probing(heard) as prober:
        prober.perform([Watch(target(port, key=ready, statuses=(200,), keep_answer=True))])
        eventually(lambda: len(heard.about(ready)) > 3, "every answer")
    assert {one.answer for one in heard.about(ready)} == {ProbeAnswer(200, "", "ok")}


def test_what_is_asked_before_the_start_is_done_after_it() -> None:
    heard = Heard()
    prober = AsyncProber(QUICK, on_failure=print)
    with server(answering(OK)) as port:
        prober.perform([Watch(target(port, 0)), Watch(target(port, 1)), Unwatch(key(0))])
        prober.start(heard.submit)
        try:
            assert heard.first(key(1)).alive
        finally:
            prober.stop()
    assert not heard.about(key(0))


def test_forgotten_target_is_left_alone() -> None:
    heard, web = Heard(), Changing(BUSY)
    with server(web) as port, probing(heard) as prober:
        prober.perform([Watch(target(port))])
        heard.first(key())
        prober.perform([Unwatch(key()), Unwatch("of nobody")])
        eventually(lambda: prober.counts.targets == 0, "it is forgotten")
        count = len(heard.about(key()))
        prober.perform([Watch(target(port, 1))])
        eventually(lambda: len(heard.about(key(1))) > 5, "others go on")
        assert len(heard.about(key())) == count


def test_look_at_a_forgotten_target_ends_and_frees_its_place() -> None:
    heard, silent = Heard(), Silent()
    options = HealthOptions(health_report_interval_ms=10, max_concurrent_marathon_health_checks=1)
    with server(silent) as port, server(answering(OK)) as good, probing(heard, options) as prober:
        prober.perform([Watch(target(port, 0, timeout_seconds=LONG))])
        eventually(lambda: silent.open, "a look that hangs")
        prober.perform([Watch(target(good, 1)), Watch(target(good, 2, first_after_seconds=LONG))])
        eventually(lambda: prober.counts.queued, "the other waits for the place")
        assert not heard.results
        prober.perform([Unwatch(key(0))])
        assert heard.first(key(1)).alive
        eventually(lambda: not silent.open, "the connection is closed")
    assert not heard.about(key(0))


def test_replaced_target_is_looked_at_as_it_is_now() -> None:
    heard, silent = Heard(), Silent()
    with server(silent) as port, server(answering(OK)) as good, probing(heard) as prober:
        prober.perform([Watch(target(port, timeout_seconds=LONG))])
        eventually(lambda: silent.open, "a look that hangs")
        prober.perform([Watch(target(good))])
        assert heard.first(key()).alive
        assert prober.counts.targets == 1
        eventually(lambda: not silent.open, "the old look is over")
        assert silent.accepted == 1


def test_watched_and_forgotten_before_a_look_begins() -> None:
    heard = Heard()
    options = HealthOptions(health_report_interval_ms=10, max_concurrent_marathon_health_checks=2)
    with server(answering(OK)) as port, probing(heard, options) as prober:
        for _ in range(200):
            prober.perform([Watch(target(port, 0)), Unwatch(key(0))])
            prober.perform([Watch(target(port, 0))])
            prober.perform([Unwatch(key(0))])
        prober.perform([Watch(target(port, 1))])
        assert heard.first(key(1)).alive
        eventually(lambda: prober.counts.running <= 1, "no place is lost")


def test_silent_targets_hold_no_more_places_than_there_are() -> None:
    heard, silent = Heard(), Silent()
    options = HealthOptions(health_report_interval_ms=10, max_concurrent_marathon_health_checks=50)
    with server(silent) as port, probing(heard, options) as prober:
        prober.perform(
            [
                Watch(target(port, number, timeout_seconds=LONG, interval_seconds=0.1))
                for number in range(1_000)
            ]
        )
        eventually(lambda: prober.counts.queued == 950, "all others wait")
        eventually(lambda: silent.open == 50, "as many looks as there are places")
        assert (silent.accepted, prober.counts.running) == (50, 50)


def test_silent_targets_all_get_their_turn() -> None:
    heard, silent = Heard(), Silent()
    options = HealthOptions(health_report_interval_ms=10, max_concurrent_marathon_health_checks=50)
    with server(silent) as port, probing(heard, options) as prober:
        prober.perform(
            [
                Watch(target(port, n, path=f"/{n}", timeout_seconds=0.05, interval_seconds=0.1))
                for n in range(1_000)
            ]
        )
        eventually(lambda: len(silent.asked) == 1_000, "all turns")
        assert prober.counts.skipped > 0


def test_many_new_targets_are_taken_in_order() -> None:
    heard = Heard()
    with server(answering(OK)) as port, probing(heard) as prober:
        late = [target(port, number, first_after_seconds=LONG) for number in range(3_000)]
        prober.perform([Watch(one) for one in late])
        prober.perform([Unwatch(one.key) for one in late[1:]])
        prober.perform([Watch(target(port, 5))])
        assert heard.first(key(5)).alive
        assert prober.counts.targets == 2


def test_stop_is_quick_and_final() -> None:
    heard, silent = Heard(), Silent()
    with server(silent) as port:
        with probing(heard) as prober:
            prober.perform(
                [
                    Watch(target(port, n, timeout_seconds=LONG, interval_seconds=LONG))
                    for n in range(100)
                ]
            )
            eventually(lambda: silent.open == 100, "looks that hang")
        eventually(lambda: not silent.open, "their connections are closed")
        prober.perform([Watch(target(port, 1))])
        prober.stop()
    assert not heard.results


def test_stop_before_any_start() -> None:
    prober = AsyncProber(QUICK, on_failure=print)
    prober.perform([Watch(target(1))])
    prober.stop()
    prober.stop()


def test_unforeseen_error_in_one_look_is_that_targets_failure() -> None:
    heard = Heard()
    with server(answering(OK)) as port, probing(heard) as prober:
        prober.perform([Watch(target(70_000, 0)), Watch(target(port, 1))])
        assert heard.first(key(0)).cause.startswith("the look failed: OverflowError")
        assert heard.first(key(1)).alive
        assert prober.counts.broken > 0
        assert prober.counts.failures >= prober.counts.broken


def test_bug_outside_a_look_ends_it_and_is_told_once() -> None:
    failures: list[BaseException] = []
    submitted = threading.Event()

    def submit(report: ProbesReported) -> None:
        submitted.set()
        raise RuntimeError("no room")

    silent = Silent()
    prober = AsyncProber(QUICK, on_failure=failures.append)
    with server(answering(OK)) as port, server(silent) as hanging:
        prober.start(submit)
        prober.perform([Watch(target(hanging, 0)), Watch(target(port, 1))])
        eventually(lambda: failures, "the failure")
        eventually(lambda: not prober._thread.is_alive(), "the end")
        prober.perform([Watch(target(port, 2))])
        prober.stop()
    assert submitted.is_set()
    assert [str(error) for error in failures] == ["no room"]


def test_bug_in_taking_actions_ends_it() -> None:
    failures: list[BaseException] = []
    prober = AsyncProber(QUICK, on_failure=failures.append)
    prober.start(Heard().submit)
    prober.perform([Watch(None)])  # type: ignore[arg-type]  # a bug of the caller
    eventually(lambda: failures, "the failure")
    prober.stop()
    assert isinstance(failures[0], AttributeError)


def test_bug_after_a_look_ends_it() -> None:
    failures: list[BaseException] = []

    def broken_clock() -> int:
        raise RuntimeError("no time")

    prober = AsyncProber(QUICK, on_failure=failures.append, clock=broken_clock)
    with server(answering(OK)) as port:
        prober.start(Heard().submit)
        prober.perform([Watch(target(port))])
        eventually(lambda: failures, "the failure")
        prober.stop()
    assert [str(error) for error in failures] == ["no time"]


def test_stop_from_the_probers_own_thread() -> None:
    stopped = threading.Event()

    def stop(_: BaseException) -> None:
        prober.stop()
        stopped.set()

    prober = AsyncProber(QUICK, on_failure=stop)
    prober.start(Heard().submit)
    prober.perform([Watch(None)])  # type: ignore[arg-type]  # a bug of the caller
    assert stopped.wait(60)


def test_time_out_while_the_prober_stood_still_says_nothing() -> None:
    """A report that waits for room holds the prober; what timed out meanwhile had no chance."""
    silent, heard = Silent(), Heard()

    def submit(report: ProbesReported) -> None:
        heard.submit(report)
        if heard.reports == 1:
            eventually(lambda: silent.open, "a look that hangs")
            until = time.monotonic() + 1.6
            eventually(lambda: time.monotonic() > until, "the end of the standstill")

    with server(answering(OK)) as port, server(silent) as hanging:
        prober = AsyncProber(QUICK, on_failure=print)
        hangs = target(hanging, 0, timeout_seconds=1.5, interval_seconds=LONG)
        prober.perform([Watch(hangs), Watch(target(port, 1))])
        prober.start(submit)
        try:
            eventually(lambda: prober.counts.disturbed == 1, "the time-out that says nothing")
            assert not heard.about(key(0))
        finally:
            prober.stop()


def test_time_out_is_told() -> None:
    heard = Heard()
    with server(Silent()) as port, probing(heard) as prober:
        prober.perform([Watch(target(port, timeout_seconds=0.5))])
        assert heard.first(key()).cause == "no answer within 0.5 s"


@pytest.mark.parametrize("protocol", ProbeProtocol)
def test_each_protocol_refused(protocol: ProbeProtocol) -> None:
    heard = Heard()
    with server(Silent()) as port:
        pass
    with probing(heard) as prober:
        prober.perform([Watch(target(port, protocol=protocol))])
        assert heard.first(key()).cause == f"connection refused by {HOST}:{port}"


def test_counts_say_how_late_looks_began() -> None:
    heard = Heard()
    with server(answering(OK)) as port, probing(heard) as prober:
        prober.perform([Watch(target(port))])
        eventually(lambda: prober.counts.looks > 3, "looks")
    counts = prober.counts
    assert sum(counts.late) == counts.looks
    assert 0 <= counts.latest_ms <= counts.late_ms
    assert counts.reports >= 1
