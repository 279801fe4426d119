"""`haproxy_marathon_bridge`: the names, sub-commands and paths of the bridge of 2014.

What it prints is as it was. What it installs is not: the system's configuration is made by a run
of the present bridge, which checks it, swaps it atomically and never takes all apps away.
"""

import os
import pwd
import sys
import syslog
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace

from api.client import Client, ClientError
from cli.connection import credentials_from
from cli.haproxy import installing, reminding
from cli.haproxy.clusters import with_scheme
from cli.haproxy.usage import EdgeGroup
from cli.output import say_aside, visible
from haproxy_bridge import legacy
from haproxy_bridge.exits import Exit
from haproxy_bridge.install import texts
from haproxy_bridge.install.plan import Command, Plan, under
from haproxy_bridge.render import RenderOptions
from haproxy_bridge.rendered import Problem
from haproxy_bridge.run import state_file
from haproxy_bridge.run.node import Node
from haproxy_bridge.run.options import DEFAULT_CONFIG, NodeOptions
from haproxy_bridge.run.outcome import Outcome
from haproxy_bridge.services import ServiceOptions
from haproxy_bridge.snapshot import Snapshot
from haproxy_bridge.source import Kind, Reader, SourceOptions, Unchanged
from haproxy_bridge.swap.load import LoadOptions

_TAG = "haproxy-marathon-bridge"
_STATE = "/var/lib/haproxy-marathon-bridge/state.json"
_ADMIN_SOCKET = "/run/haproxy/admin.sock"
_TIMEOUT_SECONDS = 10.0


class _Legacy(EdgeGroup):
    """Where no sub-command is named, the words are the places of Marathons."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with `config` for whatever is none."""
        if args and args[0] not in self.commands:
            return "config", self.commands["config"], args
        return super().resolve_command(ctx, args)


_places = click.argument("places", nargs=-1, required=True, metavar="HOST:PORT...")


@click.group(
    cls=_Legacy,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] HOST:PORT...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/"),
    envvar="HAPROXY_MARATHON_BRIDGE_ROOT",
    metavar="DIR",
    help="Work on a node whose files are in this folder: an image, or a trial.",
)
@click.pass_context
def main(ctx: click.Context, root: Path) -> None:
    """Print haproxy's configuration for the apps that Marathon or Stayer at HOST:PORT runs.

    The first of several that answers is believed. STAYER_CREDENTIALS_FILE, STAYER_TOKEN_FILE and
    STAYER_CA_FILE name files, as for `stayer`. `stayer haproxy` can do more.
    """
    ctx.obj = root
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(Exit.INTERNAL)


@main.command()
@_places
def config(places: tuple[str, ...]) -> None:
    """Print the whole configuration (the same as without a command)."""
    found = legacy.apps(_snapshot(places))
    sys.stdout.write(legacy.header() + found)
    if not found:
        say_aside("No app has a service port: this configuration serves none.")


@main.command()
def header() -> None:
    """Print what stands before the apps."""
    sys.stdout.write(legacy.header())


@main.command()
@_places
def apps(places: tuple[str, ...]) -> None:
    """Print the apps' part of the configuration."""
    sys.stdout.write(legacy.apps(_snapshot(places)))


@main.command("refresh_system_haproxy")
@_places
@click.pass_obj
def refresh(root: Path, places: tuple[str, ...]) -> None:
    """Bring the system's haproxy to what runs now, if that changed.

    An answer without any app changes nothing.
    """
    options = _node(root)
    known = _known_problems(Path(options.state))
    with _client(places) as client:
        reader = Reader(client, SourceOptions(kind=Kind.TEXT))
        outcome = _refreshed(reader, options)
    reminding.tell(outcome, known, Path(options.state))
    sys.exit(outcome.exit)


def _known_problems(state: Path) -> tuple[Problem, ...]:
    try:
        return state_file.load(state)[0].problems
    except OSError:
        return ()


