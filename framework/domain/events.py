"""Everything that can happen to the scheduler, as values.

Commands come from people through the API and are imperative; each is asked with a token and
answered by a reply that carries it. Facts are in the past tense and expect no answer.
"""

from enum import StrEnum

from msgspec import Struct

from framework.domain.actions import Action
from framework.domain.app import App
from framework.domain.draining import InverseOffer
from framework.domain.edges import EdgeKind
from framework.domain.groups import Group
from framework.domain.health import ProbesReported
from framework.domain.mesos import Offer, OperationStatus, TaskStatus
from framework.domain.storm import Pace


class PutApp(Struct, frozen=True, gc=False):
    """Store this definition. ``expected_version``: "" the app must not exist, a version: it must
    still be that one, None: whatever is there. Zero service ports are assigned here."""

    app: App
    expected_version: str | None = None


class ChangeApps(Struct, frozen=True, gc=False):
    """Put and remove definitions and groups, all or none, as one deployment. A removed group
    takes all below it along. ``expected_tree``: the root group's version the change was made for
    (None: any). ``force`` cancels deployments that hold any of these apps. ``dry_run``: only say
    what would happen. ``reverts``: the deployment that this one takes back."""

    puts: tuple[PutApp, ...] = ()
    removes: tuple[str, ...] = ()
    groups: tuple[Group, ...] = ()
    removed_groups: tuple[str, ...] = ()
    expected_tree: str | None = None
    force: bool = False
    dry_run: bool = False
    reverts: str = ""


class RestartApp(Struct, frozen=True, gc=False):
    """Replace every instance by a new one of the same definition. Here and below ``dry_run``: only
    say what would happen."""

    app_id: str
    force: bool = False
    dry_run: bool = False


class KillTasks(Struct, frozen=True, gc=False):
    """Kill these instances (by instance id). ``scale``: the apps' counts go down with them;
    ``wipe``: they are forgotten and replaced by new instances; neither: relaunched in place.
    ``force``: even if a deployment holds their apps, or they are frozen."""

    instance_ids: tuple[str, ...]
    scale: bool = False
    wipe: bool = False
    force: bool = False
    dry_run: bool = False


class ResetDelay(Struct, frozen=True, gc=False):
    """Forget the launch back-off of an app."""

    app_id: str


class SuspendApp(Struct, frozen=True, gc=False):
    """Scale the app to nothing and remember its count."""

    app_id: str
    force: bool = False
    dry_run: bool = False


class ResumeApp(Struct, frozen=True, gc=False):
    """Scale a suspended app back to the count it had."""

    app_id: str
    force: bool = False
    dry_run: bool = False


class PauseDeployment(Struct, frozen=True, gc=False):
    """Replace nothing more until it is resumed; what runs is kept running."""

    deployment_id: str


class ShareDeployment(Struct, frozen=True, gc=False):
    """Give what a deployment brings so many percent of the traffic of its apps; None: by the
    number of tasks."""

    deployment_id: str
    share: float | None = None


class ResumeDeployment(Struct, frozen=True, gc=False):
    """Go on after a pause; after canaries this promotes them."""

    deployment_id: str


class CancelDeployment(Struct, frozen=True, gc=False):
    """End a deployment: by a new one that takes its change back, or (``force``) in place."""

    deployment_id: str
    force: bool = False
    dry_run: bool = False


class AdoptOrphan(Struct, frozen=True, gc=False):
    """Make an orphaned task an instance of ``app_id`` (which must exist)."""

    task_id: str
    app_id: str


class KillOrphan(Struct, frozen=True, gc=False):
    """Kill a task that Mesos calls ours and we have no record of. ``force``: even while everything
    is frozen."""

    task_id: str
    force: bool = False


class RemoveVolume(Struct, frozen=True, gc=False):
    """Destroy the volumes of an instance's reservation and give back its resources; refused while
    the instance is wanted. ``forget``: only drop the record, of what Mesos has no more."""

    instance_id: str
    forget: bool = False


class TearDown(Struct, frozen=True, gc=False):
    """Remove the framework from Mesos: every task dies and the framework id with them.
    ``force``: even while something is frozen."""

    force: bool = False


class FreezeApps(Struct, frozen=True, gc=False):
    """Launch and kill nothing of these apps from now on; no apps: of any app."""

    app_ids: tuple[str, ...] = ()
    reason: str = ""


class LiftFreeze(Struct, frozen=True, gc=False):
    """End the freeze of these apps; no apps: that of everything. Each is ended by itself: what
    is frozen by another stays so."""

    app_ids: tuple[str, ...] = ()


class PaceReplacements(Struct, frozen=True, gc=False):
    """Hold the replacements of lost instances, bound them as in a storm, or let all go."""

    pace: Pace
    reason: str = ""


class DrainAgent(Struct, frozen=True, gc=False):
    """Launch nothing more on an agent (by id or hostname) and replace what runs there.
    ``deadline_seconds``: what is left by then is killed (0: never)."""

    agent: str
    reason: str = ""
    deadline_seconds: int = 0


