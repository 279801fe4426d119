"""Commands to one of haproxy's unix sockets, each connection with an end in sight.

A socket that is opened while haproxy reloads can hang for ever, and that of the master never
closes by itself: every exchange has a deadline and a limit.
"""

import socket
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_LINE_BYTES = 12_000
"""Of the 16 KiB that haproxy reads as one line, some is its own."""


_CREDENTIALS = struct.Struct("3i")


class SocketError(Exception):
    """haproxy can not be spoken to; the text names the socket and says why."""


class Account(NamedTuple):
    """As whom a process runs."""

    uid: int
    gid: int


def listener(path: Path) -> Account | None:
    """As whom the process runs that opened a socket: for both of haproxy's, the one that reads
    configurations. None if nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(1.0)
        try:
            connection.connect(str(path))
            found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return None
    _, uid, gid = _CREDENTIALS.unpack(found)
    return Account(uid, gid)


def ask(path: Path, command: str, *, timeout_seconds: float = 5.0) -> str:
    """The whole answer to one line of commands. SocketError."""
    return _exchange(path, command, time.monotonic() + timeout_seconds)


def ask_master(path: Path, command: str, *, timeout_seconds: float = 5.0) -> str:
    """The same of the master's socket, which does not close unless it is told to."""
    return ask(path, f"{command};quit", timeout_seconds=timeout_seconds)


def tell(path: Path, commands: Iterable[str], *, timeout_seconds: float = 30.0) -> str:
    """Many commands in as few lines as may be; what haproxy said, which is nothing in particular
    when all went well. SocketError, and then some may have been carried out."""
    deadline = time.monotonic() + timeout_seconds
    return "".join(_exchange(path, line, deadline) for line in lines(commands))


def lines(commands: Iterable[str]) -> Iterator[str]:
    """The commands joined to lines that haproxy reads in one piece."""
    line = ""
    for command in commands:
        if line and len(line) + len(command) + 1 > MAX_LINE_BYTES:
            yield line
            line = ""
        line = f"{line};{command}" if line else command
    if line:
        yield line


def _exchange(path: Path, command: str, deadline: float) -> str:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            _allow(connection, deadline)
            connection.connect(str(path))
            connection.sendall(command.encode() + b"\n")
            return _answer(connection, deadline)
    except OSError as error:
        raise SocketError(f"{path}: {error.strerror or error or 'no answer in time'}") from error


def _answer(connection: socket.socket, deadline: float) -> str:
    pieces: list[bytes] = []
    size = 0
    while True:
        _allow(connection, deadline)
        piece = connection.recv(256 * 1024)
        if not piece:
            return b"".join(pieces).decode("utf-8", "replace")
        pieces.append(piece)
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            raise OSError(f"the answer has more than {MAX_ANSWER_BYTES} bytes")


def _allow(connection: socket.socket, deadline: float) -> None:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    connection.settimeout(left)
