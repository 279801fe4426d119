"""`stayer haproxy watch`: the bridge as a daemon."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
from msgspec.structs import replace

from cli.haproxy import shown
from cli.haproxy.node_options import Bridge, with_bridge
from cli.output import say_aside
from haproxy_bridge.exits import Exit
from haproxy_bridge.rendered import Problem
from haproxy_bridge.run.bell import Bell, Note
from haproxy_bridge.run.daemon import Daemon, DaemonOptions
from haproxy_bridge.run.outcome import SETTLED, Outcome
from haproxy_bridge.run.pace import PaceOptions
from haproxy_bridge.run.supervisor import HaproxyOptions
from haproxy_bridge.swap.check import CheckError
from haproxy_bridge.swap.lock import LockedError

_SIGNALS = {
    signal.SIGTERM: Note.STOP,
    signal.SIGINT: Note.STOP,
    signal.SIGHUP: Note.ALL,
    signal.SIGUSR1: Note.ALL,
}
_seconds = click.FloatRange(min=0)


def _options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--run", "own", is_flag=True, help="Start haproxy, too, and keep it running until the end."
    ),
    click.option(
        "--poll-interval",
        type=click.FloatRange(min=0.1),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="How often everything is looked at, whatever the events say.",
    ),
    click.option(
        "--min-reload-interval",
        type=_seconds,
        default=2.0,
        show_default=True,
        metavar="SECONDS",
        help="Between two reloads; what changes only servers does not wait.",
    ),
    click.option("--no-events", is_flag=True, help="Do not listen to the event stream."),
    click.option(
        "--stop-timeout",
        type=_seconds,
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help="With --run: how long haproxy may finish connections at the end.",
    ),
    click.option("--force", is_flag=True, help="Believe the first answer, whatever it takes away."),
)


@click.command()
@_options
@with_bridge
def watch(
    bridge: Bridge,
    own: bool,
    poll_interval: float,
    min_reload_interval: float,
    no_events: bool,
    stop_timeout: float,
    force: bool,
) -> None:
    """Keep haproxy as the scheduler at URL says, change by change, until SIGTERM or Ctrl-C.

    It listens to the event stream and looks now and then. Servers come and go without a reload.
    SIGHUP: look at everything now, also into the files that options name. Whatever fails, haproxy
    serves on as it was.
    """
    if own and not bridge.node.load.master_socket:
        master = str(Path(bridge.node.state).with_name("haproxy-master.sock"))
        load = replace(bridge.node.load, master_socket=master)
        bridge = bridge._replace(node=replace(bridge.node, load=load))
    options = DaemonOptions(
        pace=PaceOptions(poll_seconds=poll_interval, min_reload_seconds=min_reload_interval),
        haproxy=_haproxy(bridge, stop_timeout) if own else None,
        metrics_bind=bridge.pages,
        metrics_access=bridge.access,
        edge=bridge.edge,
        events=not no_events,
        force=force,
    )
    daemon = Daemon(
        bridge.client,
        bridge.reader,
        bridge.node,
        options,
        _Teller(),
        say_aside,
        bridge.others,
        bridge.reread,
    )
    try:
        with _signals(daemon.bell):
            daemon.run()
    except LockedError as error:
        say_aside(str(error))
        sys.exit(Exit.LOCKED)
    except (CheckError, OSError) as error:
        say_aside(str(error))
        sys.exit(Exit.INTERNAL)


def _haproxy(bridge: Bridge, stop_seconds: float) -> HaproxyOptions:
    return HaproxyOptions(
        program=bridge.node.haproxy,
        config=bridge.node.config,
        master_socket=bridge.node.load.master_socket,
        stop_seconds=stop_seconds,
    )


@contextmanager
def _signals(bell: Bell) -> Iterator[None]:
    def ring(number: int, _: FrameType | None) -> None:
        bell.ring(_SIGNALS[signal.Signals(number)])

    before = {number: signal.signal(number, ring) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Teller:
    """Says what is new: each change, and each trouble once."""

    def __init__(self) -> None:
        self._trouble = ""
        self._known: tuple[Problem, ...] = ()
        self._kept: dict[str, str] = {}

    def __call__(self, outcome: Outcome) -> None:
        settled = outcome.exit in SETTLED
        trouble = "" if settled else f"{outcome.exit.name}: {outcome.why}"
        if settled and self._trouble:
            say_aside("All is well again.")
        if settled or trouble != self._trouble:
            shown.tell(outcome, known=self._known, kept=self._kept)
        sys.stdout.flush()  # whoever reads it through a pipe wants it now
        self._trouble = trouble
        if settled:
            self._known = outcome.problems
            self._said_again(outcome)

    def _said_again(self, outcome: Outcome) -> None:
        for name in self._kept.keys() - outcome.kept.keys():
            say_aside(f"Cluster {name} is followed again.")
        self._kept = outcome.kept
