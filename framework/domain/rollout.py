"""What an app's change leaves behind: deployments, launch delays and launch statistics."""

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
    action: ActionName
    app_id: str


class Deployment(Struct, frozen=True, gc=False, omit_defaults=True):
    """A change on its way. ``before`` maps each affected app to the version it had (empty: it
    did not exist), for the revert; ``current_step`` counts from 1, 0 before the first."""

    id: str
    version: str
    steps: tuple[tuple[DeploymentAction, ...], ...]
    affected: tuple[str, ...]
    before: dict[str, str]
    current_step: int = 0
    started_at_ms: int = 0


class Delay(Struct, frozen=True, gc=False, omit_defaults=True):
    """A launch back-off of an app's configuration (``config`` is ``last_config_change_at``):
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


class Framework(Struct, frozen=True, gc=False, omit_defaults=True):
    """Our registration with Mesos. ``state_id`` names this state for ever; ``mesos_role`` and
    ``principal`` are as first subscribed."""

    state_id: str
    framework_id: str = ""
    created_at_ms: int = 0


class Connection(Struct, frozen=True, gc=False, omit_defaults=True):
    """How we stand with Mesos at the moment (not stored)."""

    subscribed: bool = False
    synced: bool = False
    master: str = ""
    since_ms: int = 0
