"""The maintenance schedule: which machines will be away when, and which are down now.

A machine in the schedule drains (its agents' offers tell when it will be away), is brought down
by the operator, which removes its agents, and up again, after which its agents register anew.
Checks and messages are those of Mesos 1.11.
"""

import ipaddress
from collections.abc import Iterable

import msgspec

from localmesos.simulated import agents, inverse
from localmesos.simulated.operator_wire import Machine, Schedule, Unavailability, Window
from localmesos.simulated.state import PRESENT, Agent, Cluster, PlannedMachine

Json = dict[str, object]


def update_schedule(cluster: Cluster, now: float, schedule: Schedule) -> None:
    """Replace the whole schedule. Raises ValueError for a wrong one.

    As in Mesos the offers of all agents are void then, those of agents not in it too.
    """
    planned = _unavailabilities(schedule)
    for key, machine in cluster.machines.items():
        if machine.down and key not in planned:
            text = _text(machine.id)
            raise ValueError(
                f"Machine '{text}' is deactivated and cannot be removed from the schedule"
            )
    before = cluster.machines
    cluster.machines = {
        key: before.get(key) or PlannedMachine(given, unavailability)
        for key, (given, unavailability) in planned.items()
    }
    for key, (_, unavailability) in planned.items():
        cluster.machines[key].unavailability = unavailability
    cluster.schedule = schedule
    for agent in _present(cluster):
        inverse.plan(cluster, now, agent, cluster.unavailability_of(agent.spec))


def _unavailabilities(schedule: Schedule) -> dict[Machine, tuple[Machine, Unavailability]]:
    planned: dict[Machine, tuple[Machine, Unavailability]] = {}
    for window in schedule.windows:
        if not window.machine_ids:
            raise ValueError("List of machines in the maintenance window is empty")
        duration = window.unavailability.duration
        if duration is not None and duration.nanoseconds < 0:
            raise ValueError("Unavailability 'duration' is negative")
        for key, given in _checked(window.machine_ids, planned).items():
            planned[key] = (given, window.unavailability)
    return planned


def _checked(machines: Iterable[Machine], others: Iterable[Machine] = ()) -> dict[Machine, Machine]:
    """The machines by their keys; each only once, and none of `others`."""
    found: dict[Machine, Machine] = {}
    taken = set(others)
    for each in machines:
        if not (each.hostname or each.ip):
            raise ValueError("Both 'hostname' and 'ip' for a machine are empty")
        if each.ip:
            try:
                ipaddress.IPv4Address(each.ip)
            except ValueError:
                raise ValueError(f"Failed to parse IPv4: {each.ip}") from None
        key = each.key()
        if key in taken:
            raise ValueError(f"Machine '{_text(each)}' appears more than once in the schedule")
        taken.add(key)
        found[key] = each
    return found


def _text(machine: Machine) -> str:
    return msgspec.json.encode(machine).decode()


def start(cluster: Cluster, now: float, machines: tuple[Machine, ...]) -> None:
    """Bring machines down: their agents are removed. Raises ValueError where one does not drain."""
    for key, machine in _in_mode(cluster, machines, down=False).items():
        machine.down = True
        there = [a for a in _present(cluster) if cluster.machine_of(a.spec) == key]
        for agent in there:
            agents.remove_agent(cluster, now, agent, "Operator initiated 'Machine DOWN'")
            machine.absent.append(agent.spec)


def stop(cluster: Cluster, now: float, machines: tuple[Machine, ...]) -> None:
    """Bring machines up: their agents register anew. Raises ValueError where one is not down."""
    up = _in_mode(cluster, machines, down=True)
    for key in up:
        del cluster.machines[key]
    windows = []
    for window in cluster.schedule.windows:
        left = tuple(each for each in window.machine_ids if each.key() not in up)
        if left:
            windows.append(Window(left, window.unavailability))
    cluster.schedule = Schedule(tuple(windows))
    for machine in up.values():
        for spec in machine.absent:
            agents.add_agent(cluster, now, spec)


def _in_mode(
    cluster: Cluster, machines: tuple[Machine, ...], *, down: bool
) -> dict[Machine, PlannedMachine]:
    """Those machines, all of which must be in the schedule, and down or draining as told."""
    if not machines:
        raise ValueError("List of machines is empty")
    found = {}
    for key, given in _checked(machines).items():
        machine = cluster.machines.get(key)
        wrong = "not in DOWN mode and cannot be brought up"
        if not down:
            wrong = "not in DRAINING mode and cannot be brought down"
        if machine is None and not any(
            cluster.machine_of(agent.spec) == key for agent in _present(cluster)
        ):
            wrong = "not part of a maintenance schedule"
        if machine is None or machine.down is not down:
            raise ValueError(f"Machine '{_text(given)}' is {wrong}")
        found[key] = machine
    return found


def _present(cluster: Cluster) -> Iterable[Agent]:
    return [agent for agent in cluster.agents.values() if agent.state in PRESENT]


def status(cluster: Cluster) -> Json:
    """ClusterStatus: who drains, with the answers to inverse offers, and who is down."""
    answers: dict[Machine, list[Json]] = {}
    for agent in cluster.maintained:
        if agent.maintenance is not None:
            key = cluster.machine_of(agent.spec)
            said = map(_answer, agent.maintenance.answers.items())
            answers.setdefault(key, []).extend(said)
    draining: list[Json] = []
    down: list[Machine] = []
    for key, machine in cluster.machines.items():
        if machine.down:
            down.append(machine.id)
        else:
            statuses = {"statuses": answers[key]} if answers.get(key) else {}
            draining.append({"id": machine.id, **statuses})
    found: Json = {"draining_machines": draining} if draining else {}
    return found | ({"down_machines": down} if down else {})


def _answer(item: tuple[str, tuple[str, float]]) -> Json:
    framework_id, (said, wall_seconds) = item
    return {
        "status": said,
        "framework_id": {"value": framework_id},
        "timestamp": {"nanoseconds": int(wall_seconds * 1e9)},
    }
