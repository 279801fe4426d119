"""Paths, queries and headers that nobody should send: every route refuses them or makes sense of
them, and none fails."""

import re

import pytest
from flask.testing import FlaskClient

from api.openapi.document import Served, served

BODY = {"id": "x", "ids": ["x"]}
VARIABLES = (
    "%00",
    "%ff",
    "%ed%a0%80",
    "..",
    "%2e%2e%2f%2e%2e",
    "%0d%0aX:%20y",
    "%F0%9F%92%A9",
    "%252f",
    "*",
    "%20",
    "web%0a",
    "a" * 9_000,
    "0" * 400,
    "1970-01-01T00:00:00.000Z",
    "0000-00-00T00:00:00.000Z",
    "9999999999-01-01T00:00:00Z",
    "2026-01-01T00:00:00+99:99",
    "2026-01-01T00:00:00.0000000000000000000000000001Z",
)
QUERIES = (
    "label=%00",
    "label=" + "(" * 4_000,
    "label=a%20in%20(" + "x," * 1_000 + "x)",
    "id=%ed%a0%80&cmd=%ff",
    "embed=" + "a," * 5_000,
    "event_type=%ff&after=" + "9" * 5_000,
    "event_type=" + "a," * 5_000,
    "host=%ff&status=%00",
    "force=%00&dryRun=%00&strict=%ff&scale=1e400",
    "=&&&==&%",
)
HEADERS = (
    {"Accept": "text/event-stream", "Last-Event-ID": "\xff"},
    {"Accept": "text/event-stream;q=nan"},
    {"Accept": "text/plain;q=1e400"},
    {"Accept": "," * 5_000},
    {"Accept-Encoding": "gzip;q=nan"},
    {"Content-Type": "application/json;charset=utf-16"},
    {"Origin": "http://["},
    {"Origin": "null"},
    {"If-None-Match": '"', "If-Match": "%", "Range": "bytes=-1"},
    {"Authorization": "Basic %%%"},
    {"X-Request-Id": "\xe9"},
)


def all_served(client: FlaskClient) -> list[Served]:
    found = list(served(client.application))
    assert len(found) > 80
    return found


def send(client: FlaskClient, route: Served, value: str, query: str = "", **more: object) -> None:
    path = re.sub(r"<[^>]+>", lambda _: value, route.rule)
    json = None if route.method == "GET" else BODY
    response = client.open(
        f"{path}?{query}",
        method=route.method,
        json=json,
        **more,  # type: ignore[arg-type]  # headers, where there are any
    )
    assert response.status_code < 500, (route.method, path, query, response.get_data())


@pytest.mark.parametrize("value", VARIABLES, ids=range(len(VARIABLES)))
def test_paths(client: FlaskClient, value: str) -> None:
    for route in all_served(client):
        if "<" in route.rule:
            send(client, route, value)


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_queries(client: FlaskClient, query: str) -> None:
    for route in all_served(client):
        send(client, route, "dev/web", query)


@pytest.mark.parametrize("headers", HEADERS, ids=range(len(HEADERS)))
def test_headers(client: FlaskClient, headers: dict[str, str]) -> None:
    for route in all_served(client):
        send(client, route, "dev/web", headers=headers)
