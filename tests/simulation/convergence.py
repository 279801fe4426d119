"""After the faults: everything is as it should be, or waits for a reason that holds.

Looks at what really runs on the machines first, then at the records. ``missing`` gives one
sentence for each thing that is not yet right.
"""

from framework.domain.app import App
from framework.domain.ids import parse_task_id
from framework.domain.instance import Goal, Instance
from framework.domain.state import State
from framework.domain.volumes import ReservationState
from tests.simulation import oracle, rollouts
from tests.simulation.capacity import minimum, most
from tests.simulation.machines import Task
from tests.simulation.mesos import Master
from tests.simulation.placements import HOME_REGION
from tests.simulation.process import Process
from tests.simulation.safety import Safety


def missing(process: Process, master: Master) -> list[str]:
    """What is not right yet, but for what ``strays`` finds; empty when the run has converged."""
    state = process.store.durable
    if not process.idle() or not process.view.connection.synced:
        return ["the scheduler is busy or not synced"]
    tasks = _running(master)
    found = {
        app.id: sentences for app in _in_force(state) if (sentences := _app(state, app, tasks))
    }
    waiting = {
        app_id
        for app_id in found
        if _unheard(state, app_id) or _nothing_fits(state, app_id, master)
    }
    wrong: list[str] = []
    for deployment in state.deployments.values():
        affected = state.plan(deployment).affected
        if waiting.isdisjoint(affected):
            wrong.append(f"deployment {deployment.id} of {affected} does not end")
        else:  # canaries wait for those of the other apps too
            waiting |= {one for one in affected if _has_canaries(state, one)}
    wrong += [found[app_id] for app_id in found if app_id not in waiting]
    wrong += [
        f"{instance.id} is {instance.condition}, {instance.goal}, {instance.kill_reason!r}"
        for instance in state.instances.values()
        if (instance.kill_reason or instance.goal is Goal.DECOMMISSIONED)
        and not oracle.unreachable(instance)
    ]
    if state.storm is not None:
        wrong.append(f"the storm does not end: {state.storm}")
    elif state.alarms:
        wrong.append(f"alarms stand: {[*state.alarms]}")
    wrong += _unsettled(state, master)
    out = {} if master.session is None else master.session.offers
    if out.keys() != process.world.hand.keys():
        wrong.append("offers are out")
    return wrong


def _has_canaries(state: State, app_id: str) -> bool:
    app = state.apps.get(app_id)
    return app is not None and app.upgrade_strategy.canary > 0


def _in_force(state: State) -> list[App]:
    """The definitions in force: apps of a deployment's later steps are as they were before."""
    found = (oracle.effective(state, app_id) for app_id in state.apps)
    return [app for app in found if app is not None]


def _running(master: Master) -> list[Task]:
    return [task for machine in master.machines.values() for task in machine.live()]


def _unheard(state: State, app_id: str) -> list[str]:
    instances = state.instances_of.get(app_id, {}).values()
    return [one.task_id for one in instances if oracle.unreachable(one)]


def strays(process: Process, master: Master, safety: Safety) -> list[str]:
    """What only a reconciliation finds out: tasks outside the records (but for orphans that are
    listed), and tasks that ended while their agent was unreachable."""
    state = process.store.durable
    found = [f"{task} is out of reach" for app_id in state.apps for task in _unheard(state, app_id)]
    if len(state.orphans) >= safety.policy.max_orphans:
        return found
    for task in _running(master):
        parsed = parse_task_id(task.id)
        instance = None if parsed is None else state.instances.get(parsed[0])
        if instance is not None and instance.task_id == task.id:
            continue
        if task.id in state.orphans and (task.foreign or safety.buried_too_many):
            continue
        if task.foreign and safety.listed_too_many:  # the next reconciliation lists it
            continue
        found.append(f"{task.id} runs on {task.agent_id} and is in no record")
    return found


def _app(state: State, app: App, tasks: list[Task]) -> str:
    instances = state.instances_of.get(app.id, {})
    by_task = {one.task_id: one for one in instances.values()}
    mine = [by_task[task.id] for task in tasks if task.id in by_task]
    fresh = [one for one in mine if oracle.current(app, one)]
    serving = [one for one in instances.values() if oracle.serving(state, one)]
    if len(mine) == len(fresh) == len(serving) == app.instances:
        return ""
    counts = f"{len(mine)} tasks, {len(fresh)} of its configuration, {len(serving)} serving"
    return f"{app.id} has {counts} of {app.instances}"


