"""Commands: what people ask through the API. Each is answered once, with what was stored.

Nothing is half-applied: all that can refuse a command is asked before the first change.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from framework.core import (
    backoff,
    crashes,
    deployments,
    draining,
    edges,
    editions,
    fitting,
    freezes,
    operations,
    orphans,
    replacements,
    trees,
)
from framework.core.definitions import check_puts, removed_app, stamp, store_app
from framework.core.freezing import frozen, over, over_task
from framework.core.kills import FORCED, decommission, kill
from framework.core.planning import Pair, parts_of, warnings
from framework.core.turn import Turn
from framework.domain.actions import RemoveFramework
from framework.domain.app import App
from framework.domain.events import (
    AcknowledgeDrained,
    AdoptOrphan,
    CancelDeployment,
    ChangeApps,
    Command,
    DrainAgent,
    ForgetCrash,
    ForgetEdge,
    FreezeApps,
    KillOrphan,
    KillTasks,
    LiftFreeze,
    OnlyIf,
    PaceReplacements,
    PauseDeployment,
    PutApp,
    PutShares,
    RemoveVolume,
    RenewEdge,
    ResetDelay,
    RestartApp,
    ResumeApp,
    ResumeDeployment,
    ShareDeployment,
    SuspendApp,
    TearDown,
    UndrainAgent,
)
from framework.domain.freezing import Freeze
from framework.domain.groups import Group
from framework.domain.instance import Goal, Instance
from framework.domain.records import replace
from framework.domain.replies import Done, Refused, Reply, Why
from framework.domain.rollout import Deployment, PlannedAction, plan_from


def carry_out(turn: Turn, command: Command) -> Reply:  # noqa: C901 - one line a command
    """Decide one command and give its answer."""
    match command:
        case OnlyIf():
            return editions.refused(turn, command) or carry_out(turn, command.command)
        case ChangeApps():
            return change_apps(turn, command)
        case RestartApp():
            return _restart(turn, command)
        case KillTasks():
            return _kill_tasks(turn, command)
        case SuspendApp():
            return _suspend(turn, command)
        case ResumeApp():
            return _resume(turn, command)
        case ResetDelay():
            return _reset_delay(turn, command)
        case PauseDeployment():
            return _answer(deployments.pause(turn, command.deployment_id))
        case ResumeDeployment():
            return _answer(deployments.go_on(turn, command.deployment_id))
        case ShareDeployment():
            return _answer(deployments.share(turn, command.deployment_id, command.share))
        case CancelDeployment():
            return _cancel(turn, command)
        case AdoptOrphan():
            return orphans.adopt_orphan(turn, command)
        case KillOrphan():
            return _kill_orphan(turn, command)
        case RemoveVolume():
            return operations.remove(turn, command)
        case FreezeApps():
            return freezes.freeze(turn, command)
        case LiftFreeze():
            return freezes.lift(turn, command)
        case RenewEdge():
            return edges.renew(turn, command)
        case ForgetEdge():
            return edges.forget(turn, command)
        case AcknowledgeDrained():
            return edges.acknowledged(turn, command)
        case PutShares():
            return edges.share(turn, command)
        case PaceReplacements():
            return replacements.pace(turn, command)
        case DrainAgent():
            return draining.drain(turn, command)
        case UndrainAgent():
            return draining.undrain(turn, command)
        case ForgetCrash():
            return crashes.forget(turn, command)
        case TearDown():
            return _tear_down(turn, command)


def _answer(outcome: Refused | Deployment) -> Reply:
    return outcome if isinstance(outcome, Refused) else Done(outcome.version, outcome.id)


@dataclass(frozen=True, slots=True)
class _Change:
    """A change that nothing refuses any more. ``pairs`` are (before, after) definitions."""

    version: str
    pairs: list[Pair]
    actions: list[PlannedAction]
    groups: tuple[Group, ...] = ()
    removed_groups: tuple[str, ...] = ()
    reverts: str = ""
    late: str = ""


def change_apps(turn: Turn, command: ChangeApps, *, late: str = "") -> Reply:
    """Put and remove definitions and groups, all or none. ``late``: why the deployment that this
    takes back is not given more time."""
    removes = _removes(turn, command)
    refused = _refusal(turn, command, removes)
    if refused is not None:
        return refused
    version = turn.new_version()
    # Unforced, the same again is what a deployment under way is doing already.
    forced = command.force and not command.reverts
    again = deployments.unfinished(turn, [put.app.id for put in command.puts if forced])
    apps = [put.app for put in command.puts]
    stamped = stamp(turn, apps, version, again=again, revert=bool(command.reverts))
    if isinstance(stamped, Refused):
        return stamped
    stored = turn.world.state.apps
    pairs: list[Pair] = [(stored[app_id], None) for app_id in removes]
    pairs += [(stored.get(app.id), app) for app in stamped]
    actions = _planned(turn, pairs, again, force=command.force)
    if isinstance(actions, Refused):
        return actions
    # A group without apps gives way to an app, as in Marathon.
    empty = (app.id for app in stamped if app.id in turn.world.state.groups)
    gone = (*command.removed_groups, *empty)
    change = _Change(version, pairs, actions, command.groups, gone, command.reverts, late)
    return _would_do(turn, change) if command.dry_run else _apply(turn, change)


def _removes(turn: Turn, command: ChangeApps) -> list[str]:
    """The apps to remove: those named, and all below removed groups, but for those put anew."""
    put = {one.app.id for one in command.puts}
    apps = turn.world.state.apps
    inside = (app_id for path in command.removed_groups for app_id in trees.below(path, apps))
    return list(dict.fromkeys([*command.removes, *(one for one in inside if one not in put)]))


def _refusal(turn: Turn, command: ChangeApps, removes: list[str]) -> Refused | None:
    state = turn.world.state
    root = state.groups.get(trees.ROOT)
    if root is not None and command.expected_tree not in {None, root.version}:
        return Refused(Why.CHANGED_MEANWHILE, trees.ROOT)
    for app_id in removes:
        if app_id not in state.apps:
            return Refused(Why.APP_UNKNOWN, app_id)
    for path in command.removed_groups:
        if path not in state.groups and not turn.world.paths.below(path):
            return Refused(Why.GROUP_UNKNOWN, path)
    return check_puts(turn, command.puts, removes, command.groups, force=command.force)


def _planned(
    turn: Turn, pairs: list[Pair], restarting: Collection[str], *, force: bool
) -> list[PlannedAction] | Refused:
    """What a change does, unless another deployment holds an app that it would act on. An app
    that is only named again is not locked: that was no conflict in Marathon either."""
    actions = deployments.plan_change(turn, pairs, restarting)
    if isinstance(actions, Refused) or not actions:
        return actions
    return deployments.locked(turn, _affected(actions), force=force) or actions


def _affected(actions: list[PlannedAction]) -> list[str]:
    return list(dict.fromkeys(action.app_id for action in actions))


def _would_do(turn: Turn, change: _Change) -> Done:
    total = change.actions[-1].step if change.actions else 0
    plan = plan_from(parts_of("", change.actions), total)
    fits = fitting.judge(turn, change.pairs, change.actions)
    told = (*warnings(change.pairs), *(one.message for one in fits.misfits), *fits.unknown)
    return Done(change.version, steps=plan.steps, warnings=told, misfits=fits.misfits)


def _apply(turn: Turn, change: _Change) -> Done:
    """Store a change and begin its deployment; one that changes nothing is over before that.
    Groups come last: whoever reads a group's new version before what is in it reads no old app."""
    deployment_id = turn.context.new_id()
    share = deployments.share_of_the_way_back(turn, change.reverts)
    _make_way(turn, change, deployment_id)
    if change.actions:
        begun = deployments.Begun(change.reverts, share)
        deployments.start(turn, deployment_id, change.version, change.actions, begun)
    for old, new in change.pairs:
        if new is not None:
            store_app(turn, new)
        elif old is not None:
            removed_app(turn, old.id)
    trees.changed(turn, change.version, change.pairs, change.groups, change.removed_groups)
    stored = tuple(new for _, new in change.pairs if new is not None)
    return Done(change.version, deployment_id, stored, warnings=warnings(change.pairs))


