"""Small stand-ins for what lies outside the runtime: a store, Mesos, probes, and who is told.

All of them write what reaches them, in order, into one list.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from framework.domain.actions import Action, Halt
from framework.domain.events import Event
from framework.domain.health import ProbeAction, ProbesReported
from framework.domain.notices import Notice
from framework.domain.replies import Reply
from framework.domain.state import Change, State
from framework.interfaces import StoreError
from tests.polling import eventually

Entry = tuple[str, object]


@dataclass
class Record:
    """What happened outside, in order."""

    entries: list[Entry] = field(default_factory=list)
    seen: list[frozenset[str]] = field(default_factory=list)
    view: State = field(default_factory=State)

    def add(self, what: str, detail: object) -> None:
        """It happened, while the published view held these apps."""
        self.seen.append(frozenset(self.view.apps))
        self.entries.append((what, detail))

    def names(self) -> list[str]:
        return [what for what, _ in self.entries]

    def of(self, what: str) -> list[object]:
        """The details of one kind, in order."""
        return [detail for name, detail in self.entries if name == what]

    def wait_for(self, what: str, count: int = 1) -> list[object]:
        """The same once there are so many."""
        eventually(lambda: len(self.of(what)) >= count, f"{count} x {what}")
        return self.of(what)

    # What a pipeline calls.

    def reply(self, token: int, reply: Reply) -> None:
        self.add("reply", (token, reply))

    def notify(self, notice: Notice) -> None:
        self.add("notify", notice)

    def halt(self, halt: Halt) -> None:
        self.add("halt", halt)

    def fatal(self, error: BaseException) -> None:
        self.add("fatal", error)


class RecordingStore:
    """Keeps nothing. ``gate`` closed: an append waits; ``failure``: it fails."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.gate = threading.Event()
        self.gate.set()
        self.failure: StoreError | None = None

    def load(self) -> Iterator[Change]:
        return iter(())

    def append(self, changes: Sequence[Change]) -> None:
        self.record.add("append", list(changes))
        assert self.gate.wait(60), "the test never opened the gate"
        if self.failure is not None:
            raise self.failure

    def follow(self) -> Iterator[Sequence[Change]]:
        return iter(())

    def checkpoint_from(self, state: State) -> None:
        pass

    def close(self) -> None:
        self.record.add("close", None)


class RecordingMesos:
    """A Mesos that is told things and says what a test wants."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.submit: Callable[[Event], None] = lambda _: None

    def start(
        self, submit: Callable[[Event], None], framework_id: str, roles: Sequence[str]
    ) -> None:
        self.submit = submit
        self.record.add("mesos start", (framework_id, tuple(roles)))

    def perform(self, actions: Sequence[Action]) -> None:
        self.record.add("perform", list(actions))

    def stop(self) -> None:
        self.record.add("mesos stop", None)


class RecordingProbes:
    """Probes that look at nothing."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def start(self, submit: Callable[[ProbesReported], None]) -> None:
        self.record.add("probes start", None)

    def perform(self, actions: Sequence[ProbeAction]) -> None:
        self.record.add("probe", list(actions))

    def stop(self) -> None:
        self.record.add("probes stop", None)
