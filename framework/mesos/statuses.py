"""Task statuses of the wire as statuses of the domain."""

from framework.domain.mesos import TaskState, TaskStatus
from framework.mesos.wire import WireStatus, text

_STATES = {state.value: state for state in TaskState}
_NANOSECONDS_PER_MS = 1_000_000


class UnknownStateError(ValueError):
    """A state of a newer Mesos. It must not pass for any other: TASK_UNKNOWN, say, is an end."""


def to_status(wire: WireStatus) -> TaskStatus:
    """The domain's status; reasons and sources stay text, known or not. UnknownStateError."""
    state = _STATES.get(wire.state)
    if state is None:
        raise UnknownStateError(f"the task state {wire.state[:80]!r} is unknown")
    container = wire.container_status
    since = wire.unreachable_time
    return TaskStatus(
        wire.task_id.value,
        state,
        wire.agent_id.value if wire.agent_id else "",
        wire.uuid,
        wire.reason,
        wire.message,
        wire.source,
        round(wire.timestamp * 1000),
        wire.healthy,
        _addresses(wire) if container is not None else (),
        text(wire.check_status),
        since.nanoseconds // _NANOSECONDS_PER_MS if since is not None else None,
    )


def _addresses(wire: WireStatus) -> tuple[str, ...]:
    assert wire.container_status is not None
    return tuple(
        [
            address.ip_address
            for network in wire.container_status.network_infos
            for address in network.ip_addresses
            if address.ip_address
        ]
    )
