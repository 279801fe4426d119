"""The client with redirects, tokens and unknown outcomes: what goes where, and what is never
sent."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from api.client import (
    BadAnswerError,
    Client,
    Credentials,
    OutcomeUnknownError,
    RefusedError,
    Token,
    UnavailableError,
)
from tests.unit.cli.scripted_http import Answer, Script, ScriptedServer, scripted

APPS = Answer({"apps": [{"id": "/a"}]})
CREDENTIALS = Credentials("ann", "s3cret")
Serve = Callable[[Script], ScriptedServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as servers:
        yield lambda script: servers.enter_context(scripted(script))


def to(location: str, status: int) -> Answer:
    return Answer({"message": "elsewhere"}, status, {"Location": location})


def list_apps(*urls: str, credentials: Credentials | Token | None = None) -> list[str]:
    with closing(Client(urls, credentials=credentials)) as client:
        return [app["id"] for app in client.list_apps()]


@pytest.mark.parametrize("credentials", [CREDENTIALS, None])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_read_goes_on_at_another_of_the_urls(
    serve: Serve, status: int, credentials: Credentials | None
) -> None:
    leader = serve({"GET /v2/apps": APPS})
    standby = serve({"GET /v2/apps": to(f"{leader.url}/v2/apps?x=1", status)})
    assert list_apps(standby.url, leader.url, credentials=credentials) == ["/a"]
    (request,) = leader.requests
    assert request.query == {"x": ["1"]}
    assert ("Authorization" in request.headers) is (credentials is not None)


def test_a_read_goes_on_at_the_same_place(serve: Serve) -> None:
    server = serve({"GET /v2/apps": to("/here", 302), "GET /here": APPS})
    assert list_apps(server.url, credentials=CREDENTIALS) == ["/a"]


@pytest.mark.parametrize("credentials", [CREDENTIALS, Token("s3cret")])
def test_credentials_do_not_go_to_strangers(serve: Serve, credentials: Credentials | Token) -> None:
    stranger = serve({"GET /v2/apps": APPS})
    for location in (
        f"{stranger.url}/v2/apps",
        f"{stranger.url.replace('http:', '')}/v2/apps",
        stranger.url.replace("127.0.0.1", "localhost") + "/v2/apps",
    ):
        standby = serve({"GET /v2/apps": to(location, 307)})
        with pytest.raises(RefusedError, match="credentials are not sent there") as refused:
            list_apps(standby.url, credentials=credentials)
        assert "s3cret" not in str(refused.value)
    assert stranger.requests == []


def test_strangers_are_asked_without_credentials(serve: Serve) -> None:
    stranger = serve({"GET /v2/apps": APPS})
    standby = serve({"GET /v2/apps": to(f"{stranger.url}/v2/apps", 302)})
    assert list_apps(standby.url) == ["/a"]


@pytest.mark.parametrize(
    ("status", "followed"), [(301, False), (302, False), (303, False), (307, True), (308, True)]
)
def test_a_change_goes_on_only_where_it_stays_one(
    serve: Serve, status: int, followed: bool
) -> None:
    leader = serve({"POST /v2/apps": Answer({"id": "/a"}, 201)})
    standby = serve({"POST /v2/apps": to(f"{leader.url}/v2/apps", status)})
    with closing(Client((standby.url, leader.url), credentials=CREDENTIALS)) as client:
        if followed:
            assert client.create_app({"id": "/a"}) == {"id": "/a"}
            assert [request.body for request in leader.requests] == [{"id": "/a"}]
        else:
            with pytest.raises(RefusedError, match="elsewhere"):
                client.create_app({"id": "/a"})
            assert leader.requests == []


@pytest.mark.parametrize(
    "location", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://[::1", "http://h:99999/"]
)
def test_redirected_to_nothing_usable(serve: Serve, location: str) -> None:
    server = serve({"GET /v2/apps": to(location, 302)})
    with pytest.raises(BadAnswerError, match="no URL"):
        list_apps(server.url)


def test_redirected_in_a_circle(serve: Serve) -> None:
    server = serve({"GET /v2/apps": to("/v2/apps", 302)})
    with pytest.raises(BadAnswerError, match="redirected more than"):
        list_apps(server.url)
    assert len(server.requests) == 3


def test_a_token(serve: Serve) -> None:
    server = serve({"GET /v2/apps": APPS})
    token = Token("s3cret")
    assert list_apps(server.url, credentials=token) == ["/a"]
    assert server.requests[0].headers["Authorization"] == "token=s3cret"
    assert "s3cret" not in repr(token)


def test_an_outcome_that_the_standby_does_not_know(serve: Serve) -> None:
    unknown = Answer({"message": "the leader is gone"}, 502, {"Stayer-Outcome": "unknown"})
    known = Answer({"message": "Connection to leader refused."}, 502)
    server = serve({"POST /v2/apps": [unknown, known], "GET /v2/apps": unknown})
    spare = serve({"POST /v2/apps": Answer({}, 201), "GET /v2/apps": APPS})
    with closing(Client((server.url, spare.url))) as client:
        with pytest.raises(OutcomeUnknownError, match="the leader is gone"):
            client.create_app({"id": "/a"})
        with pytest.raises(UnavailableError, match="refused"):
            client.create_app({"id": "/a"})
        assert spare.requests == []
        assert client.list_apps() == [{"id": "/a"}]
