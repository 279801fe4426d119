"""One reader of events: what it wants, in which form, and what it has not taken yet.

No socket is touched by any thread but the writer's.
"""

import socket
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from api.events.catalogue import OURS
from api.events.log import Event

_SEND_BYTES = 64 * 1024
BLOCKED = (BlockingIOError, InterruptedError, ssl.SSLWantWriteError, ssl.SSLWantReadError)
"""What a connection raises that can take, or has, nothing just now."""

LabelsOf = Callable[[str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Wants:
    """A reader's filter: event types (none: all, of /v2 but ours), app ids (an id that ends in
    /* takes all below), and a test of an app's labels. ``numbered``: the form of /v3;
    ``whole_plans``: see ``Event.body``."""

    kinds: frozenset[str] = frozenset()
    apps: tuple[str, ...] = ()
    selected: Callable[[Mapping[str, str]], bool] | None = None
    numbered: bool = False
    whole_plans: bool = False

    def takes(self, event: Event, labels_of: LabelsOf) -> bool:
        """Whether the event is for this reader."""
        if self.kinds:
            if event.kind not in self.kinds:
                return False
        elif event.kind in OURS and not self.numbered:
            return False
        if self.apps and not any(self._names(app_id) for app_id in event.apps):
            return False
        selected = self.selected
        return selected is None or any(selected(labels_of(app_id)) for app_id in event.apps)

    def _names(self, app_id: str) -> bool:
        return any(
            app_id.startswith(one[:-1]) if one.endswith("/*") else app_id == one
            for one in self.apps
        )


class Reader:
    """A connection whose headers were sent. ``chunked``: frames go out as HTTP chunks, else as
    they are (HTTP/1.0). ``after``: the id to go on after, if it gave one."""

    def __init__(
        self,
        connection: socket.socket,
        address: str,
        wants: Wants,
        *,
        chunked: bool,
        after: str | None = None,
    ) -> None:
        self.connection = connection
        self.address = address
        self.wants = wants
        self.after = after
        self.replayed = 0  # frames of what it missed that are still to be sent
        self.taken = 0  # frames that were sent whole
        self.sent_bytes = 0
        self.on_closed: Callable[[int, int], None] = lambda _frames, _bytes: None
        self.closing = False  # nothing is added any more; closed once all is sent
        self._chunked = chunked
        self._frames: deque[bytes] = deque()
        self._sent = 0  # of the first frame

    @property
    def outstanding(self) -> int:
        """Frames that were not sent whole yet."""
        return len(self._frames)

    def lags(self, most: int) -> bool:
        """Whether more than ``most`` frames wait beside those of a replay, which it can not have
        taken yet."""
        self.replayed = min(self.replayed, self.outstanding)
        return not self.closing and self.outstanding - self.replayed > most

    def add(self, frame: bytes) -> None:
        """Queue a frame."""
        if not self.closing:
            self._frames.append(_chunk(frame) if self._chunked else frame)

    def end(self, last: bytes = b"") -> None:
        """Give up what was not begun to be sent, say the last word, and close after it."""
        if self.closing:
            return
        begun = self._frames[0] if self._frames and self._sent else None
        self._frames.clear()
        if begun is not None:
            self._frames.append(begun)
        if last:
            self.add(last)
        if self._chunked:
            self._frames.append(b"0\r\n\r\n")
        self.closing = True

    def send(self) -> bool:
        """Send what the connection takes now; whether something is left. OSError when it is
        gone."""
        while self._frames:
            try:
                count = self.connection.send(self._piece())
            except BLOCKED:
                return True
            self._advance(count)
        return False

    def close(self) -> None:
        """The end of its connection, told to whoever wants to know."""
        self.connection.close()
        self.on_closed(self.taken, self.sent_bytes)

    def _piece(self) -> bytes:
        """As much as goes into one call: usually one frame, more when it lags behind."""
        first = self._frames[0][self._sent :] if self._sent else self._frames[0]
        if len(first) >= _SEND_BYTES or len(self._frames) == 1:
            return first
        pieces, size = [first], len(first)
        for frame in list(self._frames)[1:64]:
            size += len(frame)
            if size > _SEND_BYTES:
                break
            pieces.append(frame)
        return b"".join(pieces)

    def _advance(self, count: int) -> None:
        self.sent_bytes += count
        count += self._sent
        while self._frames and count >= len(self._frames[0]):
            count -= len(self._frames.popleft())
            self.taken += 1
        self._sent = count


def _chunk(frame: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(frame), frame)
