"""The WSGI application: all resources, the headers of every answer, compression."""

import gzip
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, request
from werkzeug.routing import Rule

from api import conditional, errors
from api.answers import COMMON_HEADERS, EPOCH_HEADER, leader_epoch, plain_path
from api.caution import refuse_what_was_not_meant
from api.context import Context, read_chunked_body
from api.cors import allow_origins, answer_options
from api.events.hub import EventHub
from api.guard import on_loopback_only, refuse_foreign_pages
from api.options import ApiOptions
from api.projection import choose_fields
from api.remembered import Remembered
from api.resources.alarms import Alarms, warn_of_alarms
from api.resources.apps import Apps
from api.resources.cluster import Cluster
from api.resources.deployments import Deployments
from api.resources.documentation import Documentation
from api.resources.edges import Edges
from api.resources.events import Events
from api.resources.failures import Failures
from api.resources.freezes import Freezes, warn_of_freezes
from api.resources.groups import Groups
from api.resources.logging import Logging
from api.resources.orphans import Orphans
from api.resources.plugins import Plugins
from api.resources.pods import Pods
from api.resources.queue import Queue
from api.resources.replacements import Replacements
from api.resources.services import Services
from api.resources.system import System
from api.resources.tasks import Tasks
from api.resources.volumes import Volumes
from constraints import CompilePattern
from framework.interfaces import Scheduler

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_RESOURCES = (
    Apps,
    Groups,
    Tasks,
    Queue,
    Deployments,
    Events,
    System,
    Orphans,
    Volumes,
    Cluster,
    Freezes,
    Alarms,
    Replacements,
    Services,
    Edges,
    Failures,
    Pods,
    Plugins,
    Logging,
    Documentation,
)
_COMPRESS_FROM_BYTES = 2_048
_COMPRESSION_LEVEL = (
    1  # the first level gains most of what any gains on JSON, at a third of the time
)


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


def create_app(
    scheduler: Scheduler,
    options: ApiOptions,
    compile_pattern: CompilePattern,
    now_ms: Callable[[], int] = _wall_clock_ms,
    events: EventHub | None = None,
) -> Flask:
    """The API over a scheduler. ``events`` tells what happens to the readers of its streams;
    whoever gives one starts and stops it, and lets it hear the scheduler's notices."""
    app = Flask("stayer", static_folder=None)
    app.url_rule_class = _MatchedOnly
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.config["MAX_CONTENT_LENGTH"] = options.http_max_body_bytes
    events = events or EventHub(scheduler.view, options, now_ms=now_ms)
    context = Context(scheduler, options, compile_pattern, now_ms, events)
    for resource in _RESOURCES:
        for route in resource(context).routes():
            app.add_url_rule(
                route.rule,
                endpoint=f"{route.method} {route.rule}",
                view_func=route.handler,
                methods=[route.method],
                provide_automatic_options=False,
            )
    bound_to_loopback = on_loopback_only(options)
    app.before_request(read_chunked_body)
    app.before_request(lambda: refuse_foreign_pages(bound_to_loopback=bound_to_loopback))
    app.before_request(answer_options)
    app.before_request(refuse_what_was_not_meant)
    app.before_request(choose_fields)
    app.before_request(lambda: conditional.begin(scheduler.view))
    app.register_error_handler(Exception, errors.answer)
    app.after_request(lambda response: warn_of_freezes(response, context))
    app.after_request(lambda response: warn_of_alarms(response, context))
    app.after_request(lambda response: _finished(response, scheduler, options))
    remembered = Remembered(app.wsgi_app, scheduler)
    app.wsgi_app = _PlainPaths(remembered)  # type: ignore[method-assign]  # Flask's own idiom
    return app


class _MatchedOnly(Rule):
    """A route that is matched and never built: making what builds its URLs takes nine tenths of
    the time to make the application."""

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        del append_unknown
        return _not_built


def _not_built(rule: Rule, **values: object) -> tuple[str, str]:
    raise NotImplementedError(f"no URL is built of {rule.rule} and {values}: links are paths")


class _PlainPaths:
    """Makes paths plain before they are routed; and says nothing of how the body ends where the
    server does not know it: a body that was cut off would be taken for a whole one."""

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        environ["PATH_INFO"] = plain_path(environ)
        if not environ.get("wsgi.input_terminated"):
            environ.pop("wsgi.input_terminated", None)
        return self._application(environ, start_response)


def _finished(response: Response, scheduler: Scheduler, options: ApiOptions) -> Response:
    gzipped = options.http_compression and _is_compressed(response)
    response = conditional.answered(response, scheduler.view, gzipped=gzipped)
    response.status = f"{response.status_code} {HTTPStatus(response.status_code).phrase}"
    response.headers.update(COMMON_HEADERS)
    if response.status_code != HTTPStatus.NOT_MODIFIED and not (
        response.is_streamed or response.get_data()
    ):
        response.headers.pop("Content-Type", None)  # of nothing
    leader = scheduler.info().get("leader")
    if leader:
        scheme = "https" if options.disable_http else "http"
        response.headers["X-Marathon-Leader"] = f"{scheme}://{leader}"
    told = leader_epoch(scheduler.view)
    if told:
        response.headers[EPOCH_HEADER] = told
    if options.http_compression:
        _compress(response)
    allow_origins(response, options.access_control_allow_origin)
    return response


def _compress(response: Response) -> None:
    """Compress a large body for a client that accepts it."""
    if not _is_compressible(response):
        return
    response.headers["Vary"] = "Accept, Accept-Encoding"
    if _is_compressed(response):
        body: Any = response.get_data()
        response.set_data(gzip.compress(body, _COMPRESSION_LEVEL, mtime=0))
        response.headers["Content-Encoding"] = "gzip"


def _is_compressible(response: Response) -> bool:
    return response.mimetype in ("application/json", "text/plain") and not response.is_streamed


def _is_compressed(response: Response) -> bool:
    """Whether its body is large, and for a client that accepts it compressed."""
    if not _is_compressible(response) or not request.accept_encodings["gzip"]:
        return False
    return len(response.get_data()) >= _COMPRESS_FROM_BYTES
