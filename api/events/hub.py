"""Where what happened comes in and readers are found: one for each process that leads.

``tell`` is called from the thread that carries decisions out, so it only hands over; all the
rest happens in the writer's thread.
"""

import secrets
import time
from collections.abc import Callable, Mapping

from api.events.catalogue import happenings
from api.events.happening import Happening
from api.events.log import EventLog
from api.events.reader import Reader
from api.events.writer import Writer
from api.options import ApiOptions
from framework.domain.notices import Notice
from framework.domain.state import State

_LOG_EVENTS = 10_000
_NO_LABELS: Mapping[str, str] = {}


def _wall_clock_ms() -> int:
    return time.time_ns() // 1_000_000


class EventHub:
    """``start``, then ``tell`` and ``join`` from any thread, then ``stop``."""

    def __init__(
        self,
        view: State,
        options: ApiOptions,
        *,
        now_ms: Callable[[], int] = _wall_clock_ms,
        log_events: int = _LOG_EVENTS,
    ) -> None:
        self._view = view
        self._now_ms = now_ms
        self.log = EventLog(secrets.token_hex(4), log_events)
        self._writer = Writer(
            self.log,
            self._labels_of,
            now_ms=now_ms,
            max_outstanding=options.event_stream_max_outstanding_messages,
            max_readers=options.event_stream_max_readers,
        )
        self.counts = self._writer.counts

    def start(self) -> None:
        """Begin to write."""
        self._writer.start()

    def stop(self) -> None:
        """Close every stream; harmless when repeated."""
        self._writer.stop()

    def tell(self, notice: Notice) -> None:
        """Something happened; returns at once."""
        for happening in happenings(notice, self._view):
            self._writer.submit(self._now_ms(), happening)

    def tell_of_request(self, happening: Happening) -> None:
        """Something that the API itself knows of (caused.py)."""
        self._writer.submit(self._now_ms(), happening)

    @property
    def full(self) -> bool:
        """Whether no further reader is taken."""
        return self._writer.full

    def join(self, reader: Reader) -> None:
        """Write to this connection from now on; it is the hub's to close."""
        self._writer.join(reader)

    def _labels_of(self, app_id: str) -> Mapping[str, str]:
        app = self._view.apps.get(app_id)
        return _NO_LABELS if app is None else app.labels
