"""The parts of the operator API, and of the older pages, that people look at a Mesos with.

GET_AGENTS, GET_TASKS, GET_FRAMEWORKS and GET_STATE are made anew for each request: with very many
tasks they are as slow as Mesos' own.
"""

from collections.abc import Iterable

import msgspec

from localmesos.simulated import agents, allocation, draining, events, maintenance
from localmesos.simulated.operator_wire import (
    AgentReference,
    DrainAgent,
    Machines,
    OperatorCall,
    UpdateSchedule,
)
from localmesos.simulated.resources import EMPTY, plus, to_view, to_wire
from localmesos.simulated.state import PRESENT, Agent, AgentState, Cluster, Drain, Framework, Task

Json = dict[str, object]


def answer(cluster: Cluster, now: float, call: OperatorCall) -> Json | None:
    """The answer to a call, None for a command. Raises ValueError, or KeyError: no such agent."""
    match call.type:
        case "GET_HEALTH":
            return {"type": call.type, "get_health": {"healthy": True}}
        case "GET_VERSION":
            return {
                "type": call.type,
                "get_version": {"version_info": {"version": events.VERSION}},
            }
        case "GET_AGENTS":
            return {"type": call.type, "get_agents": _agents(cluster)}
        case "GET_FRAMEWORKS":
            return {"type": call.type, "get_frameworks": _frameworks(cluster)}
        case "GET_TASKS":
            return {"type": call.type, "get_tasks": _tasks(cluster)}
        case "GET_STATE":
            state = {
                "get_agents": _agents(cluster),
                "get_frameworks": _frameworks(cluster),
                "get_tasks": _tasks(cluster),
            }
            return {"type": call.type, "get_state": state}
        case "GET_MAINTENANCE_STATUS":
            found = maintenance.status(cluster)
            return {"type": call.type, "get_maintenance_status": {"status": found}}
        case "GET_MAINTENANCE_SCHEDULE":
            return {"type": call.type, "get_maintenance_schedule": {"schedule": cluster.schedule}}
    _command(cluster, now, call)
    return None


_NEEDED = {
    "MARK_AGENT_GONE": "mark_agent_gone",
    "DRAIN_AGENT": "drain_agent",
    "DEACTIVATE_AGENT": "deactivate_agent",
    "REACTIVATE_AGENT": "reactivate_agent",
    "UPDATE_MAINTENANCE_SCHEDULE": "update_maintenance_schedule",
    "START_MAINTENANCE": "start_maintenance",
    "STOP_MAINTENANCE": "stop_maintenance",
}


def _command(cluster: Cluster, now: float, call: OperatorCall) -> None:
    match call.type, getattr(call, _NEEDED.get(call.type, ""), None):
        case "MARK_AGENT_GONE", AgentReference(agent_id=agent_id):
            agents.mark_gone(cluster, now, cluster.agents[agent_id.value])
        case "DRAIN_AGENT", DrainAgent() as asked:
            draining.drain(cluster, now, asked)
        case "DEACTIVATE_AGENT", AgentReference(agent_id=agent_id):
            draining.deactivate(cluster, now, agent_id.value)
        case "REACTIVATE_AGENT", AgentReference(agent_id=agent_id):
            draining.reactivate(cluster, now, agent_id.value)
        case "UPDATE_MAINTENANCE_SCHEDULE", UpdateSchedule(schedule=schedule):
            maintenance.update_schedule(cluster, now, schedule)
        case "START_MAINTENANCE", Machines(machines=machines):
            maintenance.start(cluster, now, machines)
        case "STOP_MAINTENANCE", Machines(machines=machines):
            maintenance.stop(cluster, now, machines)
        case kind, _ if kind in _NEEDED:
            text = f"Expecting '{_NEEDED[kind]}' to be present"
            raise ValueError(f"Failed to validate master::Call: {text}")
        case kind, _:
            raise ValueError(f"{kind} is not answered by the simulated Mesos")


def _id(value: str) -> dict[str, str]:
    return {"value": value}


def _agents(cluster: Cluster) -> Json:
    present = [agent for agent in cluster.agents.values() if agent.state in PRESENT]
    recovered = [a for a in cluster.agents.values() if a.state is AgentState.RECOVERED]
    return {
        "agents": [_agent(cluster, agent) for agent in present],
        "recovered_agents": [_agent_info(agent) for agent in recovered],
    }


