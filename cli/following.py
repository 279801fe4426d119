"""Following a deployment to its end, and telling how it ended.

A deployment that is over is simply no longer listed, whatever became of it. So how it ended is
read from what it left behind: a deployment that takes it back, or apps that are not as it would
have made them. A scheduler that is away for a while (a restart, a new leader) is waited for.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from api.client import (
    Client,
    ClientError,
    JsonObject,
    NotFoundError,
    UnavailableError,
    UnreachableError,
)
from cli.answers import App, AppProgress, Deployment, Explanation, Task, read, read_all
from cli.connection import Failure

POLL_SECONDS = 0.5
MAX_SILENCE_SECONDS = 120.0
_MAX_EXPLAINED = 5
_MAX_OLD_VERSIONS = 5
_NOT_CONFIGURATION = frozenset({"version", "versionInfo", "instances"})


@dataclass(frozen=True, slots=True)
class Change:
    """What is followed: the deployment, the ``version`` it gives its apps (empty: not known) and
    the apps that are known to be concerned."""

    deployment_id: str
    version: str = ""
    app_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """How a deployment stands. ``deployment`` None: it is no longer under way; ``told`` has why
    apps wait for offers; ``reverted_by`` the deployment that takes it back; ``note`` says why
    this is not the latest."""

    deployment: Deployment | None = None
    told: Mapping[str, str] = field(default_factory=dict)
    reverted_by: str = ""
    note: str = ""


def moments(
    client: Client,
    deployment_id: str,
    limit_seconds: float | None,
    pause: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Moment]:
    """How it stands, again and again, until it is no longer under way. Failure when that takes
    longer than ``limit_seconds``; ClientError when the scheduler is away for too long."""
    started = heard = clock()
    last = Moment()
    while True:
        try:
            last = look(client, deployment_id)
            heard = clock()
        except (UnreachableError, UnavailableError) as error:
            if clock() - heard > MAX_SILENCE_SECONDS:
                raise
            last = replace(last, note=f"The scheduler does not answer: {error}")
        yield last
        if last.deployment is None and not last.note:
            return
        if limit_seconds is not None and clock() - started >= limit_seconds:
            raise Failure(
                f"Deployment {deployment_id} is not done after {limit_seconds:g} s and goes on.\n"
                "`stayer queue` says what waits for offers and why; `stayer deployment list` "
                "where it stands."
            )
        pause(POLL_SECONDS)


def look(client: Client, deployment_id: str) -> Moment:
    """How it stands now."""
    deployments = read_all(client.list_deployments(), Deployment)
    found = next((one for one in deployments if one.id == deployment_id), None)
    reverting = next((one.id for one in deployments if one.reverts == deployment_id), "")
    return Moment(found, {} if found is None else _told(client, found), reverting)


def changing(deployment: Deployment) -> list[AppProgress]:
    """The apps that the present step changes."""
    now = {action.app for action in deployment.current_actions}
    return [app for app in deployment.apps if app.id in now]


def _told(client: Client, deployment: Deployment) -> dict[str, str]:
    """The first sentence about each app of this step that waits for an offer."""
    told: dict[str, str] = {}
    short = (app.id for app in changing(deployment) if app.new_total < app.wanted)
    for app_id in islice(short, _MAX_EXPLAINED):
        try:
            entries = read_all(client.explain(app_id), Explanation)
        except ClientError:
            continue  # it only explains; what is known is shown without
        sentences = [text for entry in entries for text in entry.explanation]
        if sentences:
            told[app_id] = sentences[0]
    return told


def shortcoming(client: Client, change: Change, last: Deployment | None, reverted_by: str) -> str:
    """Why a deployment that is over did not succeed; empty if it did. ``last`` is how it was
    seen last."""
    if reverted_by:
        return f"it is being taken back by deployment {reverted_by}"
    version = change.version or (last.version if last else "")
    app_ids = last.app_ids if last else change.app_ids
    for app_id in app_ids:
        if reason := _shortcoming(client, app_id, version, last):
            return reason
    return ""


def _shortcoming(client: Client, app_id: str, version: str, last: Deployment | None) -> str:
    removed = last is not None and app_id in last.removed_ids
    try:
        found = client.get_app(app_id)
    except NotFoundError:
        return "" if removed or last is None else f"{app_id} does not exist"
    app = read(found, App)
    if removed:
        return f"{app_id} is still there"
    if version and app.version > version:
        return f"{app_id} was changed again, or changed back (version {app.version})"
    if _restarted(app_id, last) and (old := _outdated(client, app)):
        return f"{app_id} still has instances of version {old.version}"
    if app.tasks_running < app.instances:
        return f"{app.tasks_running} of {app.instances} instances of {app_id} run"
    return ""


def _restarted(app_id: str, last: Deployment | None) -> bool:
    actions = [action for step in last.steps for action in step.actions] if last else []
    return any(one.app == app_id and one.action == "RestartApplication" for one in actions)


def _outdated(client: Client, app: App) -> Task | None:
    """A task of another configuration. Tasks of earlier versions may be of the same one: those
    that a rollback kept."""
    earlier = {task.version: task for task in app.tasks if task.version not in {None, app.version}}
    if not earlier:
        return None
    present = _configuration(client.app_version(app.id, app.version))
    for version, task in islice(earlier.items(), _MAX_OLD_VERSIONS):
        try:
            before = client.app_version(app.id, str(version))
        except NotFoundError:
            continue
        if _configuration(before) != present:
            return task
    return None


def _configuration(definition: JsonObject) -> JsonObject:
    return {name: value for name, value in definition.items() if name not in _NOT_CONFIGURATION}
