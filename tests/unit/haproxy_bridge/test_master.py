"""A reload by haproxy's master, as its counts of reloads tell."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from haproxy_bridge.runtime import master
from haproxy_bridge.runtime.master import ReloadError

Start = Callable[..., Path]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a master that tells these processes one after the other, and the last for ever."""
    with ExitStack() as stack:

        def run(*answers: str) -> Path:
            left = list(answers)

            class Handler(socketserver.StreamRequestHandler):
                def handle(self) -> None:
                    if self.rfile.readline().startswith(b"show proc"):
                        text = left.pop(0) if len(left) > 1 else left[0]
                        self.wfile.write(text.encode())

            path = tmp_path / "m"
            server = stack.enter_context(socketserver.ThreadingUnixStreamServer(str(path), Handler))
            threading.Thread(target=server.serve_forever, args=(0.02,)).start()
            stack.callback(server.shutdown)
            return path

        yield run


def told(pid: int, reloads: int, failed: int, *workers: int) -> str:
    lines = [f"{pid} master {reloads} [failed: {failed}] 0d00h01m00s 2.6", "# workers"]
    lines += [f"{worker} worker 0 0d00h00m01s 2.6" for worker in workers]
    return "\n".join([*lines, "# old workers", "# programs", ""])


def reload(path: Path) -> None:
    master.reload(path, timeout_seconds=20, wait=lambda _: None)


def test_it_is_done_once_a_new_worker_serves(start: Start) -> None:
    waiting = [told(1, 3, 0, 10), told(1, 4, 0)]
    reload(start(told(1, 3, 0, 10), *waiting, told(1, 4, 0, 11)))


def test_a_refused_configuration_is_told(start: Start) -> None:
    with pytest.raises(ReloadError, match="refused"):
        reload(start(told(1, 3, 0, 10), told(1, 4, 1, 10)))


def test_a_master_that_was_started_anew_has_loaded_it(start: Start) -> None:
    reload(start(told(1, 3, 2, 10), told(2, 0, 0), told(2, 0, 0, 11)))
