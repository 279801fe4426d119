"""The driver against a master whose every byte is scripted: order, cuts, redirects, silence."""

import logging
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from framework.domain.actions import (
    Accept,
    Acknowledge,
    Action,
    Decline,
    Kill,
    Reconcile,
    RemoveFramework,
    Revive,
    Suppress,
    UpdateRoles,
)
from framework.domain.events import (
    CallNotSent,
    CallUnanswered,
    Disconnected,
    FrameworkRefused,
    OfferRescinded,
    OffersReceived,
    Subscribed,
    TaskStatusReceived,
)
from framework.mesos.call_connection import CallConnection
from framework.mesos.driver import MAX_REDIRECTS
from framework.mesos.pipeline import WINDOW
from tests.polling import eventually
from tests.unit.mesos.conftest import Start, connected, stream_thread
from tests.unit.mesos.fake_master import FRAMEWORK_ID, FakeMaster, record

# A key pair for 127.0.0.1 that signed itself: it proves nothing to anybody else.
LOOPBACK_PEM = Path(__file__).parent / "loopback_for_tests.pem"
ACCEPT = Accept(("o",), (), 0.0)
KILL = Kill("t", "a")


def _stopped_clock() -> float:
    """Nothing runs out of time by it, however slow the machine."""
    return 0.0


def test_subscribing(master: FakeMaster, start: Start) -> None:
    driver, log = start()
    _, request = master.accept_subscription()
    assert request.line == "POST /api/v1/scheduler HTTP/1.1"
    assert request.headers["Host"] == master.address
    assert "Mesos-Stream-Id" not in request.headers
    assert request.body["subscribe"]["framework_info"]["roles"] == ["a", "b"]
    assert log.next() == Subscribed(FRAMEWORK_ID, master.address, "eu")
    assert driver.counts.events["SUBSCRIBED"] == 1


def test_events_arrive_in_order_however_the_bytes_are_cut(master: FakeMaster, start: Start) -> None:
    _, log = start()
    stream = connected(master, log)
    names = [f"o{number}" for number in range(20)]
    for name in names:
        for byte in record(
            b'{"type":"RESCIND","rescind":{"offer_id":{"value":"%b"}}}' % name.encode()
        ):
            stream.chunk(bytes([byte]))
    assert [log.wait_for(OfferRescinded).offer_id for _ in names] == names


def test_calls_are_pipelined_in_order_on_one_connection(master: FakeMaster, start: Start) -> None:
    driver, log = start()
    connected(master, log)
    tasks = [f"t{number}" for number in range(300)]
    driver.perform([Kill(task, "a") for task in tasks[:200]])
    driver.perform([Kill(task, "a") for task in tasks[200:]])
    peer = master.accept()
    requests = [peer.read() for _ in tasks]  # none of them answered yet

    assert [request.body["kill"]["task_id"]["value"] for request in requests] == tasks
    assert {request.headers["Mesos-Stream-Id"] for request in requests} == {"stream-1"}
    assert {request.body["framework_id"]["value"] for request in requests} == {FRAMEWORK_ID}
    for number in range(len(tasks)):
        if number == 7:
            peer.answer(400, "bad task")
        else:
            peer.answer(202)
    refused = log.next()
    assert refused == CallNotSent(Kill("t7", "a"), "400 bad task")
    eventually(lambda: sum(driver.counts.calls.values()) == 300, "all answers are read")
    assert driver.counts.calls == {("KILL", "202"): 299, ("KILL", "400"): 1}


def test_no_more_than_a_window_is_unanswered(master: FakeMaster, start: Start) -> None:
    driver, log = start()
    connected(master, log)
    driver.perform([KILL] * (WINDOW + 5))
    peer = master.accept()
    for _ in range(WINDOW):
        peer.read()
    peer.answer(202)
    peer.read()
    for _ in range(WINDOW):
        peer.answer(202)
    for _ in range(4):
        peer.read()


def test_before_subscribing_every_action_comes_back_at_once(start: Start) -> None:
    driver, log = start()
    actions: list[Action] = [ACCEPT, KILL, Reconcile(), Revive(("a",))]
    driver.perform(actions)
    assert log.drain() == [CallNotSent(action, "not subscribed") for action in actions]
    assert driver.counts.calls["ACCEPT", "not-sent"] == 1


