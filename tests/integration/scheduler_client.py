"""A scheduler on bare sockets for tests: it does nothing by itself, so a test sees every event.

Events are read by a thread into a list; a test waits for the one it needs, with a deadline.
"""

import contextlib
import http.client
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

Json = dict[str, Any]
PATH = "/api/v1/scheduler"
JSON_HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}
CAPABILITIES = ("PARTITION_AWARE", "MULTI_ROLE", "TASK_KILLING_STATE", "RESERVATION_REFINEMENT")
DEADLINE_SECONDS = 20.0


class UnexpectedError(AssertionError):
    """What was waited for did not come; the message shows what came instead."""


def post(
    url: str, call: Json | bytes, headers: Mapping[str, str] | None = None, path: str = PATH
) -> tuple[int, str, dict[str, str]]:
    """One call on a connection of its own: status, text, headers in lower case."""
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.netloc, timeout=DEADLINE_SECONDS)
    try:
        body = call if isinstance(call, bytes) else json.dumps(call).encode()
        connection.request("POST", path, body, {**JSON_HEADERS, **(headers or {})})
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, text, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


class Stream:
    """One subscription and the events that came on it."""

    def __init__(self, url: str, subscribe: Json) -> None:
        self.events: list[Json] = []
        self.ended = False
        self._changed = threading.Condition()
        self._connection = http.client.HTTPConnection(
            urlsplit(url).netloc, timeout=DEADLINE_SECONDS
        )
        self._connection.request("POST", PATH, json.dumps(subscribe).encode(), JSON_HEADERS)
        self._socket = self._connection.sock
        self._answer = self._connection.getresponse()
        self.status = self._answer.status
        self.id = self._answer.headers.get("Mesos-Stream-Id")
        if self.status != 200:
            text = self._answer.read().decode()
            self._connection.close()
            raise UnexpectedError(f"SUBSCRIBE: {self.status} {text}")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            while line := self._answer.readline():
                event = json.loads(self._answer.read(int(line)))
                with self._changed:
                    self.events.append(event)
                    self._changed.notify_all()
        except (OSError, http.client.HTTPException, ValueError):
            pass  # a cut stream ends like any other
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def wait(
        self, wanted: Callable[[Json], bool], since: int = 0, seconds: float = DEADLINE_SECONDS
    ) -> Json:
        """The first event from number `since` on that is wanted."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: next((e for e in self.events[since:] if wanted(e)), None) or self.ended,
                seconds,
            )
            if isinstance(found, dict):
                return found
            raise UnexpectedError(f"it did not come; these came: {self.events[since:]}")

    def wait_end(self) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: self.ended, DEADLINE_SECONDS):
                raise UnexpectedError("the stream did not end")

    def close(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):  # the other side may be faster
                self._socket.shutdown(2)
        self._thread.join(DEADLINE_SECONDS)
        self._answer.close()
        self._connection.close()


class Scheduler:
    """A subscribed framework; on leaving its context it is torn down, tasks and all."""

    def __init__(
        self,
        url: str,
        *,
        roles: Sequence[str] = ("*",),
        suppressed: Sequence[str] = (),
        capabilities: Sequence[str] = CAPABILITIES,
        failover_seconds: float = 0.0,
        framework_id: str | None = None,
        **info: object,
    ) -> None:
        self.url = url
        self.info: Json = {
            "user": "root",
            "name": "test",
            "roles": list(roles),
            "capabilities": [{"type": each} for each in capabilities],
            "failover_timeout": failover_seconds,
            **info,
        }
        self.framework_id = framework_id
        self.stream = self._subscribe(suppressed)
        first = self.stream.wait(lambda event: event["type"] in ("SUBSCRIBED", "ERROR"))
        if first["type"] == "ERROR":
            self.stream.close()
            raise UnexpectedError(first["error"]["message"])
        self.framework_id = first["subscribed"]["framework_id"]["value"]

    def _subscribe(self, suppressed: Sequence[str]) -> Stream:
        info = dict(self.info)
        call: Json = {
            "type": "SUBSCRIBE",
            "subscribe": {"framework_info": info, "suppressed_roles": list(suppressed)},
        }
        if self.framework_id is not None:
            info["id"] = {"value": self.framework_id}
            call["framework_id"] = {"value": self.framework_id}
        return Stream(self.url, call)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.call({"type": "TEARDOWN"})
        self.stream.close()

    @property
    def mark(self) -> int:
        """The number of the next event: to wait only for what is new."""
        return len(self.stream.events)

    def call(self, call: Json, stream_id: str | None = None) -> tuple[int, str, dict[str, str]]:
        """Send a call with the framework's id and stream id; status, text and headers."""
        full = {"framework_id": {"value": self.framework_id}, **call}
        return post(self.url, full, {"Mesos-Stream-Id": stream_id or self.stream.id or ""})

    def send(self, call: Json) -> None:
        """Send a call that must be accepted."""
        status, text, _ = self.call(call)
        if status != 202:
            raise UnexpectedError(f"{call['type']}: {status} {text}")

    def offer(self, since: int = 0, wanted: Callable[[Json], bool] = lambda _offer: True) -> Json:
        """The first offer that is wanted."""
        event = self.stream.wait(
            lambda e: e["type"] == "OFFERS" and any(map(wanted, e["offers"]["offers"])), since
        )
        return next(each for each in event["offers"]["offers"] if wanted(each))

    def offers(self, since: int = 0) -> list[Json]:
        """All offers that came."""
        return [
            offer
            for event in self.stream.events[since:]
            if event["type"] == "OFFERS"
            for offer in event["offers"]["offers"]
        ]

    def status(
        self, task_id: str, state: str | None = None, since: int = 0, **fields: object
    ) -> Json:
        """The first status of a task in a state, with the given fields."""

        def wanted(event: Json) -> bool:
            if event["type"] != "UPDATE":
                return False
            found = event["update"]["status"]
            return (
                found["task_id"]["value"] == task_id
                and state in (None, found["state"])
                and all(found.get(name) == value for name, value in fields.items())
            )

        status: Json = self.stream.wait(wanted, since)["update"]["status"]
        return status

    def statuses(self, since: int = 0) -> list[Json]:
        return [e["update"]["status"] for e in self.stream.events[since:] if e["type"] == "UPDATE"]

    def acknowledge(self, status: Json) -> None:
        self.send(
            {
                "type": "ACKNOWLEDGE",
                "acknowledge": {name: status[name] for name in ("agent_id", "task_id", "uuid")},
            }
        )

    def decline(self, offers: Sequence[Json], refuse_seconds: float) -> None:
        self.send(
            {
                "type": "DECLINE",
                "decline": {
                    "offer_ids": [offer["id"] for offer in offers],
                    "filters": {"refuse_seconds": refuse_seconds},
                },
            }
        )

    def launch(
        self,
        offers: Sequence[Json],
        tasks: Sequence[Json],
        refuse_seconds: float = 5.0,
    ) -> None:
        self.send(
            {
                "type": "ACCEPT",
                "accept": {
                    "offer_ids": [offer["id"] for offer in offers],
                    "operations": [{"type": "LAUNCH", "launch": {"task_infos": list(tasks)}}],
                    "filters": {"refuse_seconds": refuse_seconds},
                },
            }
        )

    def run(self, offer: Json, command: str = "sleep 1000", **more: Any) -> Json:
        """Launch one task and bring it to TASK_RUNNING, all acknowledged; the TaskInfo."""
        info = task(offer, command, **more)
        task_id = info["task_id"]["value"]
        since = self.mark
        self.launch([offer], [info], refuse_seconds=1000.0)
        for state in ("TASK_STARTING", "TASK_RUNNING"):
            self.acknowledge(self.status(task_id, state, since))
        return info

    def kill(self, task_id: str, agent_id: str | None = None) -> None:
        kill: Json = {"task_id": {"value": task_id}}
        if agent_id is not None:
            kill["agent_id"] = {"value": agent_id}
        self.send({"type": "KILL", "kill": kill})

    def reconcile(self, *asked: tuple[str, str | None]) -> None:
        """Ask for (task id, agent id or None) each; for nothing: implicitly."""
        tasks = [
            {"task_id": {"value": task_id}} | ({"agent_id": {"value": agent}} if agent else {})
            for task_id, agent in asked
        ]
        self.send({"type": "RECONCILE", "reconcile": {"tasks": tasks}})


