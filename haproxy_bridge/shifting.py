"""Moving traffic from one app to another in steps, as long as the other one stays healthy.

Both have the same HAPROXY_DEPLOYMENT_GROUP, so each edge serves them as one; the scheduler tells
the edges what share each has. Nothing else is changed, and a step back is always one call.
"""

import time
from collections.abc import Callable, Iterator

from msgspec import Struct

from api import v3_calls
from api.client import Client, ClientError, NotFoundError
from haproxy_bridge.snapshot import App, Snapshot, Task, Verdict
from haproxy_bridge.source import Reader, Unchanged

_LOOK_SECONDS = 2.0
_PATIENCE_SECONDS = 120.0
GROUP = "HAPROXY_DEPLOYMENT_GROUP"
WHOLE = 100.0


class ShiftError(Exception):
    """It can not be done; the text says why, and nothing was changed."""


class SickError(Exception):
    """Too few tasks of the new app serve; the shares of before are back."""


class Pair(Struct, frozen=True):
    """Both apps, and the name that they serve."""

    group: str
    old: App
    new: App


class ShiftOptions(Struct, frozen=True, kw_only=True):
    """``step`` and ``target`` in percent of the traffic, for the new app; ``interval_seconds``
    between steps."""

    step: float = 10.0
    target: float = WHOLE
    interval_seconds: float = 30.0


class Step(Struct, frozen=True, rename="camel"):
    """What a step has led to: the percent of each, and how many of its tasks serve."""

    number: int
    old_share: float
    new_share: float
    old_serving: int
    new_serving: int


def serving(app: App) -> int:
    """How many of its tasks take requests."""
    return sum(_serves(app, task) for task in app.tasks)


def _serves(app: App, task: Task) -> bool:
    well = task.health is Verdict.UP or not app.has_checks
    return well and task.reachable and not task.draining and task.ready is not False


def way(now: float, options: ShiftOptions) -> Iterator[float]:
    """The shares of the new app, step by step, forth or back, up to the target."""
    at, target = now, options.target
    while abs(target - at) > options.step + 1e-9:
        at = round(at + (options.step if target > at else -options.step), 6)
        yield at
    yield target


class Shift:
    """One move of traffic on one scheduler."""

    def __init__(
        self,
        client: Client,
        reader: Reader,
        ids: tuple[str, str],
        pause: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``ids``: of the app that has the traffic, and of the one that is to get it."""
        self._client = client
        self._reader = reader
        self._ids = ids
        self._pause = pause
        self._clock = clock

    def run(self, options: ShiftOptions) -> Iterator[Step]:
        """Carry it out; each step is told when it is made, and after the last one nothing is
        waited for. ShiftError, SickError, ClientError."""
        pair = self.pair()
        before = self._shares(pair)
        needed = serving(pair.new)
        if needed == 0 and options.target > 0:
            raise ShiftError(f"no task of {pair.new.id} is healthy: it can not take any traffic")
        shares = list(way(_percent(before, pair), options))
        for number, share in enumerate(shares, 1):
            self._put(pair, share)
            yield _step(number, share, self.pair())
            if number < len(shares):
                self._look(pair, before, needed, options.interval_seconds)

    def undo(self) -> Step:
        """Give all traffic back to the first app at once. ShiftError, ClientError."""
        pair = self.pair()
        self._shares(pair)
        if serving(pair.old) == 0:
            raise ShiftError(f"no task of {pair.old.id} is healthy: it can not take the traffic")
        self._put(pair, 0.0)
        return _step(1, 0.0, pair)

    def pair(self) -> Pair:
        """Both apps as they are now. ShiftError if they do not serve one name, or this is no
        Stayer; ClientError."""
        apps = {app.id: app for app in self._snapshot().apps}
        found = []
        for app_id in self._ids:
            app = apps.get(f"/{app_id.strip('/')}")
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
        return Pair(group, old, new)

    def _snapshot(self) -> Snapshot:
        try:
            seen = self._reader.read()
        except NotFoundError as error:
            raise ShiftError(
                "this needs Stayer: a Marathon knows no shares of traffic; there, scale the apps"
            ) from error
        assert not isinstance(seen, Unchanged), "asked without a tag"
        return seen

    def _shares(self, pair: Pair) -> dict[str, float] | None:
        """What is now; None if nothing is divided yet."""
        try:
            found = v3_calls.shares(self._client, pair.group).get("shares")
        except NotFoundError:
            return None
        shares = found if isinstance(found, dict) else {}
        others = [name for name in shares if name not in {pair.old.id, pair.new.id}]
        if any(shares[name] for name in others):
            raise ShiftError(f"{pair.group} is divided with {', '.join(sorted(others))} as well")
        return {name: float(share) for name, share in shares.items() if name not in others}

    def _put(self, pair: Pair, share: float) -> None:
        parts = {pair.old.id: round(WHOLE - share, 6), pair.new.id: share}
        v3_calls.put_shares(self._client, pair.group, parts)

    def _look(
        self, pair: Pair, before: dict[str, float] | None, needed: int, seconds: float
    ) -> None:
        """Wait, with an eye on the new app. What is not known for a while is waited for, and no
        step is made on it."""
        begin = answered = self._clock()
        due, known = begin + seconds, False
        while not known or self._clock() < due:
            self._pause(min(_LOOK_SECONDS, max(0.05, due - self._clock())))
            try:
                now = self.pair()
            except ClientError:
                known = False
                if self._clock() - answered > _PATIENCE_SECONDS:
                    raise
                continue
            known, answered = True, self._clock()
            if serving(now.new) < min(needed, max(1, now.new.wanted)):
                self._take_back(pair, before)
                raise SickError(
                    f"only {serving(now.new)} tasks of {pair.new.id} are healthy, of {needed} when "
                    "it began: the shares are again as they were"
                )

    def _take_back(self, pair: Pair, before: dict[str, float] | None) -> None:
        if before and any(before.values()):
            v3_calls.put_shares(self._client, pair.group, before)
        else:
            self._put(pair, 0.0)


def _percent(shares: dict[str, float] | None, pair: Pair) -> float:
    """The part of the new app. Where nothing was divided yet it begins with none."""
    whole = sum((shares or {}).values())
    return round(WHOLE * (shares or {}).get(pair.new.id, 0.0) / whole, 6) if whole else 0.0


def _step(number: int, share: float, pair: Pair) -> Step:
    return Step(number, round(WHOLE - share, 6), share, serving(pair.old), serving(pair.new))
