"""The daemon's loop: what leads to a turn, what a turn may do, and that no turn ends it."""

from collections.abc import Callable

from haproxy_bridge.exits import Exit
from haproxy_bridge.run.bell import Bell, Note
from haproxy_bridge.run.outcome import Outcome
from haproxy_bridge.run.pace import Pace, PaceOptions
from haproxy_bridge.run.turn import How
from haproxy_bridge.run.watch import Watch

DONE = Outcome(exit=Exit.OK)
SELDOM = PaceOptions(poll_seconds=3600, coalesce_seconds=0, min_reload_seconds=100)


class Loop:
    """A loop whose turns are scripted; after each the test may do something."""

    def __init__(self, *outcomes: Outcome | Exception, options: PaceOptions = SELDOM) -> None:
        self.script = list(outcomes)
        self.bell = Bell(lambda: self.now)
        self.hows: list[How] = []
        self.ended: list[tuple[Outcome, float | None]] = []
        self.then: Callable[[int], None] = lambda turns: self.bell.ring(Note.STOP)
        self.now = 1_000.0
        self.pace = Pace(options, self.now, lambda: 0.5)

    def run(self, *, force_first: bool = False) -> None:
        Watch(
            self.take,
            self.pace,
            self.bell,
            self.after,
            force_first=force_first,
            clock=lambda: self.now,
        ).run()

    def take(self, how: How) -> Outcome:
        self.hows.append(how)
        outcome = self.script.pop(0)
        self.now += 0.25
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def after(self, outcome: Outcome, live_seconds: float | None) -> None:
        self.ended.append((outcome, live_seconds))
        self.then(len(self.ended))


def test_a_bug_in_a_turn_does_not_end_it() -> None:
    loop = Loop(ValueError("oops"), DONE)

    def then(turns: int) -> None:
        loop.now += 1  # past the pause after a failure
        if turns == 2:
            loop.bell.ring(Note.STOP)

    loop.then = then
    loop.run()
    bug, done = (outcome for outcome, _ in loop.ended)
    assert bug.exit is Exit.INTERNAL
    assert "oops" in bug.why
    assert done == DONE


def test_a_reload_soon_after_another_is_not_allowed() -> None:
    loop = Loop(Outcome(exit=Exit.OK, reloaded=True), Outcome(exit=Exit.OK, postponed=True), DONE)

    def then(turns: int) -> None:
        if turns == 1:
            loop.bell.ring(Note.ALL)
        elif turns == 2:
            loop.now += 100
        else:
            loop.bell.ring(Note.STOP)

    loop.then = then
    loop.run()
    assert [how.may_reload for how in loop.hows] == [True, False, True]
    assert all(how.everything for how in loop.hows)


def test_force_is_for_the_first_answer_that_comes() -> None:
    loop = Loop(Outcome(exit=Exit.UNREACHABLE), DONE, DONE)

    def then(turns: int) -> None:
        loop.now += 1
        loop.bell.ring(Note.ALL if turns < 3 else Note.STOP)

    loop.then = then
    loop.run(force_first=True)
    assert [how.force for how in loop.hows] == [True, True, False]


def test_a_note_waits_once_and_is_heard_again_later() -> None:
    bell = Bell()
    bell.ring(Note.EVENT)
    bell.ring(Note.EVENT)
    bell.ring(Note.ALL)
    assert [note for note, _ in bell.heard(0)] == [Note.EVENT, Note.ALL]
    assert bell.heard(0) == []
    bell.ring(Note.EVENT)
    assert [note for note, _ in bell.heard(0)] == [Note.EVENT]
