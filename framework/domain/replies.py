"""Answers to commands. They leave only after what they speak of is durable and published."""

from enum import StrEnum

from msgspec import Struct

from framework.domain.app import App
from framework.domain.instance import Instance
from framework.domain.rollout import DeploymentAction


class Why(StrEnum):
    """Why a command was refused; the API maps each to one status."""

    APP_UNKNOWN = "app unknown"
    TASK_UNKNOWN = "task unknown"
    DEPLOYMENT_UNKNOWN = "deployment unknown"
    NOT_WAITING = "not waiting"
    NOT_SUSPENDED = "not suspended"
    GROUP_UNKNOWN = "group unknown"
    APP_EXISTS = "app exists"
    CHANGED_MEANWHILE = "changed meanwhile"
    OTHER_EDITION = "other edition"
    LOCKED = "locked"
    INVALID = "invalid"
    TOO_MANY_DEPLOYMENTS = "too many deployments"
    PORTS_EXHAUSTED = "ports exhausted"
    ORPHAN_UNKNOWN = "orphan unknown"
    VOLUME_UNKNOWN = "volume unknown"
    VOLUME_IN_USE = "volume in use"
    DRAIN_UNKNOWN = "drain unknown"
    CRASH_UNKNOWN = "crash unknown"
    EDGE_UNKNOWN = "edge unknown"
    SHARES_UNKNOWN = "shares unknown"
    TOO_MANY_EDGES = "too many edges"
    FROZEN = "frozen"
    SET_ASIDE = "set aside"


class Unfit(Struct, frozen=True, gc=False):
    """So many agents do not fit for this reason, one of those of the queue."""

    reason: str
    agents: int
    message: str


class Misfit(Struct, frozen=True, gc=False):
    """An app of which not one of the instances to start fits an agent that was looked at, of those
    seen in late offers; ``message`` says all of it in a sentence."""

    app_id: str
    instances: int
    agents_seen: int
    agents_looked_at: int
    reasons: tuple[Unfit, ...]
    message: str


class Done(Struct, frozen=True, gc=False):
    """``apps`` are the definitions as stored; ``instances`` those a kill concerned; ``steps`` what
    the deployment does, ``warnings`` what may keep it from ending, in sentences.
    A dry run adds what would not fit, and says in ``misfits`` more of that."""

    version: str = ""
    deployment_id: str = ""
    apps: tuple[App, ...] = ()
    instances: tuple[Instance, ...] = ()
    steps: tuple[tuple[DeploymentAction, ...], ...] = ()
    warnings: tuple[str, ...] = ()
    misfits: tuple[Misfit, ...] = ()


class Refused(Struct, frozen=True, gc=False):
    """``subject`` is the id in question; ``details`` are (path, error) pairs of bad input;
    ``deployment_ids`` those that hold the lock."""

    why: Why
    subject: str
    message: str = ""
    details: tuple[tuple[str, str], ...] = ()
    deployment_ids: tuple[str, ...] = ()


Reply = Done | Refused
