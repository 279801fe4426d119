"""Carrying out one check: a child process that connects, asks for a page, or runs a command.

A child of its own per check, so that nothing a checked server does (hanging, babbling, trickling)
can hold up the executor's loop: at the time-out the child and its descendants are killed. The
answer of HTTP and TCP checks comes back through a pipe that takes a few bytes only.
"""

import os
import signal
import socket
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

from localmesos.launcher import process
from localmesos.launcher.events import Check, Json

_MAX_ANSWER_BYTES = 300
_MAX_HEAD_BYTES = 64 * 1024
_MAX_REDIRECTS = 10
_MAX_SOCKET_SECONDS = 86400.0  # a socket's time-out overflows beyond some weeks
_REDIRECTS = (301, 302, 303, 307, 308)
_LEAST_BYTE, _MOST_BYTE = 0x21, 0x7E


class Result(NamedTuple):
    """What came out: the `status` part of a CheckStatusInfo, or why there is none."""

    status: Json | None
    problem: str = ""


class Probe:
    """One running check."""

    def __init__(self, check: Check, environment: Mapping[str, str], deadline: float) -> None:
        """Start it. Raises OSError or ValueError when a command cannot be started."""
        self.deadline = deadline
        self._check = check
        self._answer_fd = -1
        if check.command is not None:
            variables = {**environment, **check.command.environment}
            self.pid = process.spawn(check.command, variables, output=2)
        else:
            self.pid, self._answer_fd = _fork(check)

    def result(self, wait_status: int) -> Result:
        """The result, once the child has been reaped."""
        kind = self._check.kind
        if kind == "COMMAND":
            if not os.WIFEXITED(wait_status):
                return Result(None, f"command {process.describe_status(wait_status)}")
            return Result({"type": kind, "command": {"exit_code": os.WEXITSTATUS(wait_status)}})
        answer = self._read_answer()
        if kind == "TCP":
            return Result({"type": kind, "tcp": {"succeeded": answer == "connected"}})
        if answer.isdecimal():
            return Result({"type": kind, "http": {"status_code": int(answer)}})
        return Result(None, answer or process.describe_status(wait_status))

    def cancel(self) -> None:
        """Kill the child with everything it started; it is still to be reaped."""
        process.kill(self.pid)
        self._read_answer()

    def _read_answer(self) -> str:
        if self._answer_fd < 0:
            return ""
        try:
            return os.read(self._answer_fd, _MAX_ANSWER_BYTES).decode("utf-8", "replace")
        except BlockingIOError:
            return ""
        finally:
            os.close(self._answer_fd)
            self._answer_fd = -1


def _fork(check: Check) -> tuple[int, int]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    pid = os.fork()
    if pid == 0:
        _in_child(check, writing)
    os.close(writing)
    return pid, reading


def _in_child(check: Check, writing: int) -> NoReturn:
    """Ask, answer through the pipe, and end without any of the parent's clean-up."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setpgid(0, 0)
        # Above all the parent's sockets: a copy left open here would hide the end of a connection.
        os.closerange(3, writing)
        os.closerange(writing + 1, writing + 1024)
        if check.network:
            _enter(check.network)
        os.write(writing, _ask(check).encode()[:_MAX_ANSWER_BYTES])
        status = 0
    except (OSError, ValueError, ImportError) as problem:
        os.write(writing, str(problem).encode("utf-8", "replace")[:_MAX_ANSWER_BYTES])
    finally:
        os._exit(status)


def _enter(network: str) -> None:
    """Move this process to another network namespace. Raises OSError."""
    import ctypes  # here: only containers with a network of their own pay for it

    fd = os.open(network, os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(fd, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"cannot enter the container's network: {os.strerror(number)}")


def _ask(check: Check) -> str:
    timeout_seconds = min(check.timeout_seconds, _MAX_SOCKET_SECONDS)
    if check.kind == "TCP":
        with socket.create_connection((check.address, check.port), timeout_seconds):
            return "connected"
    address = f"[{check.address}]" if ":" in check.address else check.address
    url = f"{check.scheme}://{address}:{check.port}{'' if check.path[0] == '/' else '/'}"
    url += check.path
    for _ in range(_MAX_REDIRECTS):
        status, location = _get(url, timeout_seconds)
        if status not in _REDIRECTS or not location:
            return str(status)
        from urllib.parse import urljoin  # here: only the rare redirect pays for it

        url = urljoin(url, location)
    return f"more than {_MAX_REDIRECTS} redirects"


def _get(url: str, timeout_seconds: float) -> tuple[int, str]:
    """The status code and the Location of a page; the page itself is not read."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    if scheme not in ("http", "https"):
        raise ValueError(f"redirected to a page of scheme {scheme!r}")
    host, port = _host_and_port(authority, 443 if scheme == "https" else 80)
    request = (
        f"GET {_safe(slash + path)} HTTP/1.1\r\nHost: {_safe(authority)}\r\n"
        "User-Agent: mesos-executor\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((host, port), timeout_seconds) as plain:
        connection = _encrypted(plain) if scheme == "https" else plain
        connection.sendall(request.encode("ascii"))
        head = _read_head(connection)
    first, *lines = head.split("\r\n")
    words = first.split()
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdecimal():
        raise ValueError("the answer is not HTTP")
    location = [line for line in lines if line.lower().startswith("location:")]
    return int(words[1]), location[0].partition(":")[2].strip() if location else ""


def _encrypted(plain: socket.socket) -> socket.socket:
    import ssl  # here: costs as much as all else; only https checks pay for it

    # The certificate is for the service's name, not for the loopback address: Mesos ignores it too.
    context = ssl._create_unverified_context()  # noqa: S323, SLF001 - see above
    return context.wrap_socket(plain)


def _read_head(connection: socket.socket) -> str:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _MAX_HEAD_BYTES:
        data = connection.recv(4096)
        if not data:
            break
        head += data
    return head.partition(b"\r\n\r\n")[0].decode("latin-1")


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    host, colon, port = authority.rpartition("@")[2].rpartition(":")
    if not colon or port.endswith("]"):
        host, port = authority.rpartition("@")[2], str(default)
    return host.strip("[]"), int(port)


def _safe(text: str) -> str:
    """Percent-encode what must not stand in a request line."""
    return "".join(
        chr(byte) if _LEAST_BYTE <= byte <= _MOST_BYTE else f"%{byte:02X}"
        for byte in text.encode("utf-8", "surrogateescape")
    )
