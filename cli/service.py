"""One process of the product: its API, its part in the election, and the scheduler once it leads.

Everything that ends it comes through ``ended``: a signal, a decision to halt, a lost store or
lead, or a bug. After what can not be mended nothing is tidied up (crash-only), because what is
stored is right and what is in memory may not be; only the lead is given back, so that another
process need not wait for it.
"""

import gc
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from flask import Flask
from prometheus_client.core import Metric

from api.application import create_app
from api.events.hub import EventHub
from api.front import Front
from api.server import ApiServer
from cli.exported import Standing, event_metrics, http_metrics, process_metrics
from cli.keeping import open_keeping
from cli.leading import lead, read_options
from cli.logs import lost_lines
from cli.patterns import linear_full_match
from framework.domain.actions import Halt
from framework.domain.events import TearDown
from framework.domain.exits import ExitCode
from framework.interfaces import (
    CommandTimeoutError,
    Leader,
    LeadershipLostError,
    OverloadedError,
    StoreError,
    StoreUnusableError,
)
from framework.runtime.metrics import Exported
from framework.runtime.scheduler import RunningScheduler

_log = logging.getLogger("stayer")
_SWITCH_INTERVAL_SECONDS = 0.0005  # CPU-heavy HTTP threads must not hold the loop up for long
_TEARDOWN_SECONDS = 15.0
_STEP_DOWN_SECONDS = 2.0
_LOOK_SECONDS = 0.05
_NEW_OBJECTS = 50_000  # from so many on the garbage collector looks at them


