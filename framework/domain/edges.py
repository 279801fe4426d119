"""Edges: the load balancers that follow us, and how they divide traffic between apps.

An edge is known as long as it renews its lease. A planned kill waits for those that follow at once
to have taken the task out of use; one that looks now and then (cron) delays nothing.
"""

from enum import StrEnum

from msgspec import Struct


class EdgeKind(StrEnum):
    """Whether it follows events, or only looks now and then."""

    DAEMON = "daemon"
    CRON = "cron"


class Edge(Struct, frozen=True, gc=False, omit_defaults=True):
    """A load balancer that registered ``since_ms``, for ``lease_seconds`` at a time. Stored, so
    that a new leader knows whom to wait for."""

    name: str
    kind: EdgeKind
    lease_seconds: int
    since_ms: int


class EdgeReport(Struct, frozen=True, gc=False, omit_defaults=True):
    """What an edge said last, at ``seen_ms``: the ``version`` of its configuration, how many
    seconds old what it serves is, the apps it leaves out, and the epoch of the state it follows.
    Never stored."""

    name: str
    seen_ms: int
    version: str = ""
    stale_seconds: float = 0
    quarantined: tuple[str, ...] = ()
    epoch: int = 0


class Shares(Struct, frozen=True, gc=False, omit_defaults=True):
    """How apps that serve one name together (HAPROXY_DEPLOYMENT_GROUP) divide its traffic: parts
    by app id, in any unit."""

    group: str
    shares: dict[str, float]
    since_ms: int
