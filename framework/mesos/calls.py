"""Actions as the JSON calls of the v1 scheduler API, and the FrameworkInfo we subscribe with."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from framework.domain.actions import (
    Accept,
    AcceptInverseOffer,
    Acknowledge,
    AcknowledgeOperation,
    Action,
    Decline,
    DeclineInverseOffer,
    Halt,
    Kill,
    Operation,
    Reconcile,
    ReconcileOperations,
    RemoveFramework,
    Revive,
    Suppress,
    UpdateRoles,
)
from framework.domain.volumes import OperationKind
from framework.mesos.json_parts import JsonObject, duration
from framework.mesos.options import MesosOptions
from framework.mesos.task_info import taken_resource
from framework.mesos.templates import TaskInfoBuilder

GPU_FEATURE = "gpu_resources"
_CAPABILITIES = (
    "PARTITION_AWARE",
    "MULTI_ROLE",
    "RESERVATION_REFINEMENT",
    "REGION_AWARE",
    "TASK_KILLING_STATE",
)

_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class FrameworkDescription:
    """Everything of FrameworkInfo that stays the same while this process runs."""

    options: MesosOptions
    user: str
    host: str

    def info(self, framework_id: str, roles: Sequence[str]) -> JsonObject:
        """FrameworkInfo for these roles; without an id Mesos makes one."""
        options = self.options
        gpus = ("GPU_RESOURCES",) if GPU_FEATURE in options.enable_features else ()
        info: JsonObject = {
            "user": self.user,
            "name": options.framework_name,
            "failover_timeout": float(options.failover_timeout),
            "checkpoint": options.checkpoint,
            "hostname": self.host,
            "roles": list(roles),
            "capabilities": [{"type": name} for name in (*_CAPABILITIES, *gpus)],
        }
        if framework_id:
            info["id"] = {"value": framework_id}
        if options.webui_url:
            info["webui_url"] = options.webui_url
        if options.mesos_authentication_principal:
            info["principal"] = options.mesos_authentication_principal
        return info


def subscribe_call(
    framework: FrameworkDescription,
    framework_id: str,
    roles: Sequence[str],
    suppressed: Iterable[str],
) -> bytes:
    """SUBSCRIBE: the request whose answer is the event stream."""
    call: JsonObject = {
        "type": "SUBSCRIBE",
        "subscribe": {
            "framework_info": framework.info(framework_id, roles),
            "suppressed_roles": sorted(suppressed),
        },
    }
    if framework_id:
        call["framework_id"] = {"value": framework_id}
    return _encode(call)


class LaunchesImpossibleError(ValueError):
    """Some launches of an Accept can not be said: ``failed`` has an Accept without offers for each,
    and why; ``rest`` is the Accept without them, perhaps without any launch."""

    def __init__(self, failed: list[tuple[Accept, str]], rest: Accept) -> None:
        super().__init__("; ".join(why for _, why in failed))
        self.failed = failed
        self.rest = rest


class CallEncoder:
    """Makes call bodies for one subscription. Not for several threads at once."""

    def __init__(
        self, framework: FrameworkDescription, framework_id: str, builder: TaskInfoBuilder
    ) -> None:
        self._framework = framework
        self._framework_id = framework_id
        self._builder = builder
        self._bodies: dict[type, Callable[[Any], JsonObject]] = {
            Accept: self._accept,
            Decline: _decline,
            AcceptInverseOffer: _accept_inverse,
            DeclineInverseOffer: _decline_inverse,
            Kill: _kill,
            Acknowledge: _acknowledge,
            AcknowledgeOperation: _acknowledge_operation,
            Reconcile: _reconcile,
            ReconcileOperations: _reconcile_operations,
            Revive: _revive,
            Suppress: _suppress,
            UpdateRoles: self._update_framework,
            RemoveFramework: _teardown,
        }

    def encode(self, action: Action) -> bytes:
        """The call's JSON. LaunchesImpossibleError if the TaskInfos of some launches can not be
        made (see TaskInfoBuilder), ValueError for Halt, which is not the driver's."""
        body = self._bodies.get(type(action))
        if body is None:
            raise ValueError(f"{type(action).__name__} is no call")
        return _encode({"framework_id": {"value": self._framework_id}, **body(action)})

    def _accept(self, action: Accept) -> JsonObject:
        operations = [self._operation(operation) for operation in action.operations]
        if action.launches:
            tasks = self._task_infos(action)
            operations.append({"type": "LAUNCH", "launch": {"task_infos": tasks}})
        return {
            "type": "ACCEPT",
            "accept": {
                "offer_ids": _values(action.offer_ids),
                "operations": operations,
                "filters": {"refuse_seconds": float(action.refuse_seconds)},
            },
        }

    def _operation(self, operation: Operation) -> JsonObject:
        """One on resources; volumes are named apart from what they are made of."""
        kind = operation.kind
        volumes = kind in {OperationKind.CREATE, OperationKind.DESTROY}
        principal = self._framework.options.mesos_authentication_principal or ""
        resources = [
            taken_resource(one, "", principal, volumes=volumes) for one in operation.resources
        ]
        part = "volumes" if volumes else "resources"
        return {
            "type": kind.value,
            "id": {"value": operation.id},
            kind.value.lower(): {part: resources},
        }

    def _task_infos(self, action: Accept) -> list[Raw]:
        tasks, possible, failed = [], [], []
        for launch in action.launches:
            try:
                tasks.append(self._builder.build(launch))
            except ValueError as error:
                failed.append((Accept((), (launch,), action.refuse_seconds), str(error)))
            else:
                possible.append(launch)
        if failed:
            raise LaunchesImpossibleError(failed, replace(action, launches=tuple(possible)))
        return tasks

    def _update_framework(self, action: UpdateRoles) -> JsonObject:
        return {
            "type": "UPDATE_FRAMEWORK",
            "update_framework": {
                "framework_info": self._framework.info(self._framework_id, action.roles),
                "suppressed_roles": list(action.suppressed),
            },
        }


