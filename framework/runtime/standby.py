"""The warm standby: a state kept up to date from the store while another process leads.

When this process becomes the leader it has the whole state in memory already, and reads only
what the last leader wrote at the end.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from framework.domain.state import State
from framework.interfaces import Store, StoreError

_log = logging.getLogger("stayer")
_NEWS_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_FAILURES_TOLD = 1


class FollowedStore(Store, Protocol):
    """A store that says when there is something new."""

    def wait_for_news(self, timeout_seconds: float) -> None:
        """Return when something may have been appended since the last ``next``, when woken, or
        in time."""
        ...

    def wake(self) -> None:
        """End a ``wait_for_news`` under way, or the next one, at once."""
        ...


class Standby:
    """Follows from ``start`` to ``take``. A store that can not be read for a while is read from
    its beginning again; what is no failure of reading goes to ``failed`` and ends it."""

    def __init__(
        self,
        store: FollowedStore,
        failed: Callable[[Exception], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._failed = failed
        self._state: State | None = None
        self._taking = threading.Event()
        self._stopped = threading.Event()
        self._clock = clock
        self._whole_at = clock()  # when it last had everything
        self._thread = threading.Thread(target=self._run, name="standby", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def take(self) -> State | None:
        """Everything that was appended before this call; nothing is followed afterwards. To be
        called when nobody else can append any more. None if it was stopped or had failed."""
        self._taking.set()
        self._store.wake()
        self._thread.join()
        return self._state

    @property
    def behind_seconds(self) -> float:
        """For how long there may have been something that was not read yet: about a second while
        all is well, growing while the store can not be read."""
        return self._clock() - self._whole_at

    def stop(self) -> None:
        """End without a result; harmless when repeated."""
        self._stopped.set()
        self._taking.set()
        self._store.wake()

    def _run(self) -> None:
        failures = 0
        while not self._stopped.is_set():
            try:
                self._state = self._follow()
            except StoreError as error:
                failures += 1
                level = logging.WARNING if failures <= _FAILURES_TOLD else logging.DEBUG
                _log.log(level, "the state can not be followed for now: %s", error)
                self._stopped.wait(_RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001 - whoever runs the process decides
                self._failed(error)
                return
            else:
                failures = 0
                if self._state is not None:
                    return

    def _follow(self) -> State | None:
        """The state once it is to be taken; None when the store wants us to start over."""
        state = State()
        last = False  # whether the batch at hand was read after it was to be taken
        for batch in self._store.follow():
            state.apply(batch)
            if self._stopped.is_set():
                return None
            if last and not batch:
                return state
            last = self._taking.is_set()
            if not batch:
                self._whole_at = self._clock()
            if not batch and not last:
                self._store.wait_for_news(_NEWS_SECONDS)
        return None
