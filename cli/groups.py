"""`stayer group`: the tree that apps live in: look at it, and change several apps as one."""

import math
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import click

from api.client import Client, How
from cli.answers import App, Group, read
from cli.changes import Follow, change_options, started, strict_option
from cli.connection import force_option, group_id, json_option, with_client
from cli.definitions import read_definition
from cli.output import Column, print_json, print_pairs, print_table, say

_COLUMNS = (
    Column("GROUP"),
    Column("APPS", right=True),
    Column("RUNNING", right=True),
    Column("DEPENDS ON"),
    Column("VERSION"),
)
_APP_COLUMNS = (
    Column("APP"),
    Column("RUNNING", right=True),
    Column("DEPENDS ON"),
    Column("DEPLOYMENT"),
    Column("VERSION"),
)
_COUNTED = {
    "embed": [
        "group.groups",
        "group.apps",
        "group.apps.counts",
        "group.apps.deployments",
    ]
}
_MAX_FACTOR = 1_000_000.0

_id_argument = click.argument("path", metavar="ID", type=group_id)


@click.group()
def group() -> None:
    """Groups of apps: list, show, apply, scale, roll back, remove."""


@group.command("list")
@json_option
@with_client
def list_groups(client: Client, as_json: bool) -> None:
    """List the groups, each with what is in and below it."""
    answer = client.get_group(query=_COUNTED)
    if as_json:
        print_json(answer)
        return
    print_table(_COLUMNS, [_row(found) for found in _tree(read(answer, Group))])


@group.command()
@_id_argument
@json_option
@with_client
def show(client: Client, path: str, as_json: bool) -> None:
    """Show one group and the apps in and below it."""
    answer = client.get_group(path, query=_COUNTED)
    if as_json:
        print_json(answer)
        return
    found = read(answer, Group)
    print_pairs(
        [
            ("Group", found.id),
            ("Version", found.version),
            ("Depends on", "\n".join(found.dependencies)),
            ("Groups", "\n".join(inner.id for inner in found.groups)),
        ]
    )
    if apps := _apps(found):
        say("")
        print_table(_APP_COLUMNS, [_app_row(app) for app in apps])


@group.command()
@click.argument("file", type=click.File("rb"))
@force_option
@strict_option
@change_options
@json_option
@with_client
def apply(
    client: Client, file: BinaryIO, force: bool, strict: bool, follow: Follow, as_json: bool
) -> None:
    """Create the group in FILE (JSON; - reads standard input), or make it as the file says.

    Apps and groups that the file leaves out of a list are removed.
    """
    definition = read_definition(file)
    named = definition.get("id", "/")
    if not isinstance(named, str):
        raise click.UsageError("the id of a group must be a text")
    path = group_id(named)
    how = How(force=force, dry_run=follow.dry_run, strict=strict)
    answer = client.update_group(path, definition, **how)
    started(client, answer, f"{path} is applied", follow, as_json)


@group.command()
@_id_argument
@click.argument("factor", metavar="FACTOR", type=click.FloatRange(0, _MAX_FACTOR))
@force_option
@change_options
@json_option
@with_client
def scale(
    client: Client,
    path: str,
    factor: float,
    force: bool,
    follow: Follow,
    as_json: bool,
) -> None:
    """Multiply the instances of every app in and below a group, rounded up."""
    if math.isnan(factor):
        raise click.UsageError("FACTOR must be a number")
    answer = client.update_group(path, {"scaleBy": factor}, force=force, dry_run=follow.dry_run)
    started(client, answer, f"{path} is scaled by {factor:g}", follow, as_json)


@group.command()
@_id_argument
@click.option("--all", "everything", is_flag=True, help="Needed for /, which is everything.")
@force_option
@change_options
@json_option
@with_client
def remove(
    client: Client, path: str, everything: bool, force: bool, follow: Follow, as_json: bool
) -> None:
    """Remove a group and every app in and below it; their tasks are killed."""
    if path == "/" and not everything:
        raise click.UsageError("/ is every app there is; if that is meant, add --all")
    answer = client.delete_group(path, force=force, dry_run=follow.dry_run)
    started(client, answer, f"{path} is removed", follow, as_json)


@group.command()
@_id_argument
@json_option
@with_client
def versions(client: Client, path: str, as_json: bool) -> None:
    """List the versions that a group can be rolled back to, the newest first."""
    found = client.group_versions(path)
    if as_json:
        print_json(found)
        return
    for version in found:
        say(version)


@group.command()
@_id_argument
@click.argument("version", metavar="VERSION")
@force_option
@change_options
@json_option
@with_client
def rollback(
    client: Client,
    path: str,
    version: str,
    force: bool,
    follow: Follow,
    as_json: bool,
) -> None:
    """Make a group and all below it as they were in an earlier version."""
    answer = client.update_group(path, {"version": version}, force=force, dry_run=follow.dry_run)
    started(client, answer, f"{path} is rolled back to {version}", follow, as_json)


def _tree(root: Group) -> Iterator[Group]:
    """The group and those below it, parents first. (Answers are not nested deeply: ids are
    short.)"""
    yield root
    for inner in sorted(root.groups, key=lambda found: found.id):
        yield from _tree(inner)


def _apps(root: Group) -> list[App]:
    """The apps in and below a group."""
    return sorted((app for found in _tree(root) for app in found.apps), key=lambda app: app.id)


def _row(found: Group) -> Sequence[object]:
    apps = _apps(found)
    return (
        found.id,
        len(apps),
        f"{sum(app.tasks_running for app in apps)}/{sum(app.instances for app in apps)}",
        " ".join(found.dependencies) or "-",
        found.version,
    )


def _app_row(found: App) -> Sequence[object]:
    return (
        found.id,
        f"{found.tasks_running}/{found.instances}",
        " ".join(found.dependencies) or "-",
        " ".join(one.id for one in found.deployments) or "-",
        found.version,
    )
