"""Each reason against an offer, as Marathon names it and in words, seen where users see it."""

import pytest

from framework.core.policy import Policy
from framework.domain.app import App, PortDefinition
from framework.domain.mesos import Agent, Offer, OfferResource
from framework.domain.records import replace
from framework.domain.rollout import LaunchStats
from tests.unit.core.session import START_MS, WEB, Session, agent, launches

ROOM = (OfferResource("cpus", 200), OfferResource("mem", 64_000))
HERE = agent(1, rack="r1")
ELSEWHERE = "region region is not the master's own; a constraint on @region or @zone would allow it"


def waiting(session: Session, app: App, *offers: Offer) -> LaunchStats:
    """What is shown of the app after these offers; it must still wait."""
    session.put(app, force=True)
    assert launches(session.offer(*offers)) == []
    return session.state.launch_stats[app.id]


@pytest.mark.parametrize(
    ("app", "offer", "reason", "sentence"),
    [
        (
            replace(WEB, role="dev"),
            Offer("o", HERE, "*", ROOM),
            "UnfulfilledRole",
            "offered to role *, the app has role dev",
        ),
        (
            replace(WEB, constraints=(("rack", "IS", "r2"),)),
            Offer("o", HERE, "*", ROOM),
            "UnfulfilledConstraint",
            "rack IS r2: rack r1 is not 'r2'",
        ),
        (
            WEB,
            Offer("o", agent(1, zone="z0"), "*", ROOM),
            "UnfulfilledConstraint",
            ELSEWHERE,
        ),
        (
            WEB,
            Offer("o", HERE, "*", ROOM, unavailable_from_ms=START_MS),
            "AgentMaintenance",
            "the agent is drained, or in or close to its maintenance window",
        ),
        (
            replace(WEB, cpus_millis=201),
            Offer("o", HERE, "*", ROOM),
            "InsufficientCpus",
            "needs 0.201 cpus, 0.2 offered",
        ),
        (
            replace(WEB, mem_millis=64_001),
            Offer("o", HERE, "*", ROOM),
            "InsufficientMemory",
            "needs 64.001 mem, 64 offered",
        ),
        (
            replace(WEB, disk_millis=1_000),
            Offer("o", HERE, "*", (*ROOM, OfferResource("disk", 9_000, plain=False))),
            "InsufficientDisk",
            "needs 1 disk, 0 offered",
        ),
        (
            replace(WEB, gpus=1),
            Offer("o", HERE, "*", ROOM),
            "InsufficientGpus",
            "needs 1 gpus, 0 offered",
        ),
        (
            replace(
                WEB,
                port_definitions=(PortDefinition(80), PortDefinition(81)),
                require_ports=True,
            ),
            Offer("o", HERE, "*", (*ROOM, OfferResource("ports", ranges=((80, 80),)))),
            "InsufficientPorts",
            "needs host ports 80, 81, not free in the offer",
        ),
        (
            replace(WEB, port_definitions=(PortDefinition(),)),
            Offer("o", HERE, "*", ROOM),
            "InsufficientPorts",
            "needs 1 dynamic ports, not free in the offer",
        ),
        (
            WEB,
            Offer("o", HERE, "*", (*ROOM, OfferResource("gpus", 1_000))),
            "DeclinedScarceResources",
            "the agent has GPUs and the app asks for none",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)
def test_refusal(app: App, offer: Offer, reason: str, sentence: str) -> None:
    stats = waiting(Session(), app, offer)
    assert stats.refused_attempt == stats.refused_last == {reason: 1}
    assert [unused.reasons for unused in stats.last_unused_offers] == [(reason,)]
    assert stats.explanation == (f"1 of 1 offers: {sentence}",)


def test_a_dynamic_constraint_says_who_is_there() -> None:
    session = Session()
    unique = replace(WEB, instances=1, constraints=(("rack", "UNIQUE"),))
    session.running(unique, HERE)
    stats = waiting(session, replace(unique, instances=2), session.offer_of(HERE))
    assert stats.refused_attempt == {"UnfulfilledConstraint": 1}
    assert stats.explanation == ("1 of 1 offers: rack UNIQUE: rack r1 already runs one",)


def test_a_pause_for_starting_tasks_is_explained_but_is_no_reason_of_marathons() -> None:
    session = Session(Policy(max_launches_per_agent=1))
    session.put(WEB)
    session.offer(session.offer_of(HERE))
    stats = waiting(session, replace(WEB, instances=2), session.offer_of(HERE))
    assert stats.refused_attempt == {}
    assert stats.explanation == (
        "1 of 1 offers: 1 tasks are starting on the agent already (max_launches_per_agent)",
    )


def test_counts_are_of_this_wait_and_of_the_latest_offer_of_each_agent() -> None:
    session = Session()
    app = replace(WEB, cpus_millis=1_000)
    for _ in range(3):
        stats = waiting(
            session, app, Offer("o1", agent(1), "*", ROOM), Offer("o2", agent(2), "*", ROOM)
        )
    assert (stats.processed, stats.unused, stats.processed_last) == (6, 6, 2)
    assert stats.refused_attempt == {"InsufficientCpus": 6}
    assert stats.refused_last == {"InsufficientCpus": 2}
    session.offer(session.offer_of(agent(3)))
    assert "/web" not in session.state.launch_stats, "the wait is over"


@pytest.mark.parametrize(
    ("from_s", "for_s", "draining_s", "fits"),
    [
        (0, None, 0, False),  # for ever, from now
        (1, None, 0, True),  # not yet
        (1, None, 1, False),  # but the operator wants agents left alone that long before
        (2, None, 1, True),
        (-10, 10, 0, True),  # just over
        (-10, 11, 0, False),
    ],
)
def test_maintenance(from_s: int, for_s: int | None, draining_s: int, fits: bool) -> None:
    session = Session(Policy(draining_seconds=draining_s, maintenance_lead=0))
    session.put(WEB)
    offer = replace(
        session.offer_of(HERE),
        unavailable_from_ms=START_MS + from_s * 1_000,
        unavailable_for_ms=None if for_s is None else for_s * 1_000,
    )
    assert bool(launches(session.offer(offer))) is fits


@pytest.mark.parametrize(
    ("policy", "label", "fits"),
    [
        ("restricted", None, False),
        ("unrestricted", None, True),
        ("restricted", "unrestricted", True),
        ("unrestricted", "restricted", False),
    ],
)
def test_gpu_rule(policy: str, label: str | None, fits: bool) -> None:
    session = Session(Policy(gpu_scheduling_behavior=policy))
    session.put(replace(WEB, labels={"GPU_SCHEDULING_BEHAVIOR": label} if label else {}))
    offer = session.offer_of(HERE, OfferResource("gpus", 1_000))
    assert bool(launches(session.offer(offer))) is fits


@pytest.mark.parametrize(
    ("region", "constraint", "fits"),
    [
        ("region", (), True),
        ("elsewhere", (), False),
        (None, (), False),  # the master is in no region, the agent is
        ("elsewhere", (("@region", "LIKE", "reg.*"),), True),
        ("elsewhere", (("@zone", "UNIQUE"),), True),
    ],
)
def test_home_region(
    region: str | None,
    constraint: tuple[tuple[str, ...], ...],
    fits: bool,
) -> None:
    session = Session()
    session.connect(region)
    session.put(replace(WEB, constraints=constraint))
    decided = session.offer(session.offer_of(agent(1, zone="z0")))
    assert bool(launches(decided)) is fits


def test_an_agent_without_a_region_is_always_at_home() -> None:
    session = Session()
    session.connect("region")
    session.put(WEB)
    plain = Agent("a1", "host1")
    assert len(launches(session.offer(session.offer_of(plain)))) == 1


def test_shown_offers_are_bounded() -> None:
    session = Session()
    app = replace(WEB, cpus_millis=1_000)
    offers = [Offer(f"o{n}", agent(n), "*", ROOM) for n in range(250)]
    stats = waiting(session, app, *offers)
    assert stats.processed == 250
    assert len(stats.last_unused_offers) == 100
    assert len(stats.explanation) <= 11
