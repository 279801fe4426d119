"""Telling what came of a run to cron, which mails whatever is said."""

from pathlib import Path

from cli.haproxy import shown
from cli.output import say, say_aside
from haproxy_bridge.rendered import Problem
from haproxy_bridge.run import reminders
from haproxy_bridge.run.node import wall_ms
from haproxy_bridge.run.outcome import Outcome


def tell(outcome: Outcome, known: tuple[Problem, ...], state: Path) -> None:
    """As ``shown.tell``, but a failure that lasts is not told each time."""
    path = reminders.place(state)
    try:
        before = reminders.load(path)
        due, after = reminders.next_told(before, outcome.exit, wall_ms())
        if after != before:
            reminders.save(path, after)
    except OSError as error:
        due, before, after = True, None, None
        say_aside(f"{path}: {error.strerror or error}")
    if before is not None and due and after is None:
        minutes = (wall_ms() - before.since_ms) // 60_000
        say(f"All is well again, after {minutes} minutes.")
    if due:
        shown.tell(outcome, known=known)
