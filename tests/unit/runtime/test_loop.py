"""The one thread that decides: what it takes first, when it wakes, and how it ends."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.patterns import linear_full_match
from framework.core.policy import Policy
from framework.core.turn import Step
from framework.core.world import World
from framework.domain.actions import Accept
from framework.domain.events import (
    AgentFailed,
    Asked,
    ChangeApps,
    Event,
    OffersReceived,
    PutApp,
    ResetDelay,
    Subscribed,
)
from framework.domain.state import Kind, State
from framework.interfaces import OverloadedError
from framework.runtime import loop as loop_module
from framework.runtime.loop import COMMANDS_LIMIT, Loop
from tests.polling import eventually
from tests.unit.core.session import START_MS, WEB, Session, agent, of_type

PUT = ChangeApps((PutApp(WEB),))
FACT = AgentFailed("a1")


class Stand:
    """A loop whose clock is the test's, and what came out of it."""

    def __init__(self, world: World, clock: Callable[[], int]) -> None:
        self.steps: list[Step] = []
        self.ends: list[BaseException] = []
        numbers = iter(range(10**6))
        self.loop = Loop(
            world,
            Policy(),
            clock=clock,
            new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012d}",
            emit=self.steps.append,
            fatal=self.ends.append,
        )

    def taken(self, tmp_path: Path) -> list[list[str]]:
        """The names of the events of each step, in order."""
        self.loop.journal.dump(tmp_path / "journal")
        lines = (tmp_path / "journal").read_text().splitlines()
        return [[name for event in json.loads(line)["events"] for name in event] for line in lines]


@pytest.fixture
def session() -> Session:
    return Session()


@pytest.fixture
def stand(session: Session) -> Iterator[Stand]:
    """Its clock stands still, so nothing comes up by itself."""
    made = Stand(session.world, lambda: START_MS)
    yield made
    made.loop.stop()


def submit(stand: Stand, *events: Event) -> None:
    for event in events:
        stand.loop.submit(event)


def test_commands_come_before_facts_that_came_first(
    stand: Stand, session: Session, tmp_path: Path
) -> None:
    submit(stand, OffersReceived((session.offer_of(agent(1)),)), Asked(1, PUT))
    stand.loop.start()
    eventually(lambda: stand.steps, "a step")
    assert stand.taken(tmp_path) == [["Asked", "OffersReceived"]]
    assert len(of_type(stand.steps[0].actions, Accept)) == 1
    assert [token for token, _ in stand.steps[0].replies] == [1]


def test_a_command_does_not_wait_for_many_facts(stand: Stand, tmp_path: Path) -> None:
    submit(stand, *[FACT] * 5_000, Asked(1, PUT))
    stand.loop.start()
    eventually(lambda: stand.loop.depth() == 0 and stand.loop.counts.events == 5_001, "all taken")
    first, *others = stand.taken(tmp_path)
    assert first[0] == "Asked"
    assert len(first) <= 500
    assert len(others) >= 2, "facts are taken in slices"


def test_commands_keep_their_order_and_facts_theirs(stand: Stand) -> None:
    submit(stand, *(Asked(number, ResetDelay("/none")) for number in range(100)))
    stand.loop.start()
    eventually(lambda: stand.loop.counts.events == 100, "all decided")
    answered = [token for step in stand.steps for token, _ in step.replies]
    assert answered == list(range(100))


def test_too_many_commands_are_refused_and_none_is_lost(stand: Stand) -> None:
    submit(stand, *[Asked(1, ResetDelay("/none"))] * COMMANDS_LIMIT)
    with pytest.raises(OverloadedError, match="too many commands"):
        submit(stand, Asked(2, PUT))
    submit(stand, FACT)
    assert stand.loop.depth() == COMMANDS_LIMIT + 1
    stand.loop.start()
    eventually(lambda: stand.loop.depth() == 0, "room")
    submit(stand, Asked(3, PUT))


def test_whoever_brings_too_many_facts_waits(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "FACTS_LIMIT", 3)
    submit(stand, FACT, FACT, FACT)
    done = threading.Event()

    def bring() -> None:
        submit(stand, FACT)
        done.set()

    threading.Thread(target=bring, daemon=True).start()
    assert not done.wait(0.1)
    stand.loop.start()
    assert done.wait(60)


def test_the_thread_that_carries_out_never_waits(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop_module, "FACTS_LIMIT", 1)
    submit(stand, FACT)
    stand.loop.never_wait_here()
    submit(stand, FACT, FACT)
    assert stand.loop.depth() == 3
    stand.loop.start()


def test_wakes_when_the_last_step_asked_for_it(session: Session, tmp_path: Path) -> None:
    session.put(WEB)
    moments = iter(range(START_MS, START_MS + 10**12, 100_000))
    stand = Stand(session.world, lambda: next(moments))  # time passes with each look at the clock
    submit(stand, FACT)
    stand.loop.start()
    eventually(lambda: len(stand.steps) >= 3, "steps that nobody asked for")
    stand.loop.stop()
    first, second, *_ = stand.taken(tmp_path)
    assert (first, second) == (["AgentFailed"], ["TimerFired"])
    assert stand.steps[0].wake_at_ms is not None


def test_sleeps_until_then(stand: Stand, session: Session) -> None:
    session.put(WEB)
    submit(stand, FACT)
    stand.loop.start()
    eventually(lambda: stand.steps, "a step")
    assert stand.steps[0].wake_at_ms == START_MS + 1_000, "by a clock that stands still"
    threading.Event().wait(0.1)
    assert len(stand.steps) == 1


def test_a_bug_ends_it_and_is_told() -> None:
    stand = Stand(World(State(), linear_full_match), lambda: START_MS)
    submit(stand, Subscribed("f", "m"), Asked(1, PUT))
    stand.loop.start()
    eventually(lambda: stand.ends, "the end")
    assert "Started comes before Subscribed" in str(stand.ends[0])
    (last,) = stand.steps
    assert [change.kind for change in last.changes] == [Kind.CRASH], "only that it crashed"
    assert (last.actions, last.replies) == ((), ())
    submit(stand, FACT)
    stand.loop.stop()
    assert stand.loop.depth() == 1, "nothing is decided any more"


def test_stopped_it_decides_nothing_more_and_holds_nobody_up(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.loop.start()
    stand.loop.stop()
    monkeypatch.setattr(loop_module, "FACTS_LIMIT", 1)
    submit(stand, FACT, FACT, FACT)
    assert stand.steps == []


def test_what_it_did_is_counted(stand: Stand) -> None:
    submit(stand, FACT, Asked(1, PUT))
    stand.loop.start()
    eventually(lambda: stand.steps, "a step")
    counts = stand.loop.counts
    eventually(lambda: counts.events == 2, "counted")
    assert counts.steps == 1
    assert 0 < counts.longest_seconds <= counts.seconds