def _make_way(turn: Turn, change: _Change, deployment_id: str) -> None:
    why = "cancelled by a forced change"
    if change.reverts:
        why = f"{change.late}taken back"
        if change.actions:
            why += f" by deployment {deployment_id}"
        reverted = turn.world.state.deployments.get(change.reverts)
        if reverted is not None:  # also if that leaves nothing to do
            deployments.cancel(turn, reverted, why)
    deployments.make_way(turn, _affected(change.actions), why)


class _How(Protocol):
    """What commands that change apps have in common."""

    @property
    def force(self) -> bool: ...

    @property
    def dry_run(self) -> bool: ...


def _change_each(
    turn: Turn, version: str, pairs: list[Pair], restarting: Collection[str], how: _How
) -> Done | Refused:
    """A change of definitions that are there already."""
    actions = _planned(turn, pairs, restarting, force=how.force)
    if isinstance(actions, Refused):
        return actions
    change = _Change(version, pairs, actions)
    return _would_do(turn, change) if how.dry_run else _apply(turn, change)


def _restart(turn: Turn, command: RestartApp) -> Reply:
    app = turn.world.state.apps.get(command.app_id)
    if app is None:
        return Refused(Why.APP_UNKNOWN, command.app_id)
    version = turn.new_version()
    again = replace(
        app, version=version, config=version, keep_old=False, last_config_change_at=version
    )
    return _change_each(turn, version, [(app, again)], {app.id}, command)


