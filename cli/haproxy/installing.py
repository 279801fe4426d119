"""`stayer haproxy install`: sets an edge node up, and shows first what it will do."""

import shutil
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from cli.haproxy.node_options import Bridge, with_bridge
from cli.output import say, visible
from haproxy_bridge.exits import Exit
from haproxy_bridge.install import texts
from haproxy_bridge.install.plan import (
    Command,
    InstallError,
    Plan,
    carry_out,
    described,
    pending,
    under,
)

_OF_DEBIAN = {
    "haproxy_user": "--haproxy-user=haproxy",
    "haproxy_group": "--haproxy-group=haproxy",
    "master_socket": f"--master-socket={texts.MASTER_SOCKET}",
}
"""What Debian's haproxy wants, where nothing else is said."""
_OWN = frozenset({"how", "root", "program", "yes", "dry_run", "urls"})
_CONFIG_NOTE = (
    "haproxy's configuration is replaced by the first good run, and the present one is kept "
    "beside it with .1 at its end"
)


_yes = click.option("--yes", is_flag=True, help="Do it without asking.")
_dry_run = click.option("--dry-run", is_flag=True, help="Only show what would be done.")
_root = click.option(
    "--root",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("/"),
    metavar="DIR",
    help="Only change the files of a node that is in this folder: an image, or a trial.",
)


@click.command()
@click.option("--systemd", "how", flag_value="systemd", help="As a daemon (`watch`).")
@click.option("--cron", "how", flag_value="cron", help="Each minute (`once`).")
@_yes
@_dry_run
@_root
@click.option(
    "--program",
    default="",
    metavar="PATH",
    help="What is started. [default: the program that this is]",
)
@with_bridge
def install(
    bridge: Bridge, how: str | None, yes: bool, dry_run: bool, root: Path, program: str
) -> None:
    """Set this node up to follow the scheduler at URL, with all the other options given.

    It shows what it will do, and asks. Done already, it does nothing.
    """
    if how is None:
        raise click.UsageError("say --systemd or --cron")
    try:
        plan = _plan(how, bridge, root, _program(program))
    except texts.BadProgramError as error:
        raise click.UsageError(visible(str(error))) from error
    ask_and_do(plan, root, yes=yes, dry_run=dry_run)


@click.command()
@_yes
@_dry_run
@_root
def uninstall(yes: bool, dry_run: bool, root: Path) -> None:
    """Take away what `install` put on this node. haproxy serves on as it is."""
    plan = Plan(
        first=_services_off(root),
        removed=(texts.CRON, texts.UNIT, texts.DROP_IN, texts.ARGUMENTS),
        then=_RELOAD_UNITS,
        notes=("haproxy and its configuration stay as they are",),
    )
    ask_and_do(plan, root, yes=yes, dry_run=dry_run)


def _program(named: str) -> tuple[str, ...]:
    path = Path(named or sys.argv[0]).absolute()
    return (str(path),) if path.name == "stayer-haproxy" else (str(path), "haproxy")


def _plan(how: str, bridge: Bridge, root: Path, program: tuple[str, ...]) -> Plan:
    arguments = texts.arguments(_given(click.get_current_context()))
    if how == "cron":
        return Plan(
            first=(*packages(root), *_services_off(root)),
            files=(arguments, texts.cron(program), texts.drop_in()),
            removed=(texts.UNIT,),
            rivals=(texts.LEGACY_CRON,),
            then=(*_RELOAD_UNITS, *_haproxy(root)),
            notes=_notes(root, bridge.node.config),
        )
    return Plan(
        first=packages(root),
        files=(arguments, texts.unit(program), texts.drop_in()),
        removed=(texts.CRON,),
        rivals=(texts.LEGACY_CRON,),
        then=(
            *_RELOAD_UNITS,
            *_haproxy(root),
            Command(("systemctl", "enable", "stayer-haproxy.service"), "it begins at each boot"),
            Command(("systemctl", "restart", "stayer-haproxy.service"), "and now"),
        ),
        notes=_notes(root, bridge.node.config),
    )


_RELOAD_UNITS = (Command(("systemctl", "daemon-reload"), "systemd reads its units again"),)


def _haproxy(root: Path) -> tuple[Command, ...]:
    restart = Command(("systemctl", "restart", "haproxy.service"), "its master gets a socket")
    enable = Command(("systemctl", "enable", "haproxy.service"), "haproxy begins at each boot")
    return (enable,) if under(root, texts.MASTER_SOCKET).is_socket() else (enable, restart)


def _services_off(root: Path) -> tuple[Command, ...]:
    if not under(root, texts.UNIT).exists():
        return ()
    words = ("systemctl", "disable", "--now", "stayer-haproxy.service")
    return (Command(words, "the daemon ends", needed=True),)


def packages(root: Path) -> tuple[Command, ...]:
    """What installs haproxy, if it is missing on this machine."""
    if root != Path("/") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin"):
        return ()
    words = ("apt-get", "install", "--yes", "--no-install-recommends", "haproxy")
    return (Command(words, "haproxy is missing", needed=True),)


def _notes(root: Path, config: str) -> tuple[str, ...]:
    found = [_CONFIG_NOTE] if Path(config).exists() else []
    defaults = under(root, "/etc/default/haproxy")
    lines = defaults.read_text(errors="replace").splitlines() if defaults.exists() else []
    own = [line for line in lines if line.startswith("EXTRAOPTS=")]
    if own and "-S" not in own[-1].split("=", 1)[1].replace('"', " ").split():
        found.append(f"{defaults} sets EXTRAOPTS without -S {texts.MASTER_SOCKET}: add it there")
    return tuple(found)


def _given(ctx: click.Context) -> list[str]:
    """The options of this command line as they are to be given to a run, and the URLs."""
    words = []
    for param in ctx.command.params:
        name = param.name or ""
        given = ctx.get_parameter_source(name) is not ParameterSource.DEFAULT
        if name in _OWN or not isinstance(param, click.Option):
            continue
        if given:
            words.extend(_words(param, ctx.params[name]))
        elif name in _OF_DEBIAN:
            words.append(_OF_DEBIAN[name])
    return [*words, *ctx.params["urls"]]


def _words(option: click.Option, value: object) -> list[str]:
    name = option.opts[0]
    if option.is_flag:
        return [name] if value else []
    values = value if isinstance(value, tuple) else (value,)
    of_file = isinstance(option.type, click.Path)
    return [f"{name}={Path(one).absolute() if of_file else one}" for one in values]


def ask_and_do(plan: Plan, root: Path, *, yes: bool, dry_run: bool = False) -> None:
    """Show the plan, ask, and carry it out. It ends the process if it must not or can not."""
    try:
        left = pending(plan, root)
        if left.is_empty:
            say("All of it is as it should be.")
            return
        for line in described(left, root):
            say(line)
        if dry_run:
            return
        if not yes:
            _ask()
        carry_out(left, root)
    except (InstallError, OSError) as error:
        raise click.ClickException(visible(str(error))) from error
    say("Done.")


def _ask() -> None:
    if not sys.stdin.isatty():
        raise click.UsageError("nothing is done without --yes where nobody can be asked")
    if not click.confirm("Do this?"):
        sys.exit(Exit.INTERNAL)
