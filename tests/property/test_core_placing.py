"""Random offers for random apps: every launch is right, and nothing waits that could be placed.

The core is driven through ``step`` alone. Each Accept is judged by an oracle that recounts
everything from what it saw (``placing_oracle``), launch by launch in the order of launches.
Scenarios are drawn by a seeded generator and not by strategies: what matters is that cramped,
almost equal and contradictory cases are frequent, and small ones are easy to read anyway.
"""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from framework.core.policy import Policy
from framework.core.turn import Step
from framework.domain.actions import Accept, Decline
from framework.domain.app import App, PortDefinition, UnreachableStrategy
from framework.domain.events import Started
from framework.domain.mesos import Agent, Attribute, Offer, OfferResource, TaskState
from framework.domain.notices import InstanceChanged
from framework.domain.records import replace
from tests.property.placing_oracle import HOME, Left, PlacingOracle
from tests.unit.core.session import Session, launches, status_of

CONSTRAINTS: tuple[tuple[str, ...], ...] = (
    ("hostname", "UNIQUE"),
    ("rack", "UNIQUE"),
    ("@zone", "UNIQUE"),
    ("rack", "GROUP_BY"),
    ("rack", "GROUP_BY", "2"),
    ("rack", "GROUP_BY", "3"),
    ("@zone", "GROUP_BY"),
    ("size", "GROUP_BY"),
    ("rack", "CLUSTER"),
    ("rack", "CLUSTER", "r1"),
    ("size", "CLUSTER"),
    ("rack", "MAX_PER", "1"),
    ("rack", "MAX_PER", "2"),
    ("hostname", "MAX_PER", "2"),
    ("rack", "IS", "r0"),
    ("size", "IS", "1.0"),
    ("rack", "LIKE", "r[01]"),
    ("rack", "UNLIKE", "r[01]"),
    ("hostname", "LIKE", ".*[12]"),
    ("@region", "LIKE", ".*"),
    ("@region", "LIKE", "home|away"),
    ("@zone", "MAX_PER", "2"),
)
FREE = {"GPU_SCHEDULING_BEHAVIOR": "unrestricted"}
# What apps are made of; a second app differs from the first in one or two of these.
CHOICES: dict[str, list[object]] = {
    "instances": [1, 2, 3, 5],
    "cpus_millis": [0, 1, 100, 300, 500],
    "mem_millis": [0, 32_000, 64_001],
    "disk_millis": [*[0] * 5, 10_000],
    "gpus": [*[0] * 9, 1],
    "require_ports": [False, False, True],
    "accepted_resource_roles": [*[("*",)] * 3, ("dev",), *[("*", "dev")] * 4],
    "role": [*["*"] * 8, "dev"],
    "labels": [{}, {}, {}, FREE],
    "backoff_seconds": [0, 0, 10],
    "unreachable_strategy": [UnreachableStrategy(disabled=True)],
}