def _agent_info(agent: Agent) -> Json:
    info: Json = {
        "id": _id(agent.id),
        "hostname": agent.spec.hostname,
        "attributes": events.attributes(agent.spec.attributes),
        "resources": msgspec.Raw(to_wire(agent.total)),
    }
    if agent.spec.region is not None:
        info["domain"] = events.domain(agent.spec)
    return info


def _agent(cluster: Cluster, agent: Agent) -> Json:
    used, offered = EMPTY, EMPTY
    for task in agent.tasks:
        if not task.ended:
            used = plus(used, task.bag)
    for offer in agent.offers.values():
        offered = plus(offered, offer.bag)
    return {
        "active": agent.active,
        "deactivated": agent.deactivated,
        "agent_info": _agent_info(agent),
        "allocated_resources": msgspec.Raw(to_wire(used)),
        "offered_resources": msgspec.Raw(to_wire(offered)),
        "pid": f"slave({agent.index + 1})@{cluster.host}:{cluster.port}",
        "total_resources": msgspec.Raw(to_wire(agent.total)),
        "version": events.VERSION,
        **({} if agent.drain is None else _drain(agent.drain)),
    }


def _drain(drain: Drain) -> Json:
    config: Json = {"mark_gone": drain.mark_gone}
    if drain.grace_nanoseconds is not None:
        config["max_grace_period"] = {"nanoseconds": drain.grace_nanoseconds}
    return {
        "drain_info": {"state": "DRAINED" if drain.done else "DRAINING", "config": config},
        "estimated_drain_start_time": {"nanoseconds": int(drain.began * 1e9)},
    }


def _frameworks(cluster: Cluster) -> Json:
    return {
        "frameworks": [_framework(each) for each in cluster.frameworks.values()],
        "completed_frameworks": [_framework(each) for each in cluster.removed.values()],
    }


def _framework(framework: Framework) -> Json:
    connected = framework.stream is not None
    return {
        "active": connected,
        "connected": connected,
        "framework_info": framework.info,
        "recovered": False,
    }


def _tasks(cluster: Cluster) -> Json:
    known = cluster.frameworks.values()
    return {
        "tasks": [_task(task) for each in known for task in each.tasks.values()],
        "unreachable_tasks": [
            _task(task) | {"state": "TASK_UNREACHABLE"}
            for each in known
            for task in each.unreachable.values()
        ],
        "completed_tasks": [done for each in known for done in _completed(each)],
    }


def _task(task: Task) -> Json:
    return {
        "agent_id": _id(task.agent.id),
        "framework_id": _id(task.framework.id),
        "name": task.name,
        "resources": msgspec.Raw(to_wire(task.bag, task.role)),
        "state": task.state,
        "task_id": _id(task.id),
    }


def _completed(framework: Framework) -> Iterable[Json]:
    for task_id, name, agent_id, state in framework.completed:
        yield {
            "agent_id": _id(agent_id),
            "framework_id": _id(framework.id),
            "name": name,
            "state": state,
            "task_id": _id(task_id),
        }


def state_page(cluster: Cluster) -> Json:
    """The older /state page in short."""
    states = [agent.state for agent in cluster.agents.values()]
    waiting = {framework.id for framework, _ in allocation.seats(cluster)}
    return {
        "version": events.VERSION,
        "id": cluster.id,
        "pid": f"master@{cluster.host}:{cluster.port}",
        "hostname": cluster.host,
        "activated_slaves": sum(agent.active for agent in cluster.agents.values()),
        "deactivated_slaves": sum(
            agent.state in PRESENT and not agent.active for agent in cluster.agents.values()
        ),
        "unreachable_slaves": states.count(AgentState.UNREACHABLE),
        "slaves": [_slave(agent) for agent in cluster.agents.values() if agent.state in PRESENT],
        "frameworks": [
            {
                "id": framework.id,
                "name": framework.name,
                "active": framework.stream is not None,
                "connected": framework.stream is not None,
                "wants_offers": framework.id in waiting,
                "tasks": [_page_task(task) for task in framework.tasks.values()],
            }
            for framework in cluster.frameworks.values()
        ],
    }


def _slave(agent: Agent) -> Json:
    return {
        "id": agent.id,
        "hostname": agent.spec.hostname,
        "active": agent.active,
        "deactivated": agent.deactivated,
        "attributes": agent.spec.attributes,
        "resources": to_view(agent.total),
    }


def _page_task(task: Task) -> Json:
    return {
        "id": task.id,
        "name": task.name,
        "slave_id": task.agent.id,
        "state": task.state,
        "resources": to_view(task.bag),
    }
