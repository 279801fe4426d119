"""`stayer import`: take over the apps and groups of a Marathon, after showing what that changes.

All apps are put by one change, or none of them. Marathon itself is only read: its tasks go on, so
nothing is started here that runs there, unless that is asked for.
"""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click

from api.client import Client, ClientError, InvalidError, JsonObject, RefusedError
from cli.answers import Started, read
from cli.changes import Follow, dry_run_option, follow_options, say_started
from cli.connection import (
    Failure,
    credentials_from,
    force_option,
    group_id,
    json_option,
    with_client,
)
from cli.following import Change
from cli.importing.comparison import Action, Plan, Planned, Target, compare, options_of
from cli.importing.documents import Found, merged, read_document
from cli.importing.shown import plan_as_json, show_plan
from cli.importing.sources import Access, Source, read_sources
from cli.importing.translation import Renaming, below, renamed, renaming_clashes
from cli.output import print_json, say_aside
from cli.patterns import linear_full_match

_MARATHON_TIMEOUT_SECONDS = 120.0
_MAX_NAMED = 5
_DEFAULT_ROLE = "*"  # of Marathon, without --mesos_role


@dataclass(frozen=True, slots=True)
class Choice:
    """What is to be taken over and how; each is an option of the command."""

    only: tuple[str, ...]
    renaming: Renaming | None
    suspended: bool
    run_twice: bool
    partly: bool
    marathon_role: str | None
    save: Path | None


def _file(name: str, text: str) -> Callable[..., Any]:
    kind = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.option(name, type=kind, metavar="FILE", help=text)


def _renaming(_: click.Context, __: click.Parameter, text: str | None) -> Renaming | None:
    if text is None:
        return None
    old, equals, new = text.partition("=")
    if not equals or not old or not new:
        raise click.BadParameter("give it as /OLD=/NEW")
    return Renaming(group_id(old), group_id(new))


_CHOICES = (
    click.option(
        "--only",
        multiple=True,
        metavar="ID",
        type=group_id,
        help="Only this group or app; may be repeated.",
    ),
    click.option(
        "--rename-group",
        "renaming",
        metavar="/OLD=/NEW",
        callback=_renaming,
        help="Give a group another path, and the dependencies on it.",
    ),
    click.option(
        "--suspended",
        is_flag=True,
        help="New apps get no instances: nothing starts before the app is imported again without "
        "this, or scaled.",
    ),
    click.option(
        "--run-twice",
        is_flag=True,
        help="Start apps although their tasks still run in Marathon.",
    ),
    click.option(
        "--partly", is_flag=True, help="Leave out what can not be taken over; without it: nothing."
    ),
    click.option(
        "--marathon-role",
        metavar="ROLE",
        help="Marathon's --mesos_role, for files. [a running Marathon tells it; else: *]",
    ),
    click.option(
        "--save",
        type=click.Path(dir_okay=False, writable=True, path_type=Path),
        metavar="FILE",
        help="Write what the running Marathon answered to a new file.",
    ),
)
_ACCESS = (
    _file("--marathon-credentials-file", "A file with USER:PASSWORD for Marathon."),
    _file("--marathon-token-file", "A file with a token for Marathon."),
    _file("--marathon-ca-file", "The certificates to trust for Marathon's https, PEM."),
)


def _choices(command: Callable[..., None]) -> Callable[..., None]:
    """The options of the import; they come as ``choice`` and ``access``."""

    @wraps(command)
    def chosen(
        *args: Any,
        only: tuple[str, ...],
        renaming: Renaming | None,
        suspended: bool,
        run_twice: bool,
        partly: bool,
        marathon_role: str | None,
        save: Path | None,
        marathon_credentials_file: Path | None,
        marathon_token_file: Path | None,
        marathon_ca_file: Path | None,
        **options: Any,
    ) -> None:
        try:
            credentials = credentials_from(marathon_credentials_file, marathon_token_file)
        except (ValueError, OSError) as error:
            raise click.UsageError(str(error)) from error
        ca_file = None if marathon_ca_file is None else str(marathon_ca_file)
        access = Access(_MARATHON_TIMEOUT_SECONDS, credentials, ca_file)
        choice = Choice(only, renaming, suspended, run_twice, partly, marathon_role, save)
        command(*args, choice=choice, access=access, **options)

    for option in reversed((*_CHOICES, *_ACCESS)):
        chosen = option(chosen)
    return chosen


@click.command("import")
@click.argument("sources", metavar="URL|FILE...", nargs=-1, required=True)
@_choices
@click.option("--yes", is_flag=True, help="Do not ask.")
@force_option
@dry_run_option
@follow_options
@json_option
@with_client
def import_command(
    client: Client,
    sources: tuple[str, ...],
    choice: Choice,
    access: Access,
    yes: bool,
    force: bool,
    dry_run: bool,
    follow: Follow,
    as_json: bool,
) -> None:
    """Take over apps and groups from a running Marathon (its URLs) or from files (- reads
    standard input): answers of /v2/groups or /v2/apps, or definitions.

    Shows what would be created and changed, and asks. What is here and not there is left alone.
    """
    source = read_sources(sources, access)
    if choice.save:
        _save(source, choice.save)
    target = _target(client)
    plan = _plan(source, target, choice)
    if as_json and dry_run:
        print_json(plan_as_json(plan))
    if not as_json:
        show_plan(plan)
    twice = _running_twice(source, plan)
    # What was compared is still there when it is replaced. Groups that are set before change it.
    tag = "" if force or plan.groups else target.tag
    if plan.definitions and not plan.sets_roles:
        _put(client, plan, tag, force=force, dry_run=True)
    _refuse(plan, twice, choice)
    if dry_run:
        say_aside("Nothing is changed: this was a dry run.")
        return
    if not plan.definitions and not plan.groups:
        if as_json:
            print_json(plan_as_json(plan))
        return
    _ask(yes)
    _carry_out(client, plan, tag, force, follow, as_json)


