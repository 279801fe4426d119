"""Random offers for random apps: every launch is right, and nothing waits that could be placed.

The core is driven through ``step`` alone. Each Accept is judged by an oracle that recounts
everything from what it saw (``placing_oracle``), launch by launch in the order of launches.
"""

from dataclasses import dataclass

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

ROLES = ("*", "dev")
PORTS = range(31_000, 31_008)

constraints = st.one_of(
    st.tuples(st.just("@region"), st.just("LIKE"), st.sampled_from([".*", "away"])),
    st.tuples(st.sampled_from(["hostname", "rack", "@zone"]), st.just("UNIQUE")),
    st.tuples(st.sampled_from(["rack", "@zone", "size"]), st.sampled_from(["GROUP_BY", "CLUSTER"])),
    st.tuples(st.just("rack"), st.just("GROUP_BY"), st.sampled_from(["2", "3"])),
    st.tuples(st.sampled_from(["rack", "hostname"]), st.just("MAX_PER"), st.sampled_from("12")),
    st.tuples(st.just("rack"), st.sampled_from(["CLUSTER", "IS"]), st.sampled_from(["r0", "r1"])),
    st.tuples(st.just("size"), st.just("IS"), st.sampled_from(["1.0", "2"])),
    st.tuples(
        st.sampled_from(["rack", "hostname"]),
        st.sampled_from(["LIKE", "UNLIKE"]),
        st.sampled_from(["r[01]", ".*1"]),
    ),
)
few_constraints = st.lists(constraints, max_size=2).map(tuple)
accepted_roles = st.sampled_from([("*",), ("dev",), ("*", "dev"), ("*", "dev")])
wanted_ports = st.builds(
    lambda fixed, dynamic: (*fixed, *[0] * dynamic),
    st.lists(st.sampled_from(PORTS), max_size=2, unique=True),
    st.integers(0, 2),
)


def app_named(number: int) -> st.SearchStrategy[App]:
    """An app of a few small instances."""
    return st.builds(
        App,
        id=st.just(f"/app{number}"),
        instances=st.integers(1, 5),
        cpus_millis=st.sampled_from([0, 1, 100, 500, 999]),
        mem_millis=st.sampled_from([0, 32_000, 64_001]),
        disk_millis=st.sampled_from([0, 0, 10_000]),
        gpus=st.sampled_from([0, 0, 0, 1]),
        port_definitions=wanted_ports.map(lambda ports: tuple(map(PortDefinition, ports))),
        require_ports=st.booleans(),
        constraints=few_constraints,
        accepted_resource_roles=accepted_roles,
        role=st.sampled_from(["*", "*", "dev"]),
        labels=st.sampled_from([{}, {}, {"GPU_SCHEDULING_BEHAVIOR": "unrestricted"}]),
        backoff_seconds=st.sampled_from([0, 10]),
        unreachable_strategy=st.just(UnreachableStrategy(disabled=True)),
    )


VARIED = ("constraints", "accepted_resource_roles", "role", "labels", "cpus_millis", "gpus")


def varied(first: App, others: list[tuple[App, set[str]]]) -> tuple[App, ...]:
    """Apps that differ from the first in few fields, so that needs are often almost equal."""
    return (
        first,
        *(
            replace(first, id=other.id, **{name: getattr(other, name) for name in names})
            for other, names in others
        ),
    )


variations = st.sets(st.sampled_from(VARIED), max_size=2)
several_apps = st.integers(0, 2).flatmap(
    lambda more: st.builds(
        varied,
        app_named(0),
        st.tuples(*[st.tuples(app_named(n), variations) for n in range(1, more + 1)]).map(list),
    )
)


def agent_named(number: int) -> st.SearchStrategy[Agent]:
    """An agent: perhaps with a rack, a size, a fault domain."""
    racks = st.sampled_from([None, "r0", "r1", "r2"])
    sizes = st.sampled_from([None, 1.0, 2.0])
    domains = st.sampled_from([(None, None), (HOME, "z0"), (HOME, "z1"), ("away", "z2")])

    def made(rack: str | None, size: float | None, domain: tuple[str | None, str | None]) -> Agent:
        attributes = [Attribute("rack", text=rack)] if rack else []
        attributes += [Attribute("size", scalar=size)] if size else []
        return Agent(f"a{number}", f"host{number}", tuple(attributes), *domain)

    return st.builds(made, racks, sizes, domains)