class Service:
    """Construct, ``start``, wait for ``ended``, ``stop``; then look at ``why``."""

    def __init__(self, values: Mapping[str, Any], store_url: str) -> None:
        """StoreUnusableError, ValueError or OSError when the options can not be followed."""
        self.ended = threading.Event()
        self.why: BaseException | Halt | None = None
        self.scheduler: RunningScheduler | None = None
        sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
        self._options = read_options(values)
        self._ending = threading.Lock()
        self._own = Leader("")
        self._keeping = open_keeping(store_url, self._options.zookeeper)
        self._began = time.monotonic()
        self._led_since: float | None = None
        self._own_metrics = self._exported()
        self._application: Flask | None = None
        self._events: EventHub | None = None
        front = Front(
            self._options.api,
            own=lambda: self._own,
            leader=self._keeping.leader,
            inner=self._leading_application,
            metrics=self._own_metrics.text,
        )
        self.api = ApiServer(front, self._options.api)

    def start(self) -> None:
        """Serve the API and take part in the election; alone, this process leads when it
        returns. From now on an exception that nobody catches, in whatever thread, ends the
        process. OSError if the API's address can not be bound."""
        threading.excepthook = self._thread_died
        self.api.start()
        self._own = self.api.reached_at(self._host())
        self._keeping.stand(self._own, self._gained, self._end)

    def wait_until_ready(self) -> bool:
        """Wait until Mesos has accepted this process, or another one leads; False if the process
        ended before."""
        while not (self._subscribed() or self._stands_by()):
            if self.ended.wait(_LOOK_SECONDS):
                return False
        return True

    @property
    def master(self) -> str:
        """The Mesos master that has accepted this process (host:port); empty: it stands by."""
        scheduler = self.scheduler
        return "" if scheduler is None else scheduler.view.connection.master

    def tear_down(self) -> None:
        """Remove the framework from Mesos, tasks and all; gives up after a while."""
        scheduler = self.scheduler
        if self.ended.is_set() or scheduler is None or not self._subscribed():
            return
        try:
            scheduler.ask(TearDown(force=True))
        except (CommandTimeoutError, OverloadedError) as error:
            _log.warning("the framework was not removed from Mesos: %s", error)
            return
        deadline = time.monotonic() + _TEARDOWN_SECONDS
        while not self.ended.wait(_LOOK_SECONDS):
            if time.monotonic() > deadline:
                _log.warning("Mesos did not confirm that the framework is removed")
                return

    def stop(self) -> None:
        """Stop serving and deciding, and let another process lead; tasks keep running. After
        what can not be mended: end the process here."""
        if isinstance(self.why, BaseException):
            self._crash(self.why)
        if self._events is not None:
            self._events.stop()
        self.api.stop()
        if self.scheduler is not None:
            self.scheduler.stop()
        self._keeping.close()

    def exit_code(self) -> int:
        """What the process should exit with."""
        return self.why.exit_code if isinstance(self.why, Halt) else 0

    def _gained(self) -> None:
        """This process leads: take the state and decide."""
        try:
            scheduler = lead(self._options, self._keeping, self._own, self._ports(), self._end)
            events = EventHub(scheduler.view, self._options.api)
            scheduler.listen(events.tell)
            scheduler.exported.add(lambda: event_metrics(events.counts))
            scheduler.exported.add(self._own_metrics.collect)
            scheduler.start()
            events.start()
            self.scheduler, self._events = scheduler, events
            self._application = create_app(
                scheduler, self._options.api, linear_full_match, events=events
            )
            self._led_since = time.monotonic()
            self._keeping.serving()
            _spare_the_collector()
        except Exception as error:  # noqa: BLE001 - in the election's thread: it ends the process
            self._end(error)

    def _exported(self) -> Exported:
        """What this process says of itself, whether or not it leads."""
        exported = Exported()
        exported.add(lambda: process_metrics(self._standing()))
        exported.add(self._http_metrics)
        return exported

    def _standing(self) -> Standing:
        now, led_since = time.monotonic(), self._led_since
        uptime, lost = now - self._began, lost_lines()
        if led_since is None:
            return Standing(uptime, None, self._keeping.behind_seconds(), lost)
        return Standing(uptime, now - led_since, lost_lines=lost)

    def _http_metrics(self) -> Iterator[Metric]:
        accounted = self.api.accounted
        return http_metrics(accounted.counts, accounted.clock(), accounted.log.lost)

    def _leading_application(self) -> Flask | None:
        """Only while it is certain that nobody else leads: what this process knows may be old."""
        return self._application if self._keeping.leader() == self._own else None

    def _ports(self) -> dict[str, int | None]:
        plain = None if self._options.api.disable_http else self.api.port
        return {"http_port": plain, "https_port": self.api.https_port}

    def _subscribed(self) -> bool:
        scheduler = self.scheduler
        return scheduler is not None and scheduler.view.connection.subscribed

    def _stands_by(self) -> bool:
        return self._keeping.leader() not in {None, self._own}

    def _host(self) -> str:
        """Where other machines reach us."""
        bound = self._options.api.addresses[0]
        named = self._options.mesos.hostname or bound in {"", "0.0.0.0", "::"}
        return self._options.mesos.host if named else bound

    def _thread_died(self, died: threading.ExceptHookArgs) -> None:
        self._end(died.exc_value or RuntimeError(f"thread {died.thread} ended"))

    def _end(self, why: BaseException | Halt) -> None:
        """The first reason counts; what follows from it is no news."""
        if not self._ending.acquire(blocking=False):
            return
        if isinstance(why, Halt):
            _log.log(logging.ERROR if why.exit_code else logging.INFO, "%s", why.message)
        elif _foreseen(why):
            _log.critical("stopping: %s", why)
        else:
            _log.critical("stopping: %s", why, exc_info=why)
        self.why = why
        self.ended.set()

    def _crash(self, why: BaseException) -> NoReturn:
        try:
            if not _foreseen(why) and self.scheduler is not None:
                folder = Path(tempfile.mkdtemp(prefix="stayer-crash-"))
                path = folder / "journal.jsonl"
                self.scheduler.loop.journal.dump(path)
                _log.critical("the last decisions are in %s (environments left out)", path)
            self._step_down()
        finally:
            logging.shutdown()
            os._exit(exit_code_of(why))
        raise AssertionError("unreachable") from why

    def _step_down(self) -> None:
        """Let another process lead at once: nothing that this one still does can be stored."""
        closing = threading.Thread(target=self._keeping.close, daemon=True)
        closing.start()
        closing.join(_STEP_DOWN_SECONDS)


def _spare_the_collector() -> None:
    """Let it never look at what was loaded, and seldom at what is new: records are trees, which go
    without it, and a look at a million of them stops every thread."""
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 20)


def exit_code_of(why: BaseException) -> ExitCode:
    """What a process ends with that could not go on for this reason."""
    if isinstance(why, StoreUnusableError | StoreError | LeadershipLostError):
        return why.exit_code
    return ExitCode.BUG


def _foreseen(why: BaseException) -> bool:
    """Whether the text alone says what happened: no fault of this program."""
    return exit_code_of(why) is not ExitCode.BUG
