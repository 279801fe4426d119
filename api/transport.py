"""One request, there and back: over several URLs of which one must answer.

What goes wrong on the way becomes one of few errors: nobody was reached, the outcome is unknown,
the answer is none of this API, or the API refused. A change is never sent twice.
"""

import base64
import ssl
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import msgspec
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    SSLError,
)

from api.client_errors import (
    JSON_ERRORS,
    BadAnswerError,
    OutcomeUnknownError,
    RefusedError,
    UnavailableError,
    UnreachableError,
    refusal,
)
from api.endpoints import Endpoints
from api.timed_answer import timed

JsonObject = dict[str, Any]
Query = Mapping[str, str | Sequence[str]]

JSON = "application/json"
DEFAULT_TIMEOUT_SECONDS = 30.0
DEFAULT_MAX_ANSWER_BYTES = 256 * 1024 * 1024
MAX_CONNECT_SECONDS = 5.0
WARNING_HEADER = "Stayer-Warning"
BEARER = "Bearer "
OUTCOME_HEADER = "Stayer-Outcome"

_MAX_ERROR_BYTES = 1024 * 1024
_PIECE_BYTES = 256 * 1024
_MAX_URLS = 16
_KEPT = 4  # idle connections for each URL: a stream and calls of several threads
_MAX_TEXT_CHARACTERS = 500
_MAX_WARNINGS = 20
_MAX_REDIRECTS = 3
_REDIRECTS_ALL = frozenset({307, 308})
_REDIRECTS_READING = _REDIRECTS_ALL | {301, 302}
_NOT_MODIFIED = 304
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Credentials:
    """HTTP Basic; the password stays out of every text made from this."""

    user: str
    password: str = field(repr=False)

    def header(self) -> str:
        """The value of the Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Token:
    """A token instead of user and password, in the form of DC/OS; ``Bearer ...`` goes as it is."""

    token: str = field(repr=False)

    def header(self) -> str:
        """The value of the Authorization header."""
        return self.token if self.token.startswith(BEARER) else f"token={self.token}"


@dataclass(frozen=True, slots=True)
class Page:
    """What one URL answered. ``tag`` is its ETag, "" if it has none; ``unchanged``: it is still
    the page that the request had the tag of, and ``content`` is empty."""

    url: str
    content: bytes
    tag: str = ""
    unchanged: bool = False


class Transport:
    """Requests to one scheduler behind one or several URLs; may be used by several threads.

    A URL that can not be connected to is passed over, and the one that answered last is asked
    first. A request that went out is repeated elsewhere only if it changes nothing. Redirects
    are followed, with credentials only to one of the URLs.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        timeout_seconds: float,
        credentials: Credentials | Token | None,
        ca_file: str | None,
        client_certificate: tuple[str, str] | None,
        max_answer_bytes: int,
        on_warning: Callable[[str], None] | None,
    ) -> None:
        """``timeout_seconds`` bounds each attempt as a whole; ``on_warning`` is given each
        warning that comes with an answer; ``client_certificate`` names the files of a certificate
        and its key. ValueError for an unusable URL or certificate."""
        if not 1 <= len(urls) <= _MAX_URLS:
            raise ValueError(f"between 1 and {_MAX_URLS} URLs, not {len(urls)}")
        self._urls = tuple(_checked_url(url) for url in urls)
        self._endpoints = Endpoints(self._urls)
        self._timeout_seconds = timeout_seconds
        self._max_answer_bytes = max_answer_bytes
        self._on_warning = on_warning
        self._headers = {"Accept": JSON, "User-Agent": "stayer-client"}
        self.present(credentials)
        context = _context(ca_file, client_certificate)
        self._pool = timed(urllib3.PoolManager(retries=False, maxsize=_KEPT, ssl_context=context))

    def present(self, credentials: Credentials | Token | None) -> None:
        """Show these from now on."""
        others = {name: text for name, text in self._headers.items() if name != "Authorization"}
        own = {} if credentials is None else {"Authorization": credentials.header()}
        self._headers = others | own

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs, the one to be asked first in front."""
        return self._endpoints.in_order()

    def close(self) -> None:
        """Close idle connections."""
        self._pool.clear()

    def send(
        self,
        method: str,
        path: str,
        body: JsonObject | list[JsonObject] | None = None,
        query: Query | None = None,
        *,
        tag: str = "",
    ) -> object:
        """One request, on the first URL that takes it; its decoded answer (None if empty).
        ``tag``: the ETag of what was read; ChangedError if it is another one now.

        Raises UnreachableError, OutcomeUnknownError, BadAnswerError or RefusedError.
        """
        content = None if body is None else msgspec.json.encode(body)
        headers = {} if content is None else {"Content-Type": JSON}
        if tag:
            headers["If-Match"] = tag
        return decoded(self._ask(method, _target(path, query), content, headers).content)

    def fetch(
        self,
        path: str,
        query: Query | None = None,
        *,
        accept: str = JSON,
        tag: str = "",
    ) -> Page:
        """A page as it came, undecoded. ``tag``: the ETag of an earlier one; if it is still the
        present one, the page comes back ``unchanged`` and empty. Raises as ``send`` does; also
        BadAnswerError for an answer that says of itself that it is not of the type ``accept``."""
        headers = {"Accept": accept, **({"If-None-Match": tag} if tag else {})}
        return self._ask("GET", _target(path, query), None, headers, accept)

    def _ask(
        self,
        method: str,
        target: str,
        content: bytes | None,
        headers: Mapping[str, str],
        kind: str = "",
    ) -> Page:
        """The answer of the first URL that takes the request. ``kind``: the media type that it has
        to be of, "" for any; another URL is asked instead of one that answers something else."""
        changes = method != "GET"
        causes: dict[str, str] = {}
        unavailable: UnavailableError | BadAnswerError | None = None
        for url in self.urls:
            try:
                response, body = self._attempt(method, url, target, content, headers)
                _check_kind(url, response, kind)
            except _NotSentError as error:
                self._endpoints.failed(url)
                causes[url] = str(error)
            except _CutOffError as error:
                self._endpoints.failed(url)
                if changes:
                    raise OutcomeUnknownError(f"{url}: {error}") from error
                causes[url] = str(error)
            except (UnavailableError, BadAnswerError) as error:
                if changes:
                    raise
                unavailable = error
            else:
                self._endpoints.answered(url)
                tag = response.headers.get("ETag", "")
                return Page(url, body, tag, unchanged=response.status == _NOT_MODIFIED)
        if unavailable is not None:
            raise unavailable
        raise UnreachableError(causes)

    def stream(
        self,
        path: str,
        query: Query,
        headers: Mapping[str, str],
        silence_seconds: float,
        goes_on: Callable[[], bool] | None = None,
    ) -> Generator[bytes, None, None]:
        """What a page sends for as long as it sends, piece by piece; it ends when the connection
        does, whatever the reason, when nothing came for ``silence_seconds``, or when ``goes_on``,
        which is asked after each piece, says no. Raises as ``send`` does, before the first piece.
        """
        target = _target(path, query)
        causes: dict[str, str] = {}
        unavailable: UnavailableError | None = None
        for url in self.urls:
            try:
                response = self._stream_from(url + target, headers, silence_seconds)
            except (_NotSentError, _CutOffError) as error:
                self._endpoints.failed(url)
                causes[url] = str(error)
            except UnavailableError as error:
                unavailable = error
            else:
                self._endpoints.answered(url)
                return _pieces(response, goes_on)
        if unavailable is not None:
            raise unavailable
        raise UnreachableError(causes)

    def _stream_from(
        self, where: str, headers: Mapping[str, str], silence_seconds: float
    ) -> urllib3.BaseHTTPResponse:
        """The answer whose headers have come; a standby's redirects are followed."""
        deadline = time.monotonic() + self._timeout_seconds
        for _ in range(_MAX_REDIRECTS):
            with _transport_errors(tls=where.startswith("https:")):
                response = self._request("GET", where, None, headers, silence_seconds)
            with _transport_errors():
                if response.status == 200:
                    return response
                try:
                    body = _read(response, _MAX_ERROR_BYTES, deadline)
                finally:
                    response.close()
            elsewhere = self._redirection("GET", where, response)
            if elsewhere is None:
                raise refusal(response.status, response.reason or "", body)
            where = elsewhere
        raise BadAnswerError(f"redirected more than {_MAX_REDIRECTS - 1} times")

    def _attempt(
        self,
        method: str,
        url: str,
        target: str,
        content: bytes | None,
        headers: Mapping[str, str],
    ) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        deadline = time.monotonic() + self._timeout_seconds
        where = url + target
        for _ in range(_MAX_REDIRECTS):
            response, body = self._exchange(method, where, content, headers, deadline)
            elsewhere = self._redirection(method, where, response)
            if elsewhere is None:
                self._check(method, response, body)
                return response, body
            where = elsewhere
        raise BadAnswerError(f"redirected more than {_MAX_REDIRECTS - 1} times")

    def _exchange(
        self,
        method: str,
        where: str,
        content: bytes | None,
        headers: Mapping[str, str],
        deadline: float,
    ) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        with _transport_errors(tls=where.startswith("https:")):
            response = self._request(method, where, content, headers, self._timeout_seconds)
        with _transport_errors():
            limit = _MAX_ERROR_BYTES if response.status >= 300 else self._max_answer_bytes
            try:
                body = _read(response, limit, deadline)
            except BaseException:
                response.close()
                raise
        response.release_conn()
        return response, body

    def _request(
        self,
        method: str,
        where: str,
        content: bytes | None,
        headers: Mapping[str, str],
        silence_seconds: float,
    ) -> urllib3.BaseHTTPResponse:
        connect = min(MAX_CONNECT_SECONDS, self._timeout_seconds)
        return self._pool.request(
            method,
            where,
            body=content,
            headers={**self._headers, **headers},
            timeout=urllib3.Timeout(connect=connect, read=silence_seconds),
            redirect=False,
            preload_content=False,
        )

    def _check(self, method: str, response: urllib3.BaseHTTPResponse, body: bytes) -> None:
        if self._on_warning is not None:
            for text in response.headers.getlist(WARNING_HEADER)[:_MAX_WARNINGS]:
                self._on_warning(text[:_MAX_TEXT_CHARACTERS])
        if response.status < 300 or response.status == _NOT_MODIFIED:
            return
        refused = refusal(response.status, response.reason or "", body)
        if method != "GET" and response.headers.get(OUTCOME_HEADER) == "unknown":
            raise OutcomeUnknownError(refused.message)
        raise refused

    def _redirection(
        self, method: str, where: str, response: urllib3.BaseHTTPResponse
    ) -> str | None:
        """Where to go on, None to stay. RefusedError for where credentials must not go."""
        followed = _REDIRECTS_READING if method == "GET" else _REDIRECTS_ALL
        location = response.headers.get("Location")
        if response.status not in followed or location is None:
            return None
        try:
            elsewhere = urljoin(where, location)
            origin = _origin(elsewhere)
            known = origin in map(_origin, (where, *self._urls))
        except ValueError as error:
            raise BadAnswerError("redirected to what is no URL") from error
        if origin[0] not in _PORTS:
            raise BadAnswerError("redirected to what is no URL of http or https")
        if "Authorization" in self._headers and not known:
            raise RefusedError(
                response.status,
                f"redirected to {origin[0]}://{origin[1]}:{origin[2]}, which is none of the given "
                "URLs: credentials are not sent there",
            )
        return elsewhere


