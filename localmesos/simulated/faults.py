"""What can be made to happen: each fault is a record, by engine method or `POST /simulated/<verb>`.

The verb is the record's tag and the JSON body holds its fields. An agent is named by its id, its
hostname or its index.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from localmesos.cluster import AgentSpec
from localmesos.simulated import agents, allocation, events, frameworks, preload, tasks
from localmesos.simulated.chance import Chances, begin
from localmesos.simulated.resources import parse_text
from localmesos.simulated.state import (
    TERMINAL,
    Agent,
    AgentState,
    Cluster,
    Framework,
    Outage,
    Task,
    new_master_id,
)

AgentName = str | int


class AddAgent(Struct, frozen=True, tag="add_agent"):
    """A new agent registers."""

    hostname: str
    attributes: str = ""
    resources: str = "cpus:4;mem:4096;disk:10000;ports:[31000-31999]"
    region: str | None = None
    zone: str | None = None


class AddTasks(Struct, frozen=True, tag="add_tasks"):
    """Tasks run already on what is free of an agent: each id with its resources. Their framework
    need not have subscribed yet; it has no principal then, and what it says of itself later."""

    framework_id: str
    agent: AgentName
    tasks: dict[str, str]
    role: str = "*"


class Preload(Struct, frozen=True, tag="preload"):
    """So many tasks of equal size run already, spread over all agents (see AddTasks)."""

    count: int
    framework_id: str = preload.FRAMEWORK_ID
    role: str = "*"
    resources: str = preload.RESOURCES


class DisconnectAgent(Struct, frozen=True, tag="disconnect_agent"):
    """Its connection breaks: its offers are rescinded, its updates wait."""

    agent: AgentName


class LoseAgent(Struct, frozen=True, tag="lose_agent"):
    """The master marks it unreachable; its tasks live on."""

    agent: AgentName


class ReturnAgent(Struct, frozen=True, tag="return_agent"):
    """It registers again with its tasks; without a name all that are away do."""

    agent: AgentName | None = None


class MarkAgentGone(Struct, frozen=True, tag="mark_agent_gone"):
    """As MARK_AGENT_GONE of the operator API."""

    agent: AgentName


class RescindOffers(Struct, frozen=True, tag="rescind_offers"):
    """Rescind all offers, or one agent's; they may be made again at once."""

    agent: AgentName | None = None


class DropStreams(Struct, frozen=True, tag="drop_streams"):
    """Cut the event streams of all frameworks, or of one."""

    framework_id: str | None = None


class HoldUpdates(Struct, frozen=True, tag="hold_updates"):
    """Keep all status updates of executors back."""


class ReleaseUpdates(Struct, frozen=True, tag="release_updates"):
    """Send what was held back, and hold no more."""


class DuplicateUpdates(Struct, frozen=True, tag="duplicate_updates"):
    """Send each of the next `count` updates twice."""

    count: int = 1


class RefuseCalls(Struct, frozen=True, tag="refuse_calls"):
    """Answer scheduler calls with 503, or redirect them with 307 to `location`."""

    status: Literal[503, 307] = 503
    count: int | None = None
    location: str | None = None


class ServeCalls(Struct, frozen=True, tag="serve_calls"):
    """End RefuseCalls."""


class EndTask(Struct, frozen=True, tag="end_task"):
    """A task ends by itself in a terminal state."""

    task_id: str
    state: str = "TASK_FAILED"
    message: str = "Command exited with status 1"


class SetHealth(Struct, frozen=True, tag="set_health"):
    """The executor's health check of a task changes its verdict."""

    task_id: str
    healthy: bool


class RestartMaster(Struct, frozen=True, tag="restart_master"):
    """All connections break; for `down_seconds` calls get 503; agents are back after more.

    `return_seconds` counts from then; None leaves them away until ReturnAgent. Without `registry`
    the new master does not know which agents it should wait for.
    """

    down_seconds: float = 0.0
    return_seconds: float | None = None
    registry: bool = True


class MoveLeadership(Struct, frozen=True, tag="move_leadership"):
    """Master number `to` (from 0) leads; None: nobody does. It knows what RestartMaster leaves.

    Where not `cut`, streams stay open and silent, as those of a master that hangs.
    """

    to: int | None = None
    cut: bool = True
    down_seconds: float = 0.0
    return_seconds: float | None = 0.0
    registry: bool = True


