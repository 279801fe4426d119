"""The HTTP client of the product: what the command line and the bridge know of the scheduler.

It speaks Marathon's /v2 and our /v3, over several URLs of which one must answer. Answers are
JSON objects whose outer shape is checked here and whose fields are the caller's to check. It
needs nothing of the scheduler, so it works from another machine, and against Marathon too.
"""

import base64
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    SSLError,
)

JsonObject = dict[str, Any]
Query = Mapping[str, str | Sequence[str]]

DEFAULT_URL = "http://127.0.0.1:8080"
DEFAULT_TIMEOUT_SECONDS = 30.0
MAX_CONNECT_SECONDS = 5.0
DEFAULT_MAX_ANSWER_BYTES = 256 * 1024 * 1024
_MAX_ERROR_BYTES = 1024 * 1024
_PIECE_BYTES = 256 * 1024
_MAX_URLS = 16
_MAX_TEXT_CHARACTERS = 500
_BAD_SEGMENTS = frozenset({"", ".", ".."})
_JSON_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class ClientError(Exception):
    """Whatever kept a call from its answer; the text is fit for people."""


class UnreachableError(ClientError):
    """No URL could be connected to: nothing was sent. ``causes`` maps each URL to why."""

    def __init__(self, causes: Mapping[str, str]) -> None:
        self.causes = dict(causes)
        super().__init__("; ".join(f"{url}: {why}" for url, why in self.causes.items()))


class OutcomeUnknownError(ClientError):
    """The request went out, but its answer did not come: the change may have been made."""


class BadAnswerError(ClientError):
    """The answer is not what this API answers: too large, no JSON, or of another shape."""


class RefusedError(ClientError):
    """The API answered with an error, in Marathon's form.

    ``details`` are (path, error) pairs of bad input; ``deployment_ids`` those in the way.
    """

    def __init__(
        self,
        status: int,
        message: str,
        details: Sequence[tuple[str, str]] = (),
        deployment_ids: Sequence[str] = (),
    ) -> None:
        self.status = status
        self.message = message
        self.details = tuple(details)
        self.deployment_ids = tuple(deployment_ids)
        super().__init__(message)


class InvalidError(RefusedError):
    """400, 422: the input is wrong; ``details`` name each field."""


class UnauthorizedError(RefusedError):
    """401: the API wants (other) credentials."""


class NotFoundError(RefusedError):
    """404: no such app, task, deployment or path."""


class ConflictError(RefusedError):
    """409: it exists already, or ``deployment_ids`` hold it."""


class UnavailableError(RefusedError):
    """502, 503, 504: not ready, no leader, or too busy."""


