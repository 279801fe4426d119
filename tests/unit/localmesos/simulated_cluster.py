"""The simulated master without a socket, on a clock that the test moves."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from localmesos.cluster import agent_specs
from localmesos.simulated import agents, faults, frameworks, master, wire
from localmesos.simulated.options import Options
from localmesos.simulated.state import Cluster, Stream

Json = dict[str, Any]
CAPABILITIES = ("PARTITION_AWARE", "MULTI_ROLE", "TASK_KILLING_STATE")
WALL_OFFSET = 1_000_000.0


class FakeMesos:
    """One master; `pass_time` runs what becomes due on the way, in order."""

    def __init__(self, count: int = 1, resources: str = "cpus:4;mem:4096", **options: Any) -> None:
        self.now = 0.0
        self.cluster = Cluster(Options(**options), ("127.0.0.1", 5050), WALL_OFFSET)
        for spec in agent_specs(count, resources=resources):
            agents.add_agent(self.cluster, self.now, spec)

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := master.next_due(self.cluster)) is not None and due <= end:
            self.now = max(self.now, due)
            master.run_due(self.cluster, self.now)
        self.now = end

    def do(self, fault: faults.Fault) -> faults.Result:
        result = faults.carry_out(self.cluster, self.now, fault)
        self.pass_time(0)
        return result

    def subscribe(self, **info: Any) -> "FakeScheduler":
        return FakeScheduler(self, info)


class FakeScheduler:
    """A subscribed framework; `take` empties what came on its stream."""

    def __init__(self, mesos: FakeMesos, info: Json) -> None:
        self.mesos = mesos
        suppressed = info.pop("suppressed", [])
        self.stream = Stream(mesos.cluster.new_stream_id())
        self.info: Json = {
            "user": "root",
            "name": "test",
            "roles": ["*"],
            "capabilities": [{"type": each} for each in CAPABILITIES],
            **info,
        }
        subscribe = {"framework_info": self.info, "suppressed_roles": suppressed}
        call: Json = {"type": "SUBSCRIBE", "subscribe": subscribe}
        if "id" in self.info:
            call["framework_id"] = self.info["id"]
        body = json.dumps(call).encode()
        decoded = wire.decode_call(body)
        assert master.call_error(decoded) is None
        master.subscribe(mesos.cluster, mesos.now, decoded, body, self.stream)
        mesos.pass_time(0)
        self.first = self.take("SUBSCRIBED") or self.take("ERROR")
        framework = self.stream.framework
        self.framework_id = framework.id if framework else ""

    def events(self) -> list[Json]:
        return [msgspec.json.decode(record) for record in self.stream.records]

    def take(self, kind: str) -> list[Json]:
        """Remove and give the events of a kind."""
        found = [event for event in self.events() if event["type"] == kind]
        self.stream.records = [
            record for record in self.stream.records if json.loads(record)["type"] != kind
        ]
        return found

    def offers(self) -> list[Json]:
        return [offer for event in self.take("OFFERS") for offer in event["offers"]["offers"]]

    def statuses(self) -> list[Json]:
        return [event["update"]["status"] for event in self.take("UPDATE")]

    def call(self, kind: str, **parts: Any) -> master.Answer:
        call = {"type": kind, "framework_id": {"value": self.framework_id}, **parts}
        body = json.dumps(call).encode()
        decoded = wire.decode_call(body)
        error = master.call_error(decoded)
        if error is not None:
            return master.Answer(400, error)
        cluster, now = self.mesos.cluster, self.mesos.now
        answer = master.handle(cluster, now, decoded, body, self.stream.id)
        self.mesos.pass_time(0)
        return answer

    def accept(self, offers: Sequence[Json], tasks: Sequence[Json], refuse: float = 5.0) -> None:
        operations = [{"type": "LAUNCH", "launch": {"task_infos": list(tasks)}}]
        accept = {
            "offer_ids": [offer["id"] for offer in offers],
            "operations": operations,
            "filters": {"refuse_seconds": refuse},
        }
        assert self.call("ACCEPT", accept=accept).status == 202

    def decline(self, offers: Sequence[Json], refuse: float | None = None) -> None:
        decline: Json = {"offer_ids": [offer["id"] for offer in offers]}
        if refuse is not None:
            decline["filters"] = {"refuse_seconds": refuse}
        assert self.call("DECLINE", decline=decline).status == 202

    def acknowledge(self, status: Json) -> None:
        parts = {name: status[name] for name in ("agent_id", "task_id", "uuid")}
        assert self.call("ACKNOWLEDGE", acknowledge=parts).status == 202

    def acknowledge_all(self) -> list[str]:
        """Acknowledge until nothing more comes; the states in order."""
        states = []
        while statuses := [each for each in self.statuses() if "uuid" in each]:
            for status in statuses:
                states.append(status["state"])
                self.acknowledge(status)
        return states

    def kill(self, task_id: str) -> None:
        assert self.call("KILL", kill={"task_id": {"value": task_id}}).status == 202

    def lose_connection(self) -> None:
        frameworks.disconnected(self.mesos.cluster, self.mesos.now, self.stream)
        self.mesos.pass_time(0)


def task(
    offer: Json, task_id: str, command: str = "serve", *, cpus: float = 1.0, **more: Any
) -> Json:
    return {
        "name": "test",
        "task_id": {"value": task_id},
        "agent_id": offer["agent_id"],
        "command": {"value": command},
        "resources": [{"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}}],
        **more,
    }


def cpus(offer: Json) -> float:
    found = [each["scalar"]["value"] for each in offer["resources"] if each["name"] == "cpus"]
    return float(sum(found))
