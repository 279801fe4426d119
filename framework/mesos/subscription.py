"""One subscription: the request, and the event stream that answers it.

Blocking, for the stream's own thread. ``close`` may be called from any other.
"""

import socket
from collections.abc import Callable

from framework.mesos.connection import BEFORE_BODY, Connector, shut_down
from framework.mesos.http1 import (
    Body,
    End,
    Head,
    MalformedResponseError,
    Part,
    ResponseParser,
)
from framework.mesos.master import Endpoint, redirect_target
from framework.mesos.recordio import RecordDecoder

_READ_BYTES = 256 * 1024
_MAX_ANSWER_BYTES = 2000
ANSWER_TIMEOUT_SECONDS = 30.0
"""For the head of the answer; a master that has just begun to lead is slow to answer."""

# Refusals that do not pass by themselves, and what to do about each. All others may pass.
_ADVICE = {
    400: "it does not understand the request; check framework_name, mesos_role and mesos_user",
    401: "check mesos_authentication_principal and mesos_authentication_secret_file",
    403: "its ACLs (register_frameworks) do not let this principal have these roles",
}


class SubscriptionError(Exception):
    """The subscription can not be had, or is over."""


class NotSubscribedError(SubscriptionError):
    """The master did not take the subscription. ``refused``: it will not take it later either."""

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused


def refusal(endpoint: Endpoint, status: int, text: str) -> NotSubscribedError:
    """What an answer to SUBSCRIBE other than 200 and redirects means, with advice."""
    why = f"{endpoint} answers {status} {text}".strip()
    advice = _ADVICE.get(status)
    if advice is not None:
        return NotSubscribedError(f"{why}: {advice}", refused=True)
    return NotSubscribedError(why)


class RedirectedError(SubscriptionError):
    """Another master leads."""

    def __init__(self, leader: Endpoint) -> None:
        super().__init__(f"redirected to {leader}")
        self.leader = leader


class SilenceError(SubscriptionError):
    """No event came for longer than heartbeats allow."""


class StreamEndedError(SubscriptionError):
    """The master ended the stream."""


class Subscription:
    """The open event stream. Errors of reading are OSError, SubscriptionError,
    MalformedResponseError and MalformedStreamError; after any of them it is of no more use."""

    def __init__(
        self, connection: socket.socket, endpoint: Endpoint, clock: Callable[[], float]
    ) -> None:
        self.endpoint = endpoint
        self.stream_id = ""
        self._connection = connection
        self._clock = clock
        self._parser = ResponseParser()
        self._records = RecordDecoder()
        self._early: list[bytes] = []  # records that came with the head
        self._ended = False
        self._why_interrupted = ""
        self._silent_since = clock()

    def subscribe(self, connector: Connector, body: bytes) -> None:
        """Send SUBSCRIBE and read the head of the answer. NotSubscribedError, RedirectedError,
        or an error of reading."""
        length = str(len(body)).encode("ascii")
        head = connector.request_head(self.endpoint) + length + BEFORE_BODY
        self._connection.settimeout(ANSWER_TIMEOUT_SECONDS)
        self._connection.sendall(head + body)
        answer = self._read_head(self._clock() + ANSWER_TIMEOUT_SECONDS)
        self.stream_id = answer.headers.get("mesos-stream-id", "")
        if not self.stream_id:
            raise NotSubscribedError("the answer has no Mesos-Stream-Id: is this a Mesos master?")

    def records(self, silence_seconds: float) -> list[bytes]:
        """The next records, at least one; SilenceError if none came within ``silence_seconds``
        after the previous ones."""
        records, self._early = self._early, []
        while not records:
            data = self._read(self._silent_since + silence_seconds)
            records = self._cut(self._parser.feed(data))
        self._silent_since = self._clock()
        return records

    def interrupt(self, why: str = "") -> None:
        """From any thread: let a running read end with StreamEndedError, which says ``why``."""
        self._why_interrupted = why
        shut_down(self._connection)

    def close(self) -> None:
        """Release the socket; by the reading thread."""
        self._connection.close()

    def _read(self, deadline: float) -> bytes:
        if self._ended:
            raise StreamEndedError("the master ended the stream")
        left = deadline - self._clock()
        if left <= 0:
            raise SilenceError("no event in time")
        self._connection.settimeout(left)
        try:
            data = self._connection.recv(_READ_BYTES)
        except TimeoutError:
            raise SilenceError("no event in time") from None
        if not data:
            raise StreamEndedError(self._why_interrupted or "the master ended the stream")
        return data

    def _read_head(self, deadline: float) -> Head:
        """The head of a good answer; its first records, if some came too, are kept."""
        while True:
            parts = self._parser.feed(self._read(deadline))
            if not parts:
                continue
            head, *rest = parts
            if not isinstance(head, Head):
                raise MalformedResponseError("an answer without a head")
            if head.status != 200:
                self._refused(head, rest, deadline)
            self._early = self._cut(rest)
            return head

    def _refused(self, head: Head, parts: list[Part], deadline: float) -> None:
        if head.status in (301, 302, 307, 308):
            try:
                leader = redirect_target(head.headers.get("location", ""), self.endpoint)
            except ValueError as error:
                raise NotSubscribedError(str(error)) from None
            raise RedirectedError(leader)
        raise refusal(self.endpoint, head.status, self._error_text(parts, deadline))

    def _error_text(self, parts: list[Part], deadline: float) -> str:
        text = b""
        try:
            while True:
                for part in parts:
                    if isinstance(part, End):
                        return text.decode("utf-8", "replace")
                    if isinstance(part, Body):
                        text += part.data[: _MAX_ANSWER_BYTES - len(text)]
                parts = self._parser.feed(self._read(deadline))
        except (OSError, SubscriptionError, MalformedResponseError):
            return text.decode("utf-8", "replace")

    def _cut(self, parts: list[Part]) -> list[bytes]:
        records: list[bytes] = []
        for part in parts:
            if isinstance(part, Body):
                records += self._records.feed(part.data)
            elif isinstance(part, End):
                self._ended = True  # said at the next read: the last record may be an ERROR
        return records
