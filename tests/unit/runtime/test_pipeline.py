"""The order in which steps are carried out, and what happens when one can not be."""

import threading
from collections.abc import Iterator

import pytest

from framework.core.turn import Step
from framework.domain.actions import Accept, Action, Decline, Halt, Kill, Operation
from framework.domain.app import App
from framework.domain.health import ProbeAction, Unwatch
from framework.domain.notices import Notice, Remarked
from framework.domain.replies import Done, Reply
from framework.domain.rollout import Connection
from framework.domain.state import Change, Kind
from framework.domain.volumes import OperationKind
from framework.interfaces import LeadershipLostError, StoreError
from framework.runtime import pipeline as pipeline_module
from framework.runtime.pipeline import Pipeline
from tests.polling import eventually
from tests.unit.runtime.recording import Record, RecordingMesos, RecordingProbes, RecordingStore


class Stand:
    """A pipeline between recorders."""

    def __init__(self) -> None:
        self.record = Record()
        self.superseded: LeadershipLostError | None = None
        self.store = RecordingStore(self.record)
        self.pipeline = Pipeline(
            self.store,
            RecordingMesos(self.record),
            RecordingProbes(self.record),
            self.record.view,
            reply=self.record.reply,
            notify=self.record.notify,
            halt=self.record.halt,
            fatal=self.record.fatal,
            confirm=self.confirm,
        )

    def confirm(self) -> None:
        self.record.add("confirm", None)
        if self.superseded is not None:
            raise self.superseded


@pytest.fixture
def stand() -> Iterator[Stand]:
    made = Stand()
    yield made
    made.store.gate.set()
    made.pipeline.stop()


def put(app_id: str, instances: int = 1) -> Change:
    return Change(Kind.APP, app_id, App(id=app_id, instances=instances))


def step(
    *changes: Change,
    actions: tuple[Action, ...] = (),
    probes: tuple[ProbeAction, ...] = (),
    volatile: tuple[Change, ...] = (),
    replies: tuple[tuple[int, Reply], ...] = (),
    notices: tuple[Notice, ...] = (),
) -> Step:
    return Step(changes, actions, probes, volatile, replies, notices, None)


KILL = Kill("web.instance-1._app.1", "a1")
NOTICE = Remarked("info", "told")
CONNECTED = Change(Kind.CONNECTION, "connection", Connection(subscribed=True))


def test_durable_then_act_then_publish_then_reply_then_tell(stand: Stand) -> None:
    stand.pipeline.put(
        step(
            put("/web"),
            actions=(KILL,),
            probes=(Unwatch("key"),),
            volatile=(CONNECTED,),
            replies=((7, Done()),),
            notices=(NOTICE,),
        )
    )
    stand.pipeline.start()
    stand.record.wait_for("notify")
    assert stand.record.entries == [
        ("append", [put("/web")]),
        ("perform", [KILL]),
        ("probe", [Unwatch("key")]),
        ("reply", (7, Done())),
        ("notify", NOTICE),
    ]
    nothing, published = frozenset[str](), frozenset({"/web"})
    assert stand.record.seen == [nothing, nothing, nothing, published, published]
    assert stand.record.view.connection.subscribed


def test_what_is_never_stored_is_not_appended(stand: Stand) -> None:
    stand.pipeline.put(step(volatile=(CONNECTED,), notices=(NOTICE,)))
    stand.pipeline.start()
    stand.record.wait_for("notify")
    assert stand.record.names() == ["notify"]
    assert stand.record.view.connection.subscribed
    assert stand.pipeline.counts.batches == 0


def test_actions_without_an_append_ask_first_whether_this_process_leads(stand: Stand) -> None:
    stand.pipeline.put(step(actions=(KILL,), notices=(NOTICE,)))
    stand.pipeline.start()
    stand.record.wait_for("notify")
    assert stand.record.names() == ["confirm", "perform", "notify"]
    stand.superseded = LeadershipLostError("another leads")
    halt = Halt(103, "displaced")
    stand.pipeline.put(step(actions=(halt,)))
    assert stand.record.wait_for("halt") == [halt], "an end needs no proof"
    stand.pipeline.put(step(actions=(KILL,)))
    assert stand.record.wait_for("fatal") == [stand.superseded]
    assert len(stand.record.of("perform")) == 1