class Stats(Struct, frozen=True, tag="stats"):
    """Change nothing; the answer holds counters."""


Fault = (
    AddAgent
    | AddTasks
    | Preload
    | Chances
    | DisconnectAgent
    | LoseAgent
    | ReturnAgent
    | MarkAgentGone
    | RescindOffers
    | DropStreams
    | HoldUpdates
    | ReleaseUpdates
    | DuplicateUpdates
    | RefuseCalls
    | ServeCalls
    | EndTask
    | SetHealth
    | RestartMaster
    | MoveLeadership
    | Stats
)
Result = dict[str, object]


def fault_from(verb: str, body: bytes) -> Fault:
    """Read a fault from its verb and JSON body. Raises ValueError."""
    try:
        fields = msgspec.json.decode(body or b"{}", type=dict[str, object])
        fault: Fault = msgspec.convert({**fields, "type": verb}, Fault)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return fault


def carry_out(cluster: Cluster, now: float, fault: Fault) -> Result:
    """Make it happen. Raises ValueError for an unknown agent, task or framework."""
    match fault:
        case AddAgent():
            return _add_agent(cluster, now, fault)
        case AddTasks() | Preload() | Chances():
            _to_load(cluster, now, fault)
        case DisconnectAgent() | LoseAgent() | ReturnAgent() | MarkAgentGone():
            _to_agent(cluster, now, fault)
        case RescindOffers() | DropStreams() | RefuseCalls() | ServeCalls():
            _to_schedulers(cluster, now, fault)
        case HoldUpdates() | ReleaseUpdates() | DuplicateUpdates():
            _to_updates(cluster, fault)
        case EndTask() | SetHealth():
            _to_task(cluster, now, fault)
        case RestartMaster() | MoveLeadership():
            _new_leader(cluster, now, fault)
    return stats(cluster) if isinstance(fault, Stats) else {}


def _add_agent(cluster: Cluster, now: float, fault: AddAgent) -> Result:
    spec = AgentSpec(fault.hostname, fault.attributes, fault.resources, fault.region, fault.zone)
    return {"agent_id": agents.add_agent(cluster, now, spec).id}


def _to_load(cluster: Cluster, now: float, fault: AddTasks | Preload | Chances) -> None:
    match fault:
        case AddTasks():
            _add_tasks(cluster, fault)
        case Preload(count, framework_id, role, resources):
            preload.preload(
                cluster, count, framework_id=framework_id, role=role, resources=resources
            )
        case Chances():
            begin(cluster, now, fault)


def _add_tasks(cluster: Cluster, fault: AddTasks) -> None:
    agent = find_agent(cluster, fault.agent)
    bags = {task_id: parse_text(text) for task_id, text in fault.tasks.items()}
    framework = frameworks.expected(cluster, fault.framework_id)
    agents.add_tasks(cluster, (framework, fault.role), agent, bags)


def _to_agent(
    cluster: Cluster,
    now: float,
    fault: DisconnectAgent | LoseAgent | ReturnAgent | MarkAgentGone,
) -> None:
    if fault.agent is None:
        return_agents(cluster, now)
        return
    agent = find_agent(cluster, fault.agent)
    match fault:
        case DisconnectAgent():
            agents.disconnect_agent(cluster, now, agent)
        case LoseAgent():
            agents.lose_agent(cluster, now, agent)
        case ReturnAgent():
            agents.return_agent(cluster, now, agent)
        case MarkAgentGone():
            agents.mark_gone(cluster, now, agent)


def find_agent(cluster: Cluster, name: AgentName) -> Agent:
    agent = cluster.agents.get(name) if isinstance(name, str) else None
    if agent is not None:
        return agent
    for agent in cluster.agents.values():
        if name in (agent.index, agent.spec.hostname):
            return agent
    raise ValueError(f"there is no agent {name!r}")


def return_agents(cluster: Cluster, now: float) -> None:
    for agent in cluster.agents.values():
        agents.return_agent(cluster, now, agent)


