"""A task begins: its instance is stored as Provisioned, and its launch joins the offer's answer."""

from framework.core import rotation
from framework.core.matching import Remainder
from framework.core.statuses import watch_launch
from framework.core.turn import Turn
from framework.domain.actions import Launch, TaskResource
from framework.domain.app import App
from framework.domain.instance import Instance
from framework.domain.notices import InstanceChanged


def start(
    turn: Turn,
    app: App,
    rest: Remainder,
    task: tuple[str, int],
    taken: tuple[tuple[TaskResource, ...], tuple[int, ...]],
    *,
    stands_in_for: str = "",
) -> None:
    """Start ``task`` (instance id, incarnation) of the app on this offer with what was ``taken``
    of it: resources, and host ports in the order of the app's. ``stands_in_for``: the marked
    instance that it is to replace."""
    agent = rest.offer.agent
    resources, host_ports = taken
    before = turn.world.state.instances.get(task[0])
    instance = Instance(
        id=task[0],
        app_id=app.id,
        version=app.version,
        config=app.config,
        agent_id=agent.id,
        incarnation=task[1],
        since_ms=turn.now_ms,
        staged_at_ms=turn.now_ms,
        ports=host_ports,
        role=rest.offer.role,
        ready=False if app.readiness_checks and app.id in turn.world.deploying else None,
        stands_in_for=stands_in_for,
        awaits_edges=rotation.is_asked(turn, app),
        awaited_since_ms=before.awaited_since_ms if before else 0,
    )
    turn.put_agent(agent)
    turn.put_instance(instance)
    turn.notices.append(InstanceChanged(instance, agent.hostname))
    watch_launch(turn, instance)
    rest.launches += (
        Launch(
            task_id=instance.task_id,
            instance_id=instance.id,
            app=app,
            agent=agent,
            role=rest.offer.role,
            host_ports=host_ports,
            effective_ports=effective_ports(turn, app, host_ports),
            resources=resources,
            enforce_role=turn.world.enforces_role(app.id),
        ),
    )


def effective_ports(turn: Turn, app: App, host_ports: tuple[int, ...]) -> tuple[int, ...]:
    """The port each declared port shows to the task: its host port; without one its container
    port; if that is 0, a random one (app-definition.md, section 6)."""
    if app.on_host_network:
        return host_ports
    rest = iter(host_ports)
    return tuple(
        next(rest)
        if mapping.host_port is not None
        else mapping.container_port or 1025 + turn.context.chance(65536 - 1025)
        for mapping in app.port_mappings
    )
