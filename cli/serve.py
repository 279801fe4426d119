"""`stayer serve`: the scheduler against a Mesos that exists."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli import logs
from cli.flags import with_flags
from cli.mesos import ready_file, stop_on_signals
from cli.service import Service
from framework.domain.exits import ExitCode
from framework.interfaces import StoreUnusableError

_STORE = "sqlite:stayer-state/stayer.db"


def process_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What `serve` and `local` have in common beside the settings."""
    options = (
        click.option(
            "--http",
            metavar="HOST:PORT",
            help="Where to serve the API; short for --http_address and --http_port.",
        ),
        click.option(
            "--ready-file",
            "ready",
            type=click.Path(dir_okay=False, path_type=Path),
            help='Receives {"http": URL, "mesos": URL, "pid": N} when the API serves and Mesos '
            "has accepted us, or another process leads (mesos is empty then).",
        ),
        click.option(
            "--logging_level",
            "--logging-level",
            "level",
            type=click.Choice(logs.LEVELS, case_sensitive=False),
            default="info",
            show_default=True,
            envvar=["STAYER_LOGGING_LEVEL", "MARATHON_LOGGING_LEVEL"],
        ),
        click.option(
            "--log-format",
            "log_format",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def set_address(values: dict[str, Any], http: str | None) -> None:
    """Let --http stand for the two settings it is short for."""
    if http is None:
        return
    host, _, port = http.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise click.UsageError(f"--http {http!r} is not HOST:PORT, as in 127.0.0.1:8080")
    values["http_address"], values["http_port"] = host.strip("[]"), int(port)


def open_service(values: dict[str, Any], store_url: str) -> Service:
    """The scheduler, not started; ends the command with a clear text when it can not be had."""
    try:
        return Service(values, store_url)
    except StoreUnusableError as error:
        click.ClickException(str(error)).show()
        raise click.exceptions.Exit(error.exit_code) from error
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from error


def start_service(service: Service) -> None:
    """Start it; the same for an address that can not be bound."""
    try:
        service.start()
    except OSError as error:
        raise _BindFailure(
            f"the API can not be served: {error}; choose another address with --http"
        ) from error


class _BindFailure(click.ClickException):
    exit_code = ExitCode.HTTP_BIND


@click.command()
@click.option(
    "--store",
    "store_url",
    envvar="STAYER_STORE",
    metavar="URL",
    help="Where the state of a single process is kept: sqlite:PATH, or memory: to forget it at the "
    f"end.  [default: {_STORE}, unless --zk is given]",
)
@process_options
@with_flags
def serve(
    store_url: str | None,
    http: str | None,
    ready: Path | None,
    level: str,
    log_format: str,
    **values: Any,
) -> None:
    """Run the scheduler against a Mesos that exists, in the foreground.

    With --zk several of them share one state: one leads, the others pass calls on to it and take
    over when it ends.

    Stopping it (Ctrl-C, SIGTERM) leaves all tasks running; it finds them again. Every setting is
    also read from the environment, as STAYER_NAME or MARATHON_NAME.
    """
    logs.set_up(level, log_format)
    set_address(values, http)
    if store_url and values["zk"]:
        raise click.UsageError("--zk and --store exclude each other: the state has one place")
    service = open_service(values, store_url or _STORE)
    with stop_on_signals():
        try:
            start_service(service)
            console = Console(stderr=True)
            console.print(f"Stayer serves its API at {service.api.url}", highlight=False)
            if service.wait_until_ready():
                mesos = f"http://{service.master}" if service.master else ""
                content = {"http": service.api.url, "mesos": mesos, "pid": os.getpid()}
                with ready_file(ready, content):
                    service.ended.wait()
        finally:
            service.stop()
    sys.exit(service.exit_code())
