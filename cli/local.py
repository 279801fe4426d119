"""`stayer local`: a Mesos for this machine and a scheduler on it, in one command."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from api.client import Client, ConflictError
from cli import logs
from cli.flags import with_flags
from cli.live import live_table
from cli.mesos import (
    ClusterOptions,
    cluster_options,
    ready_file,
    running_cluster,
    stop_on_signals,
)
from cli.serve import open_service, process_options, set_address, start_service
from cli.service import Service
from localmesos.apache.docker_engine import NoDockerError, docker_flags, find_docker

VOLUME_ROLE = "stayer"
_EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "hello.json"


@click.command()
@click.option("--demo", is_flag=True, help="Submit the example app and watch it in a live table.")
@click.option(
    "--docker/--no-docker",
    default=True,
    show_default=True,
    help="Run docker apps on this machine's Docker Engine, if it has one (or DOCKER_HOST says).",
)
@cluster_options
@process_options
@with_flags
def local(
    demo: bool,
    docker: bool,
    http: str | None,
    ready: Path | None,
    level: str,
    log_format: str,
    **values: Any,
) -> None:
    """Boot a Mesos on this machine and run the scheduler on it, in the foreground.

    Ctrl-C stops everything it started, tasks included. With --state DIR apps are kept: started
    again on the same folder, it runs them again.
    """
    logs.set_up("warning" if demo and level == "info" else level, log_format)
    set_address(values, http)
    cluster = ClusterOptions(**{one.name: values.pop(one.name) for one in fields(ClusterOptions)})
    console = Console(stderr=True)
    if docker and cluster.engine == "apache":
        cluster = _with_docker(cluster, console)
    service: Service | None = None
    with stop_on_signals(), running_cluster(cluster, console) as engine:
        values["master"] = engine.url
        values["volume_role"] = values["volume_role"] or VOLUME_ROLE
        with _running(values, cluster.state, console) as service:
            if service.wait_until_ready():
                content = {"http": service.api.url, "mesos": engine.url, "pid": os.getpid()}
                console.print(f"Stayer is ready at {service.api.url}", highlight=False)
                with ready_file(ready, content):
                    _watch(service, engine.url, console, demo=demo)
    sys.exit(0 if service is None else service.exit_code())


def _with_docker(cluster: ClusterOptions, console: Console) -> ClusterOptions:
    """The same cluster with agents that run docker tasks, or at least say why they cannot; flags
    that the user gives win."""
    try:
        engine = find_docker(os.environ)
        line = f"Docker apps run on the Docker Engine {engine.version} at {engine.socket}"
        socket = engine.socket
    except NoDockerError as reason:
        line, socket = f"Docker apps cannot run: {reason}", reason.socket
    console.print(line, highlight=False, soft_wrap=True)
    flags = [f"{name}={value}" for name, value in docker_flags(socket).items()]
    return replace(cluster, flags=(*flags, *cluster.flags))


@contextmanager
def _running(values: dict[str, Any], state: Path | None, console: Console) -> Iterator[Service]:
    """A started scheduler; in the end its tasks are killed, then it stops."""
    store = "memory:" if state is None else f"sqlite:{state.absolute() / 'stayer.db'}"
    service = open_service(values, store)
    try:
        start_service(service)
        console.print("Waiting for Mesos to accept the framework ...")
        yield service
    finally:
        console.print("Stopping: ending all tasks ...")
        service.tear_down()
        service.stop()


def _watch(service: Service, mesos_url: str, console: Console, *, demo: bool) -> None:
    """Stay until Ctrl-C or until the scheduler ends by itself."""
    if not demo:
        console.print(f"Mesos: {mesos_url}  API: {service.api.url}  (stop with Ctrl-C)")
        service.ended.wait()
        return
    client = Client((service.api.url,))
    app = msgspec.json.decode(_EXAMPLE.read_bytes())
    try:
        client.create_app(app)
        console.print(f"Submitted {_EXAMPLE.name}: app {app['id']}")
    except ConflictError:
        console.print(f"App {app['id']} is there already")
    urls = {"API": service.api.url, "Mesos": mesos_url}
    live_table(client, app["id"], service.ended, urls=urls, console=Console())