def _suspend(turn: Turn, command: SuspendApp) -> Reply:
    app = turn.world.state.apps.get(command.app_id)
    if app is None:
        return Refused(Why.APP_UNKNOWN, command.app_id)
    if not app.instances:
        return Done(app.version)
    asleep = replace(app, suspended_from=app.instances, instances=0)
    return _rescale(turn, app, asleep, command)


def _resume(turn: Turn, command: ResumeApp) -> Reply:
    app = turn.world.state.apps.get(command.app_id)
    if app is None:
        return Refused(Why.APP_UNKNOWN, command.app_id)
    if not app.suspended_from:
        return Refused(Why.NOT_SUSPENDED, command.app_id)
    awake = replace(app, suspended_from=0, instances=app.suspended_from)
    return _rescale(turn, app, awake, command)


def _rescale(turn: Turn, old: App, new: App, how: _How) -> Done | Refused:
    version = turn.new_version()
    new = replace(new, version=version, last_scaling_at=version)
    return _change_each(turn, version, [(old, new)], (), how)


def _kill_tasks(turn: Turn, command: KillTasks) -> Reply:
    known = turn.world.state.instances
    named = dict.fromkeys(command.instance_ids)
    instances = [known[id_] for id_ in named if id_ in known]
    if not instances and len(named) == 1:
        return Refused(Why.TASK_UNKNOWN, command.instance_ids[0])
    under = [freeze for one in instances if (freeze := over(turn, one.app_id)) is not None]
    if under and not command.force:
        return _refused_by(under[0])
    if command.scale:
        return _kill_and_scale(turn, instances, command)
    if command.dry_run:
        return Done(instances=tuple(instances))
    for instance in instances:
        if command.wipe:
            decommission(turn, instance, _on_request(turn, instance, "wiped"))
            operations.give_back_of(turn, instance.id, "wiped on request")
        else:
            kill(turn, instance, _on_request(turn, instance, "killed"), planned=True)
    return Done(instances=tuple(instances))


def _on_request(turn: Turn, instance: Instance, what: str) -> str:
    """The reason of a kill that a person asked for."""
    return f"{what} on request{FORCED if frozen(turn, instance.app_id) else ''}"


