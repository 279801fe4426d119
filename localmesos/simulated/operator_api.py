"""The parts of the operator API, and of the older pages, that people look at a Mesos with.

GET_AGENTS, GET_TASKS, GET_FRAMEWORKS and GET_STATE are made anew for each request: with very many
tasks they are as slow as Mesos' own.
"""

from collections.abc import Iterable

import msgspec

from localmesos.simulated import agents, allocation, events, wire
from localmesos.simulated.resources import EMPTY, Bag, plus, to_view, to_wire
from localmesos.simulated.state import Agent, AgentState, Cluster, Framework, Task

Json = dict[str, object]
_PRESENT = (AgentState.REGISTERED, AgentState.DISCONNECTED)


def answer(cluster: Cluster, now: float, call: wire.OperatorCall) -> Json | None:
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
        case "MARK_AGENT_GONE" if call.mark_agent_gone is not None:
            agent_id = call.mark_agent_gone.agent_id.value
            agents.mark_gone(cluster, now, cluster.agents[agent_id])
            return None
    raise ValueError(f"{call.type} is not answered by the simulated Mesos")


def _id(value: str) -> dict[str, str]:
    return {"value": value}


def _agents(cluster: Cluster) -> Json:
    present = [agent for agent in cluster.agents.values() if agent.state in _PRESENT]
    recovered = [a for a in cluster.agents.values() if a.state is AgentState.RECOVERED]
    offered: dict[Agent, Bag] = {}
    for offer in cluster.offers.values():
        offered[offer.agent] = plus(offered.get(offer.agent, EMPTY), offer.bag)
    return {
        "agents": [_agent(cluster, agent, offered.get(agent, EMPTY)) for agent in present],
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


def _agent(cluster: Cluster, agent: Agent, offered: Bag) -> Json:
    used = EMPTY
    for task in agent.tasks:
        if not task.ended:
            used = plus(used, task.bag)
    return {
        "active": agent.state is AgentState.REGISTERED,
        "agent_info": _agent_info(agent),
        "allocated_resources": msgspec.Raw(to_wire(used)),
        "offered_resources": msgspec.Raw(to_wire(offered)),
        "pid": f"slave({agent.index + 1})@{cluster.host}:{cluster.port}",
        "total_resources": msgspec.Raw(to_wire(agent.total)),
        "version": events.VERSION,
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
        "activated_slaves": states.count(AgentState.REGISTERED),
        "deactivated_slaves": states.count(AgentState.DISCONNECTED),
        "unreachable_slaves": states.count(AgentState.UNREACHABLE),
        "slaves": [_slave(agent) for agent in cluster.agents.values() if agent.state in _PRESENT],
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
        "active": agent.state is AgentState.REGISTERED,
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
