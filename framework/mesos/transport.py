"""What carries the driver's bytes: a subscription's event stream, and the calls beside it.

The driver knows when to subscribe, to whom, and what to make of each record; a transport knows
sockets. Ours (here) reads and pipelines by itself; the one of ``pymesos_driver`` uses pymesos.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from framework.domain.actions import Action
from framework.mesos.call_connection import CallConnection
from framework.mesos.connection import BEFORE_BODY, Connector, connector_for
from framework.mesos.master import Endpoint
from framework.mesos.options import MesosOptions
from framework.mesos.pipeline import Outcomes, Pipeline
from framework.mesos.subscription import Subscription

Encode = Callable[[Action], bytes]
Report = Callable[[Outcomes], None]


class Calls(Protocol):
    """The calls of one subscription, carried in the order they are handed over."""

    def start(self) -> None:
        """Begin to carry calls."""
        ...

    def perform(self, actions: Sequence[Action]) -> Sequence[Action]:
        """Take the calls, from any thread, without waiting; returns those not taken, because
        the subscription is over or too many wait."""
        ...

    def finish(self, seconds: float, *, send: bool) -> tuple[str, Outcomes]:
        """End it, from any other thread: wait at most so long for the missing answers, and with
        ``send`` for the calls still waiting. Returns why it had broken by itself ("" if it had
        not), and what became of the calls that were left."""
        ...


class Stream(Protocol):
    """One subscription. Blocking, for the driver's thread; ``interrupt`` is for any other. Errors
    of reading are OSError, SubscriptionError, MalformedResponseError and MalformedStreamError;
    after any of them it is of no more use."""

    @property
    def endpoint(self) -> Endpoint:
        """The master this stream comes from."""
        ...

    def subscribe(self, body: bytes) -> None:
        """Send SUBSCRIBE and see it accepted. NotSubscribedError, RedirectedError, or an error
        of reading."""
        ...

    def records(self, silence_seconds: float) -> list[bytes]:
        """The next records, at least one; SilenceError if none came within ``silence_seconds``
        after the previous ones."""
        ...

    def calls(self, encode: Encode, report: Report) -> Calls:
        """What will carry the calls of this subscription, once it was accepted: not started.
        ``encode`` makes a call's JSON; ``report`` gets what became of calls, from another
        thread. The stream is interrupted when they break by themselves."""
        ...

    def interrupt(self, why: str = "") -> None:
        """Let a running read end with StreamEndedError, which says ``why``."""
        ...

    def close(self) -> None:
        """Release what is open; by the reading thread."""
        ...


class Transport(Protocol):
    """Opens streams. Its maker raises ValueError or OSError if the options can not be used."""

    def open(self, endpoint: Endpoint) -> Stream:
        """A stream from this master, not subscribed. OSError or ValueError."""
        ...


class HttpTransport:
    """Our own: sockets read in large pieces, calls pipelined on a second connection."""

    def __init__(self, options: MesosOptions, clock: Callable[[], float] = time.monotonic) -> None:
        self._options = options
        self._clock = clock
        connector_for(options)  # to find a missing secret now, not when it is needed

    def open(self, endpoint: Endpoint) -> Stream:
        """See ``Transport.open``; the secret is read anew each time."""
        return _HttpStream(connector_for(self._options), endpoint, self._clock)


class _HttpStream:
    def __init__(
        self, connector: Connector, endpoint: Endpoint, clock: Callable[[], float]
    ) -> None:
        self.endpoint = endpoint
        self._connector = connector
        self._clock = clock
        self._subscription = Subscription(connector.open(endpoint), endpoint, clock)
        self.records = self._subscription.records
        self.interrupt = self._subscription.interrupt
        self.close = self._subscription.close

    def subscribe(self, body: bytes) -> None:
        self._subscription.subscribe(self._connector, body)

    def calls(self, encode: Encode, report: Report) -> Calls:
        connector, endpoint = self._connector, self.endpoint
        head = connector.request_head(endpoint, self._subscription.stream_id)

        def request(action: Action) -> bytes:
            call = encode(action)
            return b"%b%d%b%b" % (head, len(call), BEFORE_BODY, call)

        return CallConnection(
            lambda: connector.open(endpoint),
            Pipeline(request),
            report,
            self.interrupt,
            self._clock,
        )