def scalar(name: str, value: float) -> Json:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}}


def task(
    offer: Json, command: str = "sleep 1000", *, cpus: float = 0.1, mem: float = 32.0, **more: Any
) -> Json:
    """A TaskInfo with a new id for the agent of an offer."""
    return {
        "name": "test",
        "task_id": {"value": str(uuid.uuid4())},
        "agent_id": offer["agent_id"],
        "command": {"value": command, "shell": True},
        "resources": [scalar("cpus", cpus), scalar("mem", mem)],
        **more,
    }


def amount(offer: Json, name: str) -> float:
    """How much of a scalar an offer holds."""
    return sum(
        float(each["scalar"]["value"])
        for each in offer["resources"]
        if each["name"] == name and each["type"] == "SCALAR"
    )


def eventually(wanted: Callable[[], bool], what: str) -> None:
    """Poll with a deadline for what no event tells."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    pause = threading.Event()
    while not wanted():
        if time.monotonic() > deadline:
            raise UnexpectedError(what)
        pause.wait(0.02)


def on(offer: Json) -> Callable[[Json], bool]:
    """Offers of the same agent."""
    return lambda other: other["agent_id"] == offer["agent_id"]


def all_offers(scheduler: Scheduler, count: int = 3, since: int = 0) -> list[Json]:
    """One offer of each agent, in the order of their hostnames."""

    def by_host() -> dict[str, Json]:
        return {offer["hostname"]: offer for offer in scheduler.offers(since)}

    eventually(lambda: len(by_host()) == count, "not every agent was offered")
    return [by_host()[name] for name in sorted(by_host())]


def acknowledge_to(scheduler: Scheduler, task_id: str, state: str) -> Json:
    """Acknowledge each update of a task in turn until it is in the state; that update."""
    seen = {""}
    while True:
        event = scheduler.stream.wait(
            lambda e: (
                e["type"] == "UPDATE"
                and e["update"]["status"]["task_id"]["value"] == task_id
                and e["update"]["status"].get("uuid", "") not in seen
            )
        )
        status: Json = event["update"]["status"]
        seen.add(status["uuid"])
        scheduler.acknowledge(status)
        if status["state"] == state:
            return status