def call_type(action: Action) -> str:
    """Mesos' name of the call an action becomes, for counts and logs."""
    return _CALL_TYPES[type(action)]


_CALL_TYPES: dict[type, str] = {
    Accept: "ACCEPT",
    Decline: "DECLINE",
    AcceptInverseOffer: "ACCEPT_INVERSE_OFFERS",
    DeclineInverseOffer: "DECLINE_INVERSE_OFFERS",
    Kill: "KILL",
    Acknowledge: "ACKNOWLEDGE",
    AcknowledgeOperation: "ACKNOWLEDGE_OPERATION_STATUS",
    Reconcile: "RECONCILE",
    ReconcileOperations: "RECONCILE_OPERATIONS",
    Revive: "REVIVE",
    Suppress: "SUPPRESS",
    UpdateRoles: "UPDATE_FRAMEWORK",
    RemoveFramework: "TEARDOWN",
    Halt: "HALT",
}


def _decline(action: Decline) -> JsonObject:
    return {
        "type": "DECLINE",
        "decline": {
            "offer_ids": _values(action.offer_ids),
            "filters": {"refuse_seconds": float(action.refuse_seconds)},
        },
    }


def _accept_inverse(action: AcceptInverseOffer) -> JsonObject:
    answer = _inverse_answer(action.offer_ids, action.refuse_seconds)
    return {"type": "ACCEPT_INVERSE_OFFERS", "accept_inverse_offers": answer}


def _decline_inverse(action: DeclineInverseOffer) -> JsonObject:
    answer = _inverse_answer(action.offer_ids, action.refuse_seconds)
    return {"type": "DECLINE_INVERSE_OFFERS", "decline_inverse_offers": answer}


def _inverse_answer(offer_ids: Iterable[str], refuse_seconds: float) -> JsonObject:
    filters = {"refuse_seconds": float(refuse_seconds)}
    return {"inverse_offer_ids": _values(offer_ids), "filters": filters}


def _kill(action: Kill) -> JsonObject:
    kill: JsonObject = _task(action.task_id, action.agent_id)
    if action.grace_seconds is not None:
        kill["kill_policy"] = {"grace_period": duration(action.grace_seconds)}
    return {"type": "KILL", "kill": kill}


def _acknowledge(action: Acknowledge) -> JsonObject:
    return {
        "type": "ACKNOWLEDGE",
        "acknowledge": {
            "task_id": {"value": action.task_id},
            "agent_id": {"value": action.agent_id},
            "uuid": action.uuid,
        },
    }


def _acknowledge_operation(action: AcknowledgeOperation) -> JsonObject:
    return {
        "type": "ACKNOWLEDGE_OPERATION_STATUS",
        "acknowledge_operation_status": {
            "operation_id": {"value": action.operation_id},
            "agent_id": {"value": action.agent_id},
            "uuid": action.uuid,
        },
    }


def _reconcile_operations(action: ReconcileOperations) -> JsonObject:
    operations = [
        {"operation_id": {"value": operation_id}, "agent_id": {"value": agent_id}}
        for operation_id, agent_id in action.operations
    ]
    return {"type": "RECONCILE_OPERATIONS", "reconcile_operations": {"operations": operations}}


def _reconcile(action: Reconcile) -> JsonObject:
    tasks = [_task(task_id, agent_id) for task_id, agent_id in action.tasks]
    return {"type": "RECONCILE", "reconcile": {"tasks": tasks}}


def _revive(action: Revive) -> JsonObject:
    return {"type": "REVIVE", "revive": {"roles": list(action.roles)}}


def _suppress(action: Suppress) -> JsonObject:
    return {"type": "SUPPRESS", "suppress": {"roles": list(action.roles)}}


def _teardown(_action: RemoveFramework) -> JsonObject:
    return {"type": "TEARDOWN"}


def _task(task_id: str, agent_id: str) -> JsonObject:
    """A task, with its agent where that is known."""
    task: JsonObject = {"task_id": {"value": task_id}}
    if agent_id:
        task["agent_id"] = {"value": agent_id}
    return task


def _values(ids: Iterable[str]) -> list[dict[str, str]]:
    return [{"value": each} for each in ids]
