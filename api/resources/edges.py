"""``/v3/edges`` and ``/v3/shares``: the load balancers that follow us, what they have taken out of
use, and how they divide the traffic of apps that serve one name.
"""

import re
from collections.abc import Iterable
from typing import Any

from flask import Response
from marshmallow import Schema

from api.context import Context, Route, json_answer, json_body
from api.definitions import absolute
from api.errors import NotFoundError, invalid
from api.faults import NOT_VALID, Fault, Invalid
from api.openapi.operation import describes
from api.render.edges import edge_object, shares_object
from api.render.json import encode_list
from api.schemas import EDGE, EDGE_ACK, SHARES, read
from framework.domain.edges import EdgeKind
from framework.domain.events import AcknowledgeDrained, ForgetEdge, PutShares, RenewEdge

_MAX_APPS = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")


class Edges:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """The registry, and shares."""
        one, group = "/v3/edges/<name>", "/v3/shares/<group>"
        return (
            Route("GET", "/v3/edges", self.list_all),
            Route("GET", one, self.show),
            Route("PUT", one, self.renew),
            Route("DELETE", one, self.forget),
            Route("POST", f"{one}/ack", self.acknowledge),
            Route("GET", "/v3/shares", self.list_shares),
            Route("GET", group, self.show_shares),
            Route("PUT", group, self.put_shares),
            Route("DELETE", group, self.delete_shares),
        )

    @describes("EdgeList")
    def list_all(self) -> Response:
        """Every edge that renews its lease, by name."""
        view = self._context.view
        edges = sorted(view.edges.values(), key=lambda edge: edge.name)
        objects = (edge_object(edge, view.edge_reports.get(edge.name)) for edge in edges)
        return json_answer(encode_list("edges", objects))

    @describes("ShownEdge", errors=(404,))
    def show(self, name: str) -> Response:
        """One edge, with what it reported last."""
        view = self._context.view
        edge = view.edges.get(name)
        if edge is None:
            raise NotFoundError(f"Edge '{name}' does not exist")
        return json_answer(edge_object(edge, view.edge_reports.get(name)))

    @describes("ShownEdge", body=EDGE, errors=(403,))
    def renew(self, name: str) -> Response:
        """Register an edge, or renew its lease; without that it is forgotten when it is over."""
        _check_name(name)
        body = _read(EDGE)
        command = RenewEdge(
            name=name,
            kind=EdgeKind(body["kind"]),
            lease_seconds=body["leaseSeconds"],
            version=body.get("version", ""),
            stale_seconds=float(body.get("staleness", 0)),
            quarantined=tuple(body.get("quarantined", ())),
            epoch=int(body.get("epoch", 0)),
        )
        self._context.ask(command)
        return self.show(name)

    @describes(answers={204: ()}, errors=(404,))
    def forget(self, name: str) -> Response:
        """Wait for this edge no more."""
        self._context.ask(ForgetEdge(name))
        return Response(status=204)

    @describes(body=EDGE_ACK, answers={204: ()}, errors=(404,))
    def acknowledge(self, name: str) -> Response:
        """Say that this edge sends these tasks nothing more; their kills need not wait for it. And
        that it sends others requests, so that those which they replace may go."""
        body = _read(EDGE_ACK)
        drained, rotated = (tuple(dict.fromkeys(body.get(one, ()))) for one in ("tasks", "rotated"))
        self._context.ask(AcknowledgeDrained(name, drained, rotated))
        return Response(status=204)

    @describes("SharesList")
    def list_shares(self) -> Response:
        """The names whose traffic is divided by shares."""
        records = sorted(self._context.view.shares.values(), key=lambda one: one.group)
        return json_answer(encode_list("shares", map(shares_object, records)))

    @describes("ShownShares", errors=(404,))
    def show_shares(self, group: str) -> Response:
        """How the traffic of a name is divided."""
        record = self._context.view.shares.get(group)
        if record is None:
            raise NotFoundError(f"The traffic of '{group}' is not divided by shares")
        return json_answer(shares_object(record))

    @describes("ShownShares", body=SHARES, errors=(403, 404))
    def put_shares(self, group: str) -> Response:
        """Divide the traffic of the apps with this HAPROXY_DEPLOYMENT_GROUP by shares, whatever
        the numbers of their tasks."""
        _check_name(group)
        given = _read(SHARES).get("shares", {})
        shares = {absolute(app_id): float(share) for app_id, share in given.items()}
        if not any(shares.values()) or len(shares) > _MAX_APPS:
            why = f"1 to {_MAX_APPS} apps with their shares, one of them above 0"
            raise invalid(Invalid(NOT_VALID, (Fault("/shares", why),)))
        self._context.ask(PutShares(group, shares))
        return self.show_shares(group)

    @describes(answers={204: ()}, errors=(404,))
    def delete_shares(self, group: str) -> Response:
        """Divide the traffic by the number of tasks again."""
        self._context.ask(PutShares(group))
        return Response(status=204)


def _read(schema: Schema) -> dict[str, Any]:
    body = read(schema, json_body())
    if isinstance(body, Invalid):
        raise invalid(body)
    return body


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        fault = Fault("/", "a name has letters, digits, dots, dashes and underscores, up to 253")
        raise invalid(Invalid(NOT_VALID, (fault,)))
