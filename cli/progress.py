"""Following a deployment to its end, for commands with --wait."""

import time
from collections.abc import Callable
from typing import ParamSpec

import click

from api.client import Client
from cli.answers import Deployment, read_all
from cli.connection import Failure
from cli.output import say_aside

P = ParamSpec("P")

POLL_SECONDS = 0.5
DEFAULT_WAIT_SECONDS = 600.0


def wait_options(command: Callable[P, None]) -> Callable[P, None]:
    """The options of commands that start a deployment."""
    wait = click.option("--wait", is_flag=True, help="Return when the deployment is done.")
    limit = click.option(
        "--wait-timeout",
        type=click.FloatRange(min=0),
        default=DEFAULT_WAIT_SECONDS,
        show_default=True,
        metavar="SECONDS",
        help="How long --wait waits.",
    )
    return wait(limit(command))


def wait_for_deployment(
    client: Client,
    deployment_id: str,
    wait_seconds: float,
    pause: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Return when the deployment is no longer under way; Failure when it takes too long."""
    deadline = clock() + wait_seconds
    last = ""
    while True:
        deployments = read_all(client.list_deployments(), Deployment)
        found = next((d for d in deployments if d.id == deployment_id), None)
        if found is None:
            return
        if clock() >= deadline:
            raise Failure(
                f"Deployment {deployment_id} is not done after {wait_seconds:g} s and goes on.\n"
                "`stayer queue` says what waits for offers and why; `stayer deployment list` "
                "where it stands."
            )
        if (step := describe_step(found)) != last:
            say_aside(f"Waiting for deployment {deployment_id}: {step}")
            last = step
        pause(POLL_SECONDS)


def describe_step(deployment: Deployment) -> str:
    """Where a deployment stands, in a few words."""
    actions = ", ".join(f"{a.action} {a.app or a.pod}" for a in deployment.current_actions)
    step = f"step {deployment.current_step}/{deployment.total_steps}"
    return f"{step} {actions}".strip()