def _refused_by(freeze: Freeze) -> Refused:
    what = f"App '{freeze.app_id}'" if freeze.app_id else "Everything"
    reason = f" ({freeze.reason})" if freeze.reason else ""
    message = f"{what} is frozen{reason}: nothing is killed. Override with '?force=true'."
    return Refused(Why.FROZEN, freeze.app_id, message)


def _kill_orphan(turn: Turn, command: KillOrphan) -> Reply:
    freeze = over_task(turn, command.task_id)
    if freeze is not None and not command.force and command.task_id in turn.world.state.orphans:
        return _refused_by(freeze)
    return orphans.kill_orphan(turn, command)


def _tear_down(turn: Turn, command: TearDown) -> Reply:
    freezes_now = [one for one in turn.world.state.freezes.values() if not one.crash]
    freeze = over(turn, "") or next(iter(freezes_now), None)
    if freeze is not None and not command.force:
        return _refused_by(freeze)
    turn.world.tearing_down = True
    turn.actions.append(RemoveFramework())
    return Done()


def _kill_and_scale(turn: Turn, instances: list[Instance], how: _How) -> Reply:
    apps = turn.world.state.apps
    fewer: dict[str, int] = {}
    for instance in instances:
        if instance.app_id in apps and instance.goal is not Goal.DECOMMISSIONED:
            fewer[instance.app_id] = fewer.get(instance.app_id, 0) + 1
    version = turn.new_version()
    pairs: list[Pair] = []
    for app_id, count in fewer.items():
        app = apps[app_id]
        smaller = replace(
            app,
            instances=max(0, app.instances - count),
            version=version,
            last_scaling_at=version,
        )
        pairs.append((app, smaller))
    done = _change_each(turn, version, pairs, (), how)
    if isinstance(done, Refused):
        return done
    for instance in () if how.dry_run else instances:
        decommission(turn, instance, _on_request(turn, instance, "scaled down"))
    return replace(done, instances=tuple(instances))


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
        if not command.dry_run:
            deployments.cancel(turn, deployment, "cancelled on request")
        return Done(deployment.version, deployment.id)
    return revert(turn, deployment, dry_run=command.dry_run)


def revert(turn: Turn, deployment: Deployment, *, late: str = "", dry_run: bool = False) -> Reply:
    """Take a deployment's change back by a new deployment; later changes of other apps stay."""
    state = turn.world.state
    puts, removes = [], []
    for app_id, version in turn.world.plans[deployment.id].before.items():
        earlier = state.versions_of.get(app_id, {}).get(version)
        if earlier is not None:
            puts.append(PutApp(earlier))
        elif not version and app_id in state.apps:
            removes.append(app_id)
    if not puts and not removes:  # what was before is known no more
        if not dry_run:
            deployments.cancel(turn, deployment, "cancelled on request")
        return Done(deployment.version, deployment.id)
    reverts = deployment.id
    back = ChangeApps(tuple(puts), tuple(removes), force=True, dry_run=dry_run, reverts=reverts)
    return change_apps(turn, back, late=late)


def give_up(turn: Turn, deployment_id: str) -> None:
    """A deployment's deadline is due: without progress its change is taken back. It is only ended
    where that can not be: it created apps, or what was before fits no more beside the others."""
    deployment = turn.world.state.deployments.get(deployment_id)
    seconds = 0 if deployment is None else deployments.late_seconds(turn, deployment)
    if deployment is None or not seconds or _any_frozen(turn, deployment):
        return  # when the freeze ends the deadline begins anew
    before = turn.world.plans[deployment_id].before
    turn.remark("error", f"deployment {deployment_id} made no progress in time; taking it back")
    late = f"no progress within {seconds} s"
    if all(before.values()):
        reply = revert(turn, deployment, late=f"{late}; ")
        if isinstance(reply, Done):
            return
    deployments.cancel(turn, deployment, late)


def _any_frozen(turn: Turn, deployment: Deployment) -> bool:
    return any(frozen(turn, one) for one in turn.world.plans[deployment.id].affected)
