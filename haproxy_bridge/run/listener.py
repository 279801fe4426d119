"""The scheduler's event stream, as a bell: it rings when something may have changed.

What changed is asked for elsewhere, so a stream that is cut, or silent, or of another scheduler's
member costs nothing but time: the daemon also looks by itself. Stream and questions go to the same
URL, lest an event be ahead of the answer.
"""

import random
import threading
import time
from collections.abc import Callable
from contextlib import closing

from api.client import Client, ClientError, RefusedError
from haproxy_bridge.source import Kind

HEARTBEAT_SECONDS = 10.0
"""Stayer's and Marathon's streams say something at least that often."""
SILENCE_SECONDS = 2 * HEARTBEAT_SECONDS
_NOT_OURS = frozenset(
    {
        "event_stream_attached",
        "event_stream_detached",
        "subscribe_event",
        "unsubscribe_event",
        "failed_health_check_event",
        "framework_message_event",
        "scheduler_remark",
        "alarm_raised",
        "alarm_cleared",
    }
)
_FIRST_PAUSE_SECONDS = 0.2
_MAX_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 5.0


class Listener:
    """A thread that reads. ``connected``: a stream is open; ``why``: what ended the last one."""

    def __init__(
        self,
        client: Client,
        kind: Callable[[], Kind],
        heard: Callable[[], None],
        *,
        silence_seconds: float = SILENCE_SECONDS,
        max_pause_seconds: float = _MAX_PAUSE_SECONDS,
    ) -> None:
        self.connected = False
        self.why = ""
        self._client = client
        self._kind = kind
        self._heard = heard
        self._silence_seconds = silence_seconds
        self._max_pause_seconds = max_pause_seconds
        self._stopping = threading.Event()
        self._last_id = ""
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more. A stream that is silent is left to end with the process."""
        self._stopping.set()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._read()
                self.why = "the stream ended"
            except RefusedError as error:
                self.why, self._last_id = str(error), ""
            except ClientError as error:
                self.why = str(error)
            self.connected = False
            steady = time.monotonic() - began > _STEADY_SECONDS
            failures = 0 if steady else min(failures + 1, 20)
            pause = min(self._max_pause_seconds, _FIRST_PAUSE_SECONDS * 2.0**failures)
            self._stopping.wait(pause * (0.5 + random.random() / 2))  # noqa: S311 - spreads load

    def _read(self) -> None:
        # Asked for before the stream begins: whatever answers first decides for both.
        marathon = self._kind() in {Kind.MARATHON, Kind.TEXT}
        stream = self._client.events(
            after="" if marathon else self._last_id,
            marathon=marathon,
            silence_seconds=self._silence_seconds,
            goes_on=lambda: self._goes_on(url),
        )
        url = self._client.urls[0]
        with closing(stream):
            self.connected = True
            self._heard()  # what happened while nobody listened
            for event in stream:
                self._last_id = event.id or self._last_id
                if event.kind not in _NOT_OURS:
                    self._heard()

    def _goes_on(self, url: str) -> bool:
        return not self._stopping.is_set() and self._client.urls[0] == url