_ERRORS: dict[int, type[RefusedError]] = {
    400: InvalidError,
    401: UnauthorizedError,
    404: NotFoundError,
    409: ConflictError,
    422: InvalidError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """HTTP Basic; the password stays out of every text made from this."""

    user: str
    password: str = field(repr=False)

    def header(self) -> str:
        """The value of the Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class Client:
    """Calls to one scheduler behind one or several URLs; may be used by several threads.

    A URL that can not be connected to is passed over, and the one that answered last is asked
    first. A request that went out is repeated elsewhere only if it changes nothing.
    """

    def __init__(
        self,
        urls: Sequence[str] = (DEFAULT_URL,),
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: Credentials | None = None,
        ca_file: str | None = None,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
    ) -> None:
        """``timeout_seconds`` bounds each attempt as a whole. ValueError for an unusable URL."""
        if not 1 <= len(urls) <= _MAX_URLS:
            raise ValueError(f"between 1 and {_MAX_URLS} URLs, not {len(urls)}")
        self._urls = tuple(_checked_url(url) for url in urls)
        self._preferred = 0
        self._timeout_seconds = timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        self._headers = {"Accept": "application/json", "User-Agent": "stayer-client"}
        if credentials is not None:
            self._headers["Authorization"] = credentials.header()
        context = ssl.create_default_context(cafile=ca_file) if ca_file else None
        self._pool = urllib3.PoolManager(retries=False, ssl_context=context)

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs, the one to be asked first in front."""
        first = self._preferred
        return self._urls[first:] + self._urls[:first]

    def close(self) -> None:
        """Close idle connections."""
        self._pool.clear()

    # Apps

    def list_apps(self, *, query: Query | None = None) -> list[JsonObject]:
        """Every app; ``query`` is Marathon's: cmd, id, label, embed."""
        return _objects(self.get("/v2/apps", query), "apps")

    def get_app(self, app_id: str, *, query: Query | None = None) -> JsonObject:
        """One app with its tasks, counts, deployments and last failure."""
        return _object(self.get(_app_path(app_id), query), "app")

    def create_app(self, definition: JsonObject, *, force: bool = False) -> JsonObject:
        """The stored app with its ``deployments``. ConflictError if the id is taken."""
        return _object(self.send("POST", "/v2/apps", definition, _flags(force=force)))

    def replace_app(
        self, app_id: str, definition: JsonObject, *, force: bool = False
    ) -> JsonObject:
        """Create the app or put this whole definition in its place: {version, deploymentId}."""
        query = {"partialUpdate": "false", **_flags(force=force)}
        return _object(self.send("PUT", _app_path(app_id), definition, query))

    def update_app(self, app_id: str, change: JsonObject, *, force: bool = False) -> JsonObject:
        """Change the given fields of an app that exists: {version, deploymentId}."""
        return _object(self.send("PATCH", _app_path(app_id), change, _flags(force=force)))

    def scale_app(self, app_id: str, instances: int, *, force: bool = False) -> JsonObject:
        """Want so many instances: {version, deploymentId}."""
        return self.update_app(app_id, {"instances": instances}, force=force)

    def restart_app(self, app_id: str, *, force: bool = False) -> JsonObject:
        """Replace every instance by a new one: {version, deploymentId}."""
        path = _app_path(app_id) + "/restart"
        return _object(self.send("POST", path, None, _flags(force=force)))

    def delete_app(self, app_id: str, *, force: bool = False) -> JsonObject:
        """Remove an app and its tasks: {version, deploymentId}. ``force`` False is sent too:
        left out, Marathon takes it for true."""
        query = {"force": "true" if force else "false"}
        return _object(self.send("DELETE", _app_path(app_id), None, query))

    # Tasks

    def list_tasks(self, *, query: Query | None = None) -> list[JsonObject]:
        """Every task; ``query``: status=running|staging."""
        return _objects(self.get("/v2/tasks", query), "tasks")

    def app_tasks(self, app_id: str) -> list[JsonObject]:
        """The tasks of one app."""
        return _objects(self.get(_app_path(app_id) + "/tasks"), "tasks")

    def kill_tasks(
        self,
        task_ids: Sequence[str],
        *,
        scale: bool = False,
        wipe: bool = False,
        force: bool = False,
    ) -> JsonObject:
        """Kill tasks: {tasks: [those known]}, or with ``scale`` {version, deploymentId}."""
        query = _flags(scale=scale, wipe=wipe, force=force)
        return _object(self.send("POST", "/v2/tasks/delete", {"ids": list(task_ids)}, query))

    # Waiting, deployments, the scheduler itself

    def queue(self, *, query: Query | None = None) -> list[JsonObject]:
        """What waits for offers, with the numbers of offers refused for each reason."""
        return _objects(self.get("/v2/queue", query), "queue")

    def explain(self, app_id: str | None = None) -> list[JsonObject]:
        """Why apps wait, in sentences: [{appId, role, waiting, explanation: [text]}]. A
        scheduler without this page (Marathon) explains nothing: an empty list."""
        try:
            answer = self.get("/v3/explain" + (_id_path(app_id) if app_id else ""))
        except RefusedError as error:
            if _is_unknown_page(error):
                return []
            raise
        return _objects(answer, "waiting")

    def reset_delay(self, app_id: str) -> None:
        """Forget an app's launch back-off."""
        self.send("DELETE", f"/v2/queue{_id_path(app_id)}/delay")

    def list_deployments(self) -> list[JsonObject]:
        """Changes under way."""
        return _objects(self.get("/v2/deployments"))

    def cancel_deployment(self, deployment_id: str, *, force: bool = False) -> JsonObject:
        """Take a change back by a new deployment (its {version, deploymentId}), or with
        ``force`` only stop it where it is (an empty object)."""
        path = f"/v2/deployments/{quote(deployment_id, safe='')}"
        return _object(self.send("DELETE", path, None, _flags(force=force)) or {})

    def list_agents(self) -> list[JsonObject]:
        """Agents seen in offers: {id, hostname, attributes: {name: text}, region, zone,
        address}. A scheduler without this page (Marathon) tells of none."""
        try:
            answer = self.get("/v3/agents")
        except RefusedError as error:
            if _is_unknown_page(error):
                return []
            raise
        return _objects(answer)

    def info(self) -> JsonObject:
        """Name, version, framework id, leader and settings."""
        return _object(self.get("/v2/info"))

    def teardown_framework(self) -> None:
        """Remove the framework from Mesos: every task of every app dies."""
        self.send("POST", "/v3/framework/teardown", {})

    # The way there and back

    def get(self, path: str, query: Query | None = None) -> object:
        """The decoded JSON of a page; asks the next URL when one fails or is unavailable."""
        return self.send("GET", path, None, query)

    def send(
        self, method: str, path: str, body: JsonObject | None = None, query: Query | None = None
    ) -> object:
        """One request, on the first URL that takes it; its decoded answer (None if empty).

        Raises UnreachableError, OutcomeUnknownError, BadAnswerError or RefusedError.
        """
        changes = method != "GET"
        target = path + ("?" + urlencode(query, doseq=True) if query else "")
        content = None if body is None else msgspec.json.encode(body)
        causes: dict[str, str] = {}
        unavailable: UnavailableError | None = None
        for url in self.urls:
            try:
                answer = self._attempt(method, url, target, content)
            except _NotSentError as error:
                causes[url] = str(error)
            except _CutOffError as error:
                if changes:
                    raise OutcomeUnknownError(f"{url}: {error}") from error
                causes[url] = str(error)
            except UnavailableError as error:
                if changes:
                    raise
                unavailable = error
            else:
                self._preferred = self._urls.index(url)
                return answer
        if unavailable is not None:
            raise unavailable
        raise UnreachableError(causes)

    def _attempt(self, method: str, url: str, target: str, content: bytes | None) -> object:
        deadline = time.monotonic() + self._timeout_seconds
        headers = dict(self._headers)
        if content is not None:
            headers["Content-Type"] = "application/json"
        connect = min(MAX_CONNECT_SECONDS, self._timeout_seconds)
        with _transport_errors():
            response = self._pool.request(
                method,
                url + target,
                body=content,
                headers=headers,
                timeout=urllib3.Timeout(connect=connect, read=self._timeout_seconds),
                redirect=False,
                preload_content=False,
            )
            failed = response.status >= 300
            limit = _MAX_ERROR_BYTES if failed else self._max_answer_bytes
            try:
                content = _read(response, limit, deadline)
            except BaseException:
                response.close()
                raise
        response.release_conn()
        if failed:
            raise _refusal(response.status, response.reason or "", content)
        return _decoded(content)


class _NotSentError(Exception):
    """No connection: the request did not leave."""


class _CutOffError(Exception):
    """The request left (or may have), and the answer did not come whole or in time."""


@contextmanager
def _transport_errors() -> Iterator[None]:
    try:
        yield
    except (NewConnectionError, ConnectTimeoutError, SSLError) as error:
        raise _NotSentError(_plain(error)) from error
    except (HTTPError, OSError) as error:
        raise _CutOffError(_plain(error)) from error


def _plain(error: Exception) -> str:
    """The innermost cause, in the words of the operating system where it has some."""
    cause: BaseException = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror[:_MAX_TEXT_CHARACTERS]
    return (str(cause) or type(cause).__name__)[:_MAX_TEXT_CHARACTERS]


def _read(response: urllib3.BaseHTTPResponse, limit: int, deadline: float) -> bytes:
    """The whole body; BadAnswerError beyond ``limit`` bytes, _CutOffError past the deadline."""
    pieces: list[bytes] = []
    size = 0
    while piece := response.read1(_PIECE_BYTES):
        size += len(piece)
        if size > limit:
            raise BadAnswerError(f"the answer has more than {limit} bytes")
        if time.monotonic() > deadline:
            raise _CutOffError("the answer took too long")
        pieces.append(piece)
    return b"".join(pieces)


def _is_unknown_page(error: RefusedError) -> bool:
    """Whether there is no such page; the last releases of Marathon say so with a 500."""
    return error.status == 404 or (error.status == 500 and error.message == "URI not found")


def _decoded(content: bytes) -> object:
    if not content.strip():
        return None
    try:
        return msgspec.json.decode(content)
    except _JSON_ERRORS as error:
        raise BadAnswerError(f"the answer is not JSON ({error}): is this a Stayer URL?") from error


def _refusal(status: int, reason: str, content: bytes) -> RefusedError:
    """The error in the answer, whatever shape it has."""
    try:
        body = msgspec.json.decode(content)
    except _JSON_ERRORS:
        body = None
    if not isinstance(body, dict):
        body = {}
    message = body.get("message")
    if not isinstance(message, str):
        message = reason or f"HTTP status {status}"
    deployments = body.get("deployments")
    ids = [
        entry["id"]
        for entry in (deployments if isinstance(deployments, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    ]
    return _ERRORS.get(status, RefusedError)(status, message, _details(body.get("details")), ids)


def _details(details: object) -> list[tuple[str, str]]:
    """(path, error) pairs of Marathon's details: a list of {path, errors}, or a plain text."""
    if isinstance(details, str):
        return [("/", details)]
    pairs: list[tuple[str, str]] = []
    for entry in details if isinstance(details, list) else []:
        if isinstance(entry, dict) and isinstance(errors := entry.get("errors"), list):
            pairs.extend((str(entry.get("path", "/")), str(error)) for error in errors)
    return pairs


def _object(answer: object, name: str | None = None) -> JsonObject:
    """The answer, or its member ``name``, as an object; BadAnswerError if it is none."""
    found = _member(answer, name)
    if not isinstance(found, dict):
        raise BadAnswerError(f"the answer is no object{f' with {name!r}' if name else ''}")
    return found


def _objects(answer: object, name: str | None = None) -> list[JsonObject]:
    """The answer, or its member ``name``, as a list of objects; BadAnswerError if it is none."""
    found = _member(answer, name)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise BadAnswerError(f"the answer is no list{f' of {name!r}' if name else ''}")
    return found


def _member(answer: object, name: str | None) -> object:
    if name is None:
        return answer
    return answer.get(name) if isinstance(answer, dict) else None


def _flags(**flags: bool) -> dict[str, str]:
    return {name: "true" for name, value in flags.items() if value}


def _app_path(app_id: str) -> str:
    return "/v2/apps" + _id_path(app_id)


def _id_path(app_id: str) -> str:
    """An app id as the end of a path. ValueError for one that would lead to another page."""
    segments = app_id.strip("/").split("/")
    if not _BAD_SEGMENTS.isdisjoint(segments):
        raise ValueError(f"not an app id: {app_id!r}")
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def _checked_url(url: str) -> str:
    """The URL without a slash at its end. ValueError says what is wrong with it."""
    if "@" in url:
        raise ValueError("credentials do not belong into a URL: it shows up in logs")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"not a URL of the form http://HOST:PORT: {url!r}")
    if parts.query or parts.fragment:
        raise ValueError(f"a URL with a query or a fragment: {url!r}")
    if parts.port == 0:
        raise ValueError(f"a URL needs a port that is not 0: {url!r}")
    return url.rstrip("/")
