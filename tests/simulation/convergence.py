"""After the faults: everything is as it should be, or waits for a reason that holds.

Looks at what really runs on the machines first, then at the records. ``missing`` gives one
sentence for each thing that is not yet right.
"""

from framework.domain.app import App
from framework.domain.ids import parse_task_id
from framework.domain.instance import Goal
from framework.domain.state import State
from tests.simulation import oracle
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
    wrong: list[str] = []
    waiting = set()
    for app in state.apps.values():
        found = _app(state, app, tasks)
        if found and (_unheard(state, app) or _nothing_fits(state, app, master)):
            waiting.add(app.id)
        else:
            wrong += found
    for deployment in state.deployments.values():
        affected = state.plan(deployment).affected
        if not waiting & {*affected}:
            wrong.append(f"deployment {deployment.id} of {affected} does not end")
    wrong += [
        f"{instance.id} is {instance.condition}, {instance.goal}, {instance.kill_reason!r}"
        for instance in state.instances.values()
        if (instance.kill_reason or instance.goal is Goal.DECOMMISSIONED)
        and not oracle.unreachable(instance)
    ]
    if master.session is not None and master.session.offers:
        wrong.append("offers are out")
    return wrong


def _running(master: Master) -> list[Task]:
    return [task for machine in master.machines.values() for task in machine.live()]


def _unheard(state: State, app: App) -> list[str]:
    instances = state.instances_of.get(app.id, {}).values()
    return [one.task_id for one in instances if oracle.unreachable(one)]


def strays(process: Process, master: Master, safety: Safety) -> list[str]:
    """What only a reconciliation finds out: tasks outside the records (but for orphans that are
    listed), and tasks that ended while their agent was unreachable."""
    state = process.store.durable
    found = [
        f"{task} is out of reach" for app in state.apps.values() for task in _unheard(state, app)
    ]
    if len(state.orphans) >= safety.policy.max_orphans:
        return found
    for task in _running(master):
        parsed = parse_task_id(task.id)
        instance = None if parsed is None else state.instances.get(parsed[0])
        if instance is not None and instance.task_id == task.id:
            continue
        if task.id in state.orphans and (task.foreign or safety.buried_too_many):
            continue
        found.append(f"{task.id} runs on {task.agent_id} and is in no record")
    return found


def _app(state: State, app: App, tasks: list[Task]) -> list[str]:
    instances = state.instances_of.get(app.id, {})
    by_task = {one.task_id: one for one in instances.values()}
    mine = [by_task[task.id] for task in tasks if task.id in by_task]
    fresh = [one for one in mine if oracle.current(app, one)]
    serving = [one for one in instances.values() if oracle.serving(state, one)]
    if len(mine) == len(fresh) == len(serving) == app.instances:
        return []
    counts = f"{len(mine)} tasks, {len(fresh)} of its configuration, {len(serving)} serving"
    return [f"{app.id} has {counts} of {app.instances}"]


def _nothing_fits(state: State, app: App, master: Master) -> bool:
    """Whether the app wants one more task and no agent can take it."""
    instances = state.instances_of.get(app.id, {}).values()
    live = [one for one in instances if oracle.live(one)]
    wanted = [one for one in live if oracle.current(app, one) and one.goal is Goal.RUNNING]
    if len(wanted) >= app.instances or not all(oracle.serving(state, one) for one in live):
        return False
    upgrading = len(live) > len(wanted)
    if upgrading and (len(live) >= most(app) or len(live) > minimum(app)):
        return False  # an old one could go, or nothing may start: it is not the agents' fault
    others = [oracle.values_of(state.agents[one.agent_id]) for one in oracle.counted(app, state)]
    for agent_id in master.registered:
        machine = master.machines[agent_id]
        if (
            oracle.fits(app, master.free(agent_id))
            and oracle.at_home(app, machine.info, HOME_REGION)
            and oracle.admits(app, machine.info, others)
        ):
            return False
    return True