def _to_schedulers(
    cluster: Cluster, now: float, fault: RescindOffers | DropStreams | RefuseCalls | ServeCalls
) -> None:
    match fault:
        case RescindOffers(agent=name):
            only = None if name is None else find_agent(cluster, name)
            for offer in list(cluster.offers.values()):
                if only is None or offer.agent is only:
                    allocation.take(cluster, now, offer, rescind=True)
        case DropStreams(framework_id=framework_id):
            _drop_streams(cluster, now, framework_id)
        case RefuseCalls(status=status, count=count, location=location):
            if status == 307 and location is None:
                raise ValueError("a redirect needs a location such as //127.0.0.1:5050")
            cluster.faults.outage = Outage(status, count, location)
        case ServeCalls():
            cluster.faults.outage = None


def _drop_streams(cluster: Cluster, now: float, framework_id: str | None) -> None:
    if framework_id is not None and framework_id not in cluster.frameworks:
        raise ValueError(f"there is no framework {framework_id!r}")
    for framework in list(cluster.frameworks.values()):
        if framework_id in (None, framework.id):
            _cut(cluster, now, framework)


def _cut(cluster: Cluster, now: float, framework: Framework) -> None:
    stream = framework.stream
    if stream is not None:
        cluster.abort(stream)
        frameworks.disconnected(cluster, now, stream)


def _to_updates(cluster: Cluster, fault: HoldUpdates | ReleaseUpdates | DuplicateUpdates) -> None:
    state = cluster.faults
    match fault:
        case HoldUpdates():
            state.held = [] if state.held is None else state.held
        case ReleaseUpdates():
            held, state.held = state.held or [], None
            for task, update in held:
                if tasks.is_waiting(task, update) and task.agent.state is AgentState.REGISTERED:
                    tasks.forward(cluster, task, update)
        case DuplicateUpdates(count=count):
            state.duplicates = count


def _to_task(cluster: Cluster, now: float, fault: EndTask | SetHealth) -> None:
    task = find_task(cluster, fault.task_id)
    if isinstance(fault, SetHealth):
        tasks.report_health(cluster, now, task, healthy=fault.healthy)
        return
    if fault.state not in TERMINAL:
        raise ValueError(f"{fault.state} is not one of {', '.join(sorted(TERMINAL))}")
    tasks.end(cluster, now, task, fault.state, fault.message)


def find_task(cluster: Cluster, task_id: str) -> Task:
    for framework in cluster.frameworks.values():
        task = framework.tasks.get(task_id) or framework.unreachable.get(task_id)
        if task is not None:
            return task
    raise ValueError(f"there is no task {task_id!r}")


def _new_leader(cluster: Cluster, now: float, fault: RestartMaster | MoveLeadership) -> None:
    """The leading master begins anew, with no more than the registry knows."""
    cut, to = True, cluster.leading
    if isinstance(fault, MoveLeadership):
        cut, to = fault.cut, fault.to
    if to is not None and not 0 <= to < len(cluster.masters):
        raise ValueError(f"there is no master number {to}")
    for framework in list(cluster.frameworks.values()):
        if cut:
            _cut(cluster, now, framework)
        elif framework.stream is not None:
            frameworks.disconnected(cluster, now, framework.stream)
    agents.restart_master(cluster, registry=fault.registry)
    cluster.id = new_master_id()
    cluster.lead(to)
    if to is not None:
        _begin_to_lead(cluster, now, fault.down_seconds, fault.return_seconds)


def _begin_to_lead(
    cluster: Cluster, now: float, down_seconds: float, return_seconds: float | None
) -> None:
    """Serve, and see agents again, after these times; unless another leads by then."""
    leader, up = cluster.id, now + down_seconds
    if down_seconds > 0:
        outage = cluster.faults.outage = Outage(503)

        def serve(later: float) -> None:
            del later
            if cluster.faults.outage is outage:
                cluster.faults.outage = None

        cluster.timers.at(up, serve)

    def see_agents(later: float) -> None:
        if cluster.id == leader:
            return_agents(cluster, later)

    if return_seconds is not None:
        cluster.timers.at(up + return_seconds, see_agents)


def stats(cluster: Cluster) -> Result:
    """Counters since the start, and how much there is now."""
    counters = cluster.counters
    names = (
        "calls",
        "offers",
        "launched",
        "updates",
        "resent",
        "acknowledged",
        "ended",
        "allocations",
    )
    result: Result = {name: getattr(counters, name) for name in names}
    result["agents"] = len(cluster.agents)
    result["tasks"] = sum(len(framework.tasks) for framework in cluster.frameworks.values())
    result["open_offers"] = len(cluster.offers)
    result["master"] = events.master_info(cluster)
    return result
