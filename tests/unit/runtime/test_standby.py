"""A standby has the whole state at hand when it is asked for it, whatever happened meanwhile."""

import threading
from collections.abc import Iterator, Sequence

from framework.domain.app import App
from framework.domain.state import Change, Kind
from framework.interfaces import StateTooNewError, StoreError
from framework.runtime import standby as standby_module
from framework.runtime.standby import Standby
from framework.store.memory import MemoryDisk, MemoryStore
from tests.polling import eventually


class Followed(MemoryStore):
    """A store in memory whose follower can be kept from reading, or fail."""

    def __init__(self, disk: MemoryDisk) -> None:
        super().__init__(disk, follow_only=True)
        self.waits = 0
        self.follows = 0
        self.failures: list[Exception] = []
        self.news = threading.Event()
        self.patience_seconds = 0.01

    def follow(self) -> Iterator[Sequence[Change]]:
        self.follows += 1
        for batch in super().follow():
            if self.failures:
                raise self.failures.pop()
            yield batch

    def wait_for_news(self, timeout_seconds: float) -> None:
        self.waits += 1
        self.news.wait(self.patience_seconds)

    def wake(self) -> None:
        self.news.set()


def app(number: int) -> Change:
    return Change(Kind.APP, f"/a{number}", App(id=f"/a{number}"))


class Stand:
    def __init__(self) -> None:
        disk = MemoryDisk()
        self.writer = MemoryStore(disk)
        self.store = Followed(disk)
        self.failed: list[Exception] = []
        self.standby = Standby(self.store, self.failed.append)

    def append(self, *numbers: int) -> None:
        self.writer.append([app(number) for number in numbers])

    def taken(self) -> set[str]:
        state = self.standby.take()
        assert state is not None
        return set(state.apps)


def test_what_was_appended_before_it_is_taken_is_there() -> None:
    stand = Stand()
    stand.append(1)
    stand.standby.start()
    eventually(lambda: stand.store.waits, "it has read everything")
    stand.append(2)
    stand.append(3)
    assert stand.taken() == {"/a1", "/a2", "/a3"}


def test_it_is_taken_at_once_though_it_waits_for_news() -> None:
    stand = Stand()
    stand.store.patience_seconds = 1_000_000.0
    stand.append(1)
    stand.standby.start()
    eventually(lambda: stand.store.waits, "it waits for news")
    stand.append(2)
    assert stand.taken() == {"/a1", "/a2"}


def test_it_is_taken_before_it_has_read_anything() -> None:
    stand = Stand()
    stand.append(1)
    stand.standby.start()
    assert stand.taken() == {"/a1"}


def test_a_forgotten_position_and_a_failure_to_read_make_it_start_over() -> None:
    stand = Stand()
    standby_module._RETRY_SECONDS, before = 0.01, standby_module._RETRY_SECONDS
    try:
        stand.append(1)
        stand.store.failures = [StoreError("away"), StoreError("away")]
        stand.standby.start()
        eventually(lambda: stand.store.waits, "it has read everything")
        assert stand.store.follows == 3
        stand.store.failures = [StoreError("away again")]
        stand.append(2)
        eventually(lambda: stand.store.follows == 4, "it starts over")
        assert stand.taken() == {"/a1", "/a2"}
        assert stand.failed == []
    finally:
        standby_module._RETRY_SECONDS = before


def test_a_state_of_a_newer_release_ends_it() -> None:
    stand = Stand()
    newer = StateTooNewError("written by a newer release")
    stand.store.failures = [newer]
    stand.standby.start()
    eventually(lambda: stand.failed == [newer], "whoever runs the process is told")
    assert stand.standby.take() is None


def test_stopped_it_ends_without_a_state() -> None:
    stand = Stand()
    stand.standby.start()
    stand.standby.stop()
    assert stand.standby.take() is None


def test_how_far_it_is_behind() -> None:
    now = [0.0]
    store = Followed(MemoryDisk())
    standby = Standby(store, lambda _error: None, lambda: now[0])
    now[0] = 7.0
    assert standby.behind_seconds == 7
    standby.start()
    eventually(lambda: standby.behind_seconds == 0, "it has everything")
    now[0] = 9.0
    eventually(lambda: standby.behind_seconds == 0, "it looked again")
    standby.stop()