def test_the_connection_cut_among_calls(master: FakeMaster, start: Start) -> None:
    """Whole requests may have happened: an ACCEPT then is unanswered, a KILL can be repeated."""
    driver, log = start()
    stream = connected(master, log)
    offers = [Accept((f"o{number}",), (), 0.0) for number in range(3)]
    driver.perform([offers[0], KILL, offers[1], offers[2]])
    peer = master.accept()
    for _ in range(4):
        peer.read()
    peer.answer(202)
    peer.answer(202)
    peer.close()

    lost = log.next()
    assert isinstance(lost, Disconnected)
    assert "closed the connection while answers were missing" in lost.why
    assert [log.next(), log.next()] == [CallUnanswered(offers[1]), CallUnanswered(offers[2])]
    stream.close()
    again, request = master.accept_subscription(stream_id="stream-2")
    assert request.body["framework_id"] == {"value": FRAMEWORK_ID}
    assert isinstance(log.next(), Subscribed)
    driver.perform([Reconcile()])
    fresh = master.accept().read()
    assert fresh.body["type"] == "RECONCILE"  # nothing old is sent again
    assert fresh.headers["Mesos-Stream-Id"] == "stream-2"
    again.close()


def test_the_stream_cut_while_calls_wait(master: FakeMaster, start: Start) -> None:
    driver, log = start()
    stream = connected(master, log)
    acknowledge = Acknowledge("t", "a", "u")
    driver.perform([ACCEPT, acknowledge, Decline(("o",), 1.0), RemoveFramework()])
    peer = master.accept()
    for _ in range(4):
        peer.read()
    stream.close()

    lost = log.next()
    assert isinstance(lost, Disconnected)
    left = [log.next() for _ in range(4)]
    assert left == [
        CallUnanswered(ACCEPT),
        CallNotSent(acknowledge, "the subscription ended"),
        CallNotSent(Decline(("o",), 1.0), "the subscription ended"),
        CallUnanswered(RemoveFramework()),
    ]
    assert driver.counts.calls["ACCEPT", "unanswered"] == 1


def test_an_idle_connection_for_calls_is_opened_again(master: FakeMaster, start: Start) -> None:
    driver, log = start()
    connected(master, log)
    driver.perform([KILL])
    peer = master.accept()
    peer.read()
    peer.answer(202)
    eventually(lambda: driver.counts.calls["KILL", "202"] == 1, "the answer is read")
    peer.close()
    calls = driver._calls
    assert isinstance(calls, CallConnection)
    eventually(lambda: calls._connection is None, "the close is noticed")
    driver.perform([Revive(("a",))])
    second = master.accept()
    assert second.read().headers["Mesos-Stream-Id"] == "stream-1"
    second.answer(202)
    eventually(lambda: driver.counts.calls["REVIVE", "202"] == 1, "the answer is read")
    assert driver.counts.disconnections == 0


def test_calls_that_wait_do_not_leave_after_the_stream(master: FakeMaster, start: Start) -> None:
    driver, log = start()
    stream = connected(master, log)
    driver.perform([KILL] * WINDOW + [ACCEPT])
    peer = master.accept()
    for _ in range(WINDOW):
        peer.read()
    calls = driver._calls
    assert isinstance(calls, CallConnection)
    stream.close()
    eventually(lambda: calls._finish_at is not None, "the end is noticed")
    peer.answer(202)  # room in the window, but for a subscription that is over
    assert peer.read_to_end() == b""
    assert log.wait_for(CallNotSent, lambda event: event.action == ACCEPT)


def test_redirects_are_followed_at_once(master: FakeMaster, start: Start) -> None:
    _, log = start()
    with FakeMaster() as leader:
        follower = master.accept()
        follower.read()
        follower.answer(307, Location=f"//{leader.address}/api/v1/scheduler")
        leader.accept_subscription()
        assert log.next() == Subscribed(FRAMEWORK_ID, leader.address, "eu")


