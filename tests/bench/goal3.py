"""Goal 3, placements a second of ``step`` with 5,000 agents: ``python -m tests.bench.goal3``.

Apps without constraints, with UNIQUE, with GROUP_BY, with both, and with five mixed. The peer: a
bare loop over the same offers in the same order, which only subtracts what each launch took from
what each offer had, and asks no question. The turn with the offers is what is timed; all of the
apps' instances fit in it. One thread does it all and waits for nothing, so its processor time is
what counts: others on the machine do not.
"""

import time
from collections.abc import Iterator

from cli.patterns import linear_full_match
from framework.core.policy import Context, Policy
from framework.core.step import step
from framework.core.turn import Step
from framework.core.world import World
from framework.domain.actions import Accept
from framework.domain.app import App, PortDefinition
from framework.domain.events import (
    Asked,
    ChangeApps,
    OffersReceived,
    PutApp,
    Started,
    Subscribed,
    TimerFired,
)
from framework.domain.mesos import Agent, Attribute, Offer, OfferResource
from framework.domain.state import State
from tests.bench.report import Options, Result, options, own_peak_mib, report

AGENTS = 5_000
PLACEMENTS = 20_000
MIXED: tuple[tuple[tuple[str, ...], ...], ...] = (
    (),
    (("hostname", "UNIQUE"),),
    (("rack", "GROUP_BY"),),
    (("rack", "MAX_PER", "20"), ("kind", "IS", "fast")),
    (("rack", "LIKE", "r[0-4].*"), ("zone", "GROUP_BY", "3")),
)
PLAIN: tuple[tuple[tuple[str, ...], ...], ...] = ((),)
UNIQUE: tuple[tuple[tuple[str, ...], ...], ...] = ((("hostname", "UNIQUE"),),)
GROUP: tuple[tuple[tuple[str, ...], ...], ...] = ((("rack", "GROUP_BY"),),)
SPREAD: tuple[tuple[tuple[str, ...], ...], ...] = ((("hostname", "UNIQUE"), ("rack", "GROUP_BY")),)


def offers(agents: int) -> tuple[Offer, ...]:
    """One roomy offer of each agent, on a hundred racks in five zones."""
    made = []
    for number in range(agents):
        attributes = (
            Attribute("rack", text=f"r{number % 100}"),
            Attribute("zone", text=f"z{number % 5}"),
            Attribute("kind", text="fast" if number % 2 else "slow"),
        )
        resources = (
            OfferResource("cpus", 16_000),
            OfferResource("mem", 65_536_000),
            OfferResource("disk", 1_000_000_000),
            OfferResource("ports", ranges=((31_000, 32_000),)),
        )
        agent = Agent(f"agent-{number}", f"host-{number}", attributes)
        made.append(Offer(f"offer-{number}", agent, "*", resources))
    return tuple(made)


class Cluster:
    """A scheduler that is connected and has these apps to place."""

    def __init__(self, apps: list[App]) -> None:
        self._ids = iter(range(10**9))
        self.world = World(State(), linear_full_match)
        self.take(Started(), Subscribed("framework", "master:5050"))
        self.take(Asked(1, ChangeApps(tuple(PutApp(app) for app in apps))))

    def take(self, *events: Started | Subscribed | Asked | OffersReceived | TimerFired) -> Step:
        """One step."""
        context = Context(
            now_ms=1_700_000_000_000,
            new_id=lambda: f"00000000-0000-4000-8000-{next(self._ids):012d}",
            chance=lambda most: next(self._ids) % most,
            policy=Policy(),
        )
        return step(self.world, events, context)

    def place(self, offered: tuple[Offer, ...]) -> list[Accept]:
        """All steps that these offers are good for: what is too much for one goes on in another."""
        steps = [self.take(OffersReceived(offered))]
        while self.world.offers:
            steps.append(self.take(TimerFired()))
        return [one for decided in steps for one in decided.actions if isinstance(one, Accept)]


def apps(
    count: int, instances: int, constraints: tuple[tuple[tuple[str, ...], ...], ...]
) -> list[App]:
    """Apps with these constraints in turn, all of one size and with a port."""
    return [
        App(
            id=f"/prod/app{number}",
            cmd="sleep 1000",
            instances=instances,
            cpus_millis=500,
            mem_millis=128_000,
            port_definitions=(PortDefinition(),),
            constraints=constraints[number % len(constraints)],
        )
        for number in range(count)
    ]


def bare_loop(offered: tuple[Offer, ...], accepts: list[Accept]) -> float:
    """Processor seconds to subtract what was launched from what was offered, and nothing else."""
    left = {offer.id: {entry.name: entry.millis for entry in offer.resources} for offer in offered}
    began = time.process_time()
    for accept in accepts:
        rest = left[accept.offer_ids[0]]
        for launch in accept.launches:
            for part in launch.resources:
                name = part.source.name
                assert name == "ports" or rest[name] >= part.millis
                rest[name] -= part.millis
    return max(time.process_time() - began, 1e-9)


def measure(wanted: Options) -> Iterator[Result]:
    """Each kind of app, placed from nothing."""
    offered = offers(wanted.scaled(AGENTS))
    instances = max(1, min(100, len(offered) // 2))
    count = max(1, wanted.scaled(PLACEMENTS) // instances)
    for kind, constraints, goal in (
        ("without constraints", PLAIN, "3 plain"),
        ("UNIQUE host", UNIQUE, "3 unique"),
        ("GROUP_BY rack", GROUP, "3 group"),
        ("UNIQUE host and GROUP_BY rack", SPREAD, None),
        ("five mixed", MIXED, "3 mixed"),
    ):
        cluster = Cluster(apps(count, instances, constraints))
        cpu = time.process_time()
        accepts = cluster.place(offered)
        seconds = time.process_time() - cpu
        placed = sum(len(accept.launches) for accept in accepts)
        assert placed == count * instances, f"{placed} placed of {count * instances}"
        yield Result(
            f"placing, {len(offered)} offers, {count} apps {kind}",
            placed / seconds,
            "placements/s",
            seconds,
            placed / bare_loop(offered, accepts),
            peak_mib=own_peak_mib(),
            goal=goal,
        )


def main() -> None:
    """Print one line for each kind of app."""
    wanted = options(__doc__)
    for result in measure(wanted):
        report(result, wanted)


if __name__ == "__main__":
    main()
