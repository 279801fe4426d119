"""What a scheduler says of its apps at one moment, checked and in one form.

Whatever the source (Stayer's ``/v3/services``, Marathon's ``/v2/apps``, the text of
``/v2/tasks``), the rest of the bridge sees only these records. They hold facts; what follows from
them for haproxy is decided in ``services``. In JSON they are what Stayer's page has, so that it is
read without a second set of records.
"""

import ipaddress
from contextlib import suppress
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

from msgspec import Meta, Struct


class Verdict(StrEnum):
    """What is known of a task's health. UNKNOWN is not unhealthy: the bridge keeps its last
    verdict of the same task, and takes a new task in only once it is known."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class CheckKind(StrEnum):
    """How a task is asked whether it is well."""

    HTTP = "http"
    HTTPS = "https"
    TCP = "tcp"


HTTP_KINDS = frozenset({CheckKind.HTTP, CheckKind.HTTPS})


class Check(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """A health check of the definition that a task runs, as far as haproxy can repeat it.
    ``port`` is a number of its own instead of the ``port_index``."""

    kind: CheckKind = CheckKind.TCP
    path: str = "/"
    port_index: int = 0
    port: int | None = None
    interval_seconds: float = 60
    timeout_seconds: float = 20
    max_consecutive_failures: int = 3


class Endpoint(Struct, frozen=True, gc=False):
    """Where one port of a task is reached: an address or host name, and a number of 1..65535."""

    host: str
    port: int


@lru_cache(100_000)
def is_address(host: str) -> bool:
    """Whether it is an address already, and no name."""
    with suppress(ValueError):
        ipaddress.ip_address(host.partition("%")[0])
        return True
    return False


class Task(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """One task that runs, or is out of reach for now. ``endpoints`` has one item for each port of
    its app, in declared order; None where it has none. ``host`` is its agent, and ``address`` what
    the scheduler knows of where that is. ``ready``: what its readiness check says, None without
    one. ``awaits_edges``: what it replaces stays until edges send it requests. ``draining``: it is
    to be killed, and gets nothing new. ``reachable``: False while its
    agent is out of reach. ``checks``: those of the definition that it was launched with.
    ``old``: it is of a configuration that a deployment replaces. ``backup``: it serves only while
    no other task of its app can; no scheduler says so, but that it is of another cluster."""

    id: str
    host: str
    endpoints: tuple[Endpoint | None, ...]
    version: str = ""
    started_at_ms: int = 0
    health: Verdict = Verdict.UNKNOWN
    ready: bool | None = None
    draining: bool = False
    reachable: bool = True
    checks: tuple[Check, ...] = ()
    address: str = ""
    old: bool = False
    backup: bool = False
    awaits_edges: bool = False


class Port(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """A declared port of an app. ``service_port`` 0: it has none, and is served nowhere.
    ``protocol``: tcp, udp or ``udp,tcp``. ``per_task``: each task has it on an address of its own,
    and where the scheduler gave it no service port, the node may."""

    service_port: int = 0
    name: str = ""
    protocol: str = "tcp"
    labels: dict[str, str] = {}
    per_task: bool = False


class App(Struct, frozen=True, gc=False, rename="camel", omit_defaults=True):
    """An app and its tasks. ``labels`` also holds what its ``env`` has under ``HAPROXY_`` names,
    where no label says otherwise. ``wanted`` is its count; 0 while it is suspended.
    ``has_checks``: tasks count as up only once a check says so. ``deploying``: a deployment of it
    runs. ``share``: its part of the traffic of the apps that serve one name together, 0 and up
    (None: by the number of its tasks). ``new_share``: the percent of the traffic that its tasks
    which are not old get (None: by their number). ``created_at_ms``: since when there is an app of
    this id, whatever became of its definition; 0 if that is not known."""

    id: str
    wanted: int
    labels: dict[str, str] = {}
    ports: tuple[Port, ...] = ()
    tasks: tuple[Task, ...] = ()
    has_checks: bool = False
    deploying: bool = False
    version: str = ""
    share: Annotated[float, Meta(ge=0)] | None = None
    new_share: Annotated[float, Meta(ge=0, le=100)] | None = None
    created_at_ms: int = 0


class Snapshot(Struct, frozen=True, gc=False):
    """All apps of one scheduler, sorted by id. ``state_id`` and ``epoch`` name the state and who
    leads on it ("" and 0 where the source does not say); ``synced``: the tasks were compared with
    Mesos since the leader began, so that one which is missing is really gone. ``source``: the URL
    that answered. ``tag``: its ETag, for asking whether anything changed."""

    apps: tuple[App, ...]
    source: str = ""
    state_id: str = ""
    epoch: int = 0
    synced: bool = True
    tag: str = ""
