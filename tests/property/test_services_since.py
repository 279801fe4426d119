"""The whole of ``/v3/services`` is what a part of it and all changes since come to.

Records of all kinds that it shows come and go; an edge that looks each time and one that looks now
and then put together what they are told. What they have is held against a rendering of the records
as they are, by nothing that remembers anything.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from api.render.services import service
from api.service_log import ServiceLog
from framework.domain.app import App, HealthCheck
from framework.domain.edges import Shares
from framework.domain.health import InstanceHealth
from framework.domain.instance import Condition, Instance
from framework.domain.mesos import Agent
from framework.domain.rollout import ActionName, Deployment, DeploymentPart, PlannedAction, part_key
from framework.domain.state import Change, Kind, State, version_key
from haproxy_bridge.source import stayer
from haproxy_bridge.source.resolving import unresolved

_APPS = tuple(f"/a{number}" for number in range(5))
_INSTANCES = tuple(f"a{number % 5}.instance-{number}" for number in range(12))
_AGENTS = ("S1", "S2", "S3")
_VERSIONS = ("v1", "v2")


def _app(chance: Random, app_id: str) -> Change:
    checks = chance.choice([(), (HealthCheck(protocol="HTTP", path="/"),)])
    app = App(
        id=app_id,
        version=chance.choice(_VERSIONS),
        instances=chance.randint(0, 2),
        labels=chance.choice([{}, {"HAPROXY_GROUP": "g"}]),
        health_checks=checks,
        config=chance.choice(_VERSIONS),
    )
    kind, key = Kind.APP, app_id
    if chance.random() < 0.3:
        kind, key = Kind.APP_VERSION, version_key(app_id, app.version)
    return Change(kind, key, app if chance.random() < 0.7 else None)


def _instance(chance: Random, instance_id: str) -> Change:
    made = Instance(
        id=instance_id,
        app_id=f"/{instance_id.partition('.')[0]}",
        version=chance.choice(_VERSIONS),
        config=chance.choice(_VERSIONS),
        agent_id=chance.choice(_AGENTS),
        condition=chance.choice([Condition.RUNNING, Condition.UNREACHABLE, Condition.STAGING]),
        healthy=chance.choice([None, True, False]),
        kill_reason=chance.choice(["", "asked"]),
    )
    return Change(Kind.INSTANCE, instance_id, made if chance.random() < 0.8 else None)


def _agent(chance: Random, agent_id: str) -> Change:
    agent = Agent(agent_id, chance.choice(["h1", "h2"]), address=chance.choice([None, "10.0.0.1"]))
    return Change(Kind.AGENT, agent_id, agent if chance.random() < 0.7 else None)


def _deployment(chance: Random, of: str) -> Change:
    if chance.random() < 0.5:
        actions = (PlannedAction(1, ActionName.SCALE, chance.choice(_APPS)),)
        return Change(Kind.DEPLOYMENT_PART, part_key(of, 0), DeploymentPart(of, actions))
    found = Deployment(of, "v1", 1, 1, share=chance.choice([None, 0.0, 5.0]))
    return Change(Kind.DEPLOYMENT, of, found if chance.random() < 0.6 else None)


def _shares(chance: Random, group: str) -> Change:
    found = Shares(group, {chance.choice(_APPS): chance.choice([0.0, 1.0])}, chance.randint(0, 9))
    return Change(Kind.SHARES, group, found if chance.random() < 0.6 else None)


_MADE: tuple[tuple[Callable[[Random, str], Change], tuple[str, ...]], ...] = (
    (_app, _APPS),
    (_instance, _INSTANCES),
    (_instance, _INSTANCES),
    (_agent, _AGENTS),
    (_deployment, ("d1", "d2")),
    (_shares, ("g", "h")),
)


class _Edge:
    def __init__(self) -> None:
        self.pages = stayer.Pages(unresolved)

    def look(self, log: ServiceLog, view: State, epoch: int) -> bool:
        """Whether it was told changes alone."""
        told = log.told(view, epoch, self.pages.version)
        there = {msgspec.json.decode(one)["id"] for one in told.services}
        assert there.isdisjoint(told.gone)
        self.pages.snapshot(_page(told._asdict(), epoch), "", "")
        assert self.pages.version == told.version, "it fits to its checksum"
        return bool(told.since)


def _page(told: dict[str, Any], epoch: int) -> bytes:
    return msgspec.json.encode({"stateId": "s", "epoch": epoch, "synced": True, **told})


def _whole(view: State) -> list[Any]:
    """Of every app, by what stands in the records."""
    by_age = sorted(view.shares.values(), key=lambda one: one.since_ms)
    found = []
    for app in view.apps.values():
        by = [one for one in view.deployments.values() if app.id in view.plan(one).affected]
        share = next((one.shares[app.id] for one in by_age[::-1] if app.id in one.shares), None)
        new_share = next((one.share for one in by if one.share is not None), None)
        found.append(service(app, view, share, new_share, deploying=bool(by)))
    return found


@given(st.integers(0, 2**32), st.sampled_from([1, 10_000]))
@settings(deadline=None)
def test_the_whole_is_what_changes_come_to(seed: int, max_gone: int) -> None:
    chance = Random(seed)
    view, log = State(), ServiceLog(max_gone=max_gone)
    always, sometimes = _Edge(), _Edge()
    known_epoch = 0
    for _ in range(25):
        for _ in range(chance.choice([0, 1, 1, 1, 6])):
            make, ids = chance.choice(_MADE)
            view.apply([make(chance, chance.choice(ids))])
        epoch = chance.choice([1] * 9 + [2])
        expected = stayer.snapshot(_page({"services": _whole(view)}, epoch), "", "").apps
        parts = always.look(log, view, epoch)
        assert always.pages.last.apps == expected
        assert parts is (epoch == known_epoch) or max_gone == 1
        known_epoch = epoch
        if chance.random() < 0.3:
            sometimes.look(log, view, epoch)
            assert sometimes.pages.last.apps == expected


def test_what_nobody_changed_is_not_told() -> None:
    """Nor what changed and reads the same: a check that was passed again, an app stored again."""
    view, log = State(), ServiceLog()
    view.apply([Change(Kind.APP, app_id, App(id=app_id, version="v1")) for app_id in _APPS])
    before = log.told(view, 1)
    view.apply([Change(Kind.APP, "/a1", App(id="/a1", version="v1", cmd="other"))])
    view.apply([Change(Kind.HEALTH, "i", InstanceHealth("t"))])
    assert log.told(view, 1, before.version) == before._replace(services=[], since=before.version)
    view.apply([Change(Kind.APP, "/a1", App(id="/a1", version="v1", instances=7))])
    (only,) = log.told(view, 1, before.version).services
    assert msgspec.json.decode(only)["wanted"] == 7


def test_what_takes_too_much_is_not_remembered() -> None:
    view, log = State(), ServiceLog(limit_bytes=1_000)
    view.apply([Change(Kind.APP, "/a1", App(id="/a1", version="v1"))])
    small = log.told(view, 1)
    assert small.version
    view.apply([Change(Kind.APP, app_id, App(id=app_id, version="v1")) for app_id in _APPS])
    large = log.told(view, 1, small.version)
    assert (len(large.services), large.version, large.since) == (5, "", "")
    view.apply([Change(Kind.APP, app_id, None) for app_id in _APPS[1:]])
    again = log.told(view, 1, small.version)
    assert (len(again.services), again.since) == (1, ""), "a version of before means nothing now"
