"""Who may call: HTTP Basic and tokens, from a setting and from files that may be replaced.

Everybody who is let in may do everything. What is presented is looked up by a digest under a key
that nobody outside knows, so that the time of the look-up tells nothing: neither how much of a
password was right, nor whether the user exists. Secrets appear in no text made here.
"""

import base64
import binascii
import hmac
import logging
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from api.answers import answer, plain_path
from api.files import read_bounded
from api.options import ApiOptions
from api.rotating import Rotating

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger("stayer.api")
_MAX_FILE_BYTES = 1024 * 1024
_MAX_LINES = 10_000
_MAX_SECRET_BYTES = 4_096
_KEY_BYTES = 32
_LOG_SECONDS = 1.0


class Authentication:
    """What lets a caller in. ``required`` is false where nothing was set: then all may call."""

    def __init__(self, options: ApiOptions) -> None:
        """OSError or ValueError, without secrets, for what can not be used."""
        self._key = secrets.token_bytes(_KEY_BYTES)
        self._fixed = self._of_setting(options.http_credentials)
        passwords, tokens = options.http_credentials_file, options.http_tokens_file
        self._files = [
            Rotating([path], partial(self._of_file, path, kind))
            for path, kind in ((passwords, "basic"), (tokens, "token"))
            if path is not None
        ]
        realm = f'realm="{options.http_realm}"'
        self.challenges: list[str] = []
        if self._fixed or passwords is not None:
            self.challenges.append(f"Basic {realm}")
        if tokens is not None:
            self.challenges.append(f"Bearer {realm}")
        self.required = bool(self.challenges)

    def allows(self, authorization: str) -> bool:
        """Whether this value of the header ``Authorization`` lets in."""
        if not self.required:
            return True
        presented = _presented(authorization)
        if presented is None:
            return False
        digest = self._digest(*presented)
        return any(digest in known for known in (self._fixed, *map(Rotating.current, self._files)))

    def name_of(self, authorization: str) -> str:
        """Who this value that lets in speaks of: the user, or that it is a token."""
        presented = _presented(authorization) if self.required else None
        if presented is None:
            return ""
        kind, secret = presented
        return secret.partition(b":")[0].decode("latin-1") if kind == "basic" else "(token)"

    def _of_setting(self, credentials: str | None) -> frozenset[bytes]:
        if credentials is None:
            return frozenset()
        user, colon, password = credentials.partition(":")
        if not (user and colon and password):
            raise ValueError("http_credentials has the form user:password")
        return frozenset({self._digest("basic", credentials.encode())})

    def _of_file(self, path: str, kind: str) -> frozenset[bytes]:
        found = frozenset(self._digest(kind, line) for line in _lines(path, kind))
        if not found:
            raise ValueError(f"{path} is empty: nobody could call")
        return found

    def _digest(self, kind: str, secret: bytes) -> bytes:
        return hmac.digest(self._key, kind.encode() + b":" + secret, "sha256")


def _lines(path: str, kind: str) -> Iterator[bytes]:
    """The secrets of a file, one a line; empty lines and those that begin with # are passed
    over. ValueError names the line and not what is in it."""
    lines = read_bounded(path, _MAX_FILE_BYTES).splitlines()
    if len(lines) > _MAX_LINES:
        raise ValueError(f"{path} has more than {_MAX_LINES} lines")
    for number, line in enumerate(lines, 1):
        secret = line.strip()
        if not secret or secret.startswith(b"#"):
            continue
        user, colon, password = secret.partition(b":")
        if kind == "basic" and not (user and colon and password):
            raise ValueError(f"{path}, line {number}: not of the form user:password")
        if kind == "token" and len(secret.split()) > 1:
            raise ValueError(f"{path}, line {number}: a token has no blanks")
        if len(secret) > _MAX_SECRET_BYTES:
            raise ValueError(f"{path}, line {number}: more than {_MAX_SECRET_BYTES} bytes")
        yield secret


def _presented(authorization: str) -> tuple[str, bytes] | None:
    """(kind, secret) of the header's value; None for what is of no known form."""
    value = authorization.strip()
    if value.lower().startswith("token="):
        return "token", value[len("token=") :].strip().strip('"').encode("latin-1", "replace")
    scheme, _, rest = value.partition(" ")
    if scheme.lower() == "bearer":
        return "token", rest.strip().encode("latin-1", "replace")
    if scheme.lower() == "basic":
        try:
            return "basic", base64.b64decode(rest.strip(), validate=True)
        except (binascii.Error, ValueError):
            return None
    return None


class Authenticated:
    """A WSGI application behind the check. With credentials everything needs them, ``/ping``
    too as in Marathon, unless it is opened."""

    def __init__(
        self, application: "WSGIApplication", authentication: Authentication, *, open_ping: bool
    ) -> None:
        self._application = application
        self._authentication = authentication
        self._open_ping = open_ping
        self._lock = threading.Lock()
        self._next_log = 0.0

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        if self._authentication.allows(authorization):
            environ["REMOTE_USER"] = self._authentication.name_of(authorization)
            return self._application(environ, start_response)
        if self._open_ping and plain_path(environ) == "/ping":
            return self._application(environ, start_response)
        self._tell_of(environ.get("REMOTE_ADDR", ""))
        challenges = [("WWW-Authenticate", one) for one in self._authentication.challenges]
        return answer(environ, start_response, HTTPStatus.UNAUTHORIZED, "Unauthorized", challenges)

    def _tell_of(self, caller: str) -> None:
        """Once a second at most: whoever guesses passwords must not fill the log."""
        with self._lock:
            now = time.monotonic()
            if now < self._next_log:
                return
            self._next_log = now + _LOG_SECONDS
        _log.warning("a call from %s without valid credentials was refused", caller)
