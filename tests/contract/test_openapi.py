"""The OpenAPI document: all that is served and nothing else, with words for everything; and the
page that shows it, which needs no other server."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from flask.testing import FlaskClient
from marshmallow import Schema
from werkzeug.test import Client

from api import schemas
from api.application import create_app
from api.entrance import Entrance
from api.openapi.from_fields import Described
from api.openapi.operation import operation_of
from api.openapi.words import FIELDS, SCHEMAS
from api.options import ApiOptions
from api.resources.documentation import Documentation
from tests.unit.api.reading import compile_pattern, faults_of
from tests.unit.api.recorder import Recorder

BODIES = [one for name in schemas.__all__ if isinstance(one := getattr(schemas, name), Schema)]


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    response = client.get("/v3/openapi.json")
    assert response.mimetype == "application/json"
    found: dict[str, Any] = response.get_json()
    return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_every_route_is_described_and_nothing_else(
    client: FlaskClient, document: dict[str, Any]
) -> None:
    described = {(method, path) for method, path, _ in operations(document)}
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == routes
    assert len(described) > 80


def test_each_operation_has_a_name_of_its_own_and_words(document: dict[str, Any]) -> None:
    found = [operation for _, _, operation in operations(document)]
    names = [operation["operationId"] for operation in found]
    assert len({*names}) == len(names)
    for operation in found:
        assert len(operation["summary"]) > 8, operation
        assert not operation["summary"].endswith(".")
        for parameter in operation.get("parameters", []):
            assert parameter["description"]


def test_variables_of_paths_are_parameters(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        named = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
        assert named == {*re.findall(r"\{(\w+)\}", path)}


def test_headers_that_clients_read(document: dict[str, Any]) -> None:
    created = document["paths"]["/v2/apps"]["post"]["responses"]
    common = {"X-Request-Id", "X-Marathon-Leader-Epoch"}
    headers = {*common, "Location", "Marathon-Deployment-Id", "Stayer-Warning"}
    assert created["201"]["headers"].keys() == headers
    assert created["200"]["headers"].keys() == common | {"Stayer-Warning"}
    assert created["503"]["headers"].keys() == common | {"Retry-After"}
    deleted = document["paths"]["/v2/groups"]["delete"]["responses"]["200"]
    assert deleted["headers"].keys() == headers - {"Location"}
    for _, _, operation in operations(document):
        for answer in operation["responses"].values():
            told = answer["headers"]["X-Request-Id"]
            assert told == {"$ref": "#/components/headers/RequestId"}
    assert document["components"]["headers"]["RequestId"]["schema"]["maxLength"] == 128


def test_references_lead_somewhere_and_schemas_are_json_schema(document: dict[str, Any]) -> None:
    known = document["components"]["schemas"]
    mentioned = {*re.findall(r"'#/components/schemas/(\w+)'", str(document))}
    assert mentioned == {*known}
    for schema in known.values():
        jsonschema_rs.meta.validate(
            {**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"}
        )


def test_each_field_of_a_body_has_words_and_no_words_are_left() -> None:
    described, used = Described(), set()
    for schema in BODIES:
        described.mention(schema)
    assert described.schemas.keys() == SCHEMAS.keys()
    for name, made in described.schemas.items():
        for field_name, field in made["properties"].items():
            full = f"{name}.{field_name}"
            used.add(full if full in FIELDS else field_name)
            assert field.get("description"), full
    assert used == FIELDS.keys()


@pytest.mark.parametrize(
    ("body", "sound"),
    [
        ({"id": "/a", "cmd": "x"}, True),
        ({"id": "/a", "cmd": "x", "instances": None, "unknown": 1}, True),
        ({"cmd": "x"}, False),
        ({"id": "/A", "cmd": "x"}, False),
        ({"id": "/a", "cmd": "x", "instances": -1}, False),
        ({"id": "/a", "cmd": "x", "instances": 1.5}, False),
        ({"id": "/a", "cmd": "x", "cpus": "1"}, False),
        ({"id": "/a", "cmd": "x", "env": {"A": 1}}, False),
        ({"id": "/a", "cmd": "x", "unreachableStrategy": "disabled"}, True),
        ({"id": "/a", "cmd": "x", "unreachableStrategy": "never"}, False),
        ({"id": "/a", "cmd": "x", "networks": [{"mode": "moon"}]}, False),
    ],
)
def test_the_schema_says_what_the_reader_does(
    document: dict[str, Any], body: dict[str, Any], sound: bool
) -> None:
    schema = {"$ref": "#/components/schemas/App", "components": document["components"]}
    assert jsonschema_rs.is_valid(schema, body) == sound
    client = create_app(Recorder(), ApiOptions(), compile_pattern).test_client()
    assert (client.post("/v2/apps", json=body).status_code == 201) == sound
    if not sound:
        assert faults_of(body)


def test_behind_a_router_the_server_is_behind_it_too(scheduler: Recorder) -> None:
    options = ApiOptions()
    outside = Client(Entrance(create_app(scheduler, options, compile_pattern), options))
    for prefix in ("/service/marathon", ""):
        found = outside.get(f"{prefix}/v3/openapi.json", buffered=True).get_json()
        assert found["servers"] == [{"url": prefix or "/"}]


def test_the_page_needs_nobody_else(client: FlaskClient) -> None:
    response = client.get("/v3/docs")
    assert response.mimetype == "text/html"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    page = response.get_data(as_text=True)
    assert 'fetch("openapi.json")' in page
    assert not re.findall(r"https?:|//\w+\.|@import|<link rel=.stylesheet|src=", page)
    assert "innerHTML" not in page, "what the document says is text, never markup"


def test_what_declares_nothing_is_noticed() -> None:
    assert operation_of(Documentation.as_page) is not None
    assert operation_of(Documentation.routes) is None
