"""Staying subscribed to the agent: connect, back off, re-subscribe, or give up.

A checkpointing framework's executor outlives its agent: it tries again until the recovery
time-out, with everything unacknowledged in each SUBSCRIBE. Without checkpointing a lost agent
means the end at once, as in Mesos.
"""

import os

from localmesos.launcher import log
from localmesos.launcher.connection import AgentConnection, ConnectionLostError
from localmesos.launcher.events import (
    Event,
    Json,
    MalformedEventError,
    Subscribed,
    Task,
    parse_event,
)
from localmesos.launcher.settings import Settings
from localmesos.launcher.updates import Updates

_FIRST_BACKOFF_SECONDS = 0.05
_LONGEST_BACKOFF_SECONDS = 2.0
_FIRST_SUBSCRIBE_SECONDS = 10.0
_ANSWER_SECONDS = 10.0  # an agent that accepts the connection but says nothing is tried again


class Subscription:
    """The link to the agent. Times are those of a monotonic clock, in seconds.

    `subscribed` is true between SUBSCRIBED and the next loss. `given_up` ends everything.
    """

    def __init__(self, settings: Settings, updates: Updates, now: float) -> None:
        self._settings = settings
        self._updates = updates
        self._connection: AgentConnection | None = None
        self._carried: frozenset[str] = frozenset()  # uuids of updates in the last SUBSCRIBE
        self._attempts = 0
        self._ever_subscribed = False
        self._deadline = now  # of the next attempt, or of the answer to the present one
        self._give_up_at = now + _FIRST_SUBSCRIBE_SECONDS
        if settings.checkpoint:
            self._give_up_at = now + settings.recovery_timeout_seconds
        self.task: Task | None = None
        self.subscribed = False
        self.given_up = False

    def deadline(self) -> float | None:
        """When `tick` has something to do; None while subscribed or given up."""
        if self.subscribed or self.given_up:
            return None
        return min(self._deadline, self._give_up_at)

    def tick(self, now: float) -> None:
        """Do what is due: another attempt, or giving up."""
        due = self.deadline()
        if due is None or now < due:
            return
        if now >= self._give_up_at:
            self._give_up("the recovery time-out has passed")
        elif self._connection is not None:
            self._lost("the agent does not answer", now)
        else:
            self._connect(now)

    def wanted(self) -> list[tuple[int, int]]:
        """(file descriptor, poll mask) of everything to wait for."""
        return [] if self._connection is None else self._connection.wanted()

    def ready(self, fd: int, mask: int, now: float) -> list[Event]:
        """Go on with a descriptor that poll returned; the events that arrived."""
        if self._connection is None:
            return []
        try:
            records = self._connection.ready(fd, mask)
        except ConnectionLostError as problem:
            self._lost(str(problem), now)
            return []
        events = [event for record in records if (event := self._parsed(record)) is not None]
        if any(isinstance(event, Subscribed) for event in events):
            self._send_what_subscribe_left_out(now)
        return events

    def send(self, update: Json, now: float) -> None:
        """Send an update now, or with the next subscription."""
        if self._connection is None or not self.subscribed:
            return
        try:
            self._connection.send(self._call("UPDATE", update=update))
        except ConnectionLostError as problem:
            self._lost(str(problem), now)

    def close(self) -> None:
        """Close the connection for good."""
        self.subscribed = False
        self.given_up = True
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send_what_subscribe_left_out(self, now: float) -> None:
        """Send the updates that were made between the SUBSCRIBE call and its answer."""
        for update in self._updates.unacknowledged():
            if update["status"]["uuid"] not in self._carried:
                self.send(update, now)

    def _parsed(self, record: bytes) -> Event | None:
        try:
            event = parse_event(record)
        except MalformedEventError as problem:
            if self.task is None:
                # Perhaps the LAUNCH itself: ending is the only way to tell the agent.
                self._give_up(f"malformed event: {problem}")
            log.error(f"Ignoring a malformed event: {problem}")
            return None
        if isinstance(event, Subscribed):
            self.subscribed = self._ever_subscribed = True
            self._attempts = 0
        return event

    def _connect(self, now: float) -> None:
        updates = self._updates.unacknowledged()
        self._carried = frozenset(update["status"]["uuid"] for update in updates)
        subscribe: Json = {"unacknowledged_updates": updates}
        if self.task is not None and not self._updates.any_acknowledged:
            subscribe["unacknowledged_tasks"] = [self.task.info]
        self._deadline = now + _ANSWER_SECONDS
        try:
            self._connection = AgentConnection(self._settings)
            self._connection.subscribe(self._call("SUBSCRIBE", subscribe=subscribe))
        except (ConnectionLostError, OSError) as problem:
            self._lost(str(problem), now)

    def _lost(self, reason: str, now: float) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self.subscribed or not self._attempts:
            log.warning(f"Disconnected from the agent: {reason}")
        if self.subscribed:
            self.subscribed = False
            self._give_up_at = now + self._settings.recovery_timeout_seconds
        self._attempts += 1
        self._deadline = now + self._backoff_seconds()
        if self._ever_subscribed and not self._settings.checkpoint:
            self._give_up("this framework does not checkpoint")

    def _backoff_seconds(self) -> float:
        # Less than the agent's re-registration time-out, or a restarted agent gives the task up.
        longest = min(self._settings.backoff_max_seconds / 2, _LONGEST_BACKOFF_SECONDS)
        backoff: float = min(longest, _FIRST_BACKOFF_SECONDS * 2 ** min(self._attempts, 16))
        # Spread, so that the executors of an agent don't all come at once. (The module `random`
        # would cost a tenth of the start-up.)
        return backoff * (0.5 + os.urandom(1)[0] / 510)

    def _give_up(self, reason: str) -> None:
        log.error(f"Giving up on the agent: {reason}")
        self.close()

    def _call(self, kind: str, **content: Json) -> Json:
        settings = self._settings
        return {
            "type": kind,
            "framework_id": {"value": settings.framework_id},
            "executor_id": {"value": settings.executor_id},
            **content,
        }
