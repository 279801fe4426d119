"""`stayer mesos ...`: a Mesos for this machine, for anyone who develops or tries a framework.

`up` runs a whole cluster in the foreground; `master` and `agent` run one genuine node each, so
that several machines can form a cluster. Whatever they start ends with them.
"""

import errno
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from types import FrameType
from typing import Any, NoReturn, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from localmesos.apache import nodes
from localmesos.apache.cache import mesos_library
from localmesos.apache.child import Child
from localmesos.apache.engine import ApacheEngine
from localmesos.apache.errors import EngineError
from localmesos.apache.flags import Address, domain_json, flag_variables
from localmesos.apache.host import check_host
from localmesos.apache.leftovers import end_tasks, tasks_of
from localmesos.apache.master_client import agent_is_registered, registered_agents
from localmesos.cluster import (
    DEFAULT_ATTRIBUTES,
    DEFAULT_HOSTNAME,
    SAME_PORTS_RESOURCES,
    AgentSpec,
    agent_specs,
)

ShowProgress = Callable[[int, int], None]

_MASTER_PORT, _AGENT_PORT = 5050, 5051
_LOOK_SECONDS = 0.5
_SLEEP_SECONDS = 0.5
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_AGAIN_SECONDS = 0.01


class Engine(Protocol):
    """What the genuine and the simulated Mesos have in common."""

    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """The options of `cluster_options`, as every command that starts a cluster takes them."""

    engine: str
    agents: int
    attributes: str
    resources: str | None
    agent_hostname: str
    region: str | None
    zone: str | None
    mesos_port: int
    state: Path | None
    flags: tuple[str, ...]
    single_process: bool