def _check_kind(url: str, response: urllib3.BaseHTTPResponse, kind: str) -> None:
    """BadAnswerError if the answer says that it is of another media type than was asked for. One
    that says nothing is let through: what it holds is checked anyway."""
    said = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not kind or not said or response.status == _NOT_MODIFIED:
        return
    if said != kind and not (kind == JSON and said.endswith("+json")):
        shown = said if said.isprintable() else "something"
        raise BadAnswerError(f"{url} answers {shown[:100]} where {kind} is asked for")


def _context(
    ca_file: str | None, client_certificate: tuple[str, str] | None
) -> ssl.SSLContext | None:
    """None for urllib3's own. ValueError, OSError."""
    if not ca_file and client_certificate is None:
        return None
    context = ssl.create_default_context(cafile=ca_file or None)
    if client_certificate is not None:
        certificate, key = client_certificate
        try:
            # Without a password to try, OpenSSL would ask for one at the terminal.
            context.load_cert_chain(certificate, key, password=lambda: b"")
        except ssl.SSLError as error:
            reason = (error.reason or "no PEM that can be read").lower().replace("_", " ")
            raise ValueError(
                f"{certificate} and {key} are no certificate and its key in PEM, unencrypted: "
                f"{reason}"
            ) from error
    return context


def _target(path: str, query: Query | None) -> str:
    return path + ("?" + urlencode(query, doseq=True) if query else "")


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port. ValueError."""
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme)


class _NotSentError(Exception):
    """No connection: the request did not leave."""


class _CutOffError(Exception):
    """The request left (or may have), and the answer did not come whole or in time."""


@contextmanager
def _transport_errors(*, tls: bool = False) -> Iterator[None]:
    """``tls``: nothing was answered yet, by https."""
    try:
        yield
    except (NewConnectionError, ConnectTimeoutError, SSLError) as error:
        raise _NotSentError(_plain(error) + _why_closed(error, tls=tls)) from error
    except (HTTPError, OSError) as error:
        raise _CutOffError(_plain(error) + _why_closed(error, tls=tls)) from error


def _cause(error: Exception) -> BaseException:
    cause: BaseException = error
    while cause.__cause__ is not None or cause.__context__ is not None:
        cause = cause.__cause__ or cause.__context__ or cause
    return cause


def _why_closed(error: Exception, *, tls: bool) -> str:
    """A server that wants another certificate of ours, or any, closes the connection, and whether
    its reason arrives is chance."""
    cause = _cause(error)
    unread = isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLCertVerificationError)
    if not tls or not (unread or isinstance(cause, ConnectionError)):
        return ""
    if isinstance(cause, ConnectionRefusedError):
        return ""
    return "; it may ask for a client certificate (--client-cert), or not take the one it got"


def _plain(error: Exception) -> str:
    """The innermost cause, in the words of the operating system where it has some."""
    cause = _cause(error)
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


def _pieces(
    response: urllib3.BaseHTTPResponse, goes_on: Callable[[], bool] | None
) -> Generator[bytes, None, None]:
    """What comes, as it comes."""
    try:
        with _transport_errors():
            while piece := response.read1(_PIECE_BYTES):
                yield piece
                if goes_on is not None and not goes_on():
                    return
    except (_NotSentError, _CutOffError):
        return
    finally:
        response.close()


def decoded(content: bytes) -> object:
    """The JSON of an answer, None of an empty one; BadAnswerError."""
    if not content.strip():
        return None
    try:
        return msgspec.json.decode(content)
    except JSON_ERRORS as error:
        raise BadAnswerError(f"the answer is not JSON ({error}): is this a Stayer URL?") from error


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
