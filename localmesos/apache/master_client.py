"""What the engine asks a booting master or agent over HTTP: who is registered by now."""

import http.client
import json
from dataclasses import dataclass
from typing import Any

from localmesos.apache.flags import Address

_TIMEOUT_SECONDS = 5.0
_MAX_ANSWER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RegisteredAgent:
    """An agent that the master counts on. `process` is libprocess' name: "slave(1)@ip:port"."""

    agent_id: str
    process: str
    hostname: str


def registered_agents(master: Address) -> tuple[RegisteredAgent, ...] | None:
    """The active agents; None while the master does not answer or is still recovering."""
    answer = _ask(master, "POST", "/api/v1", {"type": "GET_AGENTS"})
    if answer is None:
        return None
    return tuple(
        RegisteredAgent(
            each["agent_info"]["id"]["value"], each["pid"], each["agent_info"]["hostname"]
        )
        for each in answer.get("get_agents", {}).get("agents", [])
        if each["active"]
    )


def agent_is_registered(agent: Address) -> bool:
    """Whether the agent itself says that a master has accepted it."""
    answer = _ask(agent, "GET", "/metrics/snapshot", None)
    return answer is not None and answer.get("slave/registered") == 1.0


def _ask(address: Address, method: str, path: str, call: object) -> dict[str, Any] | None:
    connection = http.client.HTTPConnection(address.host, address.port, timeout=_TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    try:
        connection.request(method, path, None if call is None else json.dumps(call), headers)
        response = connection.getresponse()
        body = response.read(_MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if response.status != http.client.OK:
        return None
    try:
        answer = json.loads(body)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
