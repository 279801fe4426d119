"""What a simulated task does by itself: its command text and labels say so.

Any command runs for ever, `exit N` ends with that code, `sleep S; exit N` does so after S seconds.
The labels SIMULATED_START_SECONDS, SIMULATED_RUN_SECONDS, SIMULATED_END (a state such as
TASK_FAILED), SIMULATED_HEALTHY (true or false) and SIMULATED_KILL_SECONDS (until it has ended
when it is killed; no longer than its kill policy's grace period) say more, and win.
"""

import re

from localmesos.simulated import wire
from localmesos.simulated.state import TERMINAL, Behaviour

_EXIT = re.compile(r"\s*(?:sleep\s+(\d{1,7}(?:\.\d{1,6})?)\s*(?:;|&&)\s*)?exit\s+(\d{1,3})\s*")
_SECONDS = re.compile(r"\d{1,7}(?:\.\d{1,6})?")
_MOST_INTERNED = 4096
_interned: dict[Behaviour, Behaviour] = {}
_PREFIX = "SIMULATED_"
_ENDS = {
    "TASK_FINISHED": "Command exited with status 0",
    "TASK_FAILED": "Command exited with status 1",
    "TASK_KILLED": "Command terminated with signal Terminated",
}


def behaviour_of(task: wire.Task) -> Behaviour | None:
    """None for the usual: start at once, run for ever, no health check."""
    command = task.command.value if task.command is not None else ""
    match = _EXIT.fullmatch(command) if "exit" in command else None
    labels: dict[str, str] = {}
    if task.labels is not None:
        labels = {e.key: e.value for e in task.labels.labels if e.key.startswith(_PREFIX)}
    grace = task.kill_policy.grace_period if task.kill_policy is not None else None
    if match is None and not labels and grace is None and not bytes(task.health_check):
        return None
    run_seconds = float(match[1] or 0) if match else 0.0
    code = int(match[2]) if match else None
    state = None
    if code is not None:
        state = "TASK_FAILED" if code else "TASK_FINISHED"
    wanted = labels.get("SIMULATED_END")
    message = f"Command exited with status {code}"
    if wanted in TERMINAL:
        state, message = wanted, _ENDS.get(wanted, "Ended as its label asked")
    made = Behaviour(
        start_delay_seconds=_seconds(labels.get("SIMULATED_START_SECONDS")),
        run_seconds=_seconds(labels.get("SIMULATED_RUN_SECONDS")) or run_seconds,
        end_state=state,
        end_message=message if state else None,
        healthy=_healthy(task, labels.get("SIMULATED_HEALTHY")),
        kill_seconds=_seconds(labels.get("SIMULATED_KILL_SECONDS")),
        grace_seconds=None if grace is None else grace.nanoseconds / 1e9,
    )
    if len(_interned) >= _MOST_INTERNED:
        _interned.clear()
    return _interned.setdefault(made, made)  # all tasks of an app have the same


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and _SECONDS.fullmatch(text) else None


def _healthy(task: wire.Task, asked: str | None) -> bool | None:
    if asked is not None:
        return asked == "true"
    return True if bytes(task.health_check) else None
