"""The HTTP client over real sockets: what it asks, how it fails over, and what it refuses."""

import gzip
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from api.client import (
    BadAnswerError,
    Client,
    ClientError,
    ConflictError,
    Credentials,
    InvalidError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from tests.unit.cli.scripted_http import Answer, Script, ScriptedServer, hang_up, scripted

APPS = Answer({"apps": [{"id": "/a"}]})
DONE = Answer({"version": "v", "deploymentId": "d"})
STEPS = Answer({"steps": []})
BUSY = Answer({"message": "loading"}, 503)


@pytest.fixture
def serve() -> Iterator[Callable[[Script], ScriptedServer]]:
    """Starts a scripted server for the length of the test."""
    with ExitStack() as servers:
        yield lambda script: servers.enter_context(scripted(script))


def _ask(call: Callable[[Client], Any], *servers: ScriptedServer | str, **options: Any) -> Any:
    urls = [server if isinstance(server, str) else server.url for server in servers]
    with closing(Client(urls, **options)) as client:
        return call(client)


@pytest.fixture
def nobody() -> Iterator[str]:
    """A URL that refuses connections: its port is taken, but nobody listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


CALLS: list[tuple[Callable[[Client], Any], str, dict[str, list[str]], Any, Answer]] = [
    (lambda c: c.list_apps(), "GET /v2/apps", {}, None, APPS),
    (
        lambda c: c.list_apps(query={"label": "a==b", "embed": ["apps.tasks", "apps.counts"]}),
        "GET /v2/apps",
        {"label": ["a==b"], "embed": ["apps.tasks", "apps.counts"]},
        None,
        APPS,
    ),
    (lambda c: c.get_app("/x/y"), "GET /v2/apps/x/y", {}, None, Answer({"app": {"id": "/x/y"}})),
    (lambda c: c.create_app({"id": "/a"}), "POST /v2/apps", {}, {"id": "/a"}, Answer({}, 201)),
    (
        lambda c: c.replace_app("/a", {"cmd": "b"}, force=True),
        "PUT /v2/apps/a",
        {"partialUpdate": ["false"], "force": ["true"]},
        {"cmd": "b"},
        DONE,
    ),
    (lambda c: c.scale_app("a", 3), "PATCH /v2/apps/a", {}, {"instances": 3}, DONE),
    (lambda c: c.restart_app("/a"), "POST /v2/apps/a/restart", {}, None, DONE),
    (lambda c: c.delete_app("/a"), "DELETE /v2/apps/a", {"force": ["false"]}, None, DONE),
    (
        lambda c: c.update_app("/a", {"cmd": "b"}, force=True, dry_run=True),
        "PATCH /v2/apps/a",
        {"force": ["true"], "dryRun": ["true"]},
        {"cmd": "b"},
        STEPS,
    ),
    (
        lambda c: c.replace_app("/a", {"cmd": "b"}, dry_run=True),
        "PUT /v2/apps/a",
        {"partialUpdate": ["false"], "dryRun": ["true"]},
        {"cmd": "b"},
        STEPS,
    ),
    (lambda c: c.rollback_app("/a", "v1"), "PATCH /v2/apps/a", {}, {"version": "v1"}, DONE),
    (
        lambda c: c.app_versions("/a"),
        "GET /v2/apps/a/versions",
        {},
        None,
        Answer({"versions": ["v1"]}),
    ),
    (
        lambda c: c.app_version("/a", "2026-11-01T10:00:00.000Z"),
        "GET /v2/apps/a/versions/2026-11-01T10%3A00%3A00.000Z",
        {},
        None,
        Answer({"id": "/a"}),
    ),
    (lambda c: c.suspend_app("/x/y"), "POST /v3/apps/x/y/suspend", {}, None, DONE),
    (
        lambda c: c.resume_app("/a", force=True),
        "POST /v3/apps/a/resume",
        {"force": ["true"]},
        None,
        DONE,
    ),
    (lambda c: c.get_group(), "GET /v2/groups", {}, None, Answer({"id": "/"})),
    (
        lambda c: c.get_group("/x/y", query={"embed": "group.apps"}),
        "GET /v2/groups/x/y",
        {"embed": ["group.apps"]},
        None,
        Answer({"id": "/x/y"}),
    ),
    (
        lambda c: c.update_group("/x", {"scaleBy": 2}, dry_run=True),
        "PUT /v2/groups/x",
        {"dryRun": ["true"]},
        {"scaleBy": 2},
        STEPS,
    ),
    (lambda c: c.delete_group("/x"), "DELETE /v2/groups/x", {}, None, DONE),
    (lambda c: c.group_versions("/"), "GET /v2/groups/versions", {}, None, Answer(["v1"])),
    (lambda c: c.list_tasks(), "GET /v2/tasks", {}, None, Answer({"tasks": []})),
    (lambda c: c.app_tasks("/a"), "GET /v2/apps/a/tasks", {}, None, Answer({"tasks": []})),
    (
        lambda c: c.kill_tasks(["t1", "t2"], scale=True, force=True),
        "POST /v2/tasks/delete",
        {"scale": ["true"], "force": ["true"]},
        {"ids": ["t1", "t2"]},
        DONE,
    ),
    (
        lambda c: c.kill_tasks(["t1"], wipe=True),
        "POST /v2/tasks/delete",
        {"wipe": ["true"]},
        {"ids": ["t1"]},
        Answer({"tasks": []}),
    ),
    (lambda c: c.queue(), "GET /v2/queue", {}, None, Answer({"queue": []})),
    (lambda c: c.explain(), "GET /v3/explain", {}, None, Answer({"waiting": []})),
    (lambda c: c.explain("/x/y"), "GET /v3/explain/x/y", {}, None, Answer({"waiting": []})),
    (lambda c: c.reset_delay("/a"), "DELETE /v2/queue/a/delay", {}, None, Answer(b"", 204)),
    (lambda c: c.list_deployments(), "GET /v3/deployments", {}, None, Answer([])),
    (lambda c: c.pause_deployment("d-1"), "POST /v3/deployments/d-1/pause", {}, None, DONE),
    (lambda c: c.resume_deployment("d-1"), "POST /v3/deployments/d-1/resume", {}, None, DONE),
    (lambda c: c.cancel_deployment("d-1"), "DELETE /v2/deployments/d-1", {}, None, DONE),
    (
        lambda c: c.cancel_deployment("d-1", force=True),
        "DELETE /v2/deployments/d-1",
        {"force": ["true"]},
        None,
        Answer(b"", 202),
    ),
    (lambda c: c.list_agents(), "GET /v3/agents", {}, None, Answer([])),
    (lambda c: c.info(), "GET /v2/info", {}, None, Answer({"name": "stayer"})),
    (lambda c: c.teardown_framework(), "POST /v3/framework/teardown", {}, {}, Answer(b"")),
]


@pytest.mark.parametrize(
    ("call", "asked", "query", "body", "answer"), CALLS, ids=[call[1] for call in CALLS]
)
def test_what_is_asked(
    serve: Callable[[Script], ScriptedServer],
    call: Callable[[Client], Any],
    asked: str,
    query: dict[str, list[str]],
    body: Any,
    answer: Answer,
) -> None:
    server = serve({asked: answer})
    _ask(call, server)
    (request,) = server.requests
    assert (request.query, request.body) == (query, body)
    assert request.headers["Accept"] == "application/json"


def test_answers_come_without_their_wrapping(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    server = serve({"GET /v2/apps": APPS, "GET /v2/apps/a": Answer({"app": {"id": "/a"}})})
    assert _ask(lambda c: c.list_apps(), server) == [{"id": "/a"}]
    assert _ask(lambda c: c.get_app("/a"), server) == {"id": "/a"}


@pytest.mark.parametrize(
    "answer", [Answer({"message": "no page"}, 404), Answer({"message": "URI not found"}, 500)]
)
def test_scheduler_without_our_pages(
    serve: Callable[[Script], ScriptedServer], answer: Answer
) -> None:
    server = serve({"GET /v3/explain": answer, "GET /v3/agents": answer})
    assert _ask(lambda c: c.explain(), server) == []
    assert _ask(lambda c: c.list_agents(), server) == []
    marathons = serve({"GET /v3/deployments": answer, "GET /v2/deployments": Answer([{"id": "d"}])})
    assert _ask(lambda c: c.list_deployments(), marathons) == [{"id": "d"}]


def test_versions_are_told_newest_first(serve: Callable[[Script], ScriptedServer]) -> None:
    server = serve(
        {
            "GET /v2/apps/a/versions": Answer({"versions": ["v1", "v3", "v2"]}),
            "GET /v2/groups/g/versions": Answer(["v1", "v3", "v2"]),
            "GET /v2/groups/versions": Answer([1]),
        }
    )
    assert _ask(lambda c: c.app_versions("/a"), server) == ["v3", "v2", "v1"]
    assert _ask(lambda c: c.group_versions("/g"), server) == ["v3", "v2", "v1"]
    with pytest.raises(BadAnswerError):
        _ask(lambda c: c.group_versions("/"), server)


def test_warnings_of_an_answer_are_passed_on(serve: Callable[[Script], ScriptedServer]) -> None:
    warned: list[str] = []
    server = serve(
        {
            "PATCH /v2/apps/a": Answer(DONE.body, headers={"Stayer-Warning": "no room"}),
            "GET /v2/apps": APPS,
        }
    )
    _ask(lambda c: (c.list_apps(), c.scale_app("/a", 3)), server, on_warning=warned.append)
    assert warned == ["no room"]


def test_our_pages_that_fail(serve: Callable[[Script], ScriptedServer]) -> None:
    failure = Answer({"message": "a bug"}, 500)
    pages = ("explain", "agents", "deployments")
    server = serve({f"GET /v3/{page}": failure for page in pages})
    for call in (
        lambda c: c.explain(),
        lambda c: c.list_agents(),
        lambda c: c.list_deployments(),
    ):
        with pytest.raises(RefusedError, match="a bug"):
            _ask(call, server)


def test_url_that_refuses_is_passed_over_and_asked_last_from_then_on(
    serve: Callable[[Script], ScriptedServer], nobody: str
) -> None:
    server = serve({"POST /v2/apps/a/restart": DONE, "GET /v2/apps": APPS})
    with closing(Client([nobody, server.url + "/"])) as client:
        client.restart_app("/a")
        assert client.urls == (server.url, nobody)
        assert client.list_apps() == [{"id": "/a"}]
    assert server.asked() == ["POST /v2/apps/a/restart", "GET /v2/apps"]


def test_nobody_answers(nobody: str) -> None:
    with pytest.raises(UnreachableError) as caught:
        _ask(lambda c: c.list_apps(), nobody, "http://127.0.0.1:1")
    assert caught.value.causes[nobody] == "Connection refused"
    assert set(caught.value.causes) == {nobody, "http://127.0.0.1:1"}


def test_reading_is_repeated_elsewhere_when_the_answer_is_cut_off(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    assert _ask(
        lambda c: c.list_apps(), serve({"GET /v2/apps": hang_up}), serve({"GET /v2/apps": APPS})
    )


def test_change_is_never_repeated_once_it_went_out(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    cut, spare = serve({"POST /v2/apps": hang_up}), serve({"POST /v2/apps": DONE})
    with pytest.raises(OutcomeUnknownError):
        _ask(lambda c: c.create_app({"id": "/a"}), cut, spare)
    assert len(cut.requests) == 1
    assert spare.requests == []


def test_unavailable_scheduler(serve: Callable[[Script], ScriptedServer], nobody: str) -> None:
    script = {"GET /v2/apps": BUSY, "POST /v2/apps": BUSY}
    busy, ready = serve(script), serve({"GET /v2/apps": APPS})
    assert _ask(lambda c: c.list_apps(), busy, ready) == [{"id": "/a"}]
    with pytest.raises(UnavailableError, match="loading"):
        _ask(lambda c: c.list_apps(), busy, nobody)
    with pytest.raises(UnavailableError, match="loading"):
        _ask(lambda c: c.create_app({}), busy, ready)
    assert ready.asked() == ["GET /v2/apps"]


REFUSALS: list[tuple[Answer, type[RefusedError], str, tuple[Any, ...], tuple[str, ...]]] = [
    (
        Answer(
            {
                "message": "Object is not valid",
                "details": [
                    {"path": "/cpus", "errors": ["too many", "not a number"]},
                    {"path": "/id", "errors": ["error.path.missing"]},
                ],
            },
            422,
        ),
        InvalidError,
        "Object is not valid",
        (("/cpus", "too many"), ("/cpus", "not a number"), ("/id", "error.path.missing")),
        (),
    ),
    (
        Answer({"message": "Invalid JSON", "details": "at line 1"}, 400),
        InvalidError,
        "Invalid JSON",
        (("/", "at line 1"),),
        (),
    ),
    (
        Answer({"message": "App is locked", "deployments": [{"id": "d1"}, {"id": "d2"}]}, 409),
        ConflictError,
        "App is locked",
        (),
        ("d1", "d2"),
    ),
    (Answer({"message": "gone"}, 404), NotFoundError, "gone", (), ()),
    (Answer(b"<html>no</html>", 401), UnauthorizedError, "Unauthorized", (), ()),
    (Answer([1], 500), RefusedError, "Internal Server Error", (), ()),
    (
        Answer({"message": 3, "details": [1, {"errors": 2}], "deployments": [3, {"id": 4}]}, 409),
        ConflictError,
        "Conflict",
        (),
        (),
    ),
    (Answer(b"", 302, {"Location": "/v2/apps/elsewhere"}), RefusedError, "Found", (), ()),
]


@pytest.mark.parametrize(
    ("answer", "error", "message", "details", "deployments"),
    REFUSALS,
    ids=[str(refusal[0].status) + "-" + refusal[2] for refusal in REFUSALS],
)
def test_refusal_carries_the_body_of_the_error(
    serve: Callable[[Script], ScriptedServer],
    answer: Answer,
    error: type[RefusedError],
    message: str,
    details: tuple[Any, ...],
    deployments: tuple[str, ...],
) -> None:
    server = serve({"POST /v2/apps": answer})
    with pytest.raises(RefusedError) as caught:
        _ask(lambda c: c.create_app({}), server)
    refusal = caught.value
    assert type(refusal) is error
    assert (refusal.status, refusal.message) == (answer.status, message)
    assert (refusal.details, refusal.deployment_ids) == (details, deployments)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"<html>a wiki</html>"),
        Answer(b'{"apps": '),
        Answer(b"\xff\xfe"),
        Answer({"apps": {"id": "/a"}}),
        Answer({"apps": ["/a"]}),
        Answer([]),
        Answer(b""),
        Answer(b"[" * 100_000),
        Answer({"apps": [{"id": "x" * 5_000}]}),
        Answer(gzip.compress(b" " * 5_000 + b'{"apps": []}'), headers={"Content-Encoding": "gzip"}),
    ],
    ids=["html", "half", "binary", "object", "texts", "bare", "empty", "deep", "large", "bomb"],
)
def test_answer_that_is_none_of_this_api(
    serve: Callable[[Script], ScriptedServer], answer: Answer
) -> None:
    server = serve({"GET /v2/apps": answer})
    limit = 4_000 if len(answer.content()) < 10_000 else 200_000
    with pytest.raises(BadAnswerError):
        _ask(lambda c: c.list_apps(), server, max_answer_bytes=limit)


def test_answer_that_never_ends_is_given_up(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        handler.close_connection = True
        while not server.stopping.wait(0.005):
            try:
                handler.wfile.write(b" ")
            except OSError:
                return

    server = serve({"GET /v2/apps": trickle, "POST /v2/apps": trickle})
    with pytest.raises(UnreachableError):
        _ask(lambda c: c.list_apps(), server, timeout_seconds=0.1)
    with pytest.raises(OutcomeUnknownError):
        _ask(lambda c: c.create_app({}), server, timeout_seconds=0.1)


def test_scheduler_that_says_nothing_is_given_up(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    def say_nothing(handler: BaseHTTPRequestHandler) -> None:
        server.stopping.wait(60)
        handler.close_connection = True

    server = serve({"GET /v2/apps": say_nothing})
    with pytest.raises(UnreachableError, match="timed out"):
        _ask(lambda c: c.list_apps(), server, timeout_seconds=0.1)


def test_credentials_go_to_the_server_and_nowhere_else(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    server = serve({"GET /v2/apps": Answer({"message": "no"}, 401)})
    credentials = Credentials("ann", "s3cret")
    with pytest.raises(ClientError) as caught:
        _ask(lambda c: c.list_apps(), server, credentials=credentials)
    assert server.requests[0].headers["Authorization"] == "Basic YW5uOnMzY3JldA=="
    assert "s3cret" not in f"{caught.value!r} {credentials!r} {credentials}"


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "ftp://h", "http://", "http://h:0", "http://h?x", "http://h:x", ""]
)
def test_unusable_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Client([url])


def test_url_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValueError, match="credentials") as caught:
        Client(["ann:s3cret@host:8080"])
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("count", [0, 17])
def test_number_of_urls_is_limited(count: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 16"):
        Client(["http://h"] * count)


@pytest.mark.parametrize("app_id", ["", "/", "/a/../b", "..", "/a//b", "a/./b"])
def test_app_id_that_would_lead_elsewhere_is_not_asked_for(
    serve: Callable[[Script], ScriptedServer], app_id: str
) -> None:
    server = serve({})
    with pytest.raises(ValueError, match="not an app id"):
        _ask(lambda c: c.delete_app(app_id), server)
    assert server.requests == []


def test_odd_characters_of_an_id_stay_in_its_path(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    server = serve({})
    with pytest.raises(NotFoundError):
        _ask(lambda c: c.get_app("/a b?c#d%2e"), server)
    assert server.asked() == ["GET /v2/apps/a%20b%3Fc%23d%252e"]


def test_a_page_is_fetched_as_it_came(serve: Callable[[Script], ScriptedServer]) -> None:
    server = serve({"GET /v2/apps": Answer({"apps": []}, headers={"ETag": 'W/"1"'})})
    page = _ask(lambda c: c.fetch("/v2/apps", {"embed": ["apps.tasks"]}), server)
    assert page.content == b'{"apps": []}'
    assert (page.url, page.tag, page.unchanged) == (server.url, 'W/"1"', False)


def test_a_page_that_is_still_the_same_comes_back_empty(
    serve: Callable[[Script], ScriptedServer],
) -> None:
    server = serve({"GET /v2/apps": Answer(b"", 304)})
    page = _ask(lambda c: c.fetch("/v2/apps", tag='W/"1"'), server)
    assert server.requests[0].headers["If-None-Match"] == 'W/"1"'
    assert (page.content, page.unchanged) == (b"", True)