def _nothing_fits(state: State, app_id: str, master: Master) -> bool:
    """Whether the app wants one more task and no agent can take it."""
    app = oracle.effective(state, app_id)
    assert app is not None
    live = [one for one in state.instances_of.get(app_id, {}).values() if oracle.live(one)]
    wanted = [one for one in live if oracle.current(app, one) and one.goal is Goal.RUNNING]
    if len(wanted) >= app.instances or not all(oracle.serving(state, one) for one in live):
        return False
    old = _canaries_stand_beside(state, app)
    if old is not None:
        missing = _missing_beside_canaries(app, old, live)
        return bool(missing) and not any(_fits_somewhere(state, one, master) for one in missing)
    # An old one could go, or nothing may start: then it is not the agents' fault.
    batch = app.upgrade_strategy.batch_size or app.instances
    may_go = len(live) > minimum(app) and app.instances - len(live) < batch
    if len(live) > len(wanted) and (len(live) >= most(app) or may_go):
        return False
    return not _fits_somewhere(state, app, master)


def _canaries_stand_beside(state: State, app: App) -> App | None:
    deployment = rollouts.deployment_of(state, app.id)
    if deployment is None or deployment.promoted or not app.upgrade_strategy.canary:
        return None
    return rollouts.replaced(state, app, deployment)


def _missing_beside_canaries(app: App, old: App, live: list[Instance]) -> list[App]:
    """Definitions of which one more is wanted: the canaries' own, and the one they replace."""
    canaries = app.upgrade_strategy.canary
    mine = sum(oracle.current(app, one) for one in live)
    missing = [app] if mine < min(canaries, app.instances) else []
    if len(live) - mine < app.instances - canaries:
        missing.append(old)
    return missing


def _data_waits(state: State, app: App) -> list[tuple[str, str]]:
    """The instances that left their volumes on an agent and are to start there again, with it."""
    if not app.persistent_volumes:
        return []
    instances = state.instances
    return [
        (held.agent_id, held.instance_id)
        for held in state.reservations_of.get(app.id, {}).values()
        if held.state is ReservationState.READY
        and [(one.container_path, one.type) for one in held.volumes]
        == [(one.container_path, one.type) for one in app.persistent_volumes]
        and (held.instance_id not in instances or not oracle.live(instances[held.instance_id]))
    ]


def _fits_somewhere(state: State, app: App, master: Master) -> bool:
    others = [oracle.values_of(state.agents[one.agent_id]) for one in oracle.counted(app, state)]
    data = _data_waits(state, app)
    in_use = {  # by an orphan, say
        holding.owner[1] for task in _running(master) for holding in task.needs.holdings
    }
    with_data = [agent_id for agent_id, instance_id in data if instance_id not in in_use]
    for agent_id in with_data if data else master.registered:
        machine = master.machines[agent_id]
        if (
            # What is reserved for its data is not free, and is there.
            (agent_id in with_data or oracle.fits(app, master.free(agent_id)))
            and oracle.at_home(app, machine.info, HOME_REGION)
            and oracle.admits(app, machine.info, others)
        ):
            return True
    return False


def _unsettled(state: State, master: Master) -> list[str]:
    """After the faults: what the records and the agents do not agree on, and what is to go and
    has not gone."""
    found = []
    there = {
        holding.owner[1]: (agent_id, holding)
        for agent_id in master.registered
        for holding in master.machines[agent_id].total.held()
    }
    ours = {instance.task_id for instance in state.instances.values()}
    in_use = {  # by tasks that were given up: ``strays`` finds those that have not been killed
        holding.owner[1]
        for machine in master.machines.values()
        for task in machine.live()
        if task.id not in ours
        for holding in task.needs.holdings
    }
    for held in state.reservations.values():
        place = there.get(held.instance_id)
        if held.state is ReservationState.LOST and held.instance_id in state.instances:
            continue
        if held.state is ReservationState.DESTROYING and held.instance_id in in_use:
            continue
        if held.state is not ReservationState.READY or held.pending:
            found.append(f"reservation {held.instance_id} is {held.state}, {held.pending}")
        elif place is None or place[0] != held.agent_id or {*place[1].volumes} != {*held.volumes}:
            found.append(f"reservation {held.instance_id} on {held.agent_id} is not there: {place}")
        elif held.app_id not in state.apps:
            found.append(f"reservation {held.instance_id} outlives {held.app_id}")
    return found + [
        f"{instance_id} is reserved on {there[instance_id][0]} and in no record"
        for instance_id in sorted(there.keys() - state.reservations.keys())
    ]
