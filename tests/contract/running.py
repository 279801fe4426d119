"""The API over the scheduler as it runs: loop, pipeline and store, with a Mesos made of events.

Both kinds of Mesos stand in for what is outside: one never says anything, so that apps wait for
offers; the other has two agents of endless room, whose tasks run as soon as they are launched.
"""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from flask import Flask

from api.application import create_app
from api.options import ApiOptions
from constraints import CompilePattern
from framework.core.policy import Policy
from framework.domain.actions import Accept, Action, Kill, Revive
from framework.domain.events import OffersReceived, Subscribed, TaskStatusReceived
from framework.domain.mesos import Agent, Offer, OfferResource, TaskState, TaskStatus
from framework.health.options import HealthOptions
from framework.health.prober import AsyncProber
from framework.interfaces import Mesos, Store, SubmitEvent
from framework.runtime.scheduler import Facts, RunningScheduler
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


class LivelyMesos:
    """Offers when asked to, runs what is launched and ends what is killed, at once. Agents are
    this machine; every task gets the port ``port`` and comes to the ``outcome``."""

    def __init__(self, port: int = 31_000, outcome: TaskState = TaskState.RUNNING) -> None:
        self._port = port
        self._outcome = outcome
        self._numbers = itertools.count(1)
        self._submit: SubmitEvent | None = None

    def start(self, submit: SubmitEvent, framework_id: str, roles: Sequence[str]) -> None:
        self._submit = submit
        submit(Subscribed(framework_id or "framework-1", "127.0.0.1:5050"))

    def perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Revive):
                self._offer()
            elif isinstance(action, Accept):
                for launch in action.launches:
                    self._tell(launch.task_id, launch.agent.id, self._outcome)
                self._offer()
            elif isinstance(action, Kill):
                self._tell(action.task_id, action.agent_id, TaskState.KILLED)

    def stop(self) -> None:
        pass

    def _tell(self, task_id: str, agent_id: str, state: TaskState) -> None:
        assert self._submit is not None
        uuid = f"status-{next(self._numbers)}"
        self._submit(TaskStatusReceived(TaskStatus(task_id, state, agent_id, uuid)))

    def _offer(self) -> None:
        assert self._submit is not None
        resources = (
            OfferResource("cpus", 64_000),
            OfferResource("mem", 64_000_000),
            OfferResource("disk", 64_000_000),
            OfferResource("ports", ranges=((self._port, self._port),)),
        )
        offers = tuple(
            Offer(f"offer-{next(self._numbers)}", Agent(f"S{number}", "127.0.0.1"), "*", resources)
            for number in (1, 2)
        )
        self._submit(OffersReceived(offers))


@contextmanager
def running_scheduler(
    mesos: Mesos | None = None,
    policy: Policy | None = None,
    store: Store | None = None,
    patterns: CompilePattern = compile_pattern,
) -> Iterator[RunningScheduler]:
    """A scheduler that runs meanwhile; nothing may have ended it."""
    ended: list[object] = []
    policy = policy or Policy()
    scheduler = RunningScheduler(
        store or MemoryStore(),
        mesos or SilentMesos(),
        AsyncProber(HealthOptions(), on_failure=ended.append),
        policy,
        patterns,
        facts=Facts(settings=asdict(policy)),
        on_end=ended.append,
    )
    scheduler.start()
    try:
        yield scheduler
    finally:
        scheduler.stop()
    assert ended == []


@contextmanager
def running_application(
    mesos: Mesos | None = None, policy: Policy | None = None, store: Store | None = None
) -> Iterator[Flask]:
    """The API of a scheduler that runs meanwhile."""
    with running_scheduler(mesos, policy, store) as scheduler:
        yield create_app(scheduler, ApiOptions(), compile_pattern)
