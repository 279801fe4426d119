"""What a shift moves: the traffic of two apps that serve one name, or that of one app whose
deployment waits after its canaries. The scheduler keeps the shares and tells the edges.
"""

from collections.abc import Callable

import msgspec
from msgspec import Struct

from api import v3_calls
from api.client import BadAnswerError, Client, NotFoundError
from haproxy_bridge.shifting import WHOLE, Counts, ShiftError
from haproxy_bridge.snapshot import App, Snapshot, Task, Verdict
from haproxy_bridge.source import Reader, Unchanged

GROUP = "HAPROXY_DEPLOYMENT_GROUP"
_CANARY_LOOK_SECONDS = 0.5


class _Pair(Struct, frozen=True):
    """Both apps, and the name that they serve."""

    group: str
    old: App
    new: App


def serving(app: App) -> int:
    """How many of its tasks take requests."""
    return sum(_serves(app, task) for task in app.tasks)


def _serves(app: App, task: Task) -> bool:
    well = task.health is Verdict.UP or not app.has_checks
    return well and task.reachable and not task.draining and task.ready is not False


def _counts(pair: _Pair) -> Counts:
    return Counts(serving(pair.old), serving(pair.new), pair.new.wanted)


class OfApps:
    """That of two apps with the same HAPROXY_DEPLOYMENT_GROUP, which each edge serves as one."""

    def __init__(self, client: Client, reader: Reader, old: str, new: str) -> None:
        """``old`` has the traffic, and ``new`` is to get it; ids of apps."""
        self.names = (f"/{old.strip('/')}", f"/{new.strip('/')}")
        self._client = client
        self._reader = reader
        self._known: _Pair | None = None

    def begin(self, _: Callable[[float], object]) -> tuple[float, Counts]:
        """Nothing is waited for."""
        pair = self._pair()
        return self._share(pair) or 0.0, _counts(pair)

    def fair_target(self, _: Counts) -> float:
        """All of it."""
        return WHOLE

    def counts(self) -> Counts:
        """As they are now. ShiftError if they do not serve one name, or this is no Stayer."""
        return _counts(self._pair())

    def share(self) -> float | None:
        """The percent of the new app; None if nothing is divided yet."""
        return self._share(self._pair())

    def _share(self, pair: _Pair) -> float | None:
        try:
            found = v3_calls.shares(self._client, pair.group).get("shares")
        except NotFoundError:
            return None
        shares = found if isinstance(found, dict) else {}
        others = [name for name in shares if name not in {pair.old.id, pair.new.id}]
        if any(shares[name] for name in others):
            raise ShiftError(f"{pair.group} is divided with {', '.join(sorted(others))} as well")
        parts = {name: float(share) for name, share in shares.items() if name not in others}
        whole = sum(parts.values())
        return round(WHOLE * parts.get(pair.new.id, 0.0) / whole, 6) if whole else None

    def put(self, share: float) -> None:
        """Divide it."""
        pair = self._known or self._pair()
        parts = {pair.old.id: round(WHOLE - share, 6), pair.new.id: share}
        v3_calls.put_shares(self._client, pair.group, parts)

    def _pair(self) -> _Pair:
        apps = {app.id: app for app in self._snapshot().apps}
        found = []
        for app_id in self.names:
            app = apps.get(app_id)
            if app is None:
                raise ShiftError(f"there is no app {app_id} with a port")
            found.append(app)
        old, new = found
        group = old.labels.get(GROUP, "").strip()
        if not group or new.labels.get(GROUP, "").strip() != group or old.id == new.id:
            raise ShiftError(
                f"{old.id} and {new.id} need the same label {GROUP}, so that edges serve them as "
                "one"
            )
        self._known = _Pair(group, old, new)
        return self._known

    def _snapshot(self) -> Snapshot:
        try:
            seen = self._reader.read()
        except NotFoundError as error:
            raise ShiftError(
                "this needs Stayer: a Marathon knows no shares of traffic; there, scale the apps"
            ) from error
        assert not isinstance(seen, Unchanged), "asked without a tag"
        return seen


class _Progress(Struct, frozen=True, rename="camel"):
    wanted: int = 0
    new_serving: int = 0
    old_serving: int = 0


class _Deployment(Struct, frozen=True, rename="camel"):
    apps: tuple[_Progress, ...] = ()
    paused: bool = False
    share: float | None = None


class OfDeployment:
    """That of the apps of a deployment, between its new and its old instances."""

    def __init__(self, client: Client, deployment_id: str, said: Callable[[str], None]) -> None:
        """``said`` gets a line for people while canaries are waited for."""
        self.names = ("the old version", "the new version")
        self._client = client
        self._id = deployment_id
        self._said = said

    def begin(self, pause: Callable[[float], object]) -> tuple[float, Counts]:
        """Wait until its canaries serve; they get nothing meanwhile."""
        now = self._shown()
        if now.share is None:
            self.put(0.0)
        told = ""
        while not now.paused:
            line = f"waiting for the canaries: {_counted(now).new_serving} tasks serve"
            if line != told:
                self._said(line)
                told = line
            pause(_CANARY_LOOK_SECONDS)
            now = self._shown()
        return now.share or 0.0, _counted(now)

    def fair_target(self, counts: Counts) -> float:
        """So much that no new instance gets more than when all of them are there."""
        if counts.new_wanted == 0:
            return WHOLE
        return min(WHOLE, round(WHOLE * counts.new_serving / counts.new_wanted, 1))

    def counts(self) -> Counts:
        """As they are now. ShiftError once it is over."""
        return _counted(self._shown())

    def share(self) -> float | None:
        """The percent of its new instances; None if nothing is divided yet."""
        return self._shown().share

    def put(self, share: float) -> None:
        """Divide it."""
        try:
            v3_calls.put_deployment_share(self._client, self._id, share)
        except NotFoundError as error:
            raise self._over() from error

    def _shown(self) -> _Deployment:
        try:
            return msgspec.convert(v3_calls.deployment(self._client, self._id), _Deployment)
        except NotFoundError as error:
            raise self._over() from error
        except msgspec.ValidationError as error:
            raise BadAnswerError(f"what is told of deployment {self._id}: {error}") from error

    def _over(self) -> ShiftError:
        return ShiftError(f"deployment {self._id} is not under way; `stayer deployment list`")


def _counted(shown: _Deployment) -> Counts:
    return Counts(
        sum(one.old_serving for one in shown.apps),
        sum(one.new_serving for one in shown.apps),
        sum(one.wanted for one in shown.apps),
    )