def test_a_circle_of_redirects_is_left(
    master: FakeMaster, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    _, log = start()
    for _ in range(MAX_REDIRECTS + 1):
        peer = master.accept()
        peer.read()
        peer.answer(307, Location=f"//{master.address}/api/v1/scheduler")
    connected(master, log)
    assert "circle" in caplog.text


def test_a_master_that_is_not_ready_is_asked_again(master: FakeMaster, start: Start) -> None:
    driver, log = start()
    for status in (503, 503, 404, 500):
        peer = master.accept()
        peer.read()
        peer.answer(status, "not yet")
    master.accept().close()
    connected(master, log)
    assert log.seen == [Subscribed(FRAMEWORK_ID, master.address, "eu")]
    assert driver.counts.disconnections == 0


@pytest.mark.parametrize(
    ("status", "advice"),
    [(400, "mesos_role"), (401, "mesos_authentication_secret_file"), (403, "ACLs")],
)
def test_a_refused_subscription_is_told_with_advice(
    master: FakeMaster, start: Start, status: int, advice: str
) -> None:
    _, log = start()
    peer = master.accept()
    peer.read()
    peer.answer(status, "go away")
    refused = log.next()
    assert isinstance(refused, FrameworkRefused)
    assert f"{status} go away" in refused.message
    assert advice in refused.message


def test_silence_ends_the_subscription(master: FakeMaster, start: Start) -> None:
    driver, log = start(mesos_heartbeat_failure_threshold=3)
    stream, _ = master.accept_subscription(heartbeat_seconds=0.02)
    log.wait_for(Subscribed)
    for _ in range(5):
        stream.event({"type": "HEARTBEAT"})
    assert log.next() == Disconnected("no event in time")
    assert driver.counts.silences == 1
    connected(master, log)


def test_heartbeats_keep_the_subscription(master: FakeMaster, start: Start) -> None:
    now = [0.0]
    driver, log = start(clock=lambda: now[0])
    stream = connected(master, log)  # 15 s x 5 of silence are allowed
    for _ in range(5):
        now[0] += 70
        stream.event({"type": "HEARTBEAT"})
        eventually(lambda: driver.counts.events["HEARTBEAT"] == now[0] / 70, "it is noticed")
    stream.event({"type": "OFFERS", "offers": {"offers": []}})
    assert log.next() == OffersReceived(())
    now[0] += 76
    stream.chunk(b"1")  # bytes, but no event: the time is looked at again
    assert log.next() == Disconnected("no event in time")


def test_bytes_that_make_no_event_are_silence_too(master: FakeMaster, start: Start) -> None:
    _, log = start(mesos_heartbeat_failure_threshold=3)
    stream, _ = master.accept_subscription(heartbeat_seconds=0.05)
    log.wait_for(Subscribed)
    stream.chunk(b"1000\n")
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.01):
            try:
                stream.chunk(b" ")
            except OSError:
                return

    trickling = threading.Thread(target=trickle)
    trickling.start()
    try:
        assert log.next() == Disconnected("no event in time")
    finally:
        stop.set()
        trickling.join()


def test_a_malformed_record_is_counted_and_passed_over(
    master: FakeMaster, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    driver, log = start()
    stream = connected(master, log)
    for _ in range(3):
        stream.chunk(record(b'{"type":"OFFERS","offers":5}'))
        stream.event({"type": "NEWS"})
    stream.event({"type": "OFFERS", "offers": {"offers": []}})
    assert log.next() == OffersReceived(())
    assert driver.counts.malformed == 3
    assert driver.counts.unknown == 3
    assert driver.counts.events["unknown"] == 3
    assert caplog.text.count("'NEWS' is unknown") == 1


def test_a_malformed_stream_is_left_after_what_was_right(master: FakeMaster, start: Start) -> None:
    driver, log = start()
    stream = connected(master, log)
    stream.chunk(record(b'{"type":"OFFERS","offers":{"offers":[]}}') + b"no length\n")
    assert log.next() == OffersReceived(())
    stream.chunk(b"more")
    lost = log.next()
    assert isinstance(lost, Disconnected)
    assert "no number" in lost.why
    assert driver.counts.malformed_streams == 1
    connected(master, log)


def test_what_the_core_can_not_be_told_the_driver_answers(master: FakeMaster, start: Start) -> None:
    _, log = start()
    stream = connected(master, log)
    ids = {"task_id": {"value": "t"}, "agent_id": {"value": "a"}}
    stream.event({"type": "UPDATE", "update": {"status": ids | {"state": "TASK_NEW", "uuid": "u"}}})
    stream.event({"type": "OFFERS", "offers": {"offers": [{"id": {"value": "o"}}]}})
    peer = master.accept()
    assert peer.read().body["acknowledge"] == ids | {"uuid": "u"}
    assert peer.read().body["decline"]["offer_ids"] == [{"value": "o"}]


def test_an_ordinary_error_is_told_and_we_try_again(master: FakeMaster, start: Start) -> None:
    _, log = start()
    stream = connected(master, log)
    stream.event({"type": "ERROR", "error": {"message": "Role 'x' is wrong"}})
    assert log.next() == FrameworkRefused("Role 'x' is wrong")
    assert isinstance(log.next(), Disconnected)
    connected(master, log)


@pytest.mark.parametrize("message", ["Framework failed over", "Framework has been removed"])
def test_a_final_error_keeps_us_away(master: FakeMaster, start: Start, message: str) -> None:
    """Even when the stream's end comes with it: to subscribe again would displace another."""
    driver, log = start()
    stream = connected(master, log)
    data = record(b'{"type":"ERROR","error":{"message":"%b"}}' % message.encode())
    stream.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data))
    stream.close()
    assert log.next() == FrameworkRefused(message)
    assert isinstance(log.next(), Disconnected)
    eventually(lambda: stream_thread(driver) is None, "the driver gives up")
    driver.perform([KILL])
    assert log.next() == CallNotSent(KILL, "not subscribed")


