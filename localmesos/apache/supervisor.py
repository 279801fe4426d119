"""Brings back nodes that ended without being asked to, less and less eagerly if they keep ending.

It also bounds the logs of the nodes, since it looks at each of them anyway.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from localmesos.apache.child import Child
from localmesos.apache.errors import EngineError

_LOOK_SECONDS = 0.2
_LOG_SECONDS = 10.0
_FIRST_DELAY_SECONDS, _MAX_DELAY_SECONDS = 0.5, 30.0
_STEADY_SECONDS = 60.0  # who ran this long failed for a new reason


@dataclass(slots=True)
class _Record:
    delay_seconds: float = _FIRST_DELAY_SECONDS
    seen_ended_at: float | None = None
    started_at: float = 0.0


class Supervisor:
    """One thread that looks after the children named by `watched`, which may change."""

    def __init__(
        self, watched: Callable[[], Mapping[str, Child]], restart: Callable[[str], None]
    ) -> None:
        """`restart` is called with the name of a child, from the thread; may raise EngineError
        or OSError, which means another try later."""
        self._watched = watched
        self._restart = restart
        self._records: dict[str, _Record] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mesos-supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        log_checked_at = time.monotonic()
        while not self._stop.wait(_LOOK_SECONDS):
            children, now = self._watched(), time.monotonic()
            for name, child in children.items():
                self._look_after(name, child, now)
            if now - log_checked_at > _LOG_SECONDS:
                log_checked_at = now
                for child in children.values():
                    child.bound_log()

    def _look_after(self, name: str, child: Child, now: float) -> None:
        record = self._records.setdefault(name, _Record(started_at=now))
        if child.is_running():
            record.seen_ended_at = None
            return
        if record.seen_ended_at is None:
            record.seen_ended_at = now
            if now - record.started_at > _STEADY_SECONDS:
                record.delay_seconds = _FIRST_DELAY_SECONDS
            return
        if now - record.seen_ended_at < record.delay_seconds:
            return
        record.delay_seconds = min(_MAX_DELAY_SECONDS, 2 * record.delay_seconds)
        record.started_at, record.seen_ended_at = now, None
        try:
            self._restart(name)
        except (EngineError, OSError):
            record.seen_ended_at = now  # tried again after the longer delay
