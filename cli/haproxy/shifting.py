"""`stayer haproxy shift`: canary and blue/green by shares of traffic."""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import click
import msgspec

from api import v3_calls
from api.client import Client, JsonObject
from cli.changes import Follow, follow_to_the_end
from cli.completion import deployment_ids
from cli.connection import json_option, with_client
from cli.exits import CommandExit
from cli.following import Change
from cli.output import Column, number, print_json, print_table, say_aside, visible
from haproxy_bridge.shifting import (
    WHOLE,
    Shift,
    ShiftError,
    ShiftOptions,
    SickError,
    Step,
    Traffic,
)
from haproxy_bridge.source import Kind, Reader, SourceOptions
from haproxy_bridge.step_check import BadCommandError, StepCheck
from haproxy_bridge.traffic import OfApps, OfDeployment

_COLUMNS = (
    Column("STEP", right=True),
    Column("APP"),
    Column("SHARE", right=True),
    Column("HEALTHY", right=True),
)


def _percent(text: str) -> float:
    """10 or 10%."""
    try:
        found = float(text.removesuffix("%"))
    except ValueError:
        found = -1.0
    if not 0 <= found <= 100:
        raise click.BadParameter(f"{text} is no share of 0% to 100%")
    return found


_OPTIONS = (
    click.option(
        "--deployment",
        "deployment_id",
        metavar="ID",
        shell_complete=deployment_ids,
        help="Between the old and the new instances of a deployment with canaries.",
    ),
    click.option(
        "--step",
        type=_percent,
        default="10%",
        show_default=True,
        metavar="PERCENT",
        help="At once.",
    ),
    click.option(
        "--to",
        "target",
        type=_percent,
        metavar="PERCENT",
        help="Up to. [default: 100%; of a deployment as much as its new instances are meant to "
        "carry]",
    ),
    click.option(
        "--interval",
        type=click.FloatRange(min=0),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="Between steps, with an eye on the health of what is new.",
    ),
    click.option(
        "--check-command",
        default="",
        metavar="COMMAND",
        help="Run after each step and its --interval, without a shell; unless it ends with 0, the "
        "shares of before are put back. It finds STAYER_STEP, STAYER_OLD, STAYER_NEW, "
        "STAYER_OLD_SHARE and STAYER_NEW_SHARE (percent) in its environment.",
    ),
    click.option(
        "--check-timeout",
        type=click.FloatRange(min=0.1, max=86_400),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How long it may take.",
    ),
    click.option("--undo", is_flag=True, help="Give all traffic back to what is old, at once."),
    click.option(
        "--suspend", is_flag=True, help="Once APP has no traffic, suspend it: its tasks drain."
    ),
    click.option(
        "--promote", is_flag=True, help="With --deployment: let it replace the rest at the end."
    ),
    click.option(
        "--wait",
        is_flag=True,
        help="With --suspend or --promote: until the last old task has drained and ended.",
    ),
)


