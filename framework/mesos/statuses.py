"""Statuses of the wire, of tasks and of operations, as statuses of the domain."""

from framework.domain.mesos import OperationState, OperationStatus, TaskState, TaskStatus
from framework.mesos.wire import WireOperationStatus, WireStatus, text

_OPERATION_STATES = {state.value: state for state in OperationState}
_STATES = {state.value: state for state in TaskState}
_NANOSECONDS_PER_MS = 1_000_000
# An executor writes what it likes, and an instance's record has to be stored whole.
_MESSAGE_CHARACTERS = 10_000
_NAME_CHARACTERS = 200
_CHECK_CHARACTERS = 10_000
_ADDRESSES = 100


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
        wire.reason[:_NAME_CHARACTERS],
        wire.message[:_MESSAGE_CHARACTERS],
        wire.source[:_NAME_CHARACTERS],
        round(wire.timestamp * 1000),
        wire.healthy,
        _addresses(wire) if container is not None else (),
        _checked(text(wire.check_status)),
        since.nanoseconds // _NANOSECONDS_PER_MS if since is not None else None,
    )


def to_operation_status(wire: WireOperationStatus) -> OperationStatus:
    """The domain's status of an operation. UnknownStateError."""
    state = _OPERATION_STATES.get(wire.state)
    if state is None:
        raise UnknownStateError(f"the operation state {wire.state[:80]!r} is unknown")
    return OperationStatus(
        wire.operation_id.value if wire.operation_id else "",
        state,
        wire.agent_id.value if wire.agent_id else "",
        wire.uuid.value if wire.uuid else "",
        wire.message[:_MESSAGE_CHARACTERS],
    )


def _checked(check_json: str) -> str:
    """What a check of the executor found; as good as nothing if it is too long to keep."""
    return check_json if len(check_json) <= _CHECK_CHARACTERS else ""


def _addresses(wire: WireStatus) -> tuple[str, ...]:
    assert wire.container_status is not None
    return tuple(
        [
            address.ip_address
            for network in wire.container_status.network_infos
            for address in network.ip_addresses
            if 0 < len(address.ip_address) <= _NAME_CHARACTERS
        ][:_ADDRESSES]
    )
