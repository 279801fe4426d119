"""Commands: what people ask through the API. Each is answered once, with what was stored.

Nothing is half-applied: all that can refuse a command is asked before the first change.
"""

from framework.core import backoff, deployments, orphans
from framework.core.definitions import check_puts, removed_app, stamp, store_app
from framework.core.kills import decommission, kill
from framework.core.turn import Turn
from framework.domain.actions import RemoveFramework
from framework.domain.app import App
from framework.domain.events import (
    AdoptOrphan,
    CancelDeployment,
    ChangeApps,
    Command,
    KillOrphan,
    KillTasks,
    PutApp,
    ResetDelay,
    RestartApp,
    TearDown,
)
from framework.domain.instance import Goal, Instance
from framework.domain.records import replace
from framework.domain.replies import Done, Refused, Reply, Why


def carry_out(turn: Turn, command: Command) -> Reply:
    """Decide one command and give its answer."""
    match command:
        case ChangeApps():
            return change_apps(turn, command)
        case RestartApp():
            return _restart(turn, command)
        case KillTasks():
            return _kill_tasks(turn, command)
        case ResetDelay():
            return _reset_delay(turn, command)
        case CancelDeployment():
            return _cancel(turn, command)
        case AdoptOrphan():
            return orphans.adopt_orphan(turn, command)
        case KillOrphan():
            return orphans.kill_orphan(turn, command)
        case TearDown():
            turn.world.tearing_down = True
            turn.actions.append(RemoveFramework())
            return Done()


def change_apps(turn: Turn, command: ChangeApps, *, revert: bool = False) -> Reply:
    """Put and remove definitions, all or none."""
    apps = turn.world.state.apps
    removes = dict.fromkeys(command.removes)
    for app_id in removes:
        if app_id not in apps:
            return Refused(Why.APP_UNKNOWN, app_id)
    refused = check_puts(turn, command.puts, removes)
    if refused is not None:
        return refused
    version = turn.new_version()
    stamped = stamp(turn, [put.app for put in command.puts], version, revert=revert)
    if isinstance(stamped, Refused):
        return stamped
    affected = [*removes, *(app.id for app in stamped)]
    refused = deployments.locked(turn, affected, force=command.force)
    if refused is not None:
        return refused
    pairs: list[deployments.Pair] = [(apps[app_id], None) for app_id in removes]
    pairs += [(apps.get(app.id), app) for app in stamped]
    deployment_id = deployments.start(turn, version, pairs)
    for app_id in removes:
        removed_app(turn, app_id)
    for app in stamped:
        store_app(turn, app)
    return Done(version, deployment_id, tuple(stamped))


def _restart(turn: Turn, command: RestartApp) -> Reply:
    app = turn.world.state.apps.get(command.app_id)
    if app is None:
        return Refused(Why.APP_UNKNOWN, command.app_id)
    refused = deployments.locked(turn, [app.id], force=command.force)
    if refused is not None:
        return refused
    version = turn.new_version()
    again = replace(app, version=version, last_config_change_at=version)
    deployment_id = deployments.start(turn, version, [(app, again)])
    store_app(turn, again)
    return Done(version, deployment_id, (again,))


def _kill_tasks(turn: Turn, command: KillTasks) -> Reply:
    known = turn.world.state.instances
    named = dict.fromkeys(command.instance_ids)
    instances = [known[id_] for id_ in named if id_ in known]
    if not instances and len(named) == 1:
        return Refused(Why.TASK_UNKNOWN, command.instance_ids[0])
    if command.scale:
        return _kill_and_scale(turn, instances, force=command.force)
    for instance in instances:
        if command.wipe:
            decommission(turn, instance, "wiped on request")
        else:
            kill(turn, instance, "killed on request")
    return Done(instances=tuple(instances))


def _kill_and_scale(turn: Turn, instances: list[Instance], *, force: bool) -> Reply:
    apps = turn.world.state.apps
    fewer: dict[str, int] = {}
    for instance in instances:
        if instance.app_id in apps and instance.goal is not Goal.DECOMMISSIONED:
            fewer[instance.app_id] = fewer.get(instance.app_id, 0) + 1
    refused = deployments.locked(turn, fewer, force=force)
    if refused is not None:
        return refused
    version = turn.new_version()
    pairs: list[tuple[App, App]] = []
    for app_id, count in fewer.items():
        app = apps[app_id]
        smaller = replace(
            app,
            instances=max(0, app.instances - count),
            version=version,
            last_scaling_at=version,
        )
        pairs.append((app, smaller))
    deployment_id = deployments.start(turn, version, pairs)
    for _, app in pairs:
        store_app(turn, app)
    for instance in instances:
        decommission(turn, instance, "scaled down on request")
    return Done(version, deployment_id, tuple(app for _, app in pairs), tuple(instances))


def _reset_delay(turn: Turn, command: ResetDelay) -> Reply:
    if command.app_id not in turn.world.state.apps:
        return Refused(Why.APP_UNKNOWN, command.app_id)
    if command.app_id not in turn.world.demand:
        return Refused(Why.NOT_WAITING, command.app_id)
    backoff.forget(turn, command.app_id)
    turn.needs_offers(command.app_id)
    return Done()


def _cancel(turn: Turn, command: CancelDeployment) -> Reply:
    deployment = turn.world.state.deployments.get(command.deployment_id)
    if deployment is None:
        return Refused(Why.DEPLOYMENT_UNKNOWN, command.deployment_id)
    if command.force:
        deployments.end(turn, deployment, "cancelled on request")
        return Done(deployment.version, deployment.id)
    versions = turn.world.state.versions_of
    puts, removes = [], []
    for app_id, version in deployment.before.items():
        earlier = versions.get(app_id, {}).get(version)
        if earlier is not None:
            puts.append(PutApp(earlier))
        elif not version and app_id in turn.world.state.apps:
            removes.append(app_id)
    if not puts and not removes:  # what was before is known no more
        deployments.end(turn, deployment, "cancelled on request")
        return Done(deployment.version, deployment.id)
    return change_apps(turn, ChangeApps(tuple(puts), tuple(removes), force=True), revert=True)
