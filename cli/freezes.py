"""`stayer freeze`, `stayer unfreeze`, `stayer crash`: hold everything still; what is set aside."""

from collections.abc import Sequence

import click

from api.client import Client, JsonObject
from cli.answers import Crash, Frozen, read, read_all
from cli.connection import absolute_id, json_option, with_client
from cli.output import Column, print_json, print_table, say

_COLUMNS = (Column("FROZEN"), Column("SINCE"), Column("REASON"))
_CRASH_COLUMNS = (
    Column("CRASH"),
    Column("TIMES", right=True),
    Column("LAST"),
    Column("SET ASIDE"),
    Column("ON"),
    Column("ERROR"),
)

_apps_argument = click.argument("app_ids", metavar="[ID...]", nargs=-1, type=absolute_id)


@click.command()
@_apps_argument
@click.option("--reason", default="", metavar="TEXT", help="Shown wherever something waits for it.")
@click.option("--list", "only_list", is_flag=True, help="Change nothing; show what is frozen.")
@json_option
@with_client
def freeze(
    client: Client, app_ids: tuple[str, ...], reason: str, only_list: bool, as_json: bool
) -> None:
    """Launch and kill nothing: of the named apps, or without any of all of them.

    Changes are accepted and stored meanwhile, and carried out by `stayer unfreeze`.
    """
    answer = client.freezes() if only_list else client.freeze(app_ids, reason)
    _show(answer, as_json=as_json)


@click.command()
@_apps_argument
@json_option
@with_client
def unfreeze(client: Client, app_ids: tuple[str, ...], as_json: bool) -> None:
    """End the freeze of the named apps, or without any that of everything."""
    answer: JsonObject = {}
    for app_id in app_ids or (None,):
        answer = client.unfreeze(app_id)
    _show(answer, as_json=as_json)


def _show(answer: JsonObject, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    found = read(answer, Frozen)
    rows: list[Sequence[object]] = []
    if found.safe_mode:
        rows.append(("everything", "-", "safe mode, as long as the process lives"))
    if found.since:
        rows.append(("everything", found.since, found.reason or "-"))
    rows += [(one.id, one.since, one.reason or "-") for one in found.apps]
    if rows:
        print_table(_COLUMNS, rows)
    else:
        say("Nothing is frozen.")


@click.group()
def crash() -> None:
    """Crashes of the scheduler's decisions: list, forget."""


@crash.command("list")
@json_option
@with_client
def list_crashes(client: Client, as_json: bool) -> None:
    """List what the decisions crashed on; what crashed them three times is set aside."""
    answer = client.list_crashes()
    if as_json:
        print_json(answer)
        return
    rows = [_row(found) for found in read_all(answer, Crash)]
    if rows:
        print_table(_CRASH_COLUMNS, rows)
    else:
        say("No crash is on record.")


@crash.command()
@click.argument("crash_id", metavar="ID")
@json_option
@with_client
def forget(client: Client, crash_id: str, as_json: bool) -> None:
    """Handle again what was set aside, and end the freeze that it led to."""
    client.forget_crash(crash_id)
    if as_json:
        print_json({"id": crash_id})
    else:
        say(f"{crash_id} is forgotten; what it was about is tried again.")


def _row(found: Crash) -> Sequence[object]:
    about = f"{found.kind} {found.subject}".rstrip()
    set_aside = "yes" if found.set_aside else "no"
    return (found.id, found.crashes, found.last, set_aside, about, found.error)
