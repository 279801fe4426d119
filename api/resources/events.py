"""``/v2/events``, as Marathon's clients know it, and ``/v3/events``, which can be read on."""

import socket
from collections.abc import Iterable
from http import HTTPStatus

from flask import Response, request

from api.accounting import exchange_of
from api.context import Context, Route, values
from api.errors import BadRequestError, MethodNotAllowedError, UnavailableError
from api.events.handover import HANDOVER, TakeConnection
from api.events.reader import Reader, Wants
from api.openapi.operation import Parameter, describes, several, text
from api.selectors import SelectorError, parse_selector

_MAX_FILTERS = 1_000
_MAX_POSITION = 100
_STREAM = "text/event-stream"
_TYPES = several("event_type", "Only events of these types.")


class Events:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """Marathon's, and ours."""
        return (
            Route("GET", "/v2/events", self.as_marathon),
            Route("GET", "/v3/events", self.numbered),
        )

    @describes(
        _STREAM,
        query=(_TYPES, text("plan-format", "light leaves out steps of plans.", "light")),
        errors=(400, 405),
    )
    def as_marathon(self) -> Response:
        """Marathon's events as they happen. Ours are only for those who name them."""
        if "text/event-stream" not in request.headers.get("Accept", "").lower():
            raise MethodNotAllowedError("ask for events with Accept: text/event-stream")
        wants = Wants(
            frozenset(_bounded(request.args.getlist("event_type"))),
            whole_plans=request.args.get("plan-format") != "light",
        )
        return self._stream(wants, None)

    @describes(
        _STREAM,
        query=(
            _TYPES,
            several("app", "Only of these apps; with /* of all below."),
            text("label", "Only of apps with such labels, as in GET /v2/apps."),
            text("after", "Begin after the event of this id; if there is no Last-Event-ID."),
            Parameter("Last-Event-ID", "Begin after this event.", {"type": "string"}, "header"),
        ),
        errors=(400,),
    )
    def numbered(self) -> Response:
        """All events with their ids, from the one after ``Last-Event-ID`` on if that is given.
        ``event_type``, ``app`` (an id, or one with /* for all below) and ``label`` (a selector)
        choose."""
        label = request.args.get("label", "")
        try:
            selected = parse_selector(label) if label else None
        except SelectorError as error:
            raise BadRequestError(str(error)) from error
        wants = Wants(
            frozenset(_bounded(values("event_type"))),
            tuple(_bounded(values("app"))),
            selected,
            numbered=True,
        )
        after = request.headers.get("Last-Event-ID") or request.args.get("after")
        return self._stream(wants, None if after is None else after[:_MAX_POSITION])

    def _stream(self, wants: Wants, after: str | None) -> Response:
        """Headers now; the rest comes from the thread that writes to all readers."""
        hub = self._context.events
        if hub.full:
            raise UnavailableError("too many clients read events already")
        if request.method == "GET":  # not for HEAD
            request.environ[HANDOVER] = self._taker(wants, after)
        return Response(
            iter(()),
            status=HTTPStatus.OK,
            content_type="text/event-stream;charset=utf-8",
            headers={"Connection": "close", "X-Accel-Buffering": "no"},
        )

    def _taker(self, wants: Wants, after: str | None) -> TakeConnection:
        hub, address = self._context.events, request.remote_addr or ""
        exchange = exchange_of(request.environ)
        closed = None if exchange is None else exchange.stream_closer()

        def take(connection: socket.socket, chunked: bool) -> None:
            reader = Reader(connection, address, wants, chunked=chunked, after=after)
            reader.on_closed = closed or reader.on_closed
            hub.join(reader)

        return take


def _bounded(filters: list[str]) -> list[str]:
    if len(filters) > _MAX_FILTERS:
        raise BadRequestError(f"more than {_MAX_FILTERS} filters")
    return filters
