"""A scripted event stream: it says what the test says, and can be cut or fall silent."""

import json
import queue
import threading
from http.server import BaseHTTPRequestHandler


class EventStream:
    """An answer for a ``ScriptedServer``. ``opened`` counts connections, ``after`` their
    Last-Event-ID."""

    def __init__(self) -> None:
        self.after: list[str | None] = []
        self._open: list[queue.SimpleQueue[bytes | None]] = []
        self._lock = threading.Lock()
        self._number = 0

    @property
    def opened(self) -> int:
        """How many connections there have been."""
        return len(self.after)

    @property
    def connected(self) -> bool:
        """Whether anybody listens."""
        return bool(self._open)

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        """Send what is told until it is cut."""
        frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        with self._lock:
            self._open.append(frames)
            self.after.append(handler.headers.get("Last-Event-ID"))
        try:
            while (frame := frames.get()) is not None:
                handler.wfile.write(frame)
        except OSError:
            pass  # the listener went away
        finally:
            with self._lock:
                if frames in self._open:
                    self._open.remove(frames)

    def tell(self, kind: str = "instance_changed_event") -> str:
        """One event to everybody; its id."""
        with self._lock:
            self._number += 1
            text = json.dumps({"eventType": kind})
            frame = f"id: e-{self._number}\nevent: {kind}\ndata: {text}\n\n".encode()
            for frames in self._open:
                frames.put(frame)
            return f"e-{self._number}"

    def beat(self) -> None:
        """A heartbeat."""
        with self._lock:
            for frames in self._open:
                frames.put(b"\r\n")

    def cut(self) -> None:
        """End every connection."""
        with self._lock:
            for frames in self._open:
                frames.put(None)
            self._open.clear()
