"""The calls of one connection: waiting, sent, answered. Sans-I/O.

Calls leave in the order they came and are answered in that order, so the first answer belongs to
the oldest call that has none. At most ``window`` calls are unanswered at a time; the others wait
in a bounded queue. When the connection ends, each call's fate is told by how far it got: one
whose bytes were not all written did certainly not happen.

What a written call without an answer comes back as:
- an ACCEPT, a TEARDOWN: CallUnanswered, it may have happened and can not be undone;
- everything else: CallNotSent. Repeating it does no harm, and after the re-subscription the core
  does repeat what still matters (kills, reconciliation, revive), Mesos sends an unacknowledged
  update again, and offers to be declined are void.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from framework.domain.actions import (
    Accept,
    Action,
    RemoveFramework,
    Revive,
    Suppress,
    UpdateRoles,
)
from framework.domain.events import CallNotSent, CallUnanswered
from framework.mesos.calls import LaunchesImpossibleError, call_type
from framework.mesos.http1 import Body, End, Head, MalformedResponseError, ResponseParser

WINDOW = 1000
MAX_WAITING = 100_000
_MAX_UNSENT_BYTES = 1024 * 1024
_MAX_WHY_BYTES = 2000
_MAY_HAVE_HAPPENED = (Accept, RemoveFramework)
_ROLE_CHANGES = (UpdateRoles, Suppress, Revive)

NOT_SENT = "not-sent"
UNANSWERED = "unanswered"

CallFailure = CallNotSent | CallUnanswered
Encode = Callable[[Action], bytes]
"""The whole request of an action; ValueError if it can not be said."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of calls: events for the core, (call type, result) for the counts, and the
    changes of roles that Mesos took. ``ends`` is why the subscription must be begun anew, if it
    must."""

    events: list[CallFailure]
    results: list[tuple[str, str]]
    ends: str = ""
    role_changes: list[Action] = field(default_factory=list)


class Pipeline:
    """Not for several threads at once."""

    def __init__(
        self, encode: Encode, window: int = WINDOW, max_waiting: int = MAX_WAITING
    ) -> None:
        self._encode = encode
        self._window = window
        self._max_waiting = max_waiting
        self._waiting: deque[Action] = deque()
        self._unanswered: deque[tuple[Action, int]] = deque()  # with the offset where it ends
        self._encoded_bytes = 0
        self._sent_bytes = 0
        self._parser = ResponseParser()
        self._head: Head | None = None
        self._why = b""

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is unanswered."""
        return not self._waiting and not self._unanswered

    @property
    def can_send(self) -> bool:
        """Whether a call waits and the window lets it go."""
        return bool(self._waiting) and len(self._unanswered) < self._window

    @property
    def unanswered(self) -> int:
        """The number of calls sent, or being sent, and not answered."""
        return len(self._unanswered)

    def add(self, actions: Sequence[Action]) -> Outcomes:
        """Queue calls; those beyond the limit come back."""
        room = max(0, self._max_waiting - len(self._waiting))
        self._waiting.extend(actions[:room])
        why = f"{self._max_waiting} calls are waiting already"
        return not_sent(actions[room:], why)

    def to_send(self) -> tuple[bytes, Outcomes]:
        """The bytes to write next, as far as the window and a limit on bytes allow; together
        with what could not be said at all."""
        pieces: list[bytes] = []
        impossible: list[CallFailure] = []
        results: list[tuple[str, str]] = []
        limit = self._sent_bytes + _MAX_UNSENT_BYTES
        while (
            self._waiting and len(self._unanswered) < self._window and self._encoded_bytes < limit
        ):
            action = self._waiting.popleft()
            try:
                request = self._encode(action)
            except LaunchesImpossibleError as error:
                # The others must not suffer for them, and the offers are to be answered.
                impossible += [CallNotSent(accept, why) for accept, why in error.failed]
                self._waiting.appendleft(error.rest)
                continue
            except ValueError as error:
                impossible.append(CallNotSent(action, str(error)))
                results.append((call_type(action), NOT_SENT))
                continue
            pieces.append(request)
            self._encoded_bytes += len(request)
            self._unanswered.append((action, self._encoded_bytes))
        return b"".join(pieces), Outcomes(impossible, results)

    def sent(self, size: int) -> None:
        """Note that so many more bytes were given to the system."""
        self._sent_bytes += size

    def received(self, data: bytes) -> Outcomes:
        """What the bytes of the master say about the oldest calls. MalformedResponseError."""
        outcomes = Outcomes([], [])
        ends = ""
        for part in self._parser.feed(data):
            if isinstance(part, Head):
                self._head, self._why = part, b""
            elif isinstance(part, Body):
                self._why += part.data[: _MAX_WHY_BYTES - len(self._why)]
            elif isinstance(part, End):
                if self._head is None:
                    raise MalformedResponseError("an answer without a head")
                text = self._why.decode("utf-8", "replace")
                ends = self._settle(self._head.status, text, outcomes) or ends
        return Outcomes(outcomes.events, outcomes.results, ends, outcomes.role_changes)

    def answered(self, status: int, text: str) -> Outcomes:
        """What this answer says about the oldest call. MalformedResponseError if there is none."""
        outcomes = Outcomes([], [])
        ends = self._settle(status, text, outcomes)
        return Outcomes(outcomes.events, outcomes.results, ends, outcomes.role_changes)

    def _settle(self, status: int, text: str, outcomes: Outcomes) -> str:
        """Settle the oldest call with its answer; returns why all must end."""
        if not self._unanswered:
            raise MalformedResponseError("the master answers what it was not asked")
        action, _ = self._unanswered.popleft()
        outcomes.results.append((call_type(action), str(status)))
        if 200 <= status < 300:
            if isinstance(action, _ROLE_CHANGES):
                outcomes.role_changes.append(action)
            return ""
        why = f"{status} {text}".strip()
        if status >= 500 and status != 503 and isinstance(action, _MAY_HAVE_HAPPENED):
            outcomes.events.append(CallUnanswered(action))
        else:
            outcomes.events.append(CallNotSent(action, why))
        return _why_all_must_end(status, why)

    def abandon(self, why: str) -> Outcomes:
        """The connection is gone: the fate of every call that is left, oldest first."""
        outcomes = Outcomes([], [])
        for action, end in self._unanswered:
            if end <= self._sent_bytes and isinstance(action, _MAY_HAVE_HAPPENED):
                outcomes.events.append(CallUnanswered(action))
                outcomes.results.append((call_type(action), UNANSWERED))
            else:
                result = UNANSWERED if end <= self._sent_bytes else NOT_SENT
                outcomes.events.append(CallNotSent(action, why))
                outcomes.results.append((call_type(action), result))
        waiting = not_sent(self._waiting, why)
        self._unanswered.clear()
        self._waiting.clear()
        return Outcomes(outcomes.events + waiting.events, outcomes.results + waiting.results, why)


def not_sent(actions: Sequence[Action], why: str) -> Outcomes:
    """These never left."""
    return Outcomes(
        [CallNotSent(action, why) for action in actions],
        [(call_type(action), NOT_SENT) for action in actions],
    )


def _why_all_must_end(status: int, why: str) -> str:
    """A master that does not lead any more, or does not know us as subscribed any more. A stream
    id that is not ours is no such reason: whoever displaced us is the one subscribed now, and an
    ERROR on the stream says so; to subscribe again by ourselves would displace it in turn."""
    if status in (307, 503) or (status == 403 and "not subscribed" in why):
        return f"the master answers a call with {why}"
    return ""