def test_all_that_is_queued_becomes_one_append_with_the_last_of_each_record(stand: Stand) -> None:
    stand.store.gate.clear()
    stand.pipeline.start()
    stand.pipeline.put(step(put("/first"), replies=((1, Done()),)))
    stand.record.wait_for("append")
    decline = Decline(("o1",), 1.0)
    for number in range(5):
        last = number == 4
        stand.pipeline.put(
            step(
                put("/web", number),
                Change(Kind.APP, "/gone", None if last else App(id="/gone")),
                actions=(decline,) if last else (KILL,),
                replies=((number + 2, Done()),),
            )
        )
    stand.store.gate.set()
    stand.record.wait_for("reply", 6)
    assert stand.record.of("append") == [
        [put("/first")],
        [put("/web", 4), Change(Kind.APP, "/gone", None)],
    ]
    assert stand.record.of("perform") == [[KILL, KILL, KILL, KILL, decline]]
    assert stand.record.of("reply") == [(number, Done()) for number in range(1, 7)]
    assert set(stand.record.view.apps) == {"/first", "/web"}
    assert stand.pipeline.counts.batches == 2
    assert stand.pipeline.counts.changes == 3


def test_after_a_failed_append_nothing_is_sent_published_or_answered(stand: Stand) -> None:
    stand.store.failure = StoreError("the disk is full")
    stand.pipeline.put(
        step(put("/web"), actions=(KILL,), replies=((1, Done()),), notices=(NOTICE,))
    )
    stand.pipeline.start()
    assert stand.record.wait_for("fatal") == [stand.store.failure]
    stand.pipeline.put(step(put("/next"), actions=(KILL,), replies=((2, Done()),)))
    stand.pipeline.stop()
    assert stand.record.names() == ["append", "fatal"]
    assert stand.record.view.apps == {}


def test_a_halt_comes_last_and_is_not_the_drivers(stand: Stand) -> None:
    halt = Halt(110, "removed")
    stand.pipeline.put(step(put("/web"), actions=(halt, KILL), notices=(NOTICE,)))
    stand.pipeline.start()
    stand.record.wait_for("halt")
    assert stand.record.of("perform") == [[KILL]]
    assert stand.record.entries[-1] == ("halt", halt)


def test_stopping_carries_out_what_is_queued(stand: Stand) -> None:
    for number in range(3):
        stand.pipeline.put(step(put(f"/app{number}"), replies=((number, Done()),)))
    stand.pipeline.start()
    stand.pipeline.stop()
    assert len(stand.record.of("reply")) == 3


def test_a_slow_store_holds_up_whoever_decides(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_module, "_STEPS_LIMIT", 2)
    decided: list[int] = []

    def decide() -> None:
        for number in range(5):
            stand.pipeline.put(step(put(f"/app{number}")))
            decided.append(number)

    deciding = threading.Thread(target=decide)
    deciding.start()
    eventually(lambda: len(decided) == 2, "two steps are queued")
    deciding.join(0.1)
    assert decided == [0, 1]
    stand.pipeline.start()
    deciding.join(60)
    assert decided == [0, 1, 2, 3, 4]
    eventually(lambda: len(stand.record.view.apps) == 5, "all are published")


def test_a_large_queue_is_cut_into_appends_of_bounded_size(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_module, "_CHANGES_A_BATCH", 4)
    for number in range(5):
        stand.pipeline.put(step(put(f"/a{number}"), put(f"/b{number}"), put(f"/c{number}")))
    stand.pipeline.start()
    stand.pipeline.stop()
    sizes = [len(changes) for changes in stand.record.of("append") if isinstance(changes, list)]
    assert sizes == [6, 6, 3]


def test_calls_are_counted(stand: Stand) -> None:
    kinds = (OperationKind.RESERVE, OperationKind.CREATE, OperationKind.RESERVE)
    operations = tuple(Operation(f"o{at}", kind, ()) for at, kind in enumerate(kinds))
    accept = Accept(("f1", "f2"), (), 5.0, operations)
    stand.pipeline.put(step(put("/web"), actions=(accept, Decline(("f3",), 5.0))))
    stand.pipeline.start()
    stand.record.wait_for("perform")
    counts = stand.pipeline.counts
    assert (counts.offers_used, counts.launches, counts.reservations) == (2, 0, 2)