def test_a_wrong_stream_id_does_not_make_us_subscribe_again(
    master: FakeMaster, start: Start
) -> None:
    driver, log = start()
    stream = connected(master, log)
    driver.perform([KILL])
    peer = master.accept()
    peer.read()
    peer.answer(400, "The stream ID included in this request didn't match")
    assert isinstance(log.next(), CallNotSent)
    stream.event({"type": "OFFERS", "offers": {"offers": []}})
    assert log.next() == OffersReceived(())
    assert driver.counts.subscriptions == 1


@pytest.mark.parametrize(
    ("status", "body"), [(403, "Framework is not subscribed"), (503, ""), (307, "")]
)
def test_a_master_that_is_not_ours_any_more_is_left(
    master: FakeMaster, start: Start, status: int, body: str
) -> None:
    driver, log = start()
    connected(master, log)
    driver.perform([ACCEPT])
    peer = master.accept()
    peer.read()
    peer.answer(status, body)
    failed = log.wait_for(CallNotSent)  # the master refused it: nothing of it happened
    assert failed.action == ACCEPT
    log.wait_for(Disconnected)
    connected(master, log)


def test_a_master_that_fails_at_an_accept_may_have_carried_it_out(
    master: FakeMaster, start: Start
) -> None:
    driver, log = start()
    connected(master, log)
    driver.perform([ACCEPT, KILL])
    peer = master.accept()
    for _ in range(2):
        peer.read()
        peer.answer(500, "oh")
    assert [log.next(), log.next()] == [CallUnanswered(ACCEPT), CallNotSent(KILL, "500 oh")]


def test_a_master_that_answers_what_it_was_not_asked_is_left(
    master: FakeMaster, start: Start
) -> None:
    driver, log = start()
    connected(master, log)
    driver.perform([KILL])
    peer = master.accept()
    peer.read()
    peer.send(b"HTTP/1.1 202 A\r\nContent-Length: 0\r\n\r\n" * 2)
    assert "not asked" in log.wait_for(Disconnected).why
    connected(master, log)


def test_roles_are_kept_across_subscriptions(master: FakeMaster, start: Start) -> None:
    driver, log = start(clock=_stopped_clock)
    stream = connected(master, log)
    driver.perform([UpdateRoles(("a", "c", "d"), ("a", "c")), Revive(("a",)), Suppress(("d",))])
    peer = master.accept()
    for _ in range(3):
        peer.read()
        peer.answer(202)
    eventually(lambda: driver.counts.calls["SUPPRESS", "202"], "the answers are read")
    stream.close()
    log.wait_for(Disconnected)
    stream, request = master.accept_subscription()
    subscribe = request.body["subscribe"]
    assert subscribe["framework_info"]["roles"] == ["a", "c", "d"]
    assert subscribe["suppressed_roles"] == ["c", "d"]
    log.wait_for(Subscribed)
    driver.perform([Revive(()), Suppress(("a",))])
    peer = master.accept()
    for _ in range(2):
        peer.read()
    peer.answer(202)
    stream.close()
    peer.close()
    log.wait_for(Disconnected)
    assert log.wait_for(CallNotSent).action == Suppress(("a",))
    _, request = master.accept_subscription()
    assert request.body["subscribe"]["suppressed_roles"] == []


