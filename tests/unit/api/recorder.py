"""A scheduler at the boundary: a real State to read, and a record of what was asked."""

import threading
from collections import deque
from collections.abc import Callable

from framework.domain.app import App
from framework.domain.events import Command
from framework.domain.replies import Done, Reply
from framework.domain.state import Change, Kind, Record, State, version_key

Prepared = Reply | Exception | Callable[[Command], Reply]


class Recorder:
    """Implements the Protocol ``Scheduler``. ``replies`` are given in order; without one a
    command is simply done."""

    def __init__(self) -> None:
        self.view = State()
        self.asked: list[Command] = []
        self.timeouts: list[float] = []
        self.replies: deque[Prepared] = deque()
        self.facts: dict[str, object] = {"leader": "h1:8080", "version": "9.9", "settings": {}}
        self.exposition = b""
        self.abdicated = threading.Event()

    def ask(self, command: Command, timeout_seconds: float = 10.0) -> Reply:
        self.asked.append(command)
        self.timeouts.append(timeout_seconds)
        if not self.replies:
            return Done("2026-01-02T03:04:05.678Z", "d-1")
        prepared = self.replies.popleft()
        if isinstance(prepared, Exception):
            raise prepared
        return prepared(command) if callable(prepared) else prepared

    def info(self) -> dict[str, object]:
        return self.facts

    def metrics(self) -> bytes:
        return self.exposition

    def abdicate(self) -> None:
        self.abdicated.set()

    def hold(self, kind: Kind, id_: str, record: Record | None) -> None:
        """Have the published view show this record."""
        self.view.apply([Change(kind, id_, record)])

    def hold_app(self, app: App) -> None:
        """Have the view show this app, and its version among the stored ones."""
        self.hold(Kind.APP, app.id, app)
        self.hold(Kind.APP_VERSION, version_key(app.id, app.version), app)
