"""The commands of `stayer haproxy`."""

import sys
from pathlib import Path

import click
import msgspec

from cli.haproxy import reminding, shown
from cli.haproxy.installing import install, uninstall
from cli.haproxy.node_options import Bridge, with_bridge
from cli.haproxy.shifting import shift
from cli.haproxy.usage import EdgeGroup
from cli.haproxy.watching import watch
from cli.output import say, say_aside
from haproxy_bridge.exits import MEANING, Exit
from haproxy_bridge.guard import Together
from haproxy_bridge.render import render
from haproxy_bridge.rendered import Problem
from haproxy_bridge.run import metrics, state_file, visit
from haproxy_bridge.run.node import Node, wall_ms
from haproxy_bridge.run.options import DEFAULT_STATE
from haproxy_bridge.run.outcome import Outcome
from haproxy_bridge.services import build
from haproxy_bridge.source import MAIN, Asking, Kind, Source

_EXITS = "\b\nExit codes:\n" + "\n".join(
    f"  {code.value:>2}  {text}" for code, text in MEANING.items()
)

_force = click.option(
    "--force", is_flag=True, help="Believe the answer, whatever it takes away from what serves."
)
_detailed = click.option(
    "--detailed-exitcode", is_flag=True, help="End with 2 if there are changes, else as below."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


@click.group(cls=EdgeGroup, epilog=_EXITS)
@click.version_option(package_name="stayer")
def haproxy() -> None:
    """The haproxy bridge of an edge node: running apps as a tested, hot-swapped configuration.

    @FILE among the arguments stands for the words in that file.
    """


@haproxy.command(epilog=_EXITS)
@with_bridge
def generate(bridge: Bridge) -> None:
    """Print the configuration for what the scheduler at URL says now.

    Nothing is checked, remembered or changed; maps that it refers to are not printed.
    """
    sources = [(MAIN, bridge.reader), *((one.name, one.reader) for one in bridge.others)]
    heard = Asking(sources).heard()
    for one in heard:
        if one.why:
            say_aside(f"cluster {one.name}: {one.why}" if bridge.others else one.why)
    answers = [one.answer for one in heard if one.answer is not None]
    if not answers:
        sys.exit(Exit.UNREACHABLE)
    snapshot = Together(bridge.node.spread).of(answers)
    rendered = render(build(snapshot, bridge.node.services, bridge.node.seed), bridge.node.render)
    sys.stdout.write(rendered.config.decode())
    for problem in rendered.problems:
        say_aside(shown.sentence(problem))
    if any(problem.keeps_out for problem in rendered.problems):
        sys.exit(Exit.PARTIAL)
    if len(answers) < len(heard):
        sys.exit(Exit.CLUSTER)


@haproxy.command(epilog=_EXITS)
@_force
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@_detailed
@_json
@click.option(
    "--textfile",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="Write metrics there, for the textfile collector of node_exporter.",
)
@click.option(
    "--every",
    type=click.FloatRange(min=1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How often this is run: for how long Stayer is to know of this edge.",
)
@with_bridge
def once(
    bridge: Bridge,
    force: bool,
    dry_run: bool,
    detailed_exitcode: bool,
    as_json: bool,
    textfile: Path | None,
    every: float,
) -> None:
    """Bring haproxy to what the scheduler at URL says, if that changed: fetch, judge, render,
    check, then change the running haproxy, or swap the file and reload.

    For cron: it says nothing when nothing changed, and never makes things worse. What fails again
    and again is told when it begins, every ten minutes, and when it is over.
    """
    known = _known_problems(bridge.node.state)
    node = _node(bridge)
    outcome = _run(node, force=force, dry_run=dry_run)
    if not dry_run:
        _visit(bridge, node, every)
    if as_json:
        _print_json(outcome)
    elif dry_run or sys.stderr.isatty():
        shown.tell(outcome, known=() if dry_run else known)
    else:
        reminding.tell(outcome, known, Path(bridge.node.state))
    if textfile is not None and not dry_run:
        _write_metrics(textfile, bridge.node.state)
    sys.exit(_code(outcome, detailed=detailed_exitcode))


@haproxy.command(epilog=_EXITS)
@_force
@_detailed
@with_bridge
def diff(bridge: Bridge, force: bool, detailed_exitcode: bool) -> None:
    """Show what `once` would change: the file as by diff -u, and servers by number."""
    outcome = _run(_node(bridge), force=force, dry_run=True)
    if outcome.exit in {Exit.OK, Exit.PARTIAL}:
        shown.diff(outcome, bridge.node.config)
    shown.tell(outcome)
    sys.exit(_code(outcome, detailed=detailed_exitcode))


@haproxy.command()
@click.option("--state", default=DEFAULT_STATE, show_default=True, metavar="PATH")
@_json
def status(state: str, as_json: bool) -> None:
    """Show what the last run left: times, services, and who is left out and why."""
    try:
        remembered, note = state_file.load(Path(state))
    except OSError as error:
        raise click.ClickException(f"{state}: {error.strerror or error}") from error
    if note:
        say_aside(note)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(remembered)).decode() + "\n")
    else:
        shown.status(remembered)
    if remembered.failure:
        say(f"kept: {remembered.failure}")


def _node(bridge: Bridge) -> Node:
    others = [(one.name, one.reader) for one in bridge.others]
    return Node(bridge.reader, bridge.node, others=others)


def _visit(bridge: Bridge, node: Node, every_seconds: float) -> None:
    """Tell each Stayer that answered of this edge."""
    main = Source(MAIN, bridge.reader, bridge.client)
    for one in (main, *bridge.others):
        if bridge.edge and one.name in node.answers and one.reader.kind is Kind.STAYER:
            visit.tell(one.client, bridge.edge, node, every_seconds, cluster=one.name)


def _run(node: Node, *, force: bool, dry_run: bool) -> Outcome:
    try:
        return node.run(force=force, dry_run=dry_run)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return Outcome(exit=Exit.INTERNAL, why=f"{where}{error.strerror or error}")


def _write_metrics(path: Path, state: str) -> None:
    """Trouble with it is told, and is not the run's."""
    try:
        remembered, _ = state_file.load(Path(state))
        metrics.write_textfile(path, remembered, wall_ms())
    except OSError as error:
        say_aside(f"{path}: {error.strerror or error}")


def _known_problems(state: str) -> tuple[Problem, ...]:
    try:
        remembered, _ = state_file.load(Path(state))
    except OSError:
        return ()
    return remembered.problems


def _print_json(outcome: Outcome) -> None:
    told = msgspec.to_builtins(outcome)
    for name in ("before", "after"):
        del told[name]
    told["exit"] = outcome.exit.name.lower()
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")


def _code(outcome: Outcome, *, detailed: bool) -> int:
    if detailed and outcome.exit is Exit.OK and outcome.changed:
        return Exit.CHANGED
    return outcome.exit


haproxy.add_command(watch)
haproxy.add_command(install)
haproxy.add_command(uninstall)
haproxy.add_command(shift)