class _Asked(NamedTuple):
    """What is to be moved, and what comes after."""

    old: str | None
    new: str | None
    deployment_id: str | None
    undo: bool
    suspend: bool
    promote: bool
    wait: bool
    check_command: str
    check_timeout: float

    @property
    def command(self) -> str:
        """How it is called again."""
        what = f"--deployment {self.deployment_id}" if self.deployment_id else ""
        return f"stayer haproxy shift {what or f'{self.old} {self.new}'}"


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(
    epilog="Ends with 0 when it is done, 1 when it was not possible or was taken back, 3 when no "
    "scheduler answered, 130 by Ctrl-C; then and at 3 the shares stay as they are."
)
@click.argument("old", metavar="[APP", required=False)
@click.argument("new", metavar="NEW-APP]", required=False)
@_options
@json_option
@with_client
def shift(
    client: Client,
    /,
    step: float,
    target: float | None,
    interval: float,
    as_json: bool,
    **asked: Any,
) -> None:
    """Move traffic from APP to NEW-APP step by step, as long as NEW-APP stays healthy.

    Both have the same label HAPROXY_DEPLOYMENT_GROUP. Or, with --deployment, from the old to the
    new instances of an app that is updated with canaries (upgradeStrategy.canary). If fewer new
    tasks are healthy than at the beginning, or --check-command fails, the shares of before are put
    back.
    """
    wanted = _Asked(**asked)
    _check(wanted, step, target)
    traffic = _traffic(client, wanted)
    move = Shift(traffic, check=_step_check(wanted, traffic))
    options = ShiftOptions(step=step, target=target, interval_seconds=interval)
    made: list[Step] = []
    try:
        for one in (move.undo(),) if wanted.undo else move.run(options):
            made.append(one)
            if not as_json:
                _show(one, wanted)
    except (ShiftError, SickError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        say_aside(f"The shares stay as they are; `{wanted.command} --undo` takes them back.")
        sys.exit(CommandExit.INTERRUPTED)
    finally:
        if as_json and made:
            print_json({"steps": [msgspec.to_builtins(one) for one in made]})
    _finish(client, wanted, aside=as_json)


def _check(asked: _Asked, step: float, target: float | None) -> None:
    """click.UsageError for what does not fit together."""
    if step == 0:
        raise click.UsageError("--step has to be above 0%")
    if bool(asked.deployment_id) == bool(asked.old) or bool(asked.old) != bool(asked.new):
        raise click.UsageError("say APP and NEW-APP, or --deployment ID")
    if asked.promote and not asked.deployment_id:
        raise click.UsageError("--promote is for --deployment; of an app: --suspend")
    if asked.suspend and (asked.deployment_id or target not in {None, WHOLE}):
        raise click.UsageError("--suspend is for an APP that gives away all of its traffic")
    if asked.undo and asked.check_command:
        raise click.UsageError("--undo gives the traffic back at once: there is nothing to check")
    if asked.undo and (asked.promote or asked.suspend):
        raise click.UsageError("--undo gives the traffic back: nothing is left to end")
    if asked.wait and not (asked.promote or asked.suspend):
        raise click.UsageError("--wait is for --suspend or --promote, which end old tasks")


def _traffic(client: Client, asked: _Asked) -> Traffic:
    if asked.deployment_id:
        return OfDeployment(client, asked.deployment_id, say_aside)
    reader = Reader(client, SourceOptions(kind=Kind.STAYER))
    return OfApps(client, reader, asked.old or "", asked.new or "")


def _step_check(asked: _Asked, traffic: Traffic) -> StepCheck | None:
    if not asked.check_command:
        return None
    try:
        return StepCheck(asked.check_command, asked.check_timeout, traffic.names)
    except BadCommandError as error:
        raise click.UsageError(f"--check-command: {visible(str(error))}") from error


def _finish(client: Client, asked: _Asked, *, aside: bool) -> None:
    """End what is old, or say how."""
    if asked.promote and asked.deployment_id:
        shown = v3_calls.deployment(client, asked.deployment_id)
        client.resume_deployment(asked.deployment_id)
        say_aside(f"{asked.deployment_id} is promoted: old tasks end once they have drained.")
        _wait(client, asked, {**shown, "deploymentId": asked.deployment_id}, aside=aside)
    elif asked.suspend and asked.old:
        started = client.suspend_app(asked.old)
        say_aside(f"{asked.old} is suspended: its tasks end once their connections have.")
        _wait(client, asked, started, aside=aside)
    elif asked.deployment_id:
        way = f"stayer deployment revert {asked.deployment_id}"
        on = f"stayer deployment promote {asked.deployment_id}"
        say_aside(f"The new tasks stay: `{way}` takes them back, `{on}` goes on.")


def _wait(client: Client, asked: _Asked, started: JsonObject, *, aside: bool) -> None:
    if asked.wait:
        version, found = started.get("version", ""), started.get("deploymentId", "")
        change = Change(str(found), str(version), (asked.old,) if asked.old else ())
        follow_to_the_end(client, change, Follow(watch=True), aside=aside)


def _show(step: Step, asked: _Asked) -> None:
    old, new = (asked.old, asked.new) if asked.old else ("old version", "new version")
    rows = (
        (step.number, old, f"{number(step.old_share)}%", step.old_serving),
        ("", new, f"{number(step.new_share)}%", step.new_serving),
    )
    print_table(_COLUMNS, rows)
    sys.stdout.flush()
