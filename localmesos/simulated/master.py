"""The scheduler API: which call may come when, and what the master answers to it.

An `Answer` is the whole of the HTTP answer to a call; what happens because of it comes as events
in the framework's stream. Checks are in the order of Mesos' master.
"""

from base64 import b64decode

import msgspec

from localmesos.simulated import (
    accepting,
    allocation,
    frameworks,
    inverse,
    operations,
    reconciliation,
    tasks,
    wire,
)
from localmesos.simulated.state import Cluster, Framework, Stream


class Answer(msgspec.Struct, frozen=True):
    """An HTTP status with its body, and for a redirect the place."""

    status: int
    text: str = ""
    location: str | None = None


ACCEPTED = Answer(202)
_OK = Answer(200)
_UUID_BYTES, _LAST_UUID_VERSION = 16, 5
_NEEDED = {
    "ACCEPT": "accept",
    "DECLINE": "decline",
    "ACCEPT_INVERSE_OFFERS": "accept_inverse_offers",
    "DECLINE_INVERSE_OFFERS": "decline_inverse_offers",
    "KILL": "kill",
    "ACKNOWLEDGE": "acknowledge",
    "ACKNOWLEDGE_OPERATION_STATUS": "acknowledge_operation_status",
    "RECONCILE": "reconcile",
    "RECONCILE_OPERATIONS": "reconcile_operations",
    "UPDATE_FRAMEWORK": "update_framework",
}
_NO_ROLES = wire.Roles()


def call_error(call: wire.Call) -> str | None:
    """What a call lacks: the master's validation before it looks at anything else."""
    if call.type not in wire.CALLS:
        return "Expecting 'type' to be present"
    if call.type == "SUBSCRIBE":
        if call.subscribe is None:
            return "Expecting 'subscribe' to be present"
        inner = call.subscribe.framework_info.id
        if (inner.value if inner else "") != (call.framework_id.value if call.framework_id else ""):
            return "'framework_id' differs from 'subscribe.framework_info.id'"
        return None
    if call.framework_id is None:
        return "Expecting 'framework_id' to be present"
    field = _NEEDED.get(call.type)
    if field is not None and getattr(call, field) is None:
        return f"Expecting '{field}' to be present"
    acknowledged = call.acknowledge or call.acknowledge_operation_status
    if acknowledged is not None and not _is_uuid(acknowledged.uuid):
        return "Not a valid UUID"
    return None


def _is_uuid(text: str) -> bool:
    """16 bytes with a version; the padding may be missing."""
    try:
        data = b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return False
    return len(data) == _UUID_BYTES and 1 <= data[6] >> 4 <= _LAST_UUID_VERSION


def subscribe(cluster: Cluster, now: float, call: wire.Call, body: bytes, stream: Stream) -> None:
    """Carry out a valid SUBSCRIBE; everything is answered on the stream."""
    assert call.subscribe is not None
    cluster.counters.calls += 1
    info = _info(body, "subscribe")
    frameworks.subscribe(cluster, now, call.subscribe, info, stream)


def _info(body: bytes, call_field: str) -> dict[str, object]:
    """FrameworkInfo as it came, with the fields that nothing here acts upon."""
    info: dict[str, object] = msgspec.json.decode(body)[call_field]["framework_info"]
    return info