class Scenario:
    """A cluster, its apps, and what is offered, all from one seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.agents = [self._agent(number) for number in range(self.chance.randint(2, 5))]
        self.closing = {one.id for one in self.agents if self.chance.random() < 0.1}
        self.apps = self._apps()
        self.most_starting = self.chance.choice([1, 2, 64, 64])
        self.rounds = self.chance.randint(1, 3)

    def _agent(self, number: int) -> Agent:
        pick = self.chance.choice
        rack, size = pick([None, *["r0", "r1", "r2"] * 3]), pick([None, 1.0, 1.0, 2.0])
        attributes = [Attribute("rack", text=rack)] if rack else []
        attributes += [Attribute("size", scalar=size)] if size else []
        region, zone = pick([(None, None), *[(HOME, "z0"), (HOME, "z1")] * 4, ("away", "z2")])
        return Agent(f"a{number}", f"host{number}", tuple(attributes), region, zone)

    def _apps(self) -> list[App]:
        first = replace(
            App(id="/app0"),
            port_definitions=self._ports(),
            constraints=self._constraints(),
            **{name: self.chance.choice(values) for name, values in CHOICES.items()},
        )
        others = [
            replace(first, id=f"/app{number}", **self._changes())
            for number in range(1, self.chance.randint(1, 3))
        ]
        return [first, *others]

    def _changes(self) -> dict[str, object]:
        names = self.chance.sample([*CHOICES, "constraints", "constraints", "ports"], 2)
        changes = {name: self.chance.choice(CHOICES[name]) for name in names if name in CHOICES}
        if "constraints" in names:
            changes["constraints"] = self._constraints()
        if "ports" in names:
            changes["port_definitions"] = self._ports()
        return changes

    def _constraints(self) -> tuple[tuple[str, ...], ...]:
        return tuple(self.chance.sample(CONSTRAINTS, self.chance.choice([0, 0, 1, 1, 2])))

    def _ports(self) -> tuple[PortDefinition, ...]:
        fixed = self.chance.sample(range(31_000, 31_008), self.chance.choice([0, 0, 0, 1, 2]))
        wanted = [*fixed, *[0] * self.chance.choice([0, 0, 0, 1, 2])]
        self.chance.shuffle(wanted)
        return tuple(map(PortDefinition, wanted))

    def offers(self, number: int, now_ms: int) -> list[Offer]:
        """The offers of one round; an agent may have several."""
        return [self._offer(f"o{number}-{n}", now_ms) for n in range(self.chance.randint(1, 6))]

    def _offer(self, offer_id: str, now_ms: int) -> Offer:
        pick = self.chance.choice
        entries = [
            self._entry("cpus", [300, 500, 750, 2_000, 4_000]),
            self._entry("mem", [64_001, 256_000, 512_000, 512_000]),
        ]
        entries += [
            self._entry(pick(["cpus", "mem", "disk"]), [1, 99, 10_000, 40_000])
            for _ in range(self.chance.randint(0, 4))
        ]
        if self.chance.random() < 0.1:
            entries.append(self._entry("gpus", [1_000, 2_000]))
        self.chance.shuffle(entries)
        ports = [((31_000, 31_001), (31_003, 31_003)), ((31_004, 31_006),)]
        entries += [replace(self._entry("ports", [0]), ranges=ranges) for ranges in ports]
        agent = pick(self.agents)
        return Offer(
            offer_id,
            agent,
            pick([*["*"] * 8, "dev"]),
            tuple(entries),
            unavailable_from_ms=now_ms - 1 if agent.id in self.closing else None,
        )

    def _entry(self, name: str, amounts: list[int]) -> OfferResource:
        role = self.chance.choice(["*"] * 7 + ["dev"])
        plain = self.chance.random() < 0.95
        return OfferResource(name, self.chance.choice(amounts), role=role, plain=plain)


@settings(max_examples=1_000)
@given(st.integers(0, 2**32))
def test_every_launch_is_right_and_nothing_waits_that_fits(seed: int) -> None:
    scenario = Scenario(seed)
    session = Session(
        Policy(max_launches_per_agent=scenario.most_starting),
        chance=scenario.chance.randrange,
        connected=False,
    )
    session.step(Started())
    session.connect(HOME)
    session.put(*scenario.apps)
    oracle = PlacingOracle(list(session.state.apps.values()), scenario.most_starting)
    delayed: set[str] = set()
    for number in range(scenario.rounds):
        offers = scenario.offers(number, session.now_ms)
        judge(oracle, session.offer(*offers), offers, delayed)
        assert not session.world.offers
        for _ in range(scenario.chance.randint(0, 4)):
            befall(scenario.chance, session, oracle, delayed)


def test_the_scenarios_are_worth_judging() -> None:
    placed = waiting = 0
    for seed in range(200):
        scenario = Scenario(seed)
        session = Session(chance=scenario.chance.randrange)
        session.connect(HOME)
        session.put(*scenario.apps)
        placed += len(launches(session.offer(*scenario.offers(0, session.now_ms))))
        waiting += sum(demand.wanted for demand in session.world.demand.values())
    assert placed > 250
    assert waiting > 300


def judge(oracle: PlacingOracle, decided: Step, offers: list[Offer], delayed: set[str]) -> None:
    """Each launch in its order; then what still waits; then what became of the offers."""
    left = {offer.id: Left.of(offer) for offer in offers}
    accepts = [action for action in decided.actions if isinstance(action, Accept)]
    where = {one.instance_id: accept.offer_ids[0] for accept in accepts for one in accept.launches}
    launched = {one.instance_id: one for one in launches(decided)}
    order = [one.instance.id for one in decided.notices if isinstance(one, InstanceChanged)]
    assert sorted(order) == sorted(launched)
    for instance_id in order:
        launch = launched[instance_id]
        assert launch.app.id not in delayed
        oracle.check_launch(launch, left[where[instance_id]])
    for app in oracle.apps.values():
        if oracle.missing(app) > 0 and app.id not in delayed:
            for rest in left.values():
                assert oracle.why_not(app, rest), f"{app.id} waits though {rest.offer.id} fits"
    declines = [action for action in decided.actions if isinstance(action, Decline)]
    answered = [offer_id for accept in accepts for offer_id in accept.offer_ids]
    answered += [offer_id for decline in declines for offer_id in decline.offer_ids]
    assert sorted(answered) == sorted(left)
    assert all(accept.launches and len(accept.offer_ids) == 1 for accept in accepts)


def befall(
    chance: random.Random, session: Session, oracle: PlacingOracle, delayed: set[str]
) -> None:
    """Something happens to one of the instances that live."""
    living = [id_ for id_, placed in oracle.placed.items() if placed.condition != "ended"]
    if not living:
        return
    instance = session.state.instances[chance.choice(living)]
    state = chance.choice(["RUNNING", "RUNNING", "FAILED", "KILLED", "UNREACHABLE"])
    session.step(status_of(instance, TaskState(f"TASK_{state}")))
    placed = oracle.placed[instance.id]
    placed.condition = state.lower() if state in ("RUNNING", "UNREACHABLE") else "ended"
    if state == "FAILED" and oracle.apps[placed.app_id].backoff_seconds:
        delayed.add(placed.app_id)
