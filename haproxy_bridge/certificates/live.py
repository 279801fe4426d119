"""Certificates of a haproxy that runs: put in, exchanged and taken out through its socket.

haproxy says by their fingerprints which ones it has, so nothing has to be remembered: whoever
reloaded or restarted it, what is not as it should be is seen.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from haproxy_bridge.certificates import pem
from haproxy_bridge.certificates.pem import Pem
from haproxy_bridge.runtime import socket

MAX_PAYLOAD = 15_000
"""Of the 16 KiB that haproxy reads in one piece, some is its own."""
_FILE = "Filename: "
_FINGERPRINT = re.compile(r"^SHA1 FingerPrint: ([0-9A-F]+)$", re.MULTILINE)
_NAME = re.compile(r"/[^\s;\\]+")


class Live(Struct, frozen=True):
    """``done``: how many certificates were put in, exchanged or taken out. ``problems``: by the
    file as haproxy calls it. ``others``: what it has beside the folder, as these files are now.
    ``stuck``: fingerprints of those that the socket did not take, by file."""

    done: int = 0
    problems: dict[str, str] = {}
    others: dict[str, Pem | None] = {}
    stuck: dict[str, str] = {}


def brought(admin_socket: Path, folder: str, wanted: Mapping[str, Pem]) -> Live:
    """Bring haproxy to these of the folder, by path, and to what its other files are now.
    SocketError if it can not be spoken to."""
    loaded = _loaded(admin_socket)
    problems: dict[str, str] = {}
    stuck: dict[str, str] = {}
    others = dict(_others(loaded, folder, problems))
    targets = {**wanted, **{path: found for path, found in others.items() if found}}
    listed = _listed(admin_socket, folder)
    done = 0
    for path, found in targets.items():
        is_new = path in wanted and listed is not None and path not in listed
        if path not in loaded and not is_new:
            continue
        if loaded.get(path) == found.fingerprint and not is_new:
            continue
        why = _put(admin_socket, path, found, folder if is_new else "")
        done += not why
        if why:
            problems[path], stuck[path] = why, found.fingerprint
    gone = [path for path in loaded if _is_inside(path, folder) and path not in wanted]
    for path in gone if wanted else ():
        done += _taken_out(admin_socket, path, folder if path in (listed or ()) else "")
    return Live(done, problems, others, stuck)


def _loaded(admin_socket: Path) -> dict[str, str]:
    """Fingerprints by file."""
    answer = socket.ask(admin_socket, "show ssl cert")
    names = [line for line in answer.splitlines() if _NAME.fullmatch(line)]
    questions = (f"show ssl cert {name}" for name in names)
    shown = "".join(socket.ask(admin_socket, line) for line in socket.lines(questions))
    loaded = {}
    for text in shown.split(_FILE)[1:]:
        found = _FINGERPRINT.search(text)
        if found is not None:
            loaded[text.partition("\n")[0].strip()] = found[1]
    return loaded


def _listed(admin_socket: Path, folder: str) -> frozenset[str] | None:
    """Files of the folder that clients can be shown; None if haproxy knows no such folder. What a
    run that died has put in may be loaded and not be among them."""
    if folder not in socket.ask(admin_socket, "show ssl crt-list").split():
        return None
    answer = socket.ask(admin_socket, f"show ssl crt-list {folder}")
    return frozenset(line.partition(" ")[0] for line in answer.splitlines())


def _others(
    loaded: Mapping[str, str], folder: str, problems: dict[str, str]
) -> Iterator[tuple[str, Pem | None]]:
    for path in loaded:
        if _is_inside(path, folder):
            continue
        found = None
        try:
            found = pem.of_file(Path(path))
        except (OSError, ValueError) as error:
            problems[path] = pem.why(error)
        yield path, found


def _is_inside(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")


def _put(admin_socket: Path, path: str, found: Pem, folder: str) -> str:
    """Why it was not put in; "" if it was. ``folder``: it is new there."""
    if len(found.content) + len(path) > MAX_PAYLOAD:
        return "it is too long for haproxy's socket"
    if folder:
        socket.ask(admin_socket, f"new ssl cert {path}")
    said = socket.ask(admin_socket, f"set ssl cert {path} <<\n{found.content.decode()}")
    if "Transaction created" in said or "Transaction updated" in said:
        said = socket.ask(admin_socket, f"commit ssl cert {path}")
        if "Success!" in said and folder:
            said = socket.ask(admin_socket, f"add ssl crt-list {folder} {path}")
        if "Success!" in said:
            return ""
    after = [f"abort ssl cert {path}", *([f"del ssl cert {path}"] if folder else [])]
    socket.tell(admin_socket, after)
    return f"haproxy does not take it: {' '.join(said.split())[:200]}"


def _taken_out(admin_socket: Path, path: str, folder: str) -> bool:
    """haproxy keeps the one that it shows where no other is meant; a reload takes another then.
    ``folder`` "": it is in no list any more."""
    if folder:
        said = socket.ask(admin_socket, f"del ssl crt-list {folder} {path}")
        if "deleted" not in said or "cannot be deleted" in said:
            return False
    return "deleted!" in socket.ask(admin_socket, f"del ssl cert {path}")