def handle(
    cluster: Cluster, now: float, call: wire.Call, body: bytes, stream_id: str | None
) -> Answer:
    """Carry out a valid call other than SUBSCRIBE."""
    cluster.counters.calls += 1
    assert call.framework_id is not None
    framework = cluster.frameworks.get(call.framework_id.value)
    if framework is None:
        return Answer(400, "Framework cannot be found")
    if framework.stream is None:
        return Answer(403, "Framework is not subscribed")
    if stream_id is None:
        return Answer(400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header")
    if stream_id != framework.stream.id:
        return Answer(
            400,
            f"The stream ID '{stream_id}' included in this request didn't match the stream ID "
            f"currently associated with framework ID {framework.id}",
        )
    return _carry_out(cluster, now, framework, call, body)


def _carry_out(
    cluster: Cluster, now: float, framework: Framework, call: wire.Call, body: bytes
) -> Answer:
    if call.acknowledge is not None and call.type == "ACKNOWLEDGE":
        ack = call.acknowledge
        agent_id, task_id = ack.agent_id.value, ack.task_id.value
        tasks.acknowledge(cluster, now, framework, agent_id, task_id, ack.uuid)
    elif call.accept is not None and call.type == "ACCEPT":
        accepting.accept(cluster, now, framework, call.accept)
    elif call.decline is not None and call.type == "DECLINE":
        ids = [each.value for each in call.decline.offer_ids]
        seconds = call.decline.filters.refuse_seconds
        allocation.decline(cluster, now, framework, ids, seconds)
    elif call.update_framework is not None and call.type == "UPDATE_FRAMEWORK":
        info = _info(body, "update_framework")
        error = frameworks.update_framework(cluster, now, framework, call.update_framework, info)
        return _OK if error is None else Answer(400, error)
    else:
        _carry_out_rare(cluster, now, framework, call)
    return ACCEPTED


def _carry_out_rare(cluster: Cluster, now: float, framework: Framework, call: wire.Call) -> None:
    """Calls for which speed does not matter; those not named are accepted and do nothing."""
    match call.type:
        case "REVIVE":
            allocation.revive(cluster, now, framework, (call.revive or _NO_ROLES).roles)
        case "SUPPRESS":
            allocation.suppress(framework, (call.suppress or _NO_ROLES).roles)
        case "KILL" if call.kill is not None:
            _kill(cluster, now, framework, call.kill)
        case "RECONCILE" if call.reconcile is not None:
            reconciliation.reconcile(cluster, now, framework, call.reconcile.tasks)
        case "ACCEPT_INVERSE_OFFERS" if call.accept_inverse_offers is not None:
            inverse.answer(cluster, now, framework, call.accept_inverse_offers, "ACCEPT")
        case "DECLINE_INVERSE_OFFERS" if call.decline_inverse_offers is not None:
            inverse.answer(cluster, now, framework, call.decline_inverse_offers, "DECLINE")
        case "ACKNOWLEDGE_OPERATION_STATUS" if call.acknowledge_operation_status is not None:
            operations.acknowledge(cluster, now, framework, call.acknowledge_operation_status)
        case "RECONCILE_OPERATIONS" if call.reconcile_operations is not None:
            operations.reconcile(cluster, framework, call.reconcile_operations.operations)
        case "TEARDOWN":
            frameworks.remove(cluster, now, framework)


def _kill(cluster: Cluster, now: float, framework: Framework, call: wire.Kill) -> None:
    task = framework.tasks.get(call.task_id.value)
    if task is None:
        asked = [wire.ReconcileTask(call.task_id, call.agent_id)]
        reconciliation.reconcile(cluster, now, framework, asked)
    elif call.agent_id is None or call.agent_id.value == task.agent.id:
        grace = call.kill_policy.grace_period if call.kill_policy is not None else None
        seconds = None if grace is None else grace.nanoseconds / 1e9
        tasks.kill(cluster, now, task, seconds)


def run_due(cluster: Cluster, now: float) -> None:
    """Do what time has made due: timers, updates to send again, allocations."""
    cluster.timers.run(now)
    tasks.resend(cluster, now)
    operations.resend(cluster, now)
    if cluster.allocation_due is not None and cluster.allocation_due <= now:
        considered = allocation.allocate(cluster, now)
        if cluster.maintained:
            inverse.propose(cluster, now, considered)


def next_due(cluster: Cluster) -> float | None:
    """When `run_due` has something to do again."""
    dues = (
        cluster.timers.next_due(),
        cluster.retries.next_due(),
        cluster.operation_retries.next_due(),
        cluster.allocation_due,
    )
    return min((due for due in dues if due is not None), default=None)
