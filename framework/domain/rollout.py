"""What an app's change leaves behind: deployments, launch delays and launch statistics."""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from framework.domain.mesos import Offer


class ActionName(StrEnum):
    """Names of deployment actions on the wire."""

    START = "StartApplication"
    STOP = "StopApplication"
    SCALE = "ScaleApplication"
    RESTART = "RestartApplication"


class DeploymentAction(Struct, frozen=True, gc=False, omit_defaults=True):
    """What a step does to one app."""

    action: ActionName
    app_id: str


class Deployment(Struct, frozen=True, gc=False, omit_defaults=True):
    """A change on its way; what it does to which app stands in its ``parts``, records of their
    own so that none grows with the number of apps. ``current_step`` counts from 1, 0 before the
    first. ``progress`` counts what serves so far, ``progress_at_ms`` when that last grew.
    ``paused``: nothing more is replaced until it is resumed or promoted; ``canary``: it waits
    after the canaries; ``promoted``: it no longer does. ``reverts``: the deployment it takes
    back. ``share``: the percent of the traffic of its apps that what it brings gets (None: by the
    number of tasks). ``canary_step``: which of its canaries' steps is in force (from 1; 0: none
    yet) until ``canary_until_ms``; ``by_hand``: a person says what comes next."""

    id: str
    version: str
    parts: int
    total_steps: int
    current_step: int = 0
    started_at_ms: int = 0
    progress: int = 0
    progress_at_ms: int = 0
    paused: bool = False
    canary: bool = False
    promoted: bool = False
    reverts: str = ""
    share: float | None = None
    canary_step: int = 0
    canary_until_ms: int = 0
    by_hand: bool = False


class PlannedAction(Struct, frozen=True, gc=False, omit_defaults=True):
    """One action of a plan: in which step (from 1), the version the app had before the deployment
    (empty: it did not exist), and the version of the definition whose instances it replaces
    (empty: there are none)."""

    step: int
    action: ActionName
    app_id: str
    before: str = ""
    replaces: str = ""


class DeploymentPart(Struct, frozen=True, gc=False, omit_defaults=True):
    """A bounded number of a deployment's actions."""

    deployment_id: str
    actions: tuple[PlannedAction, ...]


class Plan(Struct, frozen=True, gc=False):
    """A deployment's parts put together: ``steps`` of actions, the ``affected`` apps sorted, what
    each was ``before``, and which definition it ``replaces`` of those that have such instances."""

    steps: tuple[tuple[DeploymentAction, ...], ...]
    affected: tuple[str, ...]
    before: dict[str, str]
    replaces: dict[str, str]


def part_key(deployment_id: str, number: int) -> str:
    """The id of a deployment's ``number``-th part, from 0."""
    return f"{deployment_id}/{number}"


def plan_from(parts: Iterable[DeploymentPart], total_steps: int) -> Plan:
    """The plan that these parts hold."""
    steps: list[list[DeploymentAction]] = [[] for _ in range(total_steps)]
    before: dict[str, str] = {}
    replaces: dict[str, str] = {}
    for part in parts:
        for one in part.actions:
            steps[one.step - 1].append(DeploymentAction(one.action, one.app_id))
            before[one.app_id] = one.before
            if one.replaces:
                replaces[one.app_id] = one.replaces
    affected = tuple(sorted(before))
    return Plan(tuple(tuple(step) for step in steps), affected, before, replaces)


class Delay(Struct, frozen=True, gc=False, omit_defaults=True):
    """A launch back-off of an app's configuration (``config``):
    no launch before ``until_ms``; forgotten after a stable run."""

    app_id: str
    config: str
    delay_ms: int
    until_ms: int


class UnusedOffer(Struct, frozen=True, gc=False, omit_defaults=True):
    offer: Offer
    reasons: tuple[str, ...]
    at_ms: int


class LaunchStats(Struct, frozen=True, gc=False, omit_defaults=True):
    """Why an app waits: what offers were looked at since ``since_ms`` and what each lacked.
    ``refused_attempt`` and ``refused_last`` map a Marathon reason to a number of offers: since
    the wait began, and over the latest refused offer of each agent. ``explanation`` holds
    sentences for people, most frequent first."""

    app_id: str
    role: str
    since_ms: int
    waiting: int
    processed: int = 0
    unused: int = 0
    last_used_at_ms: int | None = None
    last_unused_at_ms: int | None = None
    refused_attempt: dict[str, int] = {}
    refused_last: dict[str, int] = {}
    processed_last: int = 0
    last_unused_offers: tuple[UnusedOffer, ...] = ()
    explanation: tuple[str, ...] = ()


class Wait(Struct, frozen=True, gc=False, omit_defaults=True):
    """What is kept of an app's wait, so that another process can go on counting; fields as in
    LaunchStats. Written now and then, and only of waits that last."""

    app_id: str
    since_ms: int
    processed: int = 0
    unused: int = 0
    last_used_at_ms: int | None = None
    last_unused_at_ms: int | None = None
    refused: dict[str, int] = {}


class Framework(Struct, frozen=True, gc=False, omit_defaults=True):
    """Our registration with Mesos. ``state_id`` names this state for ever; ``epoch`` grows
    whenever a process begins to decide on it, also after the state was restored from a backup.
    ``earlier_ids``: of frameworks that Mesos removed; reservations may still carry them."""

    state_id: str
    framework_id: str = ""
    created_at_ms: int = 0
    epoch: int = 0
    earlier_ids: tuple[str, ...] = ()


class Connection(Struct, frozen=True, gc=False, omit_defaults=True):
    """How we stand with Mesos at the moment (not stored)."""

    subscribed: bool = False
    synced: bool = False
    master: str = ""
    since_ms: int = 0
