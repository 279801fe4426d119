"""Processes that stand by for each other, in one process of the tests: real servers on loopback,
each over a scheduler of its own; who leads is what a test says."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from api.application import create_app
from api.front import Front
from api.options import ApiOptions
from api.server import ApiServer
from framework.interfaces import Leader
from tests.unit.api.reading import compile_pattern
from tests.unit.api.recorder import Recorder

WAIT_SECONDS = 0.2
NOBODY = Leader("127.0.0.1:1")  # nothing listens on this port


class Process:
    """One process: serves from the start, leads when ``leads`` is set, and otherwise believes
    that ``leader`` does. ``looks`` counts how often it looked who does."""

    def __init__(self, *, wait_seconds: float = WAIT_SECONDS, **options: Any) -> None:
        self.scheduler = Recorder()
        self.leads = False
        self.leader: Leader | None = None
        self.looks = 0
        self.metrics = b""
        settings = ApiOptions(**{"http_port": 0, "http_threads": 4, **options})
        application = create_app(self.scheduler, settings, compile_pattern)
        front = Front(
            settings,
            own=lambda: self.own,
            leader=self._who_leads,
            inner=lambda: application if self.leads else None,
            metrics=lambda: self.metrics,
            wait_seconds=wait_seconds,
        )
        self.server = ApiServer(front, settings)

    def _who_leads(self) -> Leader | None:
        self.looks += 1
        return self.leader

    @property
    def own(self) -> Leader:
        return self.server.reached_at("127.0.0.1")

    def lead(self) -> None:
        """Lead from now on."""
        self.scheduler.facts["leader"] = self.own.address
        self.leader, self.leads = self.own, True


@contextmanager
def serving(*processes: Process) -> Iterator[None]:
    """All of them serve within the block."""
    with ExitStack() as stack:
        for one in processes:
            stack.callback(one.server.stop)
            one.server.start()
        yield


@dataclass(frozen=True)
class Answered:
    """An answer as it came; header names without regard to case."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def said(self) -> tuple[int, str]:
        """Status and message of a refusal."""
        return self.status, self.json["message"]


def ask(
    process: Process,
    method: str,
    target: str,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Answered:
    """One call on a connection of its own. An iterable body is sent in chunks."""
    connection = http.client.HTTPConnection("127.0.0.1", process.server.port, timeout=30)
    try:
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        return Answered(response.status, response.headers, response.read())
    finally:
        connection.close()
