"""A finished configuration: the bytes for haproxy, and what its runtime API may bring about.

``services`` and ``render`` make it from a snapshot; ``swap`` puts it in place, and ``runtime``
changes a running haproxy to it where that needs no reload.
"""

import hashlib
from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct


class Server(Struct, frozen=True, gc=False):
    """A server line of a backend. ``options`` is the rest of the line as written (``check inter
    2s fall 3``); ``weight`` 0..256; ``draining``: no new sessions."""

    name: str
    address: str
    port: int
    weight: int = 100
    draining: bool = False
    options: str = ""
    task_id: str = ""
    app_id: str = ""


CHECK_MARK = ":check-"
"""Behind it, names of servers have what tells the path of their check, where that is not the one
that most of their backend have."""


def without_mark(name: str) -> str:
    """The name of a server as it is, or was, where most have the path of its check."""
    return name.partition(CHECK_MARK)[0]


class Backend(Struct, frozen=True, gc=False):
    """A backend's members. ``dynamic``: its algorithm and options allow ``add server``. ``others``:
    names of servers that a template has of its own, which nobody touches. ``maxconn``: connections
    at once of the front end of the same name, 0 where it has no limit, or none of ours."""

    name: str
    servers: tuple[Server, ...] = ()
    dynamic: bool = True
    others: tuple[str, ...] = ()
    maxconn: int = 0


class Trouble(StrEnum):
    """Why something of an app is not served as it asked."""

    CONFLICT = "conflict"  # another app has the port, or the host and path, already
    INVALID = "invalid"  # a label that can not be understood
    FORBIDDEN = "forbidden"  # a label that this node's policy does not allow
    UNSUPPORTED = "unsupported"  # what haproxy or this bridge can not do
    UNRESOLVED = "unresolved"  # this node finds no address for an agent's name
    REFUSED = "refused"  # haproxy -c refused what its labels led to
    IGNORED = "ignored"  # a label that nothing reads; a warning
    CERTIFICATE = "certificate"  # one of the node's that is broken, or ends soon; a warning
    FILE = "file"  # one of the operator's that can not be used as it is now; a warning


NODE = "this node"
"""Whose a problem is that is no app's."""


class Problem(Struct, frozen=True, gc=False):
    """One finding about an app, for people: ``label`` names the label, if one is to blame, and
    ``message`` says what is wrong and what would be right. Of a certificate, ``app_id`` is its
    file."""

    trouble: Trouble
    app_id: str
    message: str
    label: str = ""

    @property
    def keeps_out(self) -> bool:
        """Whether something of the app is not served because of it."""
        return self.trouble not in {Trouble.IGNORED, Trouble.CERTIFICATE, Trouble.FILE}


class Piece(Struct, frozen=True, gc=False):
    """Some ``lines`` of a configuration; ``app_id`` says whose they are, "" for nobody's."""

    text: bytes
    lines: int
    app_id: str = ""


def file_name(kind: str, text: str) -> str:
    """The name of a file beside the configuration. It has the digest of what is in it, so that the
    old file stays good for the old configuration."""
    return f"stayer-{kind}-{digest(text)}.map"


def digest(text: str) -> str:
    """Of a text, short: not against those who wish us ill."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Rendered(Struct, frozen=True, gc=False):
    """``pieces`` on end are the whole haproxy.cfg: where one app changed, all others are those of
    before. ``files`` is what it refers to beside it (maps, lists of certificates), by name within
    the folder of the configuration; ``maps`` names those that tell the routes, by kind.
    ``structure`` is a digest of all that needs a reload: equal digests differ in ``backends`` and
    in what is in ``maps`` only."""

    pieces: tuple[Piece, ...] = ()
    files: dict[str, bytes] = {}
    maps: dict[str, str] = {}
    structure: str = ""
    backends: tuple[Backend, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def config(self) -> bytes:
        """The whole haproxy.cfg, put together when it is asked for."""
        return b"".join([piece.text for piece in self.pieces])

    def owners(self) -> Iterator[tuple[int, int, str]]:
        """The app that lines of ``config`` come from, as (first, last, app id), numbered from 1:
        whom to blame when haproxy refuses a line."""
        line = 1
        for piece in self.pieces:
            if piece.app_id:
                yield line, line + piece.lines - 1, piece.app_id
            line += piece.lines
