"""How the simulated Mesos behaves: Mesos' own defaults, except that allocations come faster."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """All times in seconds. With no delays a task starts within the call that launches it."""

    heartbeat_seconds: float = 15.0
    """Between two HEARTBEAT events (DEFAULT_HEARTBEAT_INTERVAL of the master)."""
    allocation_seconds: float = 0.05
    """Freed resources are offered at the next such beat (--allocation_interval, there 1 s)."""
    update_retry_seconds: float = 10.0
    """An unacknowledged update is sent again after this, then after twice as long, and so on."""
    update_retry_most_seconds: float = 600.0
    send_starting: bool = True
    """Send TASK_STARTING before TASK_RUNNING, as the command executor does."""
    start_delay_seconds: float = 0.0
    """From TASK_STARTING to TASK_RUNNING, unless the task's labels say otherwise."""
    kill_delay_seconds: float = 0.0
    """From the KILL call (and TASK_KILLING) to TASK_KILLED."""
    default_role: str = "*"
    max_completed: int = 50
    """Frameworks and tasks (per framework) that are still listed after their end."""
    max_body_bytes: int = 64 * 1024 * 1024
    max_stream_bytes: int = 256 * 1024 * 1024
    """A scheduler that lets more than this wait in its event stream is disconnected."""
    max_connections: int = 1000

    def __post_init__(self) -> None:
        beats = (self.heartbeat_seconds, self.allocation_seconds, self.update_retry_seconds)
        if min(beats) <= 0:
            raise ValueError("heartbeat, allocation and retry intervals must be above 0")
        if min(self.start_delay_seconds, self.kill_delay_seconds) < 0:
            raise ValueError("delays must not be negative")
