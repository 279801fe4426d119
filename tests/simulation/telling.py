"""Events and actions as short lines of the trace."""

from framework.domain.actions import (
    Accept,
    Acknowledge,
    Action,
    Decline,
    Kill,
    Reconcile,
    Revive,
    Suppress,
    UpdateRoles,
)
from framework.domain.app import App
from framework.domain.events import (
    Asked,
    CallNotSent,
    CallUnanswered,
    ChangeApps,
    Command,
    Event,
    OffersReceived,
    TaskStatusReceived,
)


def short(name: str) -> str:
    """A task, instance or uuid without its constant middle."""
    return name.replace("-0000-4000-8000-000000000000", "").replace(".instance-", ".")


def tell_event(event: Event) -> str:
    """One line for an event."""
    name = type(event).__name__
    match event:
        case TaskStatusReceived():
            s = event.status
            extra = f" {s.reason}" if s.reason else ""
            health = "" if s.healthy is None else f" healthy={s.healthy}"
            return f"{s.state} {short(s.task_id)} on {s.agent_id} {short(s.uuid)}{extra}{health}"
        case OffersReceived():
            return "offers " + " ".join(f"{o.id}@{o.agent.id}/{o.role}" for o in event.offers)
        case CallNotSent() | CallUnanswered():
            return f"{name} {tell_action(event.action)}"
        case Asked():
            return short(f"asked {event.token} {_tell_command(event.command)}")
        case _:
            return short(str(event))


def _tell_command(command: Command) -> str:
    if not isinstance(command, ChangeApps):
        return str(command)
    parts = [tell_app(put.app) for put in command.puts]
    parts += [f"remove {path}" for path in (*command.removes, *command.removed_groups)]
    return ", ".join(parts) + (" by force" if command.force else "")


def tell_app(app: App) -> str:
    """What of a definition matters here."""
    upgrade, lost = app.upgrade_strategy, app.unreachable_strategy
    away = "-" if lost.disabled else f"{lost.inactive_after_seconds}/{lost.expunge_after_seconds}"
    return (
        f"put {app.id} x{app.instances} {app.cmd} cpus={app.cpus_millis} mem={app.mem_millis} "
        f"disk={app.disk_millis} gpus={app.gpus} ports={app.requested_host_ports} "
        f"{app.constraints} role={app.role}/{','.join(app.accepted_resource_roles)} "
        f"upgrade={upgrade.minimum_health_capacity}/{upgrade.maximum_over_capacity} "
        f"canary={upgrade.canary} batch={upgrade.batch_size} "
        f"proof={upgrade.minimum_healthy_seconds} deadline={upgrade.progress_deadline_seconds} "
        f"old={upgrade.count_old_instances} after={','.join(app.dependencies)} "
        f"away={away} checks={len(app.health_checks)} backoff={app.backoff_seconds}"
    )


def tell_action(action: Action) -> str:
    """One line for an action."""
    match action:
        case Accept():
            tasks = " ".join(
                f"{short(launch.task_id)}:{','.join(map(str, launch.host_ports))}"
                for launch in action.launches
            )
            made = " ".join(f"{one.kind.value} {short(one.id)}" for one in action.operations)
            return f"accept {','.join(action.offer_ids)}: {made} {tasks}"
        case Decline():
            return f"decline {','.join(action.offer_ids)}"
        case Kill() | Acknowledge():
            uuid = getattr(action, "uuid", "")
            return f"{type(action).__name__} {short(action.task_id)} {short(uuid)}"
        case Reconcile():
            return f"reconcile {' '.join(short(task) for task, _ in action.tasks) or 'all'}"
        case Revive() | Suppress():
            return f"{type(action).__name__} {' '.join(action.roles)}"
        case UpdateRoles():
            return f"roles {' '.join(action.roles)}, suppressed {' '.join(action.suppressed)}"
        case _:
            return str(action)
