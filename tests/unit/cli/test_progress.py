"""How a deployment is shown: golden lines for pipes, rows and the drawn view for terminals."""

from io import StringIO
from typing import Any

from rich.console import Console

from cli.answers import AppProgress, Deployment, read
from cli.following import Moment
from cli.progress import bar, changes, drawn
from tests.unit.cli.rollouts import ID, progress, rollout


def _moment(*apps: dict[str, Any], told: str = "", **more: Any) -> Moment:
    deployment = read(rollout(*apps, **more), Deployment)
    return Moment(deployment, {"/shop/api": told} if told else {})


BEGUN = _moment(
    progress("/shop/api", wanted=4, oldServing=4, oldTotal=4),
    progress("/shop/web", wanted=2, oldServing=2, oldTotal=2),
)
HALF = _moment(
    progress("/shop/api", wanted=4, newServing=1, newTotal=2, oldServing=2, oldTotal=2, leaving=1),
    progress("/shop/web", wanted=2, oldServing=2, oldTotal=2),
)


def test_first_lines() -> None:
    assert changes(Moment(), BEGUN) == [
        f"Deployment {ID}: step 1 of 2, RestartApplication /shop/api",
        "/shop/api: 0 of 4 serve, 4 old ones serve (4 to start, 4 old to replace)",
    ]


def test_only_what_changed_gets_a_line() -> None:
    assert changes(BEGUN, BEGUN) == []
    assert changes(BEGUN, HALF) == [
        (
            "/shop/api: 1 of 4 serve, 2 old ones serve "
            "(1 stopping, 1 starting, 2 to start, 2 old to replace)"
        )
    ]
    assert changes(BEGUN, HALF, apps=False) == []
    second = _moment(step=2)
    assert changes(HALF, second, apps=False) == [
        f"Deployment {ID}: step 2 of 2, RestartApplication /shop/web"
    ]


def test_why_it_waits() -> None:
    waiting = _moment(progress("/shop/api", wanted=2, newTotal=1), told="no agent in rack r2")
    assert changes(BEGUN, waiting) == [
        "/shop/api: 0 of 2 serve (1 starting, 1 waiting: no agent in rack r2)"
    ]
    later = _moment(progress("/shop/api", wanted=2, newTotal=1), told="no agent in rack r17")
    assert changes(waiting, later) == []
    other = _moment(progress("/shop/api", wanted=2, newTotal=1), told="too few cpus")
    assert len(changes(waiting, other)) == 1
    done = _moment(progress("/shop/api", wanted=2, newServing=2, newTotal=2))
    assert changes(waiting, done) == ["/shop/api: 2 of 2 serve"]


def test_pauses_and_warnings() -> None:
    paused = _moment(paused=True, warnings=["no room"])
    canary = _moment(paused=True, canary=True)
    assert changes(_moment(), paused, apps=False) == [
        "Warning: no room",
        f"Paused.\n  Go on:  stayer deployment resume {ID}",
    ]
    assert changes(paused, paused) == []
    assert changes(paused, canary, apps=False) == [
        (
            "The canaries serve, and a person decides.\n"
            f"  Go on:         stayer deployment promote {ID}\n"
            f"  Take it back:  stayer deployment revert {ID}"
        )
    ]
    assert changes(canary, _moment(), apps=False) == ["It goes on."]


def test_steps_of_canaries() -> None:
    def stands(step: int, share: float) -> Moment:
        return _moment(
            paused=True, canary=True, canaryStep=step, canarySteps=2, nextStepAt="T", share=share
        )

    first, second = stands(1, 5.0), stands(2, 12.5)
    (line,) = changes(_moment(), first, apps=False)
    said = line.splitlines()[0]
    assert said == "The canaries serve: step 1 of 2, 5 % of the traffic; the next at T."
    (line,) = changes(first, second, apps=False)
    said = line.splitlines()[0]
    assert said == "The canaries serve: step 2 of 2, 12.5 % of the traffic; the rest follows at T."
    assert changes(second, second, apps=False) == []


def test_what_serves_and_is_not_used_by_edges_yet() -> None:
    counts = {"wanted": 2, "newTotal": 2, "oldServing": 1, "oldTotal": 1, "awaitingEdges": 1}
    line = (
        "/shop/api: 0 of 2 serve, 1 old ones serve "
        "(1 starting, 1 until edges use them, 1 old to replace)"
    )
    assert line in changes(_moment(), _moment(progress("/shop/api", **counts)))


def test_old_ones_stay_while_it_is_paused() -> None:
    counts = {"wanted": 2, "newServing": 1, "newTotal": 1, "oldServing": 1, "oldTotal": 1}
    paused = _moment(progress("/shop/api", **counts), paused=True)
    line = "/shop/api: 1 of 2 serve, 1 old ones serve (1 old stay for now)"
    assert line in changes(BEGUN, paused)


def test_silence_is_told_once() -> None:
    away = Moment(BEGUN.deployment, note="The scheduler does not answer: x")
    assert changes(BEGUN, away) == ["The scheduler does not answer: x"]
    assert changes(away, away) == []
    assert changes(BEGUN, Moment()) == []


def _bar(**counts: int) -> str:
    return bar(read(progress("/a", **counts), AppProgress)).plain


def test_bar_has_a_cell_for_each_instance_or_is_in_proportion() -> None:
    assert _bar(wanted=4, newServing=1, newTotal=2, oldTotal=2, leaving=1) == "█▓░░·"
    assert _bar(wanted=4) == ""
    assert _bar(wanted=1000, newServing=500, newTotal=500, oldTotal=500) == "█" * 12 + "░" * 12
    assert _bar(wanted=1000, newServing=999, newTotal=999, leaving=1) == "█" * 24


def _drawn(moment: Moment) -> str:
    written = StringIO()
    Console(file=written, width=110, color_system=None).print(drawn(moment))
    return "".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())


def test_live_view() -> None:
    assert HALF.deployment is not None
    shown = _drawn(_moment(*_as_sent(HALF), deadlineAt="2026-11-02T10:05:00.000Z"))
    assert shown == (
        f"Deployment {ID}: step 1 of 2, RestartApplication /shop/api\n"
        "APP        INSTANCES  NEW  OLD  STOPPING  AWAITS\n"
        "/shop/api  █▓░░·      1/4    2         1  1 stopping, 1 starting, 2 to start, "
        "2 old to replace\n"
        "/shop/web  ░░         0/2    2         0  step 2\n"
        "█ new, serving  ▓ new, starting  ░ old  · stopping\n"
        "Without progress it is taken back at 2026-11-02T10:05:00.000Z\n"
    )


def _as_sent(moment: Moment) -> list[dict[str, Any]]:
    assert moment.deployment is not None
    return [
        progress(
            app.id,
            wanted=app.wanted,
            newServing=app.new_serving,
            newTotal=app.new_total,
            oldServing=app.old_serving,
            oldTotal=app.old_total,
            leaving=app.leaving,
        )
        for app in moment.deployment.apps
    ]


def test_live_view_that_waits_for_a_person() -> None:
    shown = _drawn(_moment(paused=True, canary=True, deadlineAt="T", warnings=["\x1b[31mno room"]))
    assert f"stayer deployment promote {ID}" in shown
    assert "\ufffd[31mno room" in shown
    assert "Without progress" not in shown


def test_live_view_is_bounded() -> None:
    many = [progress(f"/a{number}", wanted=1) for number in range(100)]
    shown = _drawn(_moment(*many))
    assert "/a19 " in shown
    assert "/a20" not in shown
    assert "and 80 more apps" in shown
