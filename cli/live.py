"""The live table of the demo: where an app's instances run and how they do.

On a terminal it is redrawn in place; elsewhere a plain table is printed whenever something
changed. It only reads the API, and a call that fails is shown, not raised: the demo goes on.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from api.client import Client, ClientError
from cli.answers import Agent, App, Explanation, Info, Task, read, read_all
from cli.output import Column, as_plain_text, make_table, visible

REFRESH_SECONDS = 1.0
DEFAULT_ATTRIBUTE = "rack"


@dataclass(frozen=True, slots=True)
class Row:
    """One instance; every field as it is shown."""

    instance: str
    agent: str
    attribute: str
    port: str
    state: str
    health: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is shown at one moment. ``facts`` are (name, value); ``note`` tells what does not
    go well (empty: nothing)."""

    facts: tuple[tuple[str, str], ...] = ()
    rows: tuple[Row, ...] = ()
    note: str = ""


def live_table(
    client: Client,
    app_id: str,
    stop: threading.Event,
    *,
    urls: Mapping[str, str] | None = None,
    attribute: str = DEFAULT_ATTRIBUTE,
    console: Console | None = None,
    refresh_seconds: float = REFRESH_SECONDS,
) -> None:
    """Show the app until ``stop`` is set. ``urls`` are shown above (name: URL), ``attribute`` is
    the agents' attribute that gets a column."""
    console = console or Console()
    shown_urls = dict(urls or {"API": client.urls[0]})
    snapshot = Snapshot(facts=(("App", app_id), *shown_urls.items()))
    if not console.is_terminal:
        printed: Snapshot | None = None
        while not stop.is_set():
            snapshot = take_snapshot(client, app_id, shown_urls, attribute, snapshot)
            if snapshot != printed:
                console.file.write(plain_snapshot(snapshot, attribute))
                console.file.flush()
                printed = snapshot
            stop.wait(refresh_seconds)
        return
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while not stop.is_set():
            snapshot = take_snapshot(client, app_id, shown_urls, attribute, snapshot)
            live.update(_drawn(snapshot, attribute), refresh=True)
            stop.wait(refresh_seconds)


def take_snapshot(
    client: Client,
    app_id: str,
    urls: Mapping[str, str],
    attribute: str,
    last: Snapshot | None = None,
) -> Snapshot:
    """Ask the API how the app is; when it does not answer, the ``last`` one with a note."""
    try:
        found = read(client.get_app(app_id), App)
        agents = {agent.id: agent for agent in read_all(client.list_agents(), Agent)}
        info = read(client.info(), Info)
        why = _why_waiting(client, found)
    except ClientError as error:
        return replace(last or Snapshot(), note=f"The API does not answer as it should: {error}")
    tasks = sorted(found.tasks, key=lambda task: (task.host, task.id))
    rows = tuple(_row(task, agents, attribute) for task in tasks)
    return Snapshot(_facts(found, info, urls, _places(tasks, agents)), rows, why)


def plain_snapshot(snapshot: Snapshot, attribute: str) -> str:
    """The snapshot as lines, ending with an empty one."""
    facts = "".join(f"{name}: {visible(value)}\n" for name, value in snapshot.facts)
    note = f"{visible(snapshot.note)}\n" if snapshot.note else ""
    return facts + as_plain_text(_table(snapshot, attribute)) + note + "\n"


def _why_waiting(client: Client, found: App) -> str:
    """The first sentence about instances that wait for an offer."""
    missing = found.instances - len(found.tasks)
    if missing <= 0:
        return ""
    explanations = read_all(client.explain(found.id), Explanation)
    reasons = [sentence for entry in explanations for sentence in entry.explanation]
    return f"{missing} waiting" + (f": {reasons[0]}" if reasons else "")


def _facts(
    found: App, info: Info, urls: Mapping[str, str], places: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    deployments = " ".join(deployment.id for deployment in found.deployments)
    facts = [
        ("App", f"{found.id}  {found.tasks_running}/{found.instances} running"),
        ("Version", found.version),
        ("Deployment", deployments or "none"),
        ("Framework", info.framework_id or "not registered yet"),
        *urls.items(),
    ]
    if places:
        facts.append(("Open", "  ".join(places)))
    return tuple(facts)


def _places(tasks: Sequence[Task], agents: Mapping[str, Agent]) -> list[str]:
    """Where the running instances can be opened: by the agent's address, which needs no name
    to resolve."""
    return [
        f"http://{_bracketed(address)}:{task.ports[0]}/"
        for task in tasks
        if task.state == "TASK_RUNNING" and task.ports
        for address in [_address(task, agents)]
        if address
    ]


def _address(task: Task, agents: Mapping[str, Agent]) -> str:
    agent = agents.get(task.slave_id or "")
    return (agent.address if agent else None) or task.host


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _row(task: Task, agents: Mapping[str, Agent], attribute: str) -> Row:
    agent = agents.get(task.slave_id or "")
    return Row(
        instance=_instance(task.id),
        agent=task.host or "-",
        attribute=(agent.attributes.get(attribute) if agent else None) or "-",
        port=" ".join(str(port) for port in task.ports) or "-",
        state=task.state or "-",
        health=task.health,
    )


def _instance(task_id: str) -> str:
    """The instance's uuid: what is left of a task id without the app and the incarnation."""
    instance = task_id.rpartition("._app.")[0] or task_id
    return instance.rpartition(".instance-")[2] or instance


def _table(snapshot: Snapshot, attribute: str) -> Table:
    titles = ("INSTANCE", "AGENT", attribute.upper(), "PORT", "STATE", "HEALTH")
    rows = [
        (row.instance, row.agent, row.attribute, row.port, row.state, row.health)
        for row in snapshot.rows
    ]
    return make_table([Column(title) for title in titles], rows)


def _drawn(snapshot: Snapshot, attribute: str) -> Group:
    facts = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in snapshot.facts:
        facts.add_row(name, Text(visible(value)))
    parts: list[RenderableType] = [facts, Text(""), _table(snapshot, attribute)]
    if snapshot.note:
        parts.append(Text(visible(snapshot.note), style="yellow"))
    return Group(*parts)