_CLUSTER_OPTIONS = (
    click.option(
        "--engine",
        type=click.Choice(["apache", "simulated"]),
        default="apache",
        show_default=True,
        help="A genuine Apache Mesos (x86-64 Linux), or a simulated one (anywhere).",
    ),
    click.option("--agents", type=click.IntRange(min=1), default=3, show_default=True),
    click.option(
        "--attributes",
        default=DEFAULT_ATTRIBUTES,
        show_default=True,
        metavar="TEMPLATE",
        help="Attributes of the agents; {i} is the agent's number, from 0.",
    ),
    click.option(
        "--resources",
        metavar="TEMPLATE",
        help="Resources of each agent, as in cpus:4;mem:4096;ports:[31000-31999].",
    ),
    click.option(
        "--agent-hostname", default=DEFAULT_HOSTNAME, show_default=True, metavar="TEMPLATE"
    ),
    click.option("--region", metavar="TEMPLATE", help="Region of the fault domain (with --zone)."),
    click.option("--zone", metavar="TEMPLATE", help="Zone of the fault domain (with --region)."),
    click.option(
        "--mesos-port",
        type=click.IntRange(0, 65535),
        default=_MASTER_PORT,
        show_default=True,
        help="Port of the Mesos master; 0 picks a free one.",
    ),
    click.option(
        "--state",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder that keeps the cluster over restarts; without it nothing is kept.",
    ),
    click.option(
        "--mesos-flag",
        "flags",
        multiple=True,
        metavar="NAME=VALUE",
        help="A flag of Mesos itself, for master and agents (may be given several times). The "
        "simulated one has start_delay, preload and others: python -m localmesos.simulated --help",
    ),
    click.option(
        "--single-process",
        is_flag=True,
        help="Master and agents in one process: for hundreds of agents.",
    ),
)


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of ClusterOptions, under the names of its fields."""
    for option in reversed(_CLUSTER_OPTIONS):
        command = option(command)
    return command


@contextmanager
def running_cluster(options: ClusterOptions, console: Console) -> Iterator[Engine]:
    """A started cluster, stopped in the end, that says on `console` what it does.

    Raises click.ClickException with what to do when it cannot be had.
    """
    with _state_folder(options.state) as state, ExitStack() as running:
        with _download_bar(console) as show_progress, _told_by_click():
            engine = _engine(options, state, console, show_progress)
            running.callback(_stop, engine)
            engine.start()
        yield engine


def _stop(engine: Engine) -> None:
    with _told_by_click():
        engine.stop()


def _engine(
    options: ClusterOptions, state: Path, console: Console, show_progress: ShowProgress
) -> Engine:
    """Raises ValueError for options that make no sense."""
    simulated = options.engine == "simulated"
    specs = agent_specs(
        options.agents,
        attributes=options.attributes,
        # Simulated agents don't share the ports of this host.
        resources=options.resources or (SAME_PORTS_RESOURCES if simulated else None),
        hostname=options.agent_hostname,
        domain_region=options.region,
        domain_zone=options.zone,
    )
    flags = _flags(options.flags)
    if simulated:
        # Imported only when asked for: a genuine cluster needs nothing of it.
        from localmesos.simulated.engine import SimulatedEngine
        from localmesos.simulated.settings import from_flags

        wanted = from_flags(flags)
        return SimulatedEngine(
            specs,
            port=options.mesos_port,
            options=wanted.options,
            at_start=wanted.at_start,
            on_end=console.print,
        )
    return ApacheEngine(
        specs,
        state_dir=state,
        port=options.mesos_port,
        flags=flags,
        single_process=options.single_process,
        supervise=True,
        on_progress=show_progress,
        on_step=lambda text: console.print(f"{text} ..."),
    )


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end the block; while what follows cleans up, they are ignored.
    One that comes where Python lets no exception out (in ``__del__``, or when an import lets go of
    its lock) comes again: it would be lost, and all that follow it ignored."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        for each in _STOP_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    def lost(what: "sys.UnraisableHookArgs") -> None:
        if not issubclass(what.exc_type, KeyboardInterrupt):
            hook(what)
            return
        for each in _STOP_SIGNALS:
            signal.signal(each, interrupt)
        Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGTERM)).start()

    hook, sys.unraisablehook = sys.unraisablehook, lost
    before = {number: signal.signal(number, interrupt) for number in _STOP_SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


@contextmanager
def ready_file(path: Path | None, content: Mapping[str, object]) -> Iterator[None]:
    """While the block runs, `path` holds one JSON object; it appears whole or not at all."""
    if path is None:
        yield
        return
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.write_text(json.dumps(content) + "\n")
    fresh.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


@click.group()
def mesos() -> None:
    """A Mesos for this machine: a whole cluster, or single nodes of one."""


@mesos.command()
@cluster_options
@click.option(
    "--ready-file",
    "ready",
    type=click.Path(dir_okay=False, path_type=Path),
    help='Receives {"mesos": URL, "pid": N} when all agents are registered.',
)
def up(ready: Path | None, **options: Any) -> None:
    """Run a whole cluster in the foreground until Ctrl-C."""
    console = Console(stderr=True, soft_wrap=True)
    with stop_on_signals(), running_cluster(ClusterOptions(**options), console) as engine:
        console.print(f"Mesos is ready at {engine.url} (stop it with Ctrl-C)")
        with ready_file(ready, {"mesos": engine.url, "pid": os.getpid()}):
            while True:  # a signal that comes right before a sleep is heard after it
                time.sleep(_SLEEP_SECONDS)


def _node_options(port: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    options = (
        click.option(
            "--ip", help="IPv4 address to listen on, as the other nodes reach it (not 0.0.0.0)."
        ),
        click.option("--port", type=click.IntRange(1, 65535), default=port, show_default=True),
        click.option(
            "--work-dir",
            type=click.Path(file_okay=False, path_type=Path),
            help="What the node keeps.  [default: a folder of the user's for each port]",
        ),
        click.option("--region", help="Region of the fault domain (with --zone)."),
        click.option("--zone", help="Zone of the fault domain (with --region)."),
        click.option("--mesos-flag", "flags", multiple=True, metavar="NAME=VALUE"),
    )

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@mesos.command()
@_node_options(_MASTER_PORT)
def master(
    ip: str | None,
    port: int,
    work_dir: Path | None,
    region: str | None,
    zone: str | None,
    flags: tuple[str, ...],
) -> None:
    """Run one genuine Mesos master in the foreground.

    Agents with a fault domain need a master with one.
    """
    console = Console(stderr=True, soft_wrap=True)
    with stop_on_signals(), _told_by_click():
        library = _library(console)
        folder = work_dir or _kept_folder("master", port)
        address = Address(nodes.resolve(ip or "127.0.0.1"), port)
        domain = domain_json(AgentSpec("", "", "", region, zone))
        child = nodes.master(library, address, folder, flags=_flags(flags), domain=domain)
        _run_node(
            child,
            folder,
            lambda: registered_agents(address) is not None,
            lambda text: console.print(f"The Mesos master at http://{address} {text}"),
        )


@mesos.command()
@click.option("--master", "master_address", required=True, metavar="HOST:PORT")
@_node_options(_AGENT_PORT)
@click.option("--hostname", help="As offers name it.  [default: this machine's]")
@click.option("--attributes", default="", help="As in rack:r1;zone:z0.")
@click.option(
    "--resources", default="", help="As in cpus:4;mem:4096.  [default: what the machine has]"
)
def agent(
    master_address: str,
    ip: str | None,
    port: int,
    work_dir: Path | None,
    region: str | None,
    zone: str | None,
    flags: tuple[str, ...],
    hostname: str | None,
    attributes: str,
    resources: str,
) -> None:
    """Run one genuine Mesos agent in the foreground, with a master that runs already.

    When it is stopped its tasks end too.
    """
    console = Console(stderr=True, soft_wrap=True)
    with stop_on_signals(), _told_by_click():
        library = _library(console)
        its_master = _parse_address(master_address)
        folder = work_dir or _kept_folder("agent", port)
        address = Address(nodes.resolve(ip or _address_towards(its_master)), port)
        spec = AgentSpec(hostname or socket.gethostname(), attributes, resources, region, zone)
        child = nodes.agent(library, address, folder, spec, master=its_master, flags=_flags(flags))
        _run_node(
            child,
            folder,
            lambda: agent_is_registered(address),
            lambda text: console.print(f"The Mesos agent at http://{address} {text}"),
        )


def _run_node(
    child: Child, folder: Path, is_ready: Callable[[], bool], say: Callable[[str], None]
) -> None:
    """Run a node until it is stopped; raises EngineError when it ends by itself."""
    child.start()
    try:
        say(f"boots; its log is {child.log}")
        told = False
        while not child.wait(_LOOK_SECONDS):
            child.bound_log()
            if not told and is_ready():
                told = True
                say("is ready (stop it with Ctrl-C)")
        raise EngineError(f"{child.name} ended; the end of its log:\n{child.log_tail()}")
    finally:
        pid = child.running_pid
        tasks = tasks_of(folder, [] if pid is None else [pid])
        child.end()
        end_tasks(folder, tasks, grace_seconds=1.0)


def _library(console: Console) -> Path:
    check_host()
    with _download_bar(console) as show_progress:
        return mesos_library(on_progress=show_progress)


def _parse_address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(f"{text!r} is no HOST:PORT")
    return Address(nodes.resolve(host), int(port))


def _address_towards(other: Address) -> str:
    """The address of this machine that a connection to the other one would come from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((other.host, other.port))  # sends nothing
        return str(probe.getsockname()[0])


def _kept_folder(role: str, port: int) -> Path:
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "stayer" / f"mesos-{role}-{port}"


def _flags(texts: Sequence[str]) -> dict[str, str]:
    flags = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--mesos-flag {text!r} is not NAME=VALUE")
        flags[name] = value
    flag_variables(flags)
    return flags


@contextmanager
def _state_folder(chosen: Path | None) -> Iterator[Path]:
    if chosen is not None:
        yield chosen.absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="stayer-mesos-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _told_by_click() -> Iterator[None]:
    """Failures that a person can do something about, as messages without a traceback."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except (EngineError, OSError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            text = f"{error.strerror}\nChoose another port with --mesos-port, or 0 for a free one."
        raise click.ClickException(text) from error


@contextmanager
def _download_bar(console: Console) -> Iterator[ShowProgress]:
    """Shows the one-time download, if there is one: a bar on a terminal, a line elsewhere."""
    with Progress(
        TextColumn("Apache Mesos"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:

        def show(done: int, total: int) -> None:
            if not bar.task_ids:
                console.print("Downloading Apache Mesos 1.11.0 (only this once) ...")
                bar.add_task("download", total=total)
            bar.update(bar.task_ids[0], completed=done)

        yield show
