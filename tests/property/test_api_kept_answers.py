"""Whatever changed, an answer that was kept is the one that would be made anew.

One application answers about a view while records of all kinds come and go; each answer is held
against a rendering of the view as it is, by nothing that keeps anything.
"""

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from api.application import create_app
from api.render.appinfo import AppInfos, Embed
from api.render.json import encode
from framework.domain.app import HealthCheck
from framework.domain.health import CheckHealth, InstanceHealth
from framework.domain.instance import Instance
from framework.domain.records import replace
from framework.domain.rollout import ActionName, Deployment, DeploymentPart, PlannedAction, part_key
from framework.domain.state import Change, Kind
from tests.property.strategies import (
    APP_IDS,
    agents,
    apps,
    changes,
    failures,
    freezes,
    instance_ids,
    instances,
    moments_ms,
    versions,
)
from tests.unit.api.reading import OPTIONS, compile_pattern
from tests.unit.api.recorder import Recorder

_NOW_MS = 1_800_000_000_000
_LISTED = frozenset({Embed.COUNTS, Embed.DEPLOYMENTS})
_WITH_TASKS = _LISTED | {Embed.TASKS}
_FULL = _WITH_TASKS | {Embed.LAST_TASK_FAILURE}
_DEPLOYMENT_IDS = ("d1", "d2")
_AWAY = {Kind.DEPLOYMENT, Kind.DEPLOYMENT_PART}  # those here fit together
_LONG = {"X-Long": "x" * 5_000}  # what is asked at such length is not kept


def _record(kind: Kind, key: str, record: Any) -> Change:
    return Change(kind, key, record)


_parts = st.builds(
    lambda of, step, app_id: _record(
        Kind.DEPLOYMENT_PART,
        part_key(of, 0),
        DeploymentPart(of, (PlannedAction(step, ActionName.SCALE, app_id),)),
    ),
    st.sampled_from(_DEPLOYMENT_IDS),
    st.integers(1, 3),
    st.sampled_from(APP_IDS),
)
_deployments = st.builds(
    lambda of, version, gone: _record(
        Kind.DEPLOYMENT, of, None if gone else Deployment(of, version, 1, 3)
    ),
    st.sampled_from(_DEPLOYMENT_IDS),
    versions,
    st.booleans(),
)
_health = st.builds(
    lambda at_ms, count, of: _record(
        Kind.HEALTH,
        of,
        InstanceHealth(
            "",
            checks={0: CheckHealth(True, count, first_success_ms=at_ms, last_success_ms=at_ms)},
        ),
    ),
    moments_ms,
    st.integers(0, 3),
    instance_ids,
)
_running = instances().map(lambda one: _record(Kind.INSTANCE, one.id, one))
_likely = st.one_of(
    apps().map(lambda app: _record(Kind.APP, app.id, app)),
    st.sampled_from(APP_IDS).map(lambda app_id: _record(Kind.APP, app_id, None)),
    agents.map(lambda agent: _record(Kind.AGENT, agent.id, agent)),
    failures.map(lambda failure: _record(Kind.FAILURE, failure.app_id, failure)),
    _running,
    _running.map(lambda change: change._replace(record=None)),
    _health,
    _parts,
    _deployments,
    freezes.map(lambda freeze: _record(Kind.FREEZE, freeze.app_id, freeze)),
)
_histories = st.lists(
    _likely | _likely | changes.filter(lambda change: change.kind not in _AWAY),
    min_size=6,
    max_size=15,
)
_CHECK = HealthCheck(protocol="HTTP", path="/")
# What there is to begin with: every app, and most of what the rest can be about.
_begun = st.tuples(
    st.tuples(*(apps(st.just(app_id)) for app_id in APP_IDS)),
    st.lists(instances(), min_size=6, max_size=9),
).map(
    lambda drawn: [
        *(_record(Kind.APP, app.id, replace(app, health_checks=(_CHECK,))) for app in drawn[0]),
        *(_record(Kind.INSTANCE, one.id, one) for one in drawn[1]),
    ]
)


@pytest.fixture(scope="module")
def made() -> tuple[Recorder, Any]:
    """One application for all histories, so that each begins with what others left kept."""
    recorder = Recorder()
    app = create_app(recorder, OPTIONS, compile_pattern, now_ms=lambda: _NOW_MS)
    return recorder, app.test_client()


@given(begun=_begun, history=_histories)
# Dozens of answers a step: making a failing history smaller would take longer than a test may.
@settings(max_examples=settings().max_examples // 12, deadline=None, phases=[Phase.generate])
def test_kept_answers_are_fresh(
    made: tuple[Recorder, Any], begun: list[Change], history: list[Change]
) -> None:
    recorder, client = made
    view = recorder.view
    everything = [(kind, key) for kind, table in view.tables.items() for key in table]
    view.apply([Change(kind, key, None) for kind, key in everything])
    for change in begun:
        view.apply([_as_it_can_be(change, recorder)])
    _look(recorder, client)
    for change in history:
        view.apply([_as_it_can_be(change, recorder)])
        _look(recorder, client)


def _as_it_can_be(change: Change, recorder: Recorder) -> Change:
    """What was found of an instance is of its present task, or nobody would see it; and it never
    comes to another app."""
    instance = recorder.view.instances.get(change.id)
    if isinstance(change.record, Instance) and instance is not None:
        return change._replace(record=replace(change.record, app_id=instance.app_id))
    if not isinstance(change.record, InstanceHealth) or instance is None:
        return change
    return change._replace(record=replace(change.record, task_id=instance.task_id))


def _look(recorder: Recorder, client: Any) -> None:
    view = recorder.view
    infos = AppInfos(view, _NOW_MS)
    ordered = sorted(view.apps.values(), key=lambda app: app.id)
    for path, embeds in (("/v2/apps", _LISTED), ("/v2/apps?embed=apps.tasks", _WITH_TASKS)):
        _same(client, path, {"apps": [infos.info(app, embeds) for app in ordered]})
    for app in ordered:
        _same(client, f"/v2/apps{app.id}", {"app": infos.info(app, _FULL)})


def _same(client: Any, path: str, expected: Any) -> None:
    for _ in range(2):  # the second time from what was kept
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.data == encode(expected), path
    if path == "/v2/apps":
        told = client.get(path, headers=_LONG)
        assert [*answer.headers] == [*told.headers]
        assert told.data == answer.data
