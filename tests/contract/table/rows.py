"""One row of the contract: a request, and all that a client can notice of the answer."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

ABSENT = "(absent)"


class Row(NamedTuple):
    """``body`` is the answer's JSON (None: an empty body; a text: the body as it is), ``headers``
    those that must be so (ABSENT: must not be there); ``sent`` and ``sending`` the request's
    body, as JSON or as it is, and headers."""

    method: str
    path: str
    status: int
    body: Any = None
    headers: Mapping[str, str] = {}
    sent: Any = None
    sending: Mapping[str, str] = {}


def name_of(row: Row) -> str:
    """For the list of tests."""
    more = "" if row.sent is None else f" {row.sent}"
    return f"{row.method} {row.path}{more}"[:80]


def ask(client: FlaskClient, row: Row) -> TestResponse:
    """Send the row's request."""
    if isinstance(row.sent, bytes):
        sent = client.open(row.path, method=row.method, data=row.sent, headers=row.sending)
    elif row.sent is None:
        sent = client.open(row.path, method=row.method, headers=row.sending)
    else:
        sent = client.open(row.path, method=row.method, json=row.sent, headers=row.sending)
    return sent


def check(client: FlaskClient, row: Row) -> None:
    """Send the row's request, and compare the answer."""
    response = ask(client, row)
    told = f"{name_of(row)}: {response.get_data(as_text=True)[:500]}"
    assert response.status_code == row.status, told
    if row.body is None:
        assert response.get_data() == b"", told
    elif isinstance(row.body, str):
        assert response.get_data(as_text=True) == row.body, told
    else:
        assert response.headers["Content-Type"] == "application/json", told
        assert response.get_json() == row.body, told
    for name, value in row.headers.items():
        assert response.headers.get(name, ABSENT) == value, (told, name)
