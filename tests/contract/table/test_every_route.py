"""What holds of every route (rest-api.md, section 0): which methods there are, HEAD, OPTIONS,
common headers, paths with doubled slashes or a router's prefix, pages of other sites, and the limit
of calls at the same time."""

import gzip
import threading
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.test import Client

from api.application import create_app
from api.entrance import Entrance
from api.options import ApiOptions
from framework.domain.app import App
from framework.domain.events import Command, RestartApp
from framework.domain.replies import Done, Reply
from framework.domain.rollout import Deployment, Framework, LaunchStats
from tests.contract.cluster import NOW_MS, UUID, V1, V2
from tests.contract.table.rows import ABSENT, Row, check
from tests.unit.api.reading import compile_pattern
from tests.unit.api.recorder import Recorder

TASK = f"dev_web.instance-{UUID}1._app.1"
DEPLOYMENT = "97c136bf-5a28-4821-9d94-480d9fbb01c8"
METHODS = {
    "/": "GET",
    "/ping": "GET",
    "/metrics": "GET",
    "/metrics/prometheus": "GET",
    "/config": "GET",
    "/logging": "GET POST",
    "/v2/apps": "GET PATCH POST PUT",
    "/v2/apps/dev/web": "DELETE GET PATCH PUT",
    "/v2/apps/dev/*": "DELETE GET PATCH PUT",
    "/v2/apps/dev/web/tasks": "DELETE GET PATCH PUT",
    f"/v2/apps/dev/web/tasks/{TASK}": "DELETE GET PATCH PUT",
    "/v2/apps/dev/web/versions": "DELETE GET PATCH PUT",
    f"/v2/apps/dev/web/versions/{V2}": "DELETE GET PATCH PUT",
    "/v2/apps/dev/web/restart": "DELETE GET PATCH POST PUT",
    "/v2/tasks": "GET",
    "/v2/tasks/delete": "POST",
    "/v2/groups": "DELETE GET PATCH POST PUT",
    "/v2/groups/dev": "DELETE GET PATCH POST PUT",
    "/v2/groups/dev/apps": "DELETE GET PATCH POST PUT",
    "/v2/groups/dev/versions": "DELETE GET PATCH POST PUT",
    f"/v2/groups/dev/versions/{V1}": "DELETE GET PATCH POST PUT",
    "/v2/deployments": "GET",
    f"/v2/deployments/{DEPLOYMENT}": "DELETE",
    "/v2/queue": "GET",
    "/v2/queue/dev/web/delay": "DELETE",
    "/v2/pods": "GET",
    "/v2/pods/::status": "GET",
    "/v2/info": "GET",
    "/v2/leader": "DELETE GET",
    "/v2/plugins": "GET",
    "/v2/plugins/mine/a/b": "DELETE GET POST PUT",
    "/v2/events": "GET",
}
COMMON = {
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Expires": "0",
    "X-Marathon-Leader": "http://h1:8080",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Access-Control-Allow-Origin": ABSENT,
}
GONE = (
    "/v1/apps",
    "/v2/artifacts",
    "/v2/eventSubscriptions",
    "/v2/schemas/app",
    "/v2",
    "/metadata",
)


@pytest.mark.parametrize("path", METHODS)
def test_methods(client: FlaskClient, scheduler: Recorder, path: str) -> None:
    methods = set(METHODS[path].split())
    if "GET" in methods:
        methods.add("HEAD")
    response = client.options(path)
    assert (response.status_code, response.get_data()) == (200, b"")
    assert set(response.headers["Allow"].split(", ")) == methods | {"OPTIONS"}
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - methods:
        refused = client.open(path, method=method)
        assert refused.status_code == 405
        if method != "HEAD":
            assert refused.get_json() == {"message": "Method Not Allowed"}
    assert scheduler.asked == []


READ = [path for path, methods in METHODS.items() if "GET" in methods.split()]


@pytest.mark.parametrize("path", READ)
def test_head_is_get_without_a_body(
    client: FlaskClient,
    waiting: LaunchStats,
    deployment: Deployment,
    framework: Framework,
    path: str,
) -> None:
    headers = {"Accept": "text/event-stream"} if path == "/v2/events" else {}
    head, get = client.head(path, headers=headers), client.get(path, headers=headers)
    assert head.get_data() == b""
    assert head.status_code == get.status_code
    assert list(head.headers) == list(get.headers)


