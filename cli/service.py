"""One scheduler process, put together: store, driver, decisions and API.

Everything that ends it comes through ``ended``: a signal, a decision to halt, or a bug. After a
bug nothing is tidied up: the journal is written and the process ends (crash-only), because what
is stored is right and what is in memory may not be.
"""

import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from api.options import ApiOptions
from api.server import ApiServer
from cli.exported import driver_metrics, probe_metrics
from cli.flags import read
from cli.patterns import linear_full_match
from framework.core.policy import Policy
from framework.domain.actions import Halt
from framework.domain.events import TearDown
from framework.domain.exits import ExitCode
from framework.health.options import HealthOptions
from framework.health.prober import AsyncProber
from framework.interfaces import CommandTimeoutError, OverloadedError
from framework.mesos.driver import HttpDriver
from framework.mesos.options import MesosOptions
from framework.runtime.moments import steady_clock
from framework.runtime.scheduler import Facts, RunningScheduler
from framework.store.opening import open_store

_log = logging.getLogger("stayer")
_SWITCH_INTERVAL_SECONDS = 0.0005  # CPU-heavy HTTP threads must not hold the loop up for long
_TEARDOWN_SECONDS = 15.0
_LOOK_SECONDS = 0.05


class Service:
    """Construct, ``start``, wait for ``ended``, ``stop``; then look at ``why``."""

    def __init__(self, values: Mapping[str, Any], store_url: str) -> None:
        self.ended = threading.Event()
        self.why: BaseException | Halt | None = None
        sys.setswitchinterval(_SWITCH_INTERVAL_SECONDS)
        api_options = read(ApiOptions, values)
        mesos_options = read(MesosOptions, values)
        if not mesos_options.webui_url and api_options.http_port:
            url = f"http://{api_options.http_address}:{api_options.http_port}"
            mesos_options = replace(mesos_options, webui_url=url)
        self._options = (mesos_options, api_options, read(Policy, values))
        driver = HttpDriver(mesos_options)
        prober = AsyncProber(
            read(HealthOptions, values), on_failure=self._end, clock=steady_clock()
        )
        store = open_store(store_url)
        self.scheduler = RunningScheduler(
            store,
            driver,
            prober,
            self._options[2],
            linear_full_match,
            on_end=self._end,
        )
        self.scheduler.exported.add(lambda: driver_metrics(driver.counts))
        self.scheduler.exported.add(lambda: probe_metrics(prober.counts))
        self.api = ApiServer.alone(self.scheduler, api_options, linear_full_match)

    def start(self) -> None:
        """Serve the API, then decide and subscribe. From now on an exception that nobody
        catches, in whatever thread, ends the process."""
        threading.excepthook = self._thread_died
        self.api.start()
        mesos_options, api_options, policy = self._options
        host = mesos_options.hostname or api_options.http_address
        self.scheduler.facts = Facts(
            leader=f"{host}:{self.api.port}",
            version=version("stayer"),
            settings=asdict(policy)
            | api_options.settings()
            | asdict(mesos_options)
            | {"http_port": self.api.port},
        )
        self.scheduler.start()

    def wait_until_subscribed(self) -> bool:
        """Wait until Mesos has accepted us; False if the process ended before."""
        while not self.scheduler.view.connection.subscribed:
            if self.ended.wait(_LOOK_SECONDS):
                return False
        return True

    def tear_down(self) -> None:
        """Remove the framework from Mesos, tasks and all; gives up after a while."""
        if self.ended.is_set() or not self.scheduler.view.connection.subscribed:
            return
        try:
            self.scheduler.ask(TearDown())
        except (CommandTimeoutError, OverloadedError) as error:
            _log.warning("the framework was not removed from Mesos: %s", error)
            return
        deadline = time.monotonic() + _TEARDOWN_SECONDS
        while not self.ended.wait(_LOOK_SECONDS):
            if time.monotonic() > deadline:
                _log.warning("Mesos did not confirm that the framework is removed")
                return

    def stop(self) -> None:
        """Stop serving and deciding; tasks keep running. After a bug: end the process here."""
        if isinstance(self.why, BaseException):
            self._crash(self.why)
        self.api.stop()
        self.scheduler.stop()

    def exit_code(self) -> int:
        """What the process should exit with."""
        return self.why.exit_code if isinstance(self.why, Halt) else 0

    def _thread_died(self, died: threading.ExceptHookArgs) -> None:
        self._end(died.exc_value or RuntimeError(f"thread {died.thread} ended"))

    def _end(self, why: BaseException | Halt) -> None:
        if isinstance(why, Halt):
            _log.log(logging.ERROR if why.exit_code else logging.INFO, "%s", why.message)
        else:
            _log.critical("stopping: %s", why, exc_info=why)
        self.why = why
        self.ended.set()

    def _crash(self, why: BaseException) -> NoReturn:
        folder = Path(tempfile.mkdtemp(prefix="stayer-crash-"))
        path = folder / "journal.jsonl"
        try:
            self.scheduler.loop.journal.dump(path)
            _log.critical("the last decisions are in %s (environments left out)", path)
        finally:
            logging.shutdown()
            os._exit(ExitCode.BUG)
        raise AssertionError("unreachable") from why
