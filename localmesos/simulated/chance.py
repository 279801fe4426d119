"""Tasks that fail and agents that are lost by chance, at a steady rate, until told otherwise.

Once a second so many are drawn that the rates are kept; drawing costs the same however many tasks
and agents there are.
"""

import random
from itertools import islice

from msgspec import Struct

from localmesos.simulated import agents, tasks
from localmesos.simulated.state import TERMINAL, Agent, AgentState, Cluster, Task

_TICK_SECONDS = 1.0
_TRIES = 20


class Chances(Struct, frozen=True, tag="chances"):
    """Each minute these parts of all tasks fail and of all agents are lost; 0 ends it."""

    failures_per_minute: float = 0.0
    losses_per_minute: float = 0.0
    lost_seconds: float = 30.0
    """Until a lost agent is back."""
    seed: int = 0


def begin(cluster: Cluster, now: float, chances: Chances) -> None:
    """From now on by these. Raises ValueError for rates that cannot be."""
    rates = (chances.failures_per_minute, chances.losses_per_minute)
    if not (0 <= min(rates) <= max(rates) <= 60 and chances.lost_seconds >= 0):
        raise ValueError("rates must be between 0 and 60 a minute, and times not negative")
    drawing = cluster.faults.drawing = _Drawing(cluster, chances) if any(rates) else None
    if drawing is not None:
        cluster.timers.at(now + _TICK_SECONDS, drawing.tick)


class _Drawing:
    """Keeps count of what is due, in parts of a task and of an agent."""

    def __init__(self, cluster: Cluster, chances: Chances) -> None:
        self._cluster = cluster
        self._chances = chances
        self._random = random.Random(chances.seed)  # noqa: S311 - it decides what fails, no more
        self._agents: tuple[Agent, ...] = ()
        self._failures = self._losses = 0.0

    def tick(self, now: float) -> None:
        cluster = self._cluster
        if cluster.faults.drawing is not self:
            return
        cluster.timers.at(now + _TICK_SECONDS, self.tick)
        if len(self._agents) != len(cluster.agents):
            self._agents = tuple(cluster.agents.values())
        part = _TICK_SECONDS / 60
        alive = sum(len(framework.tasks) for framework in cluster.frameworks.values())
        self._failures += alive * self._chances.failures_per_minute * part
        self._losses += len(self._agents) * self._chances.losses_per_minute * part
        for _ in range(int(self._failures)):
            task = self._draw_task()
            if task is not None:
                tasks.end(cluster, now, task, "TASK_FAILED", "Failed by chance")
        for _ in range(int(self._losses)):
            self._lose(now)
        self._failures %= 1
        self._losses %= 1

    def _draw_agent(self) -> Agent | None:
        """One that is registered; None when none is found soon."""
        for _ in range(_TRIES if self._agents else 0):
            agent = self._random.choice(self._agents)
            if agent.state is AgentState.REGISTERED:
                return agent
        return None

    def _draw_task(self) -> Task | None:
        """One that runs; None when none is found soon."""
        for _ in range(_TRIES):
            agent = self._draw_agent()
            if agent is not None and agent.tasks:
                place = self._random.randrange(len(agent.tasks))
                task = next(islice(agent.tasks, place, None))
                if task.state not in TERMINAL and not task.kill_asked:
                    return task
        return None

    def _lose(self, now: float) -> None:
        agent = self._draw_agent()
        if agent is None:
            return
        agents.disconnect_agent(self._cluster, now, agent)
        agents.lose_agent(self._cluster, now, agent)
        back = now + self._chances.lost_seconds
        cluster = self._cluster
        cluster.timers.at(back, lambda later: agents.return_agent(cluster, later, agent))
