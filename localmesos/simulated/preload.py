"""Tasks that run from the start, for measurements of a Mesos that is full already."""

from localmesos.simulated import agents, frameworks
from localmesos.simulated.resources import parse_text
from localmesos.simulated.state import AgentState, Cluster

FRAMEWORK_ID = "preloaded"
RESOURCES = "cpus:0.01;mem:1"


def preload(
    cluster: Cluster,
    count: int,
    *,
    framework_id: str = FRAMEWORK_ID,
    role: str = "*",
    resources: str = RESOURCES,
) -> None:
    """Let so many tasks of equal size run, spread over all agents, as if launched long ago. Their
    framework need not have subscribed.

    Raises ValueError where they do not fit, with those added that did.
    """
    if count < 1:
        raise ValueError(f"the number of tasks must be above 0, not {count}")
    there = [a for a in cluster.agents.values() if a.state is AgentState.REGISTERED]
    if not there:
        raise ValueError("there is no agent")
    framework = frameworks.expected(cluster, framework_id)
    bag = parse_text(resources)
    each, more = divmod(count, len(there))
    for place, agent in enumerate(there):
        ids = [f"{framework_id}.{agent.index}.{n}" for n in range(each + (place < more))]
        agents.add_tasks(cluster, (framework, role), agent, dict.fromkeys(ids, bag))
