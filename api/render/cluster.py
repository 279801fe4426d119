"""What is ours alone, on ``/v3``: agents that instances are on, and tasks that nobody knows."""

from typing import Any

from constraints.values import AttributeValue, Items, Ranges, Scalar, Text, attribute_text
from framework.domain.clock import iso
from framework.domain.instance import WAITING, Orphan
from framework.domain.mesos import Agent, Attribute
from framework.domain.state import State


def agent_object(view: State, agent: Agent) -> dict[str, Any]:
    """An agent with its attributes as the texts that constraints compare."""
    fields: dict[str, Any] = {"id": agent.id, "hostname": agent.hostname}
    attributes: dict[str, str] = {}
    for attribute in agent.attributes:
        attributes.setdefault(attribute.name, attribute_text(_value(attribute)))
    fields["attributes"] = attributes
    places = {"region": agent.region, "zone": agent.zone, "address": agent.address}
    fields.update((name, value) for name, value in places.items() if value is not None)
    return fields | _emptied(view, agent)


def agents_of(view: State) -> list[Agent]:
    """The agents that are known, and one for each drain of a name that none of them has."""
    known = list(view.agents.values())
    names = {name for agent in known for name in (agent.id, agent.hostname)}
    return known + [Agent(name, name) for name in list(view.drains) if name not in names]


def _emptied(view: State, agent: Agent) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in (agent.hostname, agent.id):
        if name in view.drains:
            fields["drain"] = drain_object(view, name)
    window = view.maintenance.get(agent.id)
    if window is not None:
        fields["maintenance"] = {"from": iso(window.from_ms)}
        if window.for_ms is not None:
            fields["maintenance"]["until"] = iso(window.from_ms + window.for_ms)
    return fields


def drain_object(view: State, name: str) -> dict[str, Any]:
    """A drain and how far it is: ``instances`` are still there, so many of them ``withVolumes``,
    which can start nowhere else."""
    drain = view.drains.get(name)
    if drain is None:
        return {}
    ids = {one.id for one in list(view.agents.values()) if name in (one.id, one.hostname)}
    there = [
        one.id
        for one in list(view.instances.values())
        if one.agent_id in ids and one.condition not in WAITING
    ]
    fields: dict[str, Any] = {"agent": name, "since": iso(drain.since_ms), "instances": len(there)}
    bound = sum(one in view.reservations for one in there)
    if bound:
        fields["withVolumes"] = bound
    if drain.deadline_ms:
        fields["deadline"] = iso(drain.deadline_ms)
    if drain.reason:
        fields["reason"] = drain.reason
    return fields


def _value(attribute: Attribute) -> AttributeValue:
    if attribute.scalar is not None:
        return Scalar(attribute.scalar)
    if attribute.ranges is not None:
        return Ranges(attribute.ranges)
    if attribute.items is not None:
        return Items(attribute.items)
    return Text(attribute.text or "")


def orphan_object(orphan: Orphan, agents: dict[str, Agent]) -> dict[str, Any]:
    """A task that Mesos calls ours and that we have no record of."""
    agent = agents.get(orphan.agent_id)
    fields: dict[str, Any] = {
        "taskId": orphan.task_id,
        "agentId": orphan.agent_id,
        "state": orphan.state,
        "firstSeen": iso(orphan.first_seen_ms),
        "killRequested": orphan.kill_requested,
    }
    if agent is not None:
        fields["host"] = agent.hostname
    if orphan.message:
        fields["message"] = orphan.message
    return fields