@pytest.mark.parametrize("path", [*METHODS, *GONE])
def test_common_headers_of_every_answer(client: FlaskClient, path: str) -> None:
    for method in ("GET", "OPTIONS"):
        headers = client.open(path, method=method).headers
        assert {name: headers.get(name, ABSENT) for name in COMMON} == COMMON


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE"])
@pytest.mark.parametrize("path", GONE)
def test_what_is_no_route(client: FlaskClient, method: str, path: str) -> None:
    body = None if method == "HEAD" else {"message": "URI not found"}
    check(client, Row(method, path, 404, body))


@pytest.mark.parametrize("path", READ)
@pytest.mark.parametrize("sent", [b'""', b"{}", b"no json", b"\xff" * 5_000])
def test_a_body_of_a_get_is_passed_over(client: FlaskClient, path: str, sent: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    bare, told = client.get(path), client.get(path, data=sent, headers=headers)
    assert (told.status_code, told.get_data()) == (bare.status_code, bare.get_data())


@pytest.mark.parametrize("path", [path for path in READ if path != "/"])
def test_slashes_more_or_less_are_nothing(client: FlaskClient, path: str) -> None:
    plain = client.get(path)
    for other in (f"/{path}", path.replace("/", "//"), f"{path}/", f"{path}//"):
        found = client.get("/", environ_overrides={"PATH_INFO": other})
        assert (found.status_code, found.get_data()) == (plain.status_code, plain.get_data())


@pytest.mark.parametrize(
    ("value", "meant"),
    [("true", True), ("True", True), ("TRUE", True)]
    + [(value, False) for value in ("false", "False", "1", "yes", "on", "", "t", "true ")],
)
def test_booleans(client: FlaskClient, scheduler: Recorder, value: str, meant: bool) -> None:
    client.post("/v2/apps/dev/web/restart", query_string={"force": value})
    assert scheduler.asked == [RestartApp("/dev/web", force=meant)]


def client_with(scheduler: Recorder, **options: object) -> FlaskClient:
    settings = ApiOptions(**options)  # type: ignore[arg-type]  # per test
    return create_app(scheduler, settings, compile_pattern, lambda: NOW_MS).test_client()


class TestCompression:
    def test_large_answers_for_those_who_accept_it(self, scheduler: Recorder) -> None:
        for number in range(20):
            scheduler.hold_app(App(id=f"/app-{number}", cmd="x", version=V1))
        client = client_with(scheduler)
        plain = client.get("/v2/apps")
        assert "Content-Encoding" not in plain.headers
        packed = client.get("/v2/apps", headers={"Accept-Encoding": "deflate, gzip;q=0.5"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.headers["Content-Length"] == str(len(packed.get_data()))
        assert gzip.decompress(packed.get_data()) == plain.get_data()
        for refusing in ("identity", "gzip;q=0"):
            told = client.get("/v2/apps", headers={"Accept-Encoding": refusing})
            assert told.get_data() == plain.get_data()
        switched_off = client_with(scheduler, http_compression=False)
        told = switched_off.get("/v2/apps", headers={"Accept-Encoding": "gzip"})
        assert told.get_data() == plain.get_data()

    def test_never_a_stream(self, client: FlaskClient) -> None:
        accepting = {"Accept": "text/event-stream", "Accept-Encoding": "gzip"}
        response = client.get("/v2/events", headers=accepting)
        assert "Content-Encoding" not in response.headers
        assert response.headers["Content-Type"] == "text/event-stream;charset=utf-8"


class TestPagesOfOtherSites:
    READING = {
        "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
        "Access-Control-Max-Age": "86400",
    }

    @pytest.mark.parametrize(
        ("origins", "page", "named"),
        [
            (("http://a",), "", "http://a"),
            (("http://a",), "http://b", "http://a"),
            (("http://a", "http://b"), "http://a", "http://a"),
            (("http://a", "http://b"), "http://b", "http://b"),
            (("http://a", "http://b"), "http://c", "http://b"),
            (("http://a", "http://b"), "", "http://b"),
            (("*",), "http://c", "*"),
            (("http://a", "*"), "http://a", "*"),
        ],
    )
    def test_may_read_when_they_are_named(
        self, scheduler: Recorder, origins: tuple[str, ...], page: str, named: str
    ) -> None:
        client = client_with(scheduler, access_control_allow_origin=origins)
        sending = {"Origin": page} if page else {}
        for path in ("/v2/apps", "/v2/nonsense", "/ping"):
            headers = client.get(path, headers=sending).headers
            assert headers["Access-Control-Allow-Origin"] == named
            assert {name: headers[name] for name in self.READING} == self.READING
            assert "Access-Control-Allow-Headers" not in headers
            assert ("Origin" in headers.get("Vary", "")) == (len(origins) > 1)

    def test_are_told_before_they_ask(self, scheduler: Recorder) -> None:
        client = client_with(scheduler, access_control_allow_origin=("http://a",))
        asking = {
            "Origin": "http://a",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "x-one, x-two",
        }
        told = {
            "Access-Control-Allow-Origin": "http://a",
            "Access-Control-Allow-Headers": "x-one, x-two",
            **self.READING,
        }
        check(client, Row("OPTIONS", "/v2/apps", 200, None, told, sending=asking))


class TestEntrance:
    @pytest.fixture
    def options(self) -> ApiOptions:
        return ApiOptions(http_max_concurrent_requests=1)

    @pytest.fixture
    def outside(self, scheduler: Recorder, options: ApiOptions) -> Client:
        """A client before everything that a call passes."""
        application = create_app(scheduler, options, compile_pattern, lambda: NOW_MS)
        return Client(Entrance(application, options))

    @pytest.mark.parametrize("path", ["/v2/apps?id=web", "/ping", "/v2/apps//dev/web", "/v2/none"])
    def test_a_routers_prefix_changes_nothing(self, outside: Client, path: str) -> None:
        plain, below = (
            outside.get(path, buffered=True),
            outside.get(f"/service/marathon{path}", buffered=True),
        )
        assert (below.status_code, below.get_data()) == (plain.status_code, plain.get_data())

    def test_only_whole_names_are_the_prefix(self, outside: Client) -> None:
        home = outside.get("/service/marathon", buffered=True)
        assert (home.status_code, home.location) == (302, "/service/marathon/v2/info")
        for path in ("/service/marathons/v2/apps", "/service/v2/apps", "/v2/service/marathon"):
            assert outside.get(path, buffered=True).status_code == 404

    def test_what_was_created_is_found_below_the_prefix(self, outside: Client) -> None:
        created = outside.post("/service/marathon/v2/apps", json={"id": "/new", "cmd": "x"})
        assert created.headers["Location"] == "http://localhost/service/marathon/v2/apps/new"

    def test_calls_beyond_the_limit_are_turned_away(
        self, outside: Client, scheduler: Recorder
    ) -> None:
        with busy(
            scheduler, lambda: outside.post("/v2/apps/dev/web/restart", buffered=True)
        ) as finish:
            for path in ("/v2/apps", "/ping", "/v2/none"):
                response = outside.get(path, buffered=True)
                told = "Too many concurrent requests! Allowed: 1."
                assert response.status == f"503 {told}"
                assert response.get_json() == {"message": told}
            finish()
        assert outside.get("/v2/apps", buffered=True).status_code == 200

    def test_a_call_that_failed_counts_no_more(self, outside: Client, scheduler: Recorder) -> None:
        scheduler.replies.append(RuntimeError("broken"))
        assert outside.post("/v2/apps/dev/web/restart", buffered=True).status_code == 500
        assert outside.get("/v2/apps", buffered=True).status_code == 200


class busy:  # noqa: N801 - reads as what it is, in a with statement
    """While this lasts, a call waits for the scheduler in a thread of its own."""

    def __init__(self, scheduler: Recorder, call: Callable[[], object]) -> None:
        self._reached, self._go_on = threading.Event(), threading.Event()
        scheduler.replies.append(self._wait)
        self._thread = threading.Thread(target=call)

    def _wait(self, _command: Command) -> Reply:
        self._reached.set()
        assert self._go_on.wait(60)
        return Done(V2, "d-1")

    def _finish(self) -> None:
        self._go_on.set()
        self._thread.join()

    def __enter__(self) -> Callable[[], None]:
        self._thread.start()
        assert self._reached.wait(60)
        return self._finish

    def __exit__(self, *_: object) -> None:
        self._finish()


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() <= before
