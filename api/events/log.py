"""The numbered log of what happened lately, so that a reader that was away for a moment misses
nothing.

Numbers begin with each leader anew, so a position names the run it belongs to.
"""

import itertools
from collections import deque
from collections.abc import Iterator

from api.events.happening import Fields, Happening
from api.render.json import encode
from framework.domain.clock import iso


class Event:
    """One event: ``body`` is its JSON line, made when first asked for and kept."""

    __slots__ = ("_bodies", "_happening", "_moment_ms", "number")

    def __init__(self, number: int, moment_ms: int, happening: Happening) -> None:
        self.number = number
        self._moment_ms = moment_ms
        self._happening: Happening = happening
        self._bodies: dict[tuple[bool, bool], bytes] = {}

    @property
    def kind(self) -> str:
        """Marathon's eventType."""
        return self._happening.kind

    @property
    def apps(self) -> tuple[str, ...]:
        """The ids of the apps it is about; none: not about apps."""
        return self._happening.apps

    def body(self, *, whole_plans: bool = False, with_request: bool = False) -> bytes:
        """Its fields, as one line of JSON. ``whole_plans``: with the members of plans that
        Marathon up to 1.7 sent; old clients break without them, and nobody reads what is in.
        ``with_request``: with the id of the call that caused it, which Marathon has not."""
        request_id = self._happening.request_id if with_request else ""
        form = (whole_plans and self.kind.startswith("deployment_"), bool(request_id))
        if form not in self._bodies:
            self._bodies[form] = encode(self._fields(whole_plans=form[0], request_id=request_id))
        return self._bodies[form]

    def _fields(self, *, whole_plans: bool, request_id: str) -> Fields:
        told = {"eventType": self.kind, "timestamp": iso(self._moment_ms)}
        fields = self._happening.fields() | told
        if whole_plans and "plan" in fields:
            fields["plan"] = {"original": {}, "target": {}, **fields["plan"]}
        return {**fields, "requestId": request_id} if request_id else fields


class EventLog:
    """The latest ``limit`` events of a run; for one thread."""

    def __init__(self, run: str, limit: int) -> None:
        self.run = run
        self._numbers = itertools.count(1)
        self._events: deque[Event] = deque(maxlen=limit)
        self.latest = 0

    def add(self, moment_ms: int, happening: Happening) -> Event:
        """Number an event and keep it."""
        event = Event(next(self._numbers), moment_ms, happening)
        self.latest = event.number
        self._events.append(event)
        return event

    def skip(self) -> None:
        """Something was not numbered: what came before is no ground to go on from."""
        self.latest = next(self._numbers)
        self._events.clear()

    def position(self, number: int) -> str:
        """An event's id, as readers give it back."""
        return f"{self.run}-{number}"

    def after(self, position: str) -> Iterator[Event] | None:
        """What came after the event of this id; None if that is not known any more (another
        leader's, too old, or never given out)."""
        run, _, text = position.rpartition("-")
        if run != self.run or not text.isascii() or not text.isdecimal() or len(text) > 18:
            return None
        number = int(text)
        oldest = self._events[0].number if self._events else self.latest + 1
        if number > self.latest or number + 1 < oldest:
            return None
        return itertools.islice(self._events, number + 1 - oldest, None)
