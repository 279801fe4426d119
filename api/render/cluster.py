"""What is ours alone, on ``/v3``: agents seen in offers, and tasks that nobody knows."""

from typing import Any

from constraints.values import AttributeValue, Items, Ranges, Scalar, Text, attribute_text
from framework.domain.clock import iso
from framework.domain.instance import Orphan
from framework.domain.mesos import Agent, Attribute


def agent_object(agent: Agent) -> dict[str, Any]:
    """An agent with its attributes as the texts that constraints compare."""
    fields: dict[str, Any] = {"id": agent.id, "hostname": agent.hostname}
    attributes: dict[str, str] = {}
    for attribute in agent.attributes:
        attributes.setdefault(attribute.name, attribute_text(_value(attribute)))
    fields["attributes"] = attributes
    places = {"region": agent.region, "zone": agent.zone, "address": agent.address}
    fields.update((name, value) for name, value in places.items() if value is not None)
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
