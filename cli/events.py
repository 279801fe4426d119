"""`stayer events`: what happens, as it happens, told for as long as somebody wants to know.

A stream that is cut is taken up where it ended, so nothing is missed and nothing told twice; when
that can not be, it is said.
"""

import json
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing
from itertools import islice
from typing import Any

import click

from api.client import Client, StreamedEvent, UnavailableError, UnreachableError
from cli.connection import absolute_id, json_option, with_client
from cli.exits import CommandExit
from cli.output import say, say_aside

MAX_AWAY_SECONDS = 120.0
_PAUSE_SECONDS = 1.0
_GAP, _TOO_SLOW = "gap", "too_slow"
_SUBJECTS = ("appId", "runSpecId", "groupId", "plan", "appDefinition", "remoteAddress", "id")
_FACTS = (
    "taskStatus",
    "condition",
    "alive",
    "healthy",
    "reason",
    "level",
    "message",
    "host",
    "taskId",
    "instanceId",
)


@click.command()
@click.option("--type", "kinds", multiple=True, metavar="TYPE", help="Only events of this type.")
@click.option(
    "--app",
    "app_ids",
    multiple=True,
    metavar="ID",
    type=absolute_id,
    help="Only events of this app, or with /GROUP/* of all below.",
)
@click.option("--label", metavar="SELECTOR", help="Only of apps with these labels: tier==web")
@click.option("--after", default="", metavar="ID", help="Begin after this event (of --json).")
@click.option(
    "--count", type=click.IntRange(min=1), metavar="N", help="End after so many; else never."
)
@json_option
@with_client
def events(
    client: Client,
    kinds: tuple[str, ...],
    app_ids: tuple[str, ...],
    label: str | None,
    after: str,
    count: int | None,
    as_json: bool,
) -> None:
    """Tell what happens, as it happens. --type and --app may be repeated; --json prints one
    object a line, with its eventId."""
    query: dict[str, Any] = {"event_type": kinds, "app": app_ids}
    if label:
        query["label"] = label
    chosen = {name: value for name, value in query.items() if value}
    try:
        with closing(follow(client, chosen, after)) as happening:
            for event in islice(happening, count):
                say(_line(event, as_json=as_json))
                sys.stdout.flush()
    except KeyboardInterrupt:
        raise click.exceptions.Exit(CommandExit.INTERRUPTED) from None


def follow(
    client: Client,
    query: dict[str, Any],
    after: str = "",
    pause: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Generator[StreamedEvent, None, None]:
    """Every event, over as many connections as it takes; without end. ClientError when the
    scheduler can not be used, or is away for too long."""
    heard: float | None = None
    while True:
        try:
            with closing(client.events(query=query, after=after)) as stream:
                for event in stream:
                    heard = clock()
                    if event.kind == _GAP:
                        say_aside("Warning: events were missed: they are not kept any more.")
                        after = ""
                    elif event.kind != _TOO_SLOW:
                        after = event.id or after
                        yield event
            heard = clock()  # it was there, and has ended
            missed = "" if after else " What happens meanwhile is missed."
            say_aside(f"The stream has ended; it is taken up again.{missed}")
        except (UnreachableError, UnavailableError) as error:
            if heard is None or clock() - heard > MAX_AWAY_SECONDS:
                raise
            say_aside(f"The scheduler does not answer: {error}")
        pause(_PAUSE_SECONDS)


def _line(event: StreamedEvent, *, as_json: bool) -> str:
    if as_json:
        return json.dumps({**event.fields, "eventId": event.id}, ensure_ascii=False)
    fields = event.fields
    subject = next((_subject(name, fields[name]) for name in _SUBJECTS if fields.get(name)), "-")
    facts = [_fact(name, fields[name]) for name in _FACTS if fields.get(name) not in (None, "")]
    words = [str(fields.get("timestamp", "-")), event.kind, subject, " ".join(facts)]
    return "  ".join(words).rstrip()


def _fact(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"{name}: {'yes' if value else 'no'}"
    return str(value)


def _subject(name: str, value: object) -> str:
    """What an event is about: of a deployment's plan and of a whole definition only the id."""
    found = value.get("id", "-") if isinstance(value, dict) else value
    return f"deployment {found}" if name == "plan" else str(found)
