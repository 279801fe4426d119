"""Calls to pages that Marathon never had, for few callers: edges, and shares of traffic.

Each raises NotFoundError or another RefusedError where there is no such page.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from api.client import Client, JsonObject
from api.client_answers import object_in, objects_in


def list_edges(client: Client) -> list[JsonObject]:
    """Load balancers that follow: [{name, kind, leaseSeconds, since, seen, version, staleness,
    quarantined, epoch}]."""
    return objects_in(client.get("/v3/edges"), "edges")


def renew_edge(client: Client, name: str, edge: JsonObject) -> JsonObject:
    """Register a load balancer or renew its lease: {kind, leaseSeconds, version, staleness,
    quarantined, epoch}."""
    return object_in(client.send("PUT", _edge(name), edge))


def forget_edge(client: Client, name: str) -> None:
    """Have nobody wait for a load balancer. NotFoundError if there is no such one."""
    client.send("DELETE", _edge(name))


def acknowledge(
    client: Client, name: str, drained: Sequence[str] = (), rotated: Sequence[str] = ()
) -> None:
    """Say that a load balancer sends the ``drained`` tasks nothing more, and the ``rotated`` ones
    something, unless it does not serve their apps."""
    said = {"tasks": list(drained), "rotated": list(rotated)}
    client.send("POST", f"{_edge(name)}/ack", {what: ids for what, ids in said.items() if ids})


def shares(client: Client, group: str) -> JsonObject:
    """How the traffic of a name is divided: {group, shares: {app id: part}, since}."""
    return object_in(client.get(_shares(group)))


def put_shares(client: Client, group: str, parts: Mapping[str, float]) -> JsonObject:
    """Divide the traffic of a name by these parts: as ``shares`` answers then."""
    return object_in(client.send("PUT", _shares(group), {"shares": dict(parts)}))


def delete_shares(client: Client, group: str) -> None:
    """Divide the traffic of a name by the number of tasks again."""
    client.send("DELETE", _shares(group))


def deployment(client: Client, deployment_id: str) -> JsonObject:
    """A change under way, with how far its apps are. NotFoundError once it is over."""
    return object_in(client.get(_deployment(deployment_id)))


def put_deployment_share(client: Client, deployment_id: str, share: float) -> None:
    """Give what a deployment brings so many percent of the traffic of its apps."""
    client.send("PUT", f"{_deployment(deployment_id)}/share", {"share": share})


def _deployment(deployment_id: str) -> str:
    return f"/v3/deployments/{quote(deployment_id, safe='')}"


def _edge(name: str) -> str:
    return f"/v3/edges/{quote(name, safe='')}"


def _shares(group: str) -> str:
    return f"/v3/shares/{quote(group, safe='')}"
