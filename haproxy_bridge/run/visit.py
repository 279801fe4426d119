"""What a single run tells the scheduler of its edge: that it lives, what it serves, and which tasks
that are to be killed it sends nothing more.

Nobody is waited for because of it, unless an app asks for that; and nothing that goes wrong here is
trouble of the run.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from api import v3_calls
from api.client import Client, ClientError
from haproxy_bridge.run import metrics, registry
from haproxy_bridge.run.drains import Sessions
from haproxy_bridge.run.node import Node, wall_ms
from haproxy_bridge.run.registry import Report
from haproxy_bridge.snapshot import Snapshot
from haproxy_bridge.source import MAIN
from haproxy_bridge.swap import files


def tell(
    client: Client,
    name: str,
    node: Node,
    every_seconds: float,
    now_ms: Callable[[], int] = wall_ms,
    cluster: str = MAIN,
) -> None:
    """After a run of ``node`` that Stayer answered. ``every_seconds``: how often it runs.
    ``cluster``: whose scheduler is told."""
    stale = metrics.staleness_seconds(node.state, now_ms())
    report = _report(node, node.answers[cluster], believed=cluster not in node.state.kept)
    with suppress(ClientError, OSError):
        registry.visited(client, name, report, every_seconds, stale)
        options = node.options
        sessions = Sessions(Path(options.render.socket), options.load.master_socket)
        done = registry.unused(report.draining, sessions)
        if done:
            v3_calls.acknowledge(client, name, done)


def _report(node: Node, answer: Snapshot, *, believed: bool) -> Report:
    """What is true of it; a run that kept everything knows of no task that is out of use."""
    left_out = metrics.left_out(node.state)
    if node.rendered is not None and believed:
        return registry.reported(answer, node.rendered, left_out)
    with suppress(OSError):
        content = files.read(Path(node.options.config)) or b""
        return Report(version=registry.digest(content), quarantined=tuple(left_out))
    return Report()