class UndrainAgent(Struct, frozen=True, gc=False):
    """Use an agent again, by the name it was drained under."""

    agent: str


class ForgetCrash(Struct, frozen=True, gc=False):
    """Handle again what was set aside after crashes, and end the freeze that it led to."""

    crash_id: str


class RenewEdge(Struct, frozen=True, gc=False):
    """A load balancer follows us, for another lease; see ``Edge`` and ``EdgeReport``."""

    name: str
    kind: EdgeKind
    lease_seconds: int
    version: str = ""
    stale_seconds: float = 0
    quarantined: tuple[str, ...] = ()
    epoch: int = 0


class ForgetEdge(Struct, frozen=True, gc=False):
    """A load balancer follows us no more."""

    name: str


class AcknowledgeDrained(Struct, frozen=True, gc=False):
    """A load balancer sends these tasks nothing more. The ``rotated`` ones it does send something,
    or serves nothing of their apps."""

    name: str
    task_ids: tuple[str, ...]
    rotated: tuple[str, ...] = ()


class PutShares(Struct, frozen=True, gc=False):
    """Divide the traffic of apps that serve one name; no shares: as if nobody ever did."""

    group: str
    shares: dict[str, float] = {}


class Written(StrEnum):
    """What has editions (``core/editions.py``): a group stands for all that is in it, and what
    is listed as a whole for each of the list."""

    APP = "app"
    GROUP = "group"
    DEPLOYMENT = "deployment"
    FREEZES = "freezes"
    ORPHANS = "orphans"
    CRASHES = "crashes"
    PACE = "pace"


ANY_EDITION = "*"


class OnlyIf(Struct, frozen=True, gc=False):
    """Carry out the command only if the present edition of the thing it writes is one of
    ``matches`` and none of ``matches_none`` (None: whichever). ``key``: the id of the app, group
    or deployment. ANY_EDITION is any that there is; what does not exist has none."""

    command: "Command"
    written: Written
    key: str
    matches: tuple[str, ...] | None = None
    matches_none: tuple[str, ...] | None = None


Command = (
    OnlyIf
    | ChangeApps
    | RestartApp
    | KillTasks
    | ResetDelay
    | SuspendApp
    | ResumeApp
    | PauseDeployment
    | ShareDeployment
    | ResumeDeployment
    | CancelDeployment
    | AdoptOrphan
    | KillOrphan
    | RemoveVolume
    | TearDown
    | FreezeApps
    | LiftFreeze
    | PaceReplacements
    | ForgetCrash
    | RenewEdge
    | ForgetEdge
    | AcknowledgeDrained
    | PutShares
    | DrainAgent
    | UndrainAgent
)


class Asked(Struct, frozen=True, gc=False):
    """A command together with the token its reply must carry."""

    token: int
    command: Command


class Started(Struct, frozen=True, gc=False):
    """The state is loaded and this process is the one that decides."""


class Subscribed(Struct, frozen=True, gc=False):
    """Mesos accepted our subscription. ``master`` is host:port; ``region`` the fault domain
    region the master is in, where apps stay unless a constraint names a region or zone."""

    framework_id: str
    master: str
    region: str | None = None


class Disconnected(Struct, frozen=True, gc=False):
    """The stream from Mesos ended or fell silent; offers are void."""

    why: str


class OffersReceived(Struct, frozen=True, gc=False):
    offers: tuple[Offer, ...]


class OfferRescinded(Struct, frozen=True, gc=False):
    offer_id: str


class InverseOffersReceived(Struct, frozen=True, gc=False):
    """Mesos asks for agents back, for maintenance."""

    inverse_offers: tuple[InverseOffer, ...]


class InverseOfferRescinded(Struct, frozen=True, gc=False):
    offer_id: str


class TaskStatusReceived(Struct, frozen=True, gc=False):
    status: TaskStatus


class OperationStatusReceived(Struct, frozen=True, gc=False):
    status: OperationStatus


class AgentFailed(Struct, frozen=True, gc=False):
    """Mesos removed an agent (FAILURE event); its tasks' own updates follow."""

    agent_id: str


class CallNotSent(Struct, frozen=True, gc=False):
    """An action that never left: we were not subscribed, or the master refused it (4xx).
    Nothing of it happened."""

    action: Action
    why: str


class CallUnanswered(Struct, frozen=True, gc=False):
    """An action that was sent but whose answer was lost with the connection: it may have
    happened."""

    action: Action


class FrameworkRefused(Struct, frozen=True, gc=False):
    """ERROR from Mesos: we were displaced, removed, or are not welcome."""

    message: str


class TimerFired(Struct, frozen=True, gc=False):
    """The moment that the last step asked to be woken at has come."""


Fact = (
    Started
    | Subscribed
    | Disconnected
    | OffersReceived
    | OfferRescinded
    | InverseOffersReceived
    | InverseOfferRescinded
    | TaskStatusReceived
    | OperationStatusReceived
    | AgentFailed
    | ProbesReported
    | CallNotSent
    | CallUnanswered
    | FrameworkRefused
    | TimerFired
)
Event = Asked | Fact
