"""A small stand-in for haproxy's admin socket: maps with versions, as haproxy 2.6 answers, and what
may go wrong with them.
"""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

MAX_BYTES = 16_384 - 1_024
"""Of what haproxy reads in one piece."""


@dataclass
class Map:
    """``versions``: entries by version."""

    now: int
    next: int
    versions: dict[int, list[str]]


@dataclass
class MapSocket:
    """``maps`` by name. ``before`` is called with each command, and may answer in its place."""

    pid: int = 7
    maps: dict[str, Map] = field(default_factory=dict)
    before: Callable[[str], str | None] = lambda _: None
    asked: list[str] = field(default_factory=list)

    def load(self, **texts: tuple[str, ...]) -> None:
        """Another worker, with these entries by kind, in files of any name."""
        self.pid += 1
        names = {kind: f"stayer-{kind}-{self.pid:016x}.map" for kind in texts}
        self.maps = {names[kind]: Map(0, 0, {0: list(texts[kind])}) for kind in texts}

    def serves(self) -> dict[str, list[str]]:
        """Entries that requests meet, by kind."""
        return {name.split("-")[1]: one.versions[one.now] for name, one in self.maps.items()}

    def answer(self, command: str, payload: list[str]) -> str:
        """What haproxy says."""
        self.asked.append(command)
        said = self.before(command)
        if said is not None:
            return said
        words = command.split()
        if command == "show info":
            return f"Name: HAProxy\nPid: {self.pid}\n\n"
        if command == "show map":
            return "# id (file) description\n" + "".join(map(self._line, self.maps)) + "\n"
        found = self.maps.get(words[-2] if words[-1] == "<<" else words[-1])
        if found is None:
            return "Unknown map identifier. Please use #<id> or <file>.\n\n"
        if words[0] == "prepare":
            found.next += 1
            found.versions[found.next] = []
            return f"New version created: {found.next}\n\n"
        return self._of_version(words[0], found, int(words[2].removeprefix("@")), payload)

    def _of_version(self, verb: str, found: Map, version: int, payload: list[str]) -> str:
        if version not in found.versions:
            return "Version number out of range.\n\n"
        if verb == "add":
            found.versions[version] += payload
        elif verb == "clear":
            del found.versions[version]
        elif verb == "commit":
            found.now, found.versions = version, {version: found.versions[version]}
        else:
            return "".join(f"0x55d0{at:08x} {one}\n" for at, one in enumerate(payload_of(found)))
        return "\n"

    def _line(self, name: str) -> str:
        one = self.maps[name]
        count = sum(len(entries) for entries in one.versions.values())
        end = f"curr_ver={one.now} next_ver={one.next} entry_cnt={count}"
        return (
            f"0 ({name}) pattern loaded from file '{name}' used by map at file 'x' line 1. {end}\n"
        )


def payload_of(found: Map) -> list[str]:
    """Entries of the newest version."""
    return found.versions[max(found.versions)]


@contextmanager
def map_socket(path: Path) -> Iterator[MapSocket]:
    """It listens at ``path`` for the length of the block."""
    made = MapSocket()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            line = self.rfile.readline().decode().rstrip("\n")
            payload: list[str] = []
            if line.endswith("<<"):
                payload = list(iter(lambda: self.rfile.readline().decode().rstrip("\n"), ""))
                size = sum(len(one) + 1 for one in payload)
                assert size <= MAX_BYTES, "haproxy reads no more in one piece"
            answers = [made.answer(command, payload) for command in line.split(";")]
            self.wfile.write("".join(answers).encode())

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
