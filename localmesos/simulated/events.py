"""The events that the master sends to a scheduler, as JSON bytes.

Updates and offers are put together from ready pieces: at a million tasks the encoding of objects
would be most of the work.
"""

import re

import msgspec

from localmesos.cluster import AgentSpec
from localmesos.simulated.operator_wire import Unavailability
from localmesos.simulated.resources import parse_items, parse_ranges, to_wire
from localmesos.simulated.state import (
    Agent,
    Cluster,
    Framework,
    InverseOffer,
    Offer,
    Task,
    Update,
)

encode = msgspec.json.encode

HEARTBEAT = b'{"type":"HEARTBEAT"}'
VERSION = "1.11.0"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,2})?")


def master_info(cluster: Cluster) -> dict[str, object]:
    ip = cluster.ip
    number = int.from_bytes(bytes(map(int, ip.split("."))), "little")
    return {
        "id": cluster.id,
        "ip": number,
        "port": cluster.port,
        "pid": f"master@{ip}:{cluster.port}",
        "hostname": cluster.host,
        "version": VERSION,
        "address": {"hostname": cluster.host, "ip": ip, "port": cluster.port},
        "capabilities": [{"type": "AGENT_UPDATE"}, {"type": "AGENT_DRAINING"}, {}],
    }


def subscribed(cluster: Cluster, framework: Framework) -> bytes:
    return encode(
        {
            "type": "SUBSCRIBED",
            "subscribed": {
                "framework_id": {"value": framework.id},
                "heartbeat_interval_seconds": float(cluster.options.heartbeat_seconds),
                "master_info": master_info(cluster),
            },
        }
    )


def error(message: str) -> bytes:
    return encode({"type": "ERROR", "error": {"message": message}})


def rescind(offer_id: str) -> bytes:
    return b'{"type":"RESCIND","rescind":{"offer_id":{"value":"%b"}}}' % offer_id.encode()


def inverse_offers(each: list[bytes]) -> bytes:
    return (
        b'{"type":"INVERSE_OFFERS","inverse_offers":{"inverse_offers":[' + b",".join(each) + b"]}}"
    )


def inverse_offer(given: InverseOffer, unavailability: Unavailability, cluster: Cluster) -> bytes:
    return encode(
        {
            "id": {"value": given.id},
            "url": _url(given.agent, cluster.host, cluster.port),
            "framework_id": {"value": given.framework.id},
            "agent_id": {"value": given.agent.id},
            "unavailability": unavailability,
        }
    )


def rescind_inverse(offer_id: str) -> bytes:
    body = {"inverse_offer_id": {"value": offer_id}}
    return encode({"type": "RESCIND_INVERSE_OFFER", "rescind_inverse_offer": body})


def agent_failure(agent_id: str) -> bytes:
    return encode({"type": "FAILURE", "failure": {"agent_id": {"value": agent_id}}})


def offers(each: list[bytes]) -> bytes:
    return b'{"type":"OFFERS","offers":{"offers":[' + b",".join(each) + b"]}}"


def offer(given: Offer) -> bytes:
    agent = given.agent
    rendered = agent.rendered
    if rendered is None or rendered[0] is not given.bag or rendered[1] != given.role:
        rendered = (given.bag, given.role, to_wire(given.bag, given.role))
        agent.rendered = rendered
    return (
        b'{"id":{"value":"%b"},"framework_id":{"value":%b},%b,"resources":%b,'
        b'"allocation_info":{"role":%b}}'
    ) % (
        given.id.encode(),
        encode(given.framework.id),
        agent.wire,
        rendered[2],
        encode(given.role),
    )


