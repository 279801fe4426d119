"""The API over the scheduler as it runs: loop, pipeline and store, with a Mesos that is silent."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from flask import Flask

from api.application import create_app
from api.options import ApiOptions
from framework.core.policy import Policy
from framework.domain.actions import Action
from framework.health.options import HealthOptions
from framework.health.prober import AsyncProber
from framework.interfaces import SubmitEvent
from framework.runtime.scheduler import RunningScheduler
from framework.store.memory import MemoryStore
from tests.unit.api.reading import compile_pattern


class SilentMesos:
    """Takes every call and never says anything: apps wait for offers."""

    def start(self, submit: SubmitEvent, framework_id: str, roles: Sequence[str]) -> None:
        pass

    def perform(self, actions: Sequence[Action]) -> None:
        pass

    def stop(self) -> None:
        pass


@contextmanager
def running_application() -> Iterator[Flask]:
    """The API of a scheduler that runs meanwhile."""
    ended: list[object] = []
    scheduler = RunningScheduler(
        MemoryStore(),
        SilentMesos(),
        AsyncProber(HealthOptions(), on_failure=ended.append),
        Policy(),
        compile_pattern,
        on_end=ended.append,
    )
    scheduler.start()
    try:
        yield create_app(scheduler, ApiOptions(), compile_pattern)
    finally:
        scheduler.stop()
    assert ended == []
