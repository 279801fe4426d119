"""``/v3/edges`` and ``/v3/shares``: load balancers register, acknowledge, and divide traffic."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from framework.domain.edges import Edge, EdgeKind, EdgeReport, Shares
from framework.domain.events import AcknowledgeDrained, ForgetEdge, PutShares, RenewEdge
from framework.domain.replies import Refused, Why
from framework.domain.state import Kind
from tests.contract.cluster import NOW, NOW_MS
from tests.unit.api.recorder import Recorder

EDGE = Edge("e1", EdgeKind.DAEMON, 15, NOW_MS)
KNOWN = {"name": "e1", "kind": "daemon", "leaseSeconds": 15, "since": NOW}


def test_an_edge_registers_and_renews(client: FlaskClient, scheduler: Recorder) -> None:
    scheduler.hold(Kind.EDGE, "e1", EDGE)
    body = {"kind": "daemon", "leaseSeconds": 15}
    assert client.put("/v3/edges/e1", json=body).get_json() == KNOWN
    more = {"version": "v", "staleness": 0.5, "quarantined": ["/a"], "epoch": 7}
    client.put("/v3/edges/e1", json={**body, "kind": "cron", **more})
    assert scheduler.asked == [
        RenewEdge("e1", EdgeKind.DAEMON, 15),
        RenewEdge("e1", EdgeKind.CRON, 15, "v", 0.5, ("/a",), 7),
    ]


def test_the_list_tells_what_they_reported(client: FlaskClient, scheduler: Recorder) -> None:
    assert client.get("/v3/edges").get_json() == {"edges": []}
    scheduler.hold(Kind.EDGE, "e1", EDGE)
    scheduler.hold(Kind.EDGE_REPORT, "e1", EdgeReport("e1", NOW_MS, "v", 1.5, ("/a",), 7))
    told = {"seen": NOW, "version": "v", "staleness": 1.5, "quarantined": ["/a"], "epoch": 7}
    assert client.get("/v3/edges").get_json() == {"edges": [{**KNOWN, **told}]}
    assert client.get("/v3/edges/e1").get_json() == {**KNOWN, **told}
    assert client.get("/v3/edges/e2").status_code == 404


def test_acknowledgements(client: FlaskClient, scheduler: Recorder) -> None:
    assert client.post("/v3/edges/e1/ack", json={"tasks": ["a", "b", "a"]}).status_code == 204
    assert client.delete("/v3/edges/e1").status_code == 204
    assert scheduler.asked == [AcknowledgeDrained("e1", ("a", "b")), ForgetEdge("e1")]
    assert client.post("/v3/edges/e1/ack", json={"rotated": ["c", "c"]}).status_code == 204
    assert scheduler.asked[2:] == [AcknowledgeDrained("e1", (), ("c",))]
    for _ in range(2):
        scheduler.replies.append(Refused(Why.EDGE_UNKNOWN, "e1"))
    for response in (
        client.post("/v3/edges/e1/ack", json={"tasks": []}),
        client.delete("/v3/edges/e1"),
    ):
        assert response.status_code == 404
        assert response.get_json() == {"message": "Edge 'e1' does not exist"}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("e1", {}),
        ("e1", {"kind": "daemon"}),
        ("e1", {"kind": "other", "leaseSeconds": 1}),
        ("e1", {"kind": "daemon", "leaseSeconds": 0}),
        ("e1", {"kind": "daemon", "leaseSeconds": 3_601}),
        ("e1", {"kind": "daemon", "leaseSeconds": 1, "quarantined": ["/a"] * 1_001}),
        ("-e", {"kind": "daemon", "leaseSeconds": 1}),
        ("e" * 254, {"kind": "daemon", "leaseSeconds": 1}),
        ("a%20b", {"kind": "daemon", "leaseSeconds": 1}),
    ],
)
def test_what_is_no_edge(
    client: FlaskClient, scheduler: Recorder, name: str, body: dict[str, Any]
) -> None:
    assert client.put(f"/v3/edges/{name}", json=body).status_code == 422
    assert scheduler.asked == []


def test_too_many(client: FlaskClient, scheduler: Recorder) -> None:
    scheduler.replies.append(Refused(Why.TOO_MANY_EDGES, "e1"))
    response = client.put("/v3/edges/e1", json={"kind": "daemon", "leaseSeconds": 15})
    assert response.status_code == 403


def test_shares(client: FlaskClient, scheduler: Recorder) -> None:
    assert client.get("/v3/shares/web").status_code == 404
    scheduler.hold(Kind.SHARES, "web", Shares("web", {"/dev/web": 9, "/batch": 1}, NOW_MS))
    shown = {"group": "web", "shares": {"/dev/web": 9, "/batch": 1}, "since": NOW}
    assert client.get("/v3/shares").get_json() == {"shares": [shown]}
    body = {"shares": {"dev/web": 9, "/batch": 1.5}}
    assert client.put("/v3/shares/web", json=body).get_json() == shown
    assert client.delete("/v3/shares/web").status_code == 204
    assert scheduler.asked == [PutShares("web", {"/dev/web": 9, "/batch": 1.5}), PutShares("web")]
    services = {one["id"]: one for one in client.get("/v3/services").get_json()["services"]}
    assert (services["/dev/web"]["share"], services["/batch"]["share"]) == (9, 1)
    scheduler.hold(Kind.SHARES, "web", None)
    assert "share" not in client.get("/v3/services").get_json()["services"][0]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"shares": {}},
        {"shares": {"/a": 0}},
        {"shares": {"/a": -1}},
        {"shares": {"/a": "1"}},
        {"shares": {"/a": 1e9}},
        {"shares": {f"/a{n}": 1 for n in range(101)}},
    ],
)
def test_what_are_no_shares(client: FlaskClient, scheduler: Recorder, body: Any) -> None:
    assert client.put("/v3/shares/web", json=body).status_code == 422
    assert scheduler.asked == []
