"""Status updates: how they are made, and which the agent has not yet taken over.

An update is kept until its ACKNOWLEDGED arrives and travels again with each re-subscription, so
none is lost when the agent restarts. Only its uuid tells a repeated update from a new one.
"""

import binascii
import os
import time

from localmesos.launcher.events import Check, Json, Task

TERMINAL_STATES = frozenset({"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED"})
_MAX_UNACKNOWLEDGED = 256


class Updates:
    """The updates of the one task of this executor, oldest first."""

    def __init__(self, executor_id: str) -> None:
        self._executor_id = executor_id
        self._last: Json | None = None
        self._unacknowledged: dict[str, Json] = {}
        self.any_acknowledged = False

    def new(self, task: Task, state: str, message: str = "", **more: object) -> Json:
        """Make an update that starts afresh, and keep it until it is acknowledged."""
        status: Json = {"task_id": {"value": task.task_id}, "state": state, **more}
        if message:
            status["message"] = message
        if task.check is not None:
            # Mesos wants the type of a check in every status of its task, result or not.
            status["check_status"] = empty_check_status(task.check)
        return self._keep(status)

    def changed(self, reason: str, **more: object) -> Json:
        """Make an update that repeats the last one but for `more`, and keep it."""
        assert self._last is not None
        return self._keep({**self._last, "reason": reason, **more})

    def acknowledge(self, uuid: str) -> Json | None:
        """Forget an update; the update, or None if it is unknown."""
        update = self._unacknowledged.pop(uuid, None)
        if update is not None:
            self.any_acknowledged = True
        return update

    def unacknowledged(self) -> list[Json]:
        """The updates to send again, oldest first."""
        return [{"status": status} for status in self._unacknowledged.values()]

    def _keep(self, status: Json) -> Json:
        uuid = _random_uuid()
        status = {
            **status,
            "executor_id": {"value": self._executor_id},
            "source": "SOURCE_EXECUTOR",
            "timestamp": time.time(),
            "uuid": uuid,
        }
        if len(self._unacknowledged) >= _MAX_UNACKNOWLEDGED:
            self._drop_one()
        self._unacknowledged[uuid] = self._last = status
        return {"status": status}

    def _drop_one(self) -> None:
        """Make room: of many verdicts of checks the older ones matter least."""
        for uuid, status in self._unacknowledged.items():
            if "reason" in status and status["state"] not in TERMINAL_STATES:
                del self._unacknowledged[uuid]
                return
        del self._unacknowledged[next(iter(self._unacknowledged))]


def _random_uuid() -> str:
    """A random UUID in base64. Mesos refuses 16 bytes without the marks of RFC 4122's version 4."""
    data = bytearray(os.urandom(16))
    data[6] = data[6] & 0x0F | 0x40
    data[8] = data[8] & 0x3F | 0x80
    return binascii.b2a_base64(data, newline=False).decode()


def empty_check_status(check: Check) -> Json:
    """The status of a check that has no result (yet)."""
    return {"type": check.kind, check.kind.lower(): {}}