# Entry by entry: name, thousandths, role, whether it may be taken as an ordinary resource.
scalar_entries = st.one_of(
    st.tuples(st.just("cpus"), st.sampled_from([0, 1, 100, 750, 2_000])),
    st.tuples(st.just("mem"), st.sampled_from([16_000, 64_001, 256_000])),
    st.tuples(st.sampled_from(["disk", "mem"]), st.sampled_from([5_000, 40_000])),
    st.tuples(st.sampled_from(["gpus", "cpus"]), st.sampled_from([1_000, 2_000])),
)
entry_marks = st.tuples(st.sampled_from(ROLES), st.sampled_from([True, True, True, False]))


@dataclass(frozen=True)
class Bundle:
    """What an offer is made of; its agent and ports are settled with the others' of its round."""

    agent: int
    role: str
    scalars: list[tuple[tuple[str, int], tuple[str, bool]]]
    port_marks: tuple[str, bool]
    closing: bool


bundles = st.builds(
    Bundle,
    agent=st.integers(0, 3),
    role=st.sampled_from(["*", "*", "dev"]),
    scalars=st.lists(st.tuples(scalar_entries, entry_marks), min_size=2, max_size=8),
    port_marks=entry_marks,
    closing=st.sampled_from([False, False, False, False, True]),
)
# What happens to an instance after a round, by number.
happenings = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(["RUNNING", "FAILED", "KILLED", "UNREACHABLE"])),
    max_size=4,
)
rounds = st.lists(
    st.tuples(st.lists(bundles, min_size=1, max_size=5), happenings), min_size=1, max_size=3
)


def offer_of(bundle: Bundle, offer_id: str, agents: list[Agent], now_ms: int) -> Offer:
    """Ports stand in two entries, the second perhaps of another role or not plain."""
    scalars = [OfferResource(*what, role=r, plain=p) for what, (r, p) in bundle.scalars]
    role, plain = bundle.port_marks
    return Offer(
        offer_id,
        agents[bundle.agent % len(agents)],
        bundle.role,
        (
            *scalars,
            OfferResource("ports", ranges=((31_000, 31_001), (31_003, 31_003))),
            OfferResource("ports", ranges=((31_004, 31_006),), role=role, plain=plain),
        ),
        unavailable_from_ms=now_ms - 1 if bundle.closing else None,
    )


@settings(max_examples=300)
@given(
    several_apps,
    st.integers(1, 4).flatmap(lambda n: st.tuples(*[agent_named(i) for i in range(n)])),
    rounds,
    st.sampled_from([1, 2, 64]),
    st.integers(0, 99),
)
def test_every_launch_is_right_and_nothing_waits_that_fits(
    apps: tuple[App, ...],
    agents: tuple[Agent, ...],
    script: list[tuple[list[Bundle], list[tuple[int, str]]]],
    most_starting: int,
    position: int,
) -> None:
    session = Session(
        Policy(max_launches_per_agent=most_starting),
        chance=lambda most: position % most,
        connected=False,
    )
    session.step(Started())
    session.connect(HOME)
    session.put(*apps)
    oracle = PlacingOracle(list(session.state.apps.values()), most_starting)
    delayed: set[str] = set()
    for number, (made_of, happened) in enumerate(script):
        offers = [
            offer_of(bundle, f"o{number}-{place}", list(agents), session.now_ms)
            for place, bundle in enumerate(made_of)
        ]
        judge(oracle, session.offer(*offers), offers, delayed)
        assert not session.world.offers
        for which, state in happened:
            happen(session, oracle, delayed, which, state)


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


def happen(
    session: Session, oracle: PlacingOracle, delayed: set[str], which: int, state: str
) -> None:
    """Something befalls one of the instances that live."""
    living = [id_ for id_, placed in oracle.placed.items() if placed.condition != "ended"]
    if not living:
        return
    instance = session.state.instances[living[which % len(living)]]
    session.step(status_of(instance, TaskState(f"TASK_{state}")))
    placed = oracle.placed[instance.id]
    placed.condition = state.lower() if state in ("RUNNING", "UNREACHABLE") else "ended"
    if state == "FAILED" and oracle.apps[placed.app_id].backoff_seconds:
        delayed.add(placed.app_id)
