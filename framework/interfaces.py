"""The adapters as the shell sees them, and what may go wrong with each.

Adapters turn the outside world into events and actions into calls; they decide nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from framework.domain.actions import Action
from framework.domain.events import Command, Event
from framework.domain.exits import ExitCode
from framework.domain.health import ProbeAction, ProbesReported
from framework.domain.replies import Reply
from framework.domain.state import Change, State


class SubmitEvent(Protocol):
    """Queues events, all of them or, after the end, none; may wait for room."""

    def __call__(self, *events: Event) -> None: ...


class StoreError(Exception):
    """The store failed or its outcome is unknown: the process must end and load again."""

    exit_code = ExitCode.STORE_LOST


class StoreReadOnlyError(StoreError):
    """The store takes no writes, because it is full, read-only, or not ours to write; the message
    says what to do."""

    exit_code = ExitCode.STORE_READ_ONLY


class StoreUnusableError(Exception):
    """The store can not be opened or understood; the message says what to do, ``exit_code`` is
    what a process that needs the store ends with."""

    exit_code = ExitCode.STORE_UNUSABLE


class StateTooNewError(StoreUnusableError):
    """A newer release wrote the store; nothing of it was changed."""

    exit_code = ExitCode.STATE_TOO_NEW


class LeadershipLostError(Exception):
    """Another process leads, or this one can no longer know that it does: it must end. Nothing
    may be written, launched or killed any more."""

    exit_code = ExitCode.LEADERSHIP_LOST


class Store(Protocol):
    """Durable changes. One writer; ``append`` is all or nothing."""

    def load(self) -> Iterator[Change]:
        """Every stored record once. StoreUnusableError if written by a newer release."""
        ...

    def append(self, changes: Sequence[Change]) -> None:
        """Make the changes durable, all or none, before returning. StoreError on failure."""
        ...

    def follow(self) -> Iterator[Sequence[Change]]:
        """What a warm standby reads: first the whole state in one batch, then with each
        ``next`` what was appended since (an empty batch when there is nothing new); a batch
        never holds a part of an append. The iterator ends when its position is forgotten,
        because it was not read for too long: start over with an empty State and a new call.
        StoreError if the store can not be read or was closed."""
        ...

    def checkpoint_from(self, state: State) -> None:
        """Take the whole state from here when a checkpoint is due: a published state, which at
        every ``append`` holds all that was appended before and nothing later. Read from another
        thread while it moves. Stores without checkpoints ignore it."""
        ...

    def close(self) -> None:
        """Release locks and files; harmless when repeated."""
        ...


class Leader(NamedTuple):
    """Whoever leads: ``address`` (host:port) is where others reach its API, ``secure`` whether
    by https."""

    address: str
    secure: bool = False


class Leadership(Protocol):
    """Who decides. Of all processes on one state at most one leads at a time, and each at most
    once: when it ends, the process ends."""

    def start(self, gained: Callable[[], None], lost: Callable[[Exception], None]) -> None:
        """Stand for election. ``gained`` is called once, from another thread, when this process
        leads and every earlier leader's writes fail; ``lost`` once when it must end, whether it
        led or not. ``gained`` may take its time."""
        ...

    def leader(self) -> Leader | None:
        """Who leads, as far as is known, at once; None: nobody."""
        ...

    def confirm(self, max_age_seconds: float = 0.0) -> None:
        """Return if this process still led at most ``max_age_seconds`` ago, looking anew when
        that is not known; waits while the connection is away. LeadershipLostError."""
        ...

    def stop(self) -> None:
        """Step down, so that another leads at once; harmless when repeated."""
        ...


class Mesos(Protocol):
    """The driver: subscribes, keeps subscribed, and carries calls. Every method returns at
    once; what happens comes back as events through the ``submit`` given to ``start``."""

    def start(self, submit: SubmitEvent, framework_id: str, roles: Sequence[str]) -> None:
        """Subscribe (as ``framework_id`` unless empty) and stay subscribed until ``stop``.
        New roles come later as UpdateRoles actions, kept across re-subscriptions."""
        ...

    def perform(self, actions: Sequence[Action]) -> None:
        """Send the calls in this order, now; while not subscribed each comes back as
        CallNotSent. Halt is not the driver's."""
        ...

    def stop(self) -> None:
        """Close the stream; tasks keep running. Never a TEARDOWN."""
        ...


class SecretUnavailableError(Exception):
    """A secret can not be had at the moment; the message says why and never holds its value."""


class Secrets(Protocol):
    """Where the values of secrets come from. Asked for each launch, by the thread that writes
    calls to Mesos: an answer must not take longer than a moment."""

    def value(self, source: str) -> bytes:
        """The value at this ``source`` (of an app's ``secrets``). SecretUnavailableError."""
        ...


class Probes(Protocol):
    """The prober: looks at running instances at their intervals. Every method returns at once;
    what it finds comes back as ProbesReported events."""

    def start(self, submit: Callable[[ProbesReported], None]) -> None:
        """Begin to look at what is watched."""
        ...

    def perform(self, actions: Sequence[ProbeAction]) -> None:
        """Watch and forget targets, in this order. A target of a known key replaces it."""
        ...

    def stop(self) -> None:
        """End every look; nothing is reported afterwards."""
        ...


class CommandTimeoutError(Exception):
    """The reply did not come in time: the command may still be carried out."""


class OverloadedError(Exception):
    """Too many events are queued; nothing was taken."""


class Scheduler(Protocol):
    """All that the API sees of the scheduler."""

    @property
    def view(self) -> State:
        """The published state: durable, read-only for the reader. Copy a table with one C call
        (``list(table.values())``) before iterating: it changes meanwhile."""
        ...

    def ask(self, command: Command, timeout_seconds: float = 10.0) -> Reply:
        """Submit the command and wait until its effect is durable and published."""
        ...

    def info(self) -> dict[str, object]:
        """What ``/v2/info`` and ``/v2/leader`` need: leader host:port, settings by name."""
        ...

    def metrics(self) -> bytes:
        """Prometheus text of every metric of the process."""
        ...

    def abdicate(self) -> None:
        """Begin to step down, so that another process leads, and this one ends; returns at
        once."""
        ...
