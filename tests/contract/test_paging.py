"""``?limit=`` and ``?after=``: lists in pages that miss nothing and tell nothing twice."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import Client

from api.application import create_app
from api.entrance import Entrance
from api.options import ApiOptions
from framework.domain.alarms import Alarm
from framework.domain.app import App
from framework.domain.crashes import Crash
from framework.domain.instance import Condition, Instance, Orphan
from framework.domain.mesos import Agent
from framework.domain.rollout import Deployment, LaunchStats
from framework.domain.state import Kind
from tests.contract.cluster import NOW_MS
from tests.unit.api.reading import compile_pattern
from tests.unit.api.recorder import Recorder

COUNT = 7
APP_IDS = ["/a", "/a-b", "/a/b", "/a.c", "/b/c/d", "/ab", "/z"]
VERSIONS = [f"2026-01-0{day}T00:00:00.000Z" for day in range(1, COUNT + 1)]


@pytest.fixture
def many() -> Recorder:
    """Seven of everything that is listed."""
    scheduler = Recorder()
    for number, app_id in enumerate(APP_IDS):
        app = App(id=app_id, cmd="x", version=VERSIONS[number])
        scheduler.hold_app(app)
        scheduler.hold_app(App(id="/a", cmd=f"x{number}", version=VERSIONS[number]))
        agent = Agent(f"S{number}", f"h{number % 2}")
        scheduler.hold(Kind.AGENT, agent.id, agent)
        orphan = Orphan(f"o{number}", agent.id, "TASK_RUNNING", NOW_MS + number % 3)
        scheduler.hold(Kind.ORPHAN, orphan.task_id, orphan)
        stats = LaunchStats(app_id, "*", NOW_MS, waiting=1)
        scheduler.hold(Kind.LAUNCH_STATS, app_id, stats)
        alarm = Alarm(f"k{number}", "m", NOW_MS - number % 3, NOW_MS)
        scheduler.hold(Kind.ALARM, alarm.key, alarm)
        crash = Crash(f"c{number}", "k", "s", 1, NOW_MS - 9, NOW_MS + number % 3)
        scheduler.hold(Kind.CRASH, crash.id, crash)
        deployment = Deployment(f"d{number}", VERSIONS[0], 0, 0, started_at_ms=number % 3)
        scheduler.hold(Kind.DEPLOYMENT, deployment.id, deployment)
    for number in (5, 3, 1, 6, 0, 2, 4):  # not in order
        app_id = APP_IDS[number % 2]
        safe = app_id.strip("/").replace("/", "_")
        instance = Instance(
            id=f"{safe}.instance-{number}",
            app_id=app_id,
            version=VERSIONS[0],
            agent_id="S0",
            condition=Condition.RUNNING,
        )
        scheduler.hold(Kind.INSTANCE, instance.id, instance)
    return scheduler


def client_of(scheduler: Recorder) -> FlaskClient:
    return create_app(scheduler, ApiOptions(), compile_pattern, lambda: NOW_MS).test_client()


def items(body: Any) -> list[Any]:
    if isinstance(body, dict):
        assert len(body) == 1
        [body] = body.values()
    assert isinstance(body, list)
    return body


def next_of(headers: Any) -> str | None:
    link = headers.get("Link")
    if link is None:
        return None
    found = re.fullmatch(r'<([^<>]+)>; rel="next"', link)
    assert found is not None, link
    return found[1]


def pages(client: FlaskClient, path: str) -> list[list[Any]]:
    """Every page, from the first on along the links."""
    found = []
    url: str | None = path
    while url is not None:
        answer = client.get(url)
        assert answer.status_code == 200, answer.get_data()
        found.append(items(answer.get_json()))
        url = next_of(answer.headers)
        assert len(found) <= COUNT + 1, "the links go round"
    return found


@pytest.mark.parametrize(
    "path",
    [
        "/v2/apps",
        "/v2/apps/*",
        "/v2/tasks",
        "/v2/apps/*/tasks",
        "/v2/queue",
        "/v2/deployments",
        "/v3/deployments",
        "/v2/apps/a/versions",
        "/v3/agents",
        "/v3/orphans",
        "/v3/explain",
        "/v3/alarms",
        "/v3/crashes",
    ],
)
@pytest.mark.parametrize("limit", [1, 3, COUNT, 1000])
def test_all_pages_are_the_whole_list(many: Recorder, path: str, limit: int) -> None:
    client = client_of(many)
    whole = client.get(path)
    assert not {"Link", "X-Total-Count"} & {*whole.headers.keys()}
    found = pages(client, f"{path}?limit={limit}")
    assert [one for page in found for one in page] == items(whole.get_json())
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    assert len(found) == -(-COUNT // limit)


def test_a_page_tells_how_many_there_are_and_looks_like_the_list(many: Recorder) -> None:
    answer = client_of(many).get("/v2/apps?limit=2&id=A&fields=id")
    assert answer.get_json() == {"apps": [{"id": "/a"}, {"id": "/a-b"}]}
    assert answer.headers["X-Total-Count"] == "5"
    assert answer.headers["Link"] == (
        '<http://localhost/v2/apps?limit=2&id=A&fields=id&after=%2Fa-b>; rel="next"'
    )


def test_versions_of_a_group(many: Recorder) -> None:
    client = client_of(many)
    versions = client.get("/v2/groups/versions").get_json()
    assert pages(client, "/v2/groups/versions?limit=1") == [[one] for one in versions]


def test_an_app_that_comes_or_goes_moves_no_other(many: Recorder) -> None:
    client = client_of(many)
    first = client.get("/v2/apps?limit=3&fields=id")
    seen = [one["id"] for one in items(first.get_json())]
    many.hold(Kind.APP, seen[-1], None)
    many.hold_app(App(id="/0", cmd="x", version=VERSIONS[0]))
    many.hold_app(App(id="/y", cmd="x", version=VERSIONS[0]))
    rest = pages(client, str(next_of(first.headers)))
    told = seen + [one["id"] for page in rest for one in page]
    assert told == sorted([*APP_IDS, "/y"])


def test_versions_that_come_are_not_told_on_later_pages(many: Recorder) -> None:
    client = client_of(many)
    first = client.get("/v2/apps/a/versions?limit=2")
    many.hold_app(App(id="/a", cmd="y", version="2026-02-01T00:00:00.000Z"))
    rest = pages(client, str(next_of(first.headers)))
    assert items(first.get_json()) + [one for page in rest for one in page] == VERSIONS[::-1]


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "", "1.5", "٣", "+1", " 1", "10000"])
def test_nonsense_is_refused(many: Recorder, limit: str) -> None:
    answer = client_of(many).get("/v2/apps", query_string={"limit": limit})
    assert answer.status_code == 422
    assert answer.get_json() == {"message": "limit must be a whole number from 1 to 1000"}


def test_a_place_that_is_too_long_is_refused(many: Recorder) -> None:
    assert client_of(many).get(f"/v2/apps?after={'x' * 4097}").status_code == 422


def test_a_place_alone_is_enough(many: Recorder) -> None:
    answer = client_of(many).get("/v2/apps?after=/b&fields=id")
    assert answer.get_json() == {"apps": [{"id": "/b/c/d"}, {"id": "/z"}]}
    assert answer.headers["X-Total-Count"] == str(COUNT)


def test_lines_of_text_have_no_pages(many: Recorder) -> None:
    text = {"Accept": "text/plain"}
    client = client_of(many)
    whole, asked = (
        client.get("/v2/tasks", headers=text),
        client.get("/v2/tasks?limit=1", headers=text),
    )
    assert asked.get_data() == whole.get_data()
    assert "Link" not in asked.headers


def test_the_link_keeps_the_path_of_a_router(many: Recorder) -> None:
    client = Client(Entrance(create_app(many, ApiOptions(), compile_pattern), ApiOptions()))
    for path in ("/v2/apps", "/service/marathon/v2/apps"):  # one answer is not the other's
        answer = client.get(f"{path}?limit=1", base_url="https://edge.example:8443")
        url = urlsplit(str(next_of(answer.headers)))
        assert (url.scheme, url.netloc, url.path) == ("https", "edge.example:8443", path)


def test_the_link_has_no_host_if_the_client_named_none(many: Recorder) -> None:
    answer = client_of(many).get("/v2/apps?limit=1", headers={"Host": 'a">b'})
    assert next_of(answer.headers) == "/v2/apps?limit=1&after=%2Fa"


def test_a_head_tells_where_the_next_page_is(many: Recorder) -> None:
    client = client_of(many)
    told = client.head("/v2/apps?limit=2").headers
    assert told["Link"] == client.get("/v2/apps?limit=2").headers["Link"]


labels = st.text("ab-.", min_size=1, max_size=3).filter(
    lambda one: one[0] in "ab" and one[-1] in "ab"
)
ids = st.lists(labels, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(ids, st.integers(0, 9)), max_size=12), st.integers(1, 5))
def test_pages_of_any_tasks_are_the_whole_list(tasks: list[tuple[str, int]], limit: int) -> None:
    scheduler = Recorder()
    for app_id, number in tasks:
        scheduler.hold_app(App(id=app_id, cmd="x", version=VERSIONS[0]))
        safe = app_id.strip("/").replace("/", "_")
        instance = Instance(
            id=f"{safe}.instance-{number}",
            app_id=app_id,
            version=VERSIONS[0],
            agent_id="S0",
            condition=Condition.RUNNING,
        )
        scheduler.hold(Kind.INSTANCE, instance.id, instance)
    client = client_of(scheduler)
    for path in ("/v2/apps", "/v2/tasks"):
        whole, found, url = items(client.get(path).get_json()), [], f"{path}?limit={limit}"
        while url:
            answer = client.get(url)
            found.extend(items(answer.get_json()))
            url = next_of(answer.headers) or ""
            assert len(found) <= len(whole)
        assert found == whole
