"""This edge, as the scheduler knows it: a lease that is renewed, and word of tasks that have no
sessions here any more, so that they may be killed, and of those that are in rotation by now.

Only Stayer keeps such a list; a scheduler that has no such page is left alone. It has a thread of
its own, for a scheduler that does not answer must not keep traffic from changing.
"""

import hashlib
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

from api import v3_calls
from api.client import Client, ClientError, NotFoundError, RefusedError
from haproxy_bridge.rendered import Rendered
from haproxy_bridge.run.drains import SETTLE_SECONDS, Idle, Places, Sessions, draining, rotated
from haproxy_bridge.snapshot import Snapshot

LEASE_SECONDS = 30
LOOK_SECONDS = 0.2
"""How often the sessions of draining tasks are counted."""
_AGAIN_SECONDS = 600.0
_MAX_ACKNOWLEDGED = 1_000
_MAX_QUARANTINED = 1_000
_MAX_STALENESS = 1e9
_MAX_LEASE_SECONDS = 3_600
_MISSED_LOOKS = 2.5


class Report(Struct, frozen=True, kw_only=True):
    """What is true of this edge after a turn. ``version``: a digest of its configuration;
    ``state_id`` and ``epoch``: whom it follows. ``draining``: for each task that is to be killed
    where it is in haproxy; nowhere if it is out of rotation. ``rotated``: of the tasks that wait
    for edges those that need not wait for this one any more."""

    version: str = ""
    quarantined: tuple[str, ...] = ()
    state_id: str = ""
    epoch: int = 0
    draining: dict[str, Places] = {}
    rotated: tuple[str, ...] = ()

    @property
    def leader(self) -> tuple[str, int]:
        """Who is told: one who leads later does not know what this one was told."""
        return self.state_id, self.epoch


def digest(config: bytes) -> str:
    """Tells configurations apart."""
    return hashlib.sha256(config).hexdigest()[:16]


def reported(answer: Snapshot, rendered: Rendered, left_out: Sequence[str]) -> Report:
    """What is true once haproxy serves what follows from this answer. ``left_out``: apps."""
    return Report(
        version=digest(rendered.config),
        quarantined=tuple(left_out),
        state_id=answer.state_id,
        epoch=answer.epoch,
        draining=draining(answer, rendered),
        rotated=rotated(answer, rendered, left_out),
    )


def lease(report: Report, kind: str, seconds: int, staleness: float) -> dict[str, object]:
    """How an edge tells of itself; ``kind`` is daemon or cron."""
    return {
        "kind": kind,
        "leaseSeconds": seconds,
        "version": report.version,
        "staleness": min(_MAX_STALENESS, round(staleness, 3)),
        "quarantined": list(report.quarantined[:_MAX_QUARANTINED]),
        "epoch": report.epoch,
    }


def visited(
    client: Client, name: str, report: Report, every_seconds: float, staleness: float
) -> None:
    """Register an edge that looks only now and then, until it ought to have looked twice more.
    ClientError."""
    seconds = math.ceil(min(_MAX_LEASE_SECONDS, _MISSED_LOOKS * every_seconds))
    v3_calls.renew_edge(client, name, lease(report, "cron", max(1, seconds), staleness))


def unused(
    tasks: Mapping[str, Places],
    sessions: Sessions,
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[str]:
    """The tasks that have no session now, and had none a moment ago."""
    idle = Idle()
    if idle.settled(tasks, sessions, clock()) or idle.settling:
        wait(2 * SETTLE_SECONDS)
    return idle.settled(tasks, sessions, clock())[:_MAX_ACKNOWLEDGED]


class Registry:
    """That of a daemon. ``staleness``: seconds since the last success."""

    def __init__(
        self,
        client: Client,
        name: str,
        staleness: Callable[[], float],
        sessions: Sessions,
        *,
        lease_seconds: int = LEASE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._name = name
        self._staleness = staleness
        self._sessions = sessions
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._report = Report()
        self._renew_at = clock()
        self._not_before = clock()
        self._idle = Idle()
        self._acknowledged: set[str] = set()
        self._told = self._report.leader
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="registry", daemon=True)

    def start(self) -> None:
        """Renew and look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Do nothing more; the lease ends by itself."""
        self._stopping = True
        self._wake.set()

    def leave(self) -> None:
        """Have nobody wait for this edge any more: its haproxy serves nothing from now on."""
        with suppress(ClientError):
            v3_calls.forget_edge(self._client, self._name)

    def tell(self, report: Report) -> None:
        """What is true from now on."""
        if report.version != self._report.version:
            self._renew_at = self._clock()
        self._report = report
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping:
            self._wake.wait(self.step())
            self._wake.clear()

    def step(self) -> float:
        """Do what is due; how many seconds until something is."""
        report, now = self._report, self._clock()
        if now < self._not_before:
            return self._not_before - now
        try:
            if now >= self._renew_at:
                self._renew_at = now + self._lease_seconds / 3
                seconds, staleness = self._lease_seconds, self._staleness()
                told = lease(report, "daemon", seconds, staleness)
                v3_calls.renew_edge(self._client, self._name, told)
        except RefusedError as error:
            unknown = error.status in {404, 405}
            return self._pause(_AGAIN_SECONDS if unknown else self._lease_seconds / 3)
        except ClientError:
            return self._pause(self._lease_seconds / 6)
        try:
            waiting = self._acknowledge(report)
        except ClientError as error:
            if isinstance(error, NotFoundError):
                self._renew_at = now  # the lease was over before it was renewed
            return self._pause(1.0)
        soonest = max(0.0, self._renew_at - self._clock())
        if not waiting:
            return soonest
        return min(SETTLE_SECONDS if self._idle.settling else LOOK_SECONDS, soonest)

    def _pause(self, seconds: float) -> float:
        self._not_before = self._clock() + seconds
        return seconds

    def _acknowledge(self, report: Report) -> bool:
        """Tell of those that became idle, or are new; whether more may soon be. ClientError."""
        if report.leader != self._told:
            self._told = report.leader
            self._acknowledged.clear()
        self._acknowledged &= {*report.draining, *report.rotated}
        left = {
            task_id: places
            for task_id, places in report.draining.items()
            if task_id not in self._acknowledged
        }
        done = self._idle.settled(left, self._sessions, self._clock())[:_MAX_ACKNOWLEDGED]
        new = [one for one in report.rotated if one not in self._acknowledged][:_MAX_ACKNOWLEDGED]
        if done or new:
            v3_calls.acknowledge(self._client, self._name, done, new)
            self._acknowledged.update(done, new)
        return len(done) < len(left) or len(new) == _MAX_ACKNOWLEDGED
