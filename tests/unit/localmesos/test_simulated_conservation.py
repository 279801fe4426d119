"""Whatever happens to the simulated Mesos, no resource is lost and none is given twice."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from localmesos.simulated import faults
from localmesos.simulated.resources import EMPTY, minus, plus
from localmesos.simulated.state import AgentState
from tests.unit.localmesos.simulated_cluster import FakeMesos, FakeScheduler, Json, cpus, task

AGENTS = 3
Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "launch",
                "launch",
                "launch",
                "launch badly",
                "decline",
                "acknowledge",
                "kill",
                "end",
                "revive",
                "suppress",
                "lose",
                "disconnect",
                "return",
                "gone",
                "rescind",
                "restart",
                "fail over",
                "time",
            ]
        ),
        st.integers(0, 1000),
    ),
    max_size=40,
)


class World:
    """A scheduler that keeps its offers and does what the steps say."""

    def __init__(self) -> None:
        self.mesos = FakeMesos(AGENTS, "cpus:4;mem:512;ports:[1-50]", heartbeat_seconds=1e6)
        self.scheduler = self._subscribe({})
        self.held: list[Json] = []
        self.launched = 0

    def _subscribe(self, more: Json) -> FakeScheduler:
        return self.mesos.subscribe(checkpoint=True, failover_timeout=1e6, **more)

    def step(self, name: str, number: int) -> None:
        self.held += self.scheduler.offers()
        steps: dict[str, Callable[[int], object]] = {
            "launch": self.launch,
            "launch badly": self.launch_badly,
            "decline": lambda n: self.scheduler.decline(self.take(n), float(n % 10)),
            "acknowledge": lambda _n: self.scheduler.acknowledge_all(),
            "kill": lambda n: self.scheduler.kill(f"t{n % max(1, self.launched)}"),
            "end": self.end,
            "revive": lambda _n: self.scheduler.call("REVIVE"),
            "suppress": lambda _n: self.scheduler.call("SUPPRESS"),
            "lose": lambda n: self.mesos.do(faults.LoseAgent(n % AGENTS)),
            "disconnect": lambda n: self.mesos.do(faults.DisconnectAgent(n % AGENTS)),
            "return": lambda n: self.mesos.do(faults.ReturnAgent(n % AGENTS)),
            "gone": lambda n: self.mesos.do(faults.MarkAgentGone(n % AGENTS)),
            "rescind": lambda n: self.mesos.do(faults.RescindOffers(n % AGENTS)),
            "restart": lambda _n: self.restart(),
            "fail over": lambda _n: self.fail_over(),
            "time": lambda n: self.mesos.pass_time(n / 100),
        }
        steps[name](number)

    def take(self, number: int) -> list[Json]:
        return [self.held.pop(number % len(self.held))] if self.held else []

    def launch(self, number: int) -> None:
        for offer in self.take(number):
            part = cpus(offer) / (1 + number % 3)
            info = task(offer, f"t{self.launched}", cpus=round(part, 3))
            self.launched += 1
            if number % 2:
                info["resources"] += [
                    each for each in offer["resources"] if each["name"] == "ports"
                ]
            self.scheduler.accept([offer], [info], refuse=float(number % 10))

    def launch_badly(self, number: int) -> None:
        for offer in self.take(number):
            self.scheduler.accept([offer, offer], [task(offer, "bad")])

    def end(self, number: int) -> None:
        if f"t{number}" in self.mesos.cluster.frameworks[self.scheduler.framework_id].tasks:
            self.mesos.do(faults.EndTask(f"t{number}"))

    def restart(self) -> None:
        self.mesos.do(faults.RestartMaster())
        self.fail_over()

    def fail_over(self) -> None:
        self.held.clear()
        self.scheduler = self._subscribe({"id": {"value": self.scheduler.framework_id}})

    def check(self) -> None:
        cluster = self.mesos.cluster
        for agent in cluster.agents.values():
            taken = EMPTY
            for offer in cluster.offers.values():
                if offer.agent is agent:
                    assert agent.state is AgentState.REGISTERED
                    taken = plus(taken, offer.bag)
            for each in agent.tasks:
                if not each.ended:
                    taken = plus(taken, each.bag)
            assert minus(agent.total, taken) == agent.free
        for framework in cluster.frameworks.values():
            held = [offer.bag for offer in cluster.offers.values()]
            used = [t.bag for a in cluster.agents.values() for t in a.tasks if not t.ended]
            total = sum(bag.scalars.get("cpus", 0) for bag in (*held, *used))
            assert framework.allocated.get("*", {}).get("cpus", 0) == total


@settings(max_examples=150)
@given(STEPS)
def test_every_resource_is_free_or_offered_or_used_once(steps: list[Step]) -> None:
    world = World()
    for name, number in steps:
        world.step(name, number)
        world.check()


@settings(max_examples=100)
@given(STEPS)
def test_a_healed_cluster_offers_everything_again(steps: list[Step]) -> None:
    world = World()
    for name, number in steps:
        world.step(name, number)
    world.mesos.do(faults.ReturnAgent())
    world.fail_over()
    for number in range(world.launched):
        world.scheduler.kill(f"t{number}")
    world.scheduler.acknowledge_all()
    world.mesos.pass_time(100.0)
    world.scheduler.acknowledge_all()
    world.scheduler.call("REVIVE")
    world.mesos.pass_time(10.0)
    cluster = world.mesos.cluster
    alive = [each for each in cluster.agents.values() if each.state is AgentState.REGISTERED]
    assert sum(cpus(offer) for offer in world.scheduler.offers()) == 4.0 * len(alive)
    assert not any(agent.tasks for agent in cluster.agents.values())
    assert not world.mesos.cluster.frameworks[world.scheduler.framework_id].tasks