def _save(source: Source, path: Path) -> None:
    """What Marathon answered, as it was; readable by the owner only, because of environments."""
    if not source.is_running:
        raise click.UsageError("--save needs the URL of a running Marathon")
    try:
        path.touch(mode=0o600, exist_ok=False)
        with path.open("w", encoding="utf-8") as file:
            json.dump(source.document, file, indent=1)
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from error
    say_aside(f"What Marathon has is saved in {path}")


def _target(client: Client) -> Target:
    """What the scheduler has, and the settings by which it judges."""
    try:
        settings = client.get("/config")
    except ClientError:
        settings = client.info().get("marathon_config")
    present = merged([read_document(client.get_group(query=_STRUCTURE))])
    found, tag = client.list_apps_to_change()
    apps = {str(app.get("id")): app for app in found}
    options = options_of(settings if isinstance(settings, dict) else {})
    return Target(apps, present.groups, options, linear_full_match, tag)


_STRUCTURE = {"embed": ["group.groups"]}


def _plan(source: Source, target: Target, choice: Choice) -> Plan:
    found = _chosen(source.found, choice.only)
    if choice.renaming:
        if clashes := renaming_clashes(found, choice.renaming):
            raise click.UsageError(f"renamed, {_named(clashes)} would have the id of another app")
        found = renamed(found, choice.renaming)
    role = choice.marathon_role or source.marathon_role or _DEFAULT_ROLE
    return compare(found, target, suspended=choice.suspended, marathon_role=role)


def _chosen(found: Found, only: Sequence[str]) -> Found:
    parts = [below(found, prefix) for prefix in only]
    for prefix, part in zip(only, parts, strict=True):
        if not (part.apps or part.groups or part.pods):
            raise click.UsageError(f"there is nothing at or below {prefix}")
    return merged(parts) if only else found


def _running_twice(source: Source, plan: Plan) -> list[Planned]:
    """Apps that would start here while their tasks run in Marathon."""
    if not source.is_running:
        return []
    started_here = [one for one in plan.apps if one.starts_tasks and one.running]
    for one in started_here[:_MAX_NAMED]:
        say_aside(f"Warning: {one.running} tasks of {one.id} run in Marathon")
    return started_here


def _refuse(plan: Plan, twice: Sequence[Planned], choice: Choice) -> None:
    """Failure for what should not be done unasked."""
    if twice and not choice.run_twice:
        raise Failure(
            f"{len(twice)} apps still run in Marathon ({_named([one.id for one in twice])}) and "
            "would run twice.\nGive --suspended to create them without instances, stop them in "
            "Marathon first, or give --run-twice if they may."
        )
    impossible = plan.of(Action.IMPOSSIBLE)
    if impossible and not choice.partly:
        raise Failure(
            f"{len(impossible)} apps can not be taken over; nothing is changed.\n"
            "Give --partly to take over the others."
        )


def _named(ids: Sequence[str]) -> str:
    more = len(ids) - _MAX_NAMED
    return " ".join(ids[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _ask(yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("nothing is changed: give --yes if this is what is wanted")
    click.confirm("Do that?", abort=True, err=True)


def _carry_out(
    client: Client, plan: Plan, tag: str, force: bool, follow: Follow, as_json: bool
) -> None:
    """The groups' own settings first, which start nothing; then all apps at once."""
    for path, change in plan.groups.items():
        client.update_group(path, change, force=force)
    answer: JsonObject = {}
    if plan.definitions:
        answer = _put(client, plan, tag, force=force, dry_run=False)
    if as_json:
        print_json(plan_as_json(plan) | answer)
    begun = read(answer, Started)
    app_ids = tuple(str(body["id"]) for body in plan.definitions)
    followed = Change(begun.deployment_id, begun.version, app_ids)
    text = f"{len(app_ids)} apps are taken over" if app_ids else "The groups are taken over."
    say_started(client, followed, text, follow, as_json)


def _put(client: Client, plan: Plan, tag: str, *, force: bool, dry_run: bool) -> JsonObject:
    """All apps in one request; a refusal names the app, not its place in the request."""
    definitions = plan.definitions
    try:
        return client.put_apps(definitions, tag=tag, force=force, dry_run=dry_run)
    except InvalidError as error:
        details = [(_with_id(path, definitions), why) for path, why in error.details]
        raise InvalidError(error.status, error.message, details) from error
    except RefusedError as error:
        if error.status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            raise
        text = f"{error.message}\nTake them over in parts: --only /GROUP"
        raise RefusedError(error.status, text) from error


def _with_id(path: str, definitions: Sequence[JsonObject]) -> str:
    """``/(3)/cmd`` as ``/shop/web: /cmd``."""
    index, closed, rest = path.removeprefix("/(").partition(")")
    if closed and index.isdecimal() and int(index) < len(definitions):
        return f"{definitions[int(index)]['id']}: {rest or '/'}"
    return path
