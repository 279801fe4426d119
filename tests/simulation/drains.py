"""Drains in a run: nothing is launched on a drained agent, all that runs there is to be replaced,
and what is left when the deadline has passed is killed. Recounted from the records."""

from collections.abc import Iterable

from framework.domain.actions import Launch
from framework.domain.freezing import EVERYTHING
from framework.domain.instance import Goal, Instance
from framework.domain.state import State
from tests.simulation.oracle import WAITS, unreachable
from tests.simulation.stage import Violation


def check(state: State, launches: Iterable[Launch], now_ms: int) -> None:
    """After each step; a freeze holds the deadline back, and nothing else."""
    if not state.drains:
        return
    over = {name for name, one in state.drains.items() if 0 < one.deadline_ms <= now_ms}
    for launch in launches:
        if launch.agent.id in state.drains or launch.agent.hostname in state.drains:
            raise Violation(f"{launch.task_id} is launched on drained {launch.agent.hostname}")
    for instance in state.instances.values():
        names = _names(state, instance)
        there = instance.goal is Goal.RUNNING and instance.condition not in WAITS
        if not there or not names & state.drains.keys():
            continue
        if instance.mark is None:
            raise Violation(f"{instance.id} stays on a drained agent")
        held = state.freezes.keys() & {EVERYTHING, instance.app_id}
        if names & over and not held and not instance.kill_reason and not unreachable(instance):
            raise Violation(f"{instance.id} outlives the deadline of a drain")


def is_over(state: State, instance: Instance, now_ms: int) -> bool:
    """Whether the time is over in which its agent was to be empty: what is there ends at once."""
    found = [state.drains[name] for name in _names(state, instance) & state.drains.keys()]
    return any(0 < one.deadline_ms <= now_ms for one in found)


def _names(state: State, instance: Instance) -> set[str]:
    agent = state.agents.get(instance.agent_id)
    return {instance.agent_id} | ({agent.hostname} if agent else set())