def _refreshed(reader: Reader, options: NodeOptions) -> Outcome:
    try:
        Path(options.state).parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        seen = reader.read()
        if isinstance(seen, Snapshot) and not any(app.tasks for app in seen.apps):
            return Outcome(exit=Exit.HELD, why=f"{seen.source} lists no app at all")
        return Node(reader, options).run()
    except ClientError as error:
        return Outcome(exit=Exit.UNREACHABLE, why=str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return Outcome(exit=Exit.INTERNAL, why=f"{where}{error.strerror or error}")


@main.command("install_haproxy_system")
@_places
@click.option("--program", hidden=True, default="")
@click.pass_obj
def install_system(root: Path, places: tuple[str, ...], program: str) -> None:
    """Install haproxy if it is missing, and then do as install_cronjob."""
    _install(root, places, program, installing.packages(root))


@main.command("install_cronjob")
@_places
@click.option("--program", hidden=True, default="")
@click.pass_obj
def install_cronjob(root: Path, places: tuple[str, ...], program: str) -> None:
    """Have cron refresh the system's haproxy each minute; its configuration stays as it is until
    the first run has made a good one."""
    _install(root, places, program, ())


def _install(
    root: Path, places: Sequence[str], program: str, packages: tuple[Command, ...]
) -> None:
    _alone(root)
    try:
        with _client(places):
            files = texts.legacy(places, program or str(Path(sys.argv[0]).absolute()))
    except texts.BadProgramError as error:
        raise click.UsageError(visible(str(error))) from error
    installing.ask_and_do(Plan(first=packages, files=files), root, yes=True)


def _alone(root: Path) -> None:
    """Two of them would undo each other's configuration each minute."""
    other = next((name for name in (texts.CRON, texts.UNIT) if under(root, name).is_file()), "")
    if other:
        raise click.UsageError(
            f"{other}: `stayer haproxy install` set this node up, and both would write haproxy's "
            "configuration; first: stayer haproxy uninstall"
        )


@main.command()
def cronjob() -> None:
    """Print the line for cron."""
    sys.stdout.write(texts.legacy_cronjob())


@main.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []},
)
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="COMMAND...")
@click.pass_context
def logged(ctx: click.Context, words: tuple[str, ...]) -> None:
    """Run a command of these, and give what it says to syslog."""
    parent = ctx.find_root()
    run = partial(main.main, ["--root", str(parent.obj), *words], parent.info_name)
    ctx.exit(to_log(run, _to_syslog))


def to_log(run: Callable[..., Any], log: Callable[[int, str], None]) -> int:
    """Its exit code; each line of its output is logged as info, of its complaints as notice."""
    out, complaints = StringIO(), StringIO()
    code: Any = 0
    with redirect_stdout(out), redirect_stderr(complaints):
        try:
            run()
        except SystemExit as end:
            code = end.code
    for priority, said in ((syslog.LOG_INFO, out), (syslog.LOG_NOTICE, complaints)):
        for line in said.getvalue().splitlines():
            log(priority, line)
    return code if isinstance(code, int) else int(code is not None)


def _to_syslog(priority: int, line: str) -> None:
    syslog.openlog(_TAG, syslog.LOG_PID, syslog.LOG_USER)
    syslog.syslog(priority, line)


def _snapshot(places: Sequence[str]) -> Snapshot:
    try:
        with _client(places) as client:
            seen = Reader(client, SourceOptions(kind=Kind.TEXT)).read()
    except ClientError as error:
        say_aside(str(error))
        sys.exit(Exit.UNREACHABLE)
    assert not isinstance(seen, Unchanged), "asked without a tag"
    return seen


@contextmanager
def _client(places: Sequence[str]) -> Iterator[Client]:
    """A client of the named places. click.UsageError for one that is none."""
    names = ("STAYER_CREDENTIALS_FILE", "STAYER_TOKEN_FILE")
    credentials, token = (Path(path) if (path := os.environ.get(name)) else None for name in names)
    try:
        client = Client(
            [with_scheme(place) for place in places],
            timeout_seconds=_TIMEOUT_SECONDS,
            credentials=credentials_from(credentials, token),
            ca_file=os.environ.get("STAYER_CA_FILE") or None,
        )
    except (ValueError, OSError) as error:
        raise click.UsageError(visible(str(error))) from error
    with closing(client):
        yield client


def _node(root: Path) -> NodeOptions:
    """The system's haproxy, as Debian has it: an app is served at its service port, no more."""
    user = "haproxy" if _is_user("haproxy") else ""
    stats = f"127.0.0.1:{legacy.STATS_PORT}"
    return NodeOptions(
        config=str(under(root, DEFAULT_CONFIG)),
        state=str(under(root, _STATE)),
        seed=os.uname().nodename,
        services=ServiceOptions(groups=("*",), reserved_ports=frozenset({legacy.STATS_PORT})),
        render=RenderOptions(
            http_bind="",
            https_bind="",
            appid_bind="",
            stats_bind=stats,
            socket=str(under(root, _ADMIN_SOCKET)),
            user=user,
            group=user,
            log="/dev/log local0",
        ),
        load=_load(root, f"http://{stats}/_haproxy_health_check"),
    )


def _load(root: Path, probe_url: str) -> LoadOptions:
    master = under(root, texts.MASTER_SOCKET)
    if master.is_socket():
        return LoadOptions(master_socket=str(master), probe_url=probe_url)
    if root != Path("/"):
        return LoadOptions()  # nothing runs there
    found = LoadOptions(command="/etc/init.d/haproxy reload", probe_url=probe_url)
    if Path("/run/systemd/system").is_dir():
        found = replace(found, command="systemctl reload haproxy")
    return found


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
