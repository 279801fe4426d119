"""One id for each request: its client's if that may stand in a log, else one of ours.

It is in the answer, in the log line of the request, in whatever is logged while the request is
served, and goes along when a standby passes the request on; so one text finds all of it.
"""

import itertools
import re
import secrets
import threading

HEADER = "X-Request-Id"
KEY = "HTTP_X_REQUEST_ID"
MAX_CHARACTERS = 128

# No blanks, quotes, commas or control characters: it stands unquoted in headers and logs.
_SAFE = re.compile(rf"[A-Za-z0-9._:+/=@-]{{1,{MAX_CHARACTERS}}}")
_process = secrets.token_hex(6)
_numbers = itertools.count(1)
_serving = threading.local()


def accepted_or_new(given: str | None) -> str:
    """The id that a client gave if it is short and harmless, else a new one."""
    if given and _SAFE.fullmatch(given):
        return given
    return f"{_process}-{next(_numbers):x}"


def serve(request_id: str) -> None:
    """This thread serves the request of this id from now on; none: it does not any more."""
    _serving.id = request_id


def current() -> str:
    """The id of the request that this thread serves; empty if it serves none."""
    return getattr(_serving, "id", "")
