"""Retiring: before a planned kill, a task drains: the load balancers take it out of use.

How long that may take is decided when the kill is planned; ``edges`` ends it sooner once all of
them said that they did.
"""

from framework.core.turn import Turn
from framework.domain.app import App
from framework.domain.edges import EdgeKind
from framework.domain.instance import Condition, Instance
from framework.domain.notices import InstanceDraining

LABEL = "STAYER_DRAIN_SECONDS"
"""An app's own drain time: waited for in full unless every edge said that it is done, also those
that look now and then. For these, and for load balancers that are no edges."""
LONGEST_SECONDS = 3_600


def until_ms(turn: Turn, instance: Instance) -> int:
    """The moment at which a kill that is planned now is sent at the latest: at once if nobody
    could send it anything."""
    definition = turn.world.definition_of(instance)
    serves = instance.condition is Condition.RUNNING and instance.healthy is not False
    if definition is None or not serves or not any(definition.service_ports):
        return turn.now_ms
    own_ms = own_seconds(definition) * 1000
    if is_followed(turn, EdgeKind.DAEMON):
        return turn.now_ms + max(own_ms, turn.policy.drain_timeout)
    return turn.now_ms + own_ms


def own_seconds(app: App) -> int:
    """What its label says; 0 if it has none that can be read."""
    text = app.labels.get(LABEL, "").strip()
    if not text.isdecimal() or len(text) > 6:
        return 0
    return min(int(text), LONGEST_SECONDS)


def live(turn: Turn, kind: EdgeKind) -> list[str]:
    """The edges of this kind whose lease runs."""
    edges = turn.world.state.edges
    return [name for name, edge in edges.items() if edge.kind is kind]


def is_followed(turn: Turn, kind: EdgeKind) -> bool:
    """Whether there is any of this kind."""
    return any(edge.kind is kind for edge in turn.world.state.edges.values())


def begin(turn: Turn, instance: Instance) -> None:
    """Tell everybody that it gets nothing more; acknowledgements count from now on."""
    follow(turn, instance)
    turn.notices.append(InstanceDraining(instance, turn.host(instance.agent_id)))


def follow(turn: Turn, instance: Instance) -> None:
    """Take acknowledgements for an instance that drains."""
    turn.world.draining.setdefault(instance.task_id, set())
