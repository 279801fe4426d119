"""Requests that schemathesis makes from the OpenAPI document, sent to a scheduler that runs: never
an error of the server, and no answer that the document does not tell of.

What is generated alone would seldom get past the first check, so half of the requests name apps,
groups, tasks and versions that are there, and half of the definitions have few fields.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any
from urllib.parse import unquote

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.generation.case import Case
from schemathesis.schemas import APIOperation, BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.application import create_app
from api.openapi.document import document, served
from api.options import ApiOptions
from tests.contract.running import LivelyMesos, running_application
from tests.polling import eventually
from tests.unit.api.reading import compile_pattern
from tests.unit.api.recorder import Recorder

# The scheduler's threads and schemathesis draw ids from ``random`` while hypothesis looks on.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
GeneratedCase = Case[Any]
APPS = ("/web", "/shop/front", "/shop/back/db", "/asleep")
ACCEPTED = ("application/json", "text/plain", "text/event-stream", "*/*", "image/png", "")
SERVED = list(served(create_app(Recorder(), ApiOptions(), compile_pattern)))
SCHEMA = document(SERVED, "test")
OPERATIONS = [
    pytest.param(path, method, id=f"{method.upper()} {path}")
    for path, methods in SCHEMA["paths"].items()
    for method in methods
]
_OTHER_ROUTES = frozenset(
    {"::status", "apps", "delay", "freeze", "restart", "tasks", "versions", "waiting"}
)
_REQUESTS_SHORT = 13
_REQUESTS_LONG = 125


@cache
def operations() -> BaseSchema:
    """All operations, made once: schemathesis reads the sources of ``app`` for words to try."""
    schema = schemathesis.openapi.from_dict(SCHEMA)
    schema.app = create_app(Recorder(), ApiOptions(), compile_pattern)
    return schema


@contextmanager
def something_runs() -> Iterator[Flask]:
    """The API of a scheduler with apps that run, one that waits in a deployment, and versions."""
    with running_application(LivelyMesos()) as app:
        client = app.test_client()
        for app_id in APPS:
            definition = {"id": app_id, "cmd": "sleep 1", "portDefinitions": [], "instances": 1}
            assert client.post("/v2/apps", json=definition).status_code == 201
        eventually(lambda: client.get("/v2/deployments").get_json() == [], "no deployment")
        client.put("/v2/apps/web", json={"labels": {"a": "b"}, "instances": 2})
        eventually(lambda: client.get("/v2/deployments").get_json() == [], "no deployment")
        client.post("/v3/apps/asleep/suspend")
        impossible = {"constraints": [["rack", "IS", "none"]], "cmd": "sleep 2"}
        client.patch("/v2/apps/shop/front", json=impossible)
        yield app


def known_values(client: FlaskClient) -> dict[str, list[str]]:
    """What is there, by the names of the paths' variables."""
    tasks = [one["id"] for one in client.get("/v2/tasks").get_json()["tasks"]]
    versions = client.get("/v2/apps/web/versions").get_json()
    groups = client.get("/v2/groups/versions").get_json()
    return {
        "app_id": [one.removeprefix("/") for one in APPS] + ["shop/*", "*"],
        "group_id": ["shop", "shop/back", "new"],
        "task_id": tasks or ["none"],
        "deployment_id": [one["id"] for one in client.get("/v2/deployments").get_json()],
        "version": [*versions.get("versions", []), *(groups if isinstance(groups, list) else [])],
    }


@st.composite
def requests(
    draw: st.DrawFn, operation: APIOperation[Any, Any, Any, Any], known: dict[str, list[str]]
) -> GeneratedCase:
    """A request as the document allows it, or one that it forbids, or one that names what is."""
    kind = draw(st.sampled_from(["allowed", "forbidden", "sensible", "sensible"]))
    mode = GenerationMode.NEGATIVE if kind == "forbidden" else GenerationMode.POSITIVE
    case: GeneratedCase = draw(operation.as_strategy(generation_mode=mode))
    case.headers["Accept"] = draw(st.sampled_from(ACCEPTED))
    case.headers["Accept-Encoding"] = "identity"  # schemathesis does not unpack answers in-process
    for name, value in case.path_parameters.items():
        if unquote(str(value)).rpartition("/")[2] in _OTHER_ROUTES:
            case.path_parameters[name] = "x"
    if kind == "sensible":
        for name in case.path_parameters:
            if known.get(name):
                case.path_parameters[name] = draw(st.sampled_from(known[name]))
        _match(case.path_parameters)
        for name in ("If-Match", "If-None-Match"):  # generated ones seldom let anything through
            case.headers.pop(name, None)
        case.body = draw(sensible(case.body))
    return case


def _match(variables: dict[str, Any]) -> None:
    """Have the app be that of the task."""
    if {"app_id", "task_id"} <= variables.keys():
        app, _, rest = variables["task_id"].partition(".instance-")
        if rest:
            variables["app_id"] = app.replace("_", "/")


def sensible(body: Any) -> st.SearchStrategy[Any]:
    """The body with only a few of its fields, and those that make it mean something."""
    if isinstance(body, list):
        return st.tuples(*map(sensible, body[:3])).map(list)
    if not isinstance(body, dict):
        return st.just(body)
    few = st.sets(st.sampled_from(sorted(body)), max_size=3) if body else st.just(set())
    ids = st.sampled_from([*APPS, "new", "shop/new", "../x"])
    given_fields = few.map(lambda names: {name: body[name] for name in names})
    return st.builds(
        lambda fields, app_id, cmd: {**cmd, **fields, "id": app_id},
        given_fields,
        ids,
        st.sampled_from([{"cmd": "sleep 1"}, {}]),
    )


def send(app: Flask, path: str, method: str, count: int) -> Counter[int]:
    """Send ``count`` generated requests; how many were answered with each status."""
    answered: Counter[int] = Counter()
    operation = operations()[path][method]
    known = known_values(app.test_client())

    @settings(max_examples=count, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(requests(operation, known))
    def answers(case: GeneratedCase) -> None:
        response = case.call(app=app)
        case.validate_response(response, checks=CHECKS)
        answered[response.status_code] += 1

    answers()
    return answered


@pytest.fixture(scope="module")
def read_only() -> Iterator[Flask]:
    """One API for all requests that only read."""
    with something_runs() as app:
        yield app


@pytest.fixture
def application(request: pytest.FixtureRequest, method: str) -> Iterator[Flask]:
    """The API to send requests to; one of their own for those that change something."""
    if method == "get":
        yield request.getfixturevalue("read_only")
    else:
        with something_runs() as app:
            yield app


@pytest.fixture(autouse=True)
def levels_of_loggers() -> Iterator[None]:
    """Generated requests set levels of loggers of this very process."""
    root = logging.getLogger()
    before = {name: one.level for name, one in _loggers().items()}
    level = root.level
    yield
    root.setLevel(level)
    for name, one in _loggers().items():
        one.setLevel(before.get(name, logging.NOTSET))


def _loggers() -> dict[str, logging.Logger]:
    known = logging.getLogger().manager.loggerDict.copy()
    return {name: one for name, one in known.items() if isinstance(one, logging.Logger)}


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_documented(application: Flask, path: str, method: str) -> None:
    assert send(application, path, method, _REQUESTS_SHORT)


@pytest.mark.long
@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_ten_thousand_answers_are_documented(application: Flask, path: str, method: str) -> None:
    assert send(application, path, method, _REQUESTS_LONG)