def update(cluster: Cluster, task: Task, sent: Update) -> bytes:
    """A status that the executor reported: it has a uuid and wants an acknowledgement."""
    task_id = encode(task.id)
    more = b""
    if sent.reason is not None:
        more += b'"reason":"%b",' % sent.reason.encode()
    if sent.message is not None:
        more += b'"message":%b,' % encode(sent.message)
    if sent.healthy is not None:
        more += b'"healthy":true,' if sent.healthy else b'"healthy":false,'
    return (
        b'{"type":"UPDATE","update":{"status":{"task_id":{"value":%b},"state":"%b",%b'
        b'"source":"SOURCE_EXECUTOR","agent_id":{"value":"%b"},"executor_id":{"value":%b},'
        b'"timestamp":%.6f,"uuid":"%b","container_status":%b}}}'
    ) % (
        task_id,
        sent.state.encode(),
        more,
        task.agent.id.encode(),
        task_id if task.executor is None else encode(task.executor),
        sent.timestamp,
        sent.uuid.encode(),
        container_status(cluster, task),
    )


def container_status(cluster: Cluster, task: Task) -> bytes:
    return (
        b'{"container_id":{"value":"%b-0000-4000-8000-%012x"},"network_infos":'
        b'[{"ip_addresses":[{"ip_address":"%b","protocol":"IPv4"}]}]}'
    ) % (cluster.id[:8].encode(), task.number, cluster.host.encode())


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A status that the master itself makes: no uuid, not to be acknowledged."""

    task_id: dict[str, str]
    state: str
    reason: str
    message: str
    timestamp: float
    agent_id: dict[str, str] | None = None
    executor_id: dict[str, str] | None = None
    healthy: bool | None = None
    unreachable_time: dict[str, int] | None = None
    container_status: msgspec.Raw | None = None
    source: str = msgspec.field(default_factory=lambda: "SOURCE_MASTER")


def master_update(answer: Answer) -> bytes:
    return b'{"type":"UPDATE","update":{"status":%b}}' % encode(answer)


def agent_wire(agent: Agent, host: str, port: int) -> bytes:
    """The members of an offer that tell of its agent."""
    from_spec: dict[str, object] = {
        "agent_id": {"value": agent.id},
        "attributes": attributes(agent.spec.attributes),
        "hostname": agent.spec.hostname,
        "url": _url(agent, host, port),
    }
    if agent.spec.region is not None:
        from_spec["domain"] = domain(agent.spec)
    if agent.maintenance is not None:
        from_spec["unavailability"] = agent.maintenance.unavailability
    return encode(from_spec)[1:-1]


def _url(agent: Agent, host: str, port: int) -> dict[str, object]:
    return {
        "address": {"hostname": agent.spec.hostname, "ip": host, "port": port},
        "path": f"/slave({agent.index + 1})",
        "scheme": "http",
    }


def domain(spec: AgentSpec) -> dict[str, object]:
    return {"fault_domain": {"region": {"name": spec.region}, "zone": {"name": spec.zone}}}


def attributes(text: str) -> list[dict[str, object]]:
    """Read the agent's --attributes flag: a type is seen by the value, as Mesos does."""
    return [_attribute(part) for part in filter(None, map(str.strip, text.split(";")))]


def _attribute(part: str) -> dict[str, object]:
    name, colon, value = (piece.strip() for piece in part.partition(":"))
    if not (name and colon and value):
        raise ValueError(f"cannot read the attribute {part!r}: write name:value")
    if value[0] == "[":
        ranges = [{"begin": begin, "end": end} for begin, end in parse_ranges(value)]
        return {"name": name, "ranges": {"range": ranges}, "type": "RANGES"}
    if value[0] == "{":
        return {"name": name, "set": {"item": parse_items(value)}, "type": "SET"}
    if _NUMBER.fullmatch(value):
        return {"name": name, "scalar": {"value": float(value)}, "type": "SCALAR"}
    return {"name": name, "text": {"value": value}, "type": "TEXT"}


def operation_update(
    operation_id: str,
    state: str,
    message: str = "",
    *,
    uuid: str = "",
    agent_id: str | None = None,
) -> bytes:
    """How an operation is; with a ``uuid`` it wants an acknowledgement."""
    status: dict[str, object] = {"operation_id": {"value": operation_id}, "state": state}
    if message:
        status["message"] = message
    if uuid:
        status["uuid"] = {"value": uuid}
    if agent_id is not None:
        status["agent_id"] = {"value": agent_id}
    return encode(
        {"type": "UPDATE_OPERATION_STATUS", "update_operation_status": {"status": status}}
    )
