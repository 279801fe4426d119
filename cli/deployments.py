"""`stayer deployment`: changes under way: to look at, to hold, to go on with, to take back."""

from collections.abc import Sequence

import click

from api.client import Client
from cli.answers import Deployment, Started, read, read_all
from cli.changes import Follow, change_options, follow_to_the_end, planned, started
from cli.completion import deployment_ids
from cli.connection import Failure, json_option, with_client
from cli.following import Change, look
from cli.output import Column, print_json, print_pairs, print_table, say
from cli.progress import PROGRESS_COLUMNS, describe_pause, describe_step, progress_rows

_COLUMNS = (Column("DEPLOYMENT"), Column("APPS"), Column("STANDS AT"), Column("VERSION"))
_STEP_COLUMNS = (Column("STEP", right=True), Column("ACTION"), Column("APP"), Column(""))
_MAX_APPS_NAMED = 5

_id_argument = click.argument("deployment_id", metavar="ID", shell_complete=deployment_ids)


@click.group()
def deployment() -> None:
    """Deployments: list, show, watch, pause, promote, resume, revert, cancel."""


@deployment.command("list")
@json_option
@with_client
def list_deployments(client: Client, as_json: bool) -> None:
    """List the changes under way and where each stands."""
    answer = client.list_deployments()
    if as_json:
        print_json(answer)
        return
    rows = [
        (found.id, _named(found.app_ids), _stands_at(found), found.version)
        for found in read_all(answer, Deployment)
    ]
    if rows:
        print_table(_COLUMNS, rows)
    else:
        say("No deployment is under way.")


@deployment.command()
@_id_argument
@json_option
@with_client
def show(client: Client, deployment_id: str, as_json: bool) -> None:
    """Show one change under way: its steps, and what serves so far."""
    if as_json:
        answers = client.list_deployments()
        found = next((one for one in answers if one.get("id") == deployment_id), None)
        if found is None:
            raise _not_under_way(deployment_id)
        print_json(found)
        return
    moment = look(client, deployment_id)
    if moment.deployment is None:
        raise _not_under_way(deployment_id)
    print_pairs(_facts(moment.deployment))
    say("")
    print_table(_STEP_COLUMNS, _steps(moment.deployment))
    if rows := progress_rows(moment):
        say("")
        print_table(PROGRESS_COLUMNS, rows)
    if moment.deployment.paused:
        say("\n" + describe_pause(moment.deployment))


@deployment.command()
@_id_argument
@click.option(
    "--timeout",
    "limit_seconds",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="How long to watch; default: to the end.",
)
@with_client
def watch(client: Client, deployment_id: str, limit_seconds: float | None) -> None:
    """Show how a change goes, to its end; exit code 0 when it is done, 1 when it is not."""
    found = _find(client, deployment_id)
    change = Change(found.id, found.version, found.app_ids)
    follow_to_the_end(client, change, Follow(watch=True, limit_seconds=limit_seconds), aside=False)


@deployment.command()
@_id_argument
@json_option
@with_client
def pause(client: Client, deployment_id: str, as_json: bool) -> None:
    """Replace nothing more for now; what runs is kept running."""
    client.pause_deployment(deployment_id)
    resume_it = f"stayer deployment resume {deployment_id}"
    _done(deployment_id, f"{deployment_id} is paused. Go on: {resume_it}", as_json)


@deployment.command()
@_id_argument
@json_option
@with_client
def resume(client: Client, deployment_id: str, as_json: bool) -> None:
    """Go on after a pause; canaries that wait are promoted."""
    client.resume_deployment(deployment_id)
    _done(deployment_id, f"{deployment_id} goes on", as_json)


@deployment.command()
@_id_argument
@json_option
@with_client
def promote(client: Client, deployment_id: str, as_json: bool) -> None:
    """The canaries are good: replace the other instances too."""
    if not _find(client, deployment_id).canary:
        raise Failure(
            f"{deployment_id} has no canaries that serve and wait.\n"
            f"Look where it stands: stayer deployment show {deployment_id}"
        )
    client.resume_deployment(deployment_id)
    _done(deployment_id, f"{deployment_id} is promoted and goes on", as_json)


@deployment.command()
@_id_argument
@change_options
@json_option
@with_client
def revert(client: Client, deployment_id: str, follow: Follow, as_json: bool) -> None:
    """Take a change back by a new deployment; instances that match already are kept."""
    _take_back(client, deployment_id, follow, as_json)


@deployment.command()
@_id_argument
@click.option("--force", is_flag=True, help="Stop it where it is and take nothing back.")
@change_options
@json_option
@with_client
def cancel(client: Client, deployment_id: str, force: bool, follow: Follow, as_json: bool) -> None:
    """Take a change back as `revert` does, or with --force only stop it where it is."""
    if not force:
        _take_back(client, deployment_id, follow, as_json)
        return
    answer = client.cancel_deployment(deployment_id, force=True, dry_run=follow.dry_run)
    if follow.dry_run:
        planned(answer, as_json)
    elif as_json:
        print_json(answer)
    else:
        say(f"{deployment_id} is stopped where it was")


def _done(deployment_id: str, text: str, as_json: bool) -> None:
    if as_json:
        print_json({"deploymentId": deployment_id})
    else:
        say(text)


def _take_back(client: Client, deployment_id: str, follow: Follow, as_json: bool) -> None:
    answer = client.cancel_deployment(deployment_id, dry_run=follow.dry_run)
    if follow.dry_run:
        planned(answer, as_json)
        return
    if read(answer, Started).deployment_id == deployment_id:
        text = f"{deployment_id} is stopped where it was: nothing is known of what was before"
    else:
        text = f"{deployment_id} is being taken back"
    started(client, answer, text, follow, as_json)


def _find(client: Client, deployment_id: str) -> Deployment:
    for found in read_all(client.list_deployments(), Deployment):
        if found.id == deployment_id:
            return found
    raise _not_under_way(deployment_id)


def _not_under_way(deployment_id: str) -> Failure:
    return Failure(
        f"No deployment {deployment_id} is under way: it is over, or never was.\n"
        "Those that are: stayer deployment list"
    )


def _named(app_ids: Sequence[str]) -> str:
    more = len(app_ids) - _MAX_APPS_NAMED
    return " ".join(app_ids[:_MAX_APPS_NAMED]) + (f" and {more} more" if more > 0 else "")


def _stands_at(found: Deployment) -> str:
    words = [describe_step(found)]
    if found.paused:
        words.append("its canaries wait" if found.canary else "paused")
    if found.reverts:
        words.append(f"takes back {found.reverts}")
    return "; ".join(words)


def _facts(found: Deployment) -> list[tuple[str, object]]:
    return [
        ("Deployment", found.id),
        ("Version", found.version),
        ("Stands at", _stands_at(found)),
        ("Started", found.started_at),
        ("Progress", found.progress_at if found.deadline_at else ""),
        ("Taken back", f"at {found.deadline_at} without progress" if found.deadline_at else ""),
        ("Warnings", "\n".join(found.warnings)),
    ]


def _steps(found: Deployment) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = []
    for number, step in enumerate(found.steps, start=1):
        state = "done" if number < found.current_step else ""
        state = "under way" if number == found.current_step else state
        rows += [(number, one.action, one.app or one.pod, state) for one in step.actions]
    return rows
