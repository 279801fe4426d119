"""A small stand-in for haproxy's admin socket: it counts sessions as the test says."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class StatsSocket:
    """``sessions`` by backend and server; ``asked`` are the lines that came."""

    sessions: dict[tuple[str, str], int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, line: str) -> str:
        """What haproxy says."""
        self.asked.append(line)
        return "".join(self._answer(command.split()) for command in line.split(";"))

    def _answer(self, words: list[str]) -> str:
        names = sorted({backend for backend, _ in self.sessions})
        if words[:2] == ["show", "stat"]:
            rows = [
                f"{name},{server},0,0,{count},9"
                for (name, server), count in self.sessions.items()
                if str(names.index(name)) == words[2]
            ]
            return "\n".join(["# pxname,svname,qcur,qmax,scur,smax", *rows, "", ""])
        rows = [
            f"{names.index(name)} {name} {server}"
            for name, server in self.sessions
            if name == words[-1]
        ]
        return "\n".join(["1", "# be_id be_name srv_name", *rows, "", ""])


@contextmanager
def stats_socket(path: Path) -> Iterator[StatsSocket]:
    """It listens at ``path`` for the length of the block."""
    made = StatsSocket()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(made.answer(self.rfile.readline().decode().strip()).encode())

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()
