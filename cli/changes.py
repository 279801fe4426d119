"""Commands that change something: how they begin a deployment and stay with it.

Here are their options --wait, --watch, --dry-run and --strict. The exit code tells scripts how it
ended: 0 when everything is as it was meant to be, 1 when it was cancelled, taken back or not done
in time.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from api.client import Client, JsonObject
from cli.answers import Deployment, DryRun, Started, read
from cli.connection import Failure
from cli.exits import CommandExit
from cli.following import Change, Moment, moments, shortcoming
from cli.output import Column, print_json, print_table, say, say_aside
from cli.progress import changes, drawn

if TYPE_CHECKING:
    from rich.console import Console

DEFAULT_WAIT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Follow:
    """How a change is followed: not at all, waited for, or watched, and for how long at most
    (None: until it ends). ``dry_run``: there will be none to follow."""

    wait: bool = False
    watch: bool = False
    limit_seconds: float | None = None
    dry_run: bool = False


def follow_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of commands that start a deployment; they come as ``follow``."""

    @wraps(command)
    def followed(
        *args: Any, wait: bool, watch: bool, wait_timeout: float | None, **options: Any
    ) -> None:
        limit = DEFAULT_WAIT_SECONDS if wait_timeout is None and not watch else wait_timeout
        command(*args, follow=Follow(wait, watch, limit), **options)

    options = (
        click.option("--wait", is_flag=True, help="Return when the deployment is done."),
        click.option("--watch", is_flag=True, help="Show how the deployment goes, to its end."),
        click.option(
            "--wait-timeout",
            type=click.FloatRange(min=0),
            metavar="SECONDS",
            help=f"How long --wait (default {DEFAULT_WAIT_SECONDS:g}) or --watch (default: to the "
            "end) goes on.",
        ),
    )
    for option in reversed(options):
        followed = option(followed)
    return followed


dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Only say what would be done, and change nothing."
)


def change_options(command: Callable[..., None]) -> Callable[..., None]:
    """``follow_options`` and --dry-run, which comes as part of ``follow``."""

    @wraps(command)
    def changed(*args: Any, dry_run: bool, follow: Follow, **options: Any) -> None:
        command(*args, follow=replace(follow, dry_run=dry_run), **options)

    return dry_run_option(follow_options(changed))


strict_option = click.option(
    "--strict", is_flag=True, help="Refuse fields that the scheduler does not know."
)


def started(
    client: Client,
    answer: JsonObject,
    text: str,
    follow: Follow,
    as_json: bool,
    app_ids: Sequence[str] = (),
) -> None:
    """Say that a change began, and follow it if that was asked for; of a dry run, what it
    found."""
    if follow.dry_run:
        planned(answer, as_json)
        return
    if as_json:
        print_json(answer)
    begun = read(answer, Started)
    change = Change(begun.deployment_id, begun.version, tuple(app_ids))
    say_started(client, change, text, follow, as_json)


def say_started(client: Client, change: Change, text: str, follow: Follow, as_json: bool) -> None:
    """The same for a change that was read already."""
    if not as_json:
        say(f"{text} (deployment {change.deployment_id})" if change.deployment_id else text)
    if change.deployment_id and (follow.wait or follow.watch):
        follow_to_the_end(client, change, follow, aside=as_json)


def planned(answer: JsonObject, as_json: bool) -> None:
    """Say what a dry run found. Failure if it was none: Marathon knows them for groups only."""
    if as_json:
        print_json(answer)
    if "steps" not in answer:
        raise Failure(
            "What answers there does not know dry runs of this: the change IS MADE.\n"
            "Look with `stayer deployment list`; `stayer deployment revert ID` takes it back."
        )
    if as_json:
        return
    steps = read(answer, DryRun).steps
    rows = [
        (number, action.action, action.app or action.pod)
        for number, step in enumerate(steps, start=1)
        for action in step.actions
    ]
    if rows:
        print_table((Column("STEP", right=True), Column("ACTION"), Column("APP")), rows)
        say("\nNothing is changed yet: this was a dry run.")
    else:
        say("There is nothing to do: everything is like that already.")


def follow_to_the_end(client: Client, change: Change, follow: Follow, *, aside: bool) -> None:
    """Show how it goes until it is over; Failure unless it succeeded. ``aside``: standard output
    is for machines."""
    from rich.console import Console

    passing = moments(client, change.deployment_id, follow.limit_seconds)
    console = Console(file=sys.stdout)
    try:
        if follow.watch and not aside and console.is_terminal:
            last, reverted_by = _live(passing, console)
        else:
            tell = say_aside if aside or not follow.watch else _say_now
            last, reverted_by = _in_lines(passing, tell, apps=follow.watch)
    except KeyboardInterrupt:
        say_aside(f"The deployment goes on: stayer deployment watch {change.deployment_id}")
        raise click.exceptions.Exit(CommandExit.INTERRUPTED) from None
    if reason := shortcoming(client, change, last, reverted_by):
        raise Failure(f"Deployment {change.deployment_id} is over and not done: {reason}.")
    if not aside:
        say("The deployment is done.")


def _say_now(text: str) -> None:
    say(text)
    sys.stdout.flush()


def _in_lines(
    passing: Iterator[Moment], tell: Callable[[str], None], *, apps: bool
) -> tuple[Deployment | None, str]:
    """Tell each change; how it was last, and what takes it back."""
    before = Moment()
    last, reverted_by = None, ""
    for moment in passing:
        for line in changes(before, moment, apps=apps):
            tell(line)
        before = moment
        last, reverted_by = moment.deployment or last, moment.reverted_by or reverted_by
    return last, reverted_by


def _live(passing: Iterator[Moment], console: "Console") -> tuple[Deployment | None, str]:
    """Draw each moment in the same place."""
    from rich.live import Live

    last, reverted_by = None, ""
    with Live(console=console, auto_refresh=False) as live:
        for moment in passing:
            last, reverted_by = moment.deployment or last, moment.reverted_by or reverted_by
            if moment.deployment is not None:
                live.update(drawn(moment, ascii_only=console.options.ascii_only), refresh=True)
    return last, reverted_by
