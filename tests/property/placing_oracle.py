"""What may be placed where, told again in the most naive way: every rule a loop over lists.

The oracle knows the apps, the agents and what it saw happen. It keeps no counts and no index, and
shares no code with the core; its word on constraints is that of the oracle of constraints.
"""

from collections import Counter
from dataclasses import dataclass, field

from framework.domain.actions import Launch
from framework.domain.app import App
from framework.domain.mesos import Agent, Offer, OfferResource
from tests.property.test_constraints_oracle import Agent as PlainAgent
from tests.property.test_constraints_oracle import Plain, oracle_admits

FAULT_DOMAIN = ("@region", "@zone")
HOME = "home"


@dataclass
class Placed:
    """An instance as the oracle saw it: where it is, and what was last said of it."""

    app_id: str
    agent: Agent
    condition: str  # staged, running, unreachable, ended


@dataclass
class Left:
    """What the oracle thinks is left of an offer."""

    offer: Offer
    scalars: Counter[OfferResource] = field(default_factory=Counter)
    ports: dict[int, OfferResource] = field(default_factory=dict)

    @classmethod
    def of(cls, offer: Offer) -> "Left":
        left = cls(offer)
        for entry in offer.resources:
            if entry.name == "ports":
                left.ports |= {p: entry for low, high in entry.ranges for p in range(low, high + 1)}
            else:
                left.scalars[entry] += entry.millis
        return left

    def use(self, launch: Launch) -> None:
        """Subtract; AssertionError where more is used than there is."""
        for part in launch.resources:
            assert isinstance(part.millis, int)
            if part.source.name == "ports":
                for port in (p for low, high in part.ranges for p in range(low, high + 1)):
                    assert self.ports.pop(port, None) == part.source, f"port {port} is not there"
            else:
                assert part.source in self.scalars
                assert 0 < part.millis <= self.scalars[part.source], "over-committed"
                self.scalars[part.source] -= part.millis


class PlacingOracle:
    """Sees what happens, and says what may."""

    def __init__(self, apps: list[App], most_starting: int) -> None:
        self.apps = {app.id: app for app in apps}
        self.most_starting = most_starting
        self.placed: dict[str, Placed] = {}

    def missing(self, app: App) -> int:
        """Instances that the app still wants."""
        live = [p for p in self.placed.values() if p.app_id == app.id and p.condition != "ended"]
        return app.instances - len(live)

    def starting(self, agent: Agent) -> int:
        """Tasks of ours that are starting on the agent."""
        return len(
            [p for p in self.placed.values() if p.agent.id == agent.id and p.condition == "staged"]
        )

    def check_launch(self, launch: Launch, left: Left) -> None:
        """One launch in the order of launches: every rule held at that moment."""
        app, offer = launch.app, left.offer
        assert self.missing(app) > 0, "more than wanted"
        assert self.why_not(app, left) == []
        assert launch.role == offer.role == app.role
        assert launch.agent == offer.agent
        check_amounts(app, launch)
        left.use(launch)
        self.placed[launch.instance_id] = Placed(app.id, offer.agent, "staged")

    def why_not(self, app: App, left: Left) -> list[str]:
        """Every rule that forbids one more instance of the app on what is left of the offer."""
        offer, agent = left.offer, left.offer.agent
        checks = {
            "role": offer.role == app.role,
            "region": self._in_region(app, agent),
            "constraints": self._constraints_hold(app, agent),
            "maintenance": offer.unavailable_from_ms is None,
            "starting": self.starting(agent) < self.most_starting,
            "scalars": all(self._has(app, left, *need) for need in needs(app)),
            "ports": ports_possible(app, left),
            "gpus": bool(app.gpus or app.labels) or not offers_gpus(offer),
        }
        return [name for name, holds in checks.items() if not holds]

    def _in_region(self, app: App, agent: Agent) -> bool:
        names_region = any(constraint[0] in FAULT_DOMAIN for constraint in app.constraints)
        return names_region or agent.region in (None, HOME)

    def _constraints_hold(self, app: App, agent: Agent) -> bool:
        counted = [
            plain_agent(p.agent)
            for p in self.placed.values()
            if p.app_id == app.id and p.condition in ("staged", "running")
        ]
        return all(oracle_admits(list(c), plain_agent(agent), counted) for c in app.constraints)

    def _has(self, app: App, left: Left, name: str, millis: int) -> bool:
        accepted = app.accepted_resource_roles
        usable = [
            amount
            for entry, amount in left.scalars.items()
            if entry.name == name and entry.plain and entry.role in accepted
        ]
        return sum(usable) >= millis


def needs(app: App) -> list[tuple[str, int]]:
    """What an instance takes of each scalar; nothing of those it asks 0 of."""
    wanted = [
        ("cpus", app.cpus_millis),
        ("mem", app.mem_millis),
        ("disk", app.disk_millis),
        ("gpus", app.gpus * 1000),
    ]
    return [(name, millis) for name, millis in wanted if millis]


def check_amounts(app: App, launch: Launch) -> None:
    """Exactly what the app asks, from entries it may take."""
    taken: Counter[str] = Counter()
    ports: list[int] = []
    for part in launch.resources:
        assert part.source.plain
        assert part.source.role in app.accepted_resource_roles
        if part.source.name == "ports":
            ports += [p for low, high in part.ranges for p in range(low, high + 1)]
        else:
            assert not part.ranges
            taken[part.source.name] += part.millis
    assert taken == dict(needs(app))
    assert sorted(ports) == sorted(launch.host_ports)
    assert len(set(ports)) == len(ports)
    wanted = app.requested_host_ports
    assert all(w in (0, got) for w, got in zip(wanted, launch.host_ports, strict=True))
    assert launch.effective_ports == launch.host_ports


def ports_possible(app: App, left: Left) -> bool:
    """Whether distinct free ports of accepted roles can fulfil what the app asks."""
    wanted = app.requested_host_ports
    free = {
        port
        for port, entry in left.ports.items()
        if entry.plain and entry.role in app.accepted_resource_roles
    }
    fixed = [port for port in wanted if port]
    return set(fixed) <= free and len(free - set(fixed)) >= wanted.count(0)


def offers_gpus(offer: Offer) -> bool:
    """Whether the agent shows GPUs, usable or not."""
    return any(entry.name == "gpus" and entry.millis for entry in offer.resources)


def plain_agent(agent: Agent) -> PlainAgent:
    """An agent as the oracle of constraints knows it."""
    attributes: list[tuple[str, Plain]] = [
        (a.name, a.text if a.text is not None else round((a.scalar or 0) * 1000))
        for a in agent.attributes
    ]
    return PlainAgent(agent.hostname, agent.region, agent.zone, tuple(attributes))