def test_roles_wanted_while_away_are_asked_for_next(master: FakeMaster, start: Start) -> None:
    driver, log = start()
    stream = connected(master, log)
    stream.close()
    log.wait_for(Disconnected)
    driver.perform([UpdateRoles(("z",), ())])
    log.wait_for(CallNotSent)
    peer = master.accept()
    peer.read()  # perhaps sent before the roles were changed
    peer.answer(503)
    _, request = master.accept_subscription()
    assert request.body["subscribe"]["framework_info"]["roles"] == ["z"]


def test_stopping_sends_what_was_handed_over_and_no_teardown(
    master: FakeMaster, start: Start
) -> None:
    driver, log = start(clock=_stopped_clock)
    stream = connected(master, log)
    driver.perform([Acknowledge("t", "a", "u")] * (WINDOW + 5))
    stopping = threading.Thread(target=driver.stop)
    stopping.start()
    peer = master.accept()
    for _ in range(WINDOW):
        assert peer.read().body["type"] == "ACKNOWLEDGE"
    calls = driver._calls
    assert isinstance(calls, CallConnection)
    eventually(lambda: calls._finish_at is not None, "it stops")
    for _ in range(5):
        peer.answer(202)
        assert peer.read().body["type"] == "ACKNOWLEDGE"
    for _ in range(WINDOW):
        peer.answer(202)
    assert peer.read_to_end() == b""
    stream.read_to_end()
    stopping.join()
    assert log.drain() == []
    driver.perform([KILL])
    driver.stop()
    assert log.drain() == []


def test_stopping_while_nobody_answers(master: FakeMaster, start: Start) -> None:
    driver, _ = start()
    master.accept().read()
    driver.stop()
    assert stream_thread(driver) is None


def test_the_secret_goes_with_every_request_and_into_no_log(
    master: FakeMaster, start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    file = tmp_path / "secret"
    file.write_text("hunter2")
    driver, log = start(
        mesos_authentication_principal="me", mesos_authentication_secret_file=str(file)
    )
    stream, request = master.accept_subscription()
    log.wait_for(Subscribed)
    driver.perform([KILL])
    call = master.accept().read()
    assert (
        request.headers["Authorization"]
        == call.headers["Authorization"]
        == "Basic bWU6aHVudGVyMg=="
    )
    assert request.body["subscribe"]["framework_info"]["principal"] == "me"
    stream.close()
    log.wait_for(Disconnected)
    assert "hunter2" not in caplog.text
    assert "bWU6" not in caplog.text


def test_an_update_reaches_the_core_with_its_uuid_untouched(
    master: FakeMaster, start: Start
) -> None:
    driver, log = start()
    stream = connected(master, log)
    uuid = "a+/b9LSO5PQ=="
    ids = {"task_id": {"value": "t"}, "agent_id": {"value": "a"}}
    stream.event(
        {"type": "UPDATE", "update": {"status": ids | {"state": "TASK_RUNNING", "uuid": uuid}}}
    )
    status = log.wait_for(TaskStatusReceived).status
    driver.perform([Acknowledge(status.task_id, status.agent_id, status.uuid)])
    assert master.accept().read().body["acknowledge"]["uuid"] == uuid


@pytest.fixture
def secure_master() -> Iterator[FakeMaster]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(LOOPBACK_PEM)
    with FakeMaster(context) as master:
        yield master


def test_everything_over_tls(secure_master: FakeMaster, start: Start) -> None:
    driver, log = start(master=f"https://{secure_master.address}", mesos_ca_file=str(LOOPBACK_PEM))
    stream, _ = secure_master.accept_subscription()
    assert log.next() == Subscribed(FRAMEWORK_ID, secure_master.address, "eu")
    calls: list[Action] = [Kill(f"t{number}", "x" * 1000) for number in range(WINDOW)]
    driver.perform(calls)
    peer = secure_master.accept()
    for call in calls:
        assert isinstance(call, Kill)
        assert peer.read().body["kill"]["task_id"]["value"] == call.task_id
        peer.answer(202)
    eventually(lambda: driver.counts.calls["KILL", "202"] == WINDOW, "all answers are read")
    driver.stop()
    assert stream.read_to_end() == b""


def test_a_master_that_can_not_prove_itself_is_not_talked_to(
    secure_master: FakeMaster, start: Start
) -> None:
    driver, log = start(master=f"https://{secure_master.address}")
    with pytest.raises(OSError, match=r"(?i)unknown ca|alert|eof|reset"):
        secure_master.accept()
    assert log.drain() == []
    assert driver.counts.subscriptions == 0
