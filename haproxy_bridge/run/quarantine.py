"""One app's mistake stays its own: what labels lead to and haproxy refuses is left out, or kept as
it last was good, and all others go on.

haproxy names the lines that it refuses, and lines have owners. Where that does not help (a name
used twice, say), halves of what changed are tried, which takes a look per doubling. Both are for
once: until something else is new, what was refused is set aside without asking again.
"""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from haproxy_bridge.rendered import Problem, Rendered, Trouble
from haproxy_bridge.run.state_file import Good, Refused
from haproxy_bridge.snapshot import App, Snapshot
from haproxy_bridge.swap.check import Refusal

MAX_ROUNDS = 40
_LABEL_TROUBLES = frozenset({Trouble.INVALID, Trouble.FORBIDDEN})

Render = Callable[[Snapshot], Rendered]
Check = Callable[[Rendered], Refusal | None]


class RefusedError(Exception):
    """haproxy refuses what is left even without every app that changed."""


class Settled(Struct, frozen=True):
    """``rendered`` is what haproxy takes; ``good`` what each app in it said; ``problems`` are its
    own and those of the apps that are left out or kept as they were; ``refused``: what of these
    haproxy did not take."""

    rendered: Rendered
    good: dict[str, Good]
    problems: tuple[Problem, ...]
    refused: dict[str, Refused] = {}
    rounds: int = 0


def settled(
    snapshot: Snapshot,
    good: Mapping[str, Good],
    render: Render,
    check: Check,
    *,
    trusted: Callable[[Rendered], bool] = lambda _: False,
    refused: Mapping[str, Refused] = {},
) -> Settled:
    """``trusted``: whether haproxy has taken this structure before and need not be asked.
    ``refused``: what it would not take then; where all else is trusted, it is not asked of these
    again. RefusedError."""
    if refused:
        trial = _Trial(snapshot, good, render)
        trial.set_aside(refused)
        rendered = trial.understood()
        if trusted(rendered):
            return trial.settled(rendered)
    trial = _Trial(snapshot, good, render)
    rendered = trial.understood()
    rounds = 0
    while not trusted(rendered):
        refusal = check(rendered)
        if refusal is None:
            break
        rounds += 1
        if rounds > MAX_ROUNDS:
            raise RefusedError(_shown(refusal))
        trial.blame(refusal, rendered, check)
        rendered = trial.rendered()
    return trial.settled(rendered, rounds)


def _apps(problems: Sequence[Problem], troubles: frozenset[Trouble]) -> set[str]:
    return {one.app_id for one in problems if one.trouble in troubles}


def _shown(refusal: Refusal) -> str:
    return "; ".join(refusal.messages[:3]) or "haproxy gives no reason"


class _Trial:
    """The apps as they are tried: as they say, as they last were good, or not at all."""

    def __init__(self, snapshot: Snapshot, good: Mapping[str, Good], render: Render) -> None:
        self._snapshot = snapshot
        self._good = good
        self._render = render
        self._asked = {app.id: app for app in snapshot.apps}
        self._apps = dict(self._asked)
        self._refused: dict[str, Refused] = {}
        self.problems: list[Problem] = []

    @property
    def can_step_back(self) -> set[str]:
        return {app_id for app_id, app in self._apps.items() if self._differs(app)}

    def _differs(self, app: App) -> bool:
        good = self._good.get(app.id)
        return good is not None and (good.labels, good.ports) != (app.labels, app.ports)

    def rendered(self, without: frozenset[str] = frozenset()) -> Rendered:
        apps = tuple([app for app_id, app in self._apps.items() if app_id not in without])
        return self._render(replace(self._snapshot, apps=apps))

    def understood(self) -> Rendered:
        """Apps with labels that mean nothing stay as they last were, if they ever were good."""
        rendered = self.rendered()
        bad_labels = _apps(rendered.problems, _LABEL_TROUBLES)
        bad_labels &= self.can_step_back if bad_labels else set()
        if not bad_labels:
            return rendered
        self.step_back(bad_labels)
        told = tuple(one for one in rendered.problems if one.app_id in bad_labels)
        self.problems += [
            replace(one, message=f"{one.message}; its labels as they last were stay in force")
            for one in told
        ]
        return self.rendered()

    def settled(self, rendered: Rendered, rounds: int = 0) -> Settled:
        """What it came to."""
        problems = (*rendered.problems, *self.problems)
        return Settled(rendered, self._good_now(), problems, self._refused, rounds)

    def set_aside(self, refused: Mapping[str, Refused]) -> None:
        """Those that say still what haproxy did not take."""
        for app_id, known in refused.items():
            app = self._apps.get(app_id)
            if app is not None and (app.labels, app.ports) == (known.labels, known.ports):
                self._put_aside(app_id, known.why)

    def _put_aside(self, app_id: str, why: str) -> None:
        """Step back with it, or leave it out."""
        asked = self._asked[app_id]
        self._refused[app_id] = Refused(asked.labels, asked.ports, why)
        if self._differs(self._apps[app_id]):
            self.step_back({app_id})
            end = "its labels as they last were stay in force"
        else:
            del self._apps[app_id]
            end = "it is left out"
        self.problems.append(Problem(Trouble.REFUSED, app_id, f"{why}; {end}"))

    def step_back(self, app_ids: set[str]) -> None:
        for app_id in app_ids:
            good = self._good[app_id]
            self._apps[app_id] = replace(self._apps[app_id], labels=good.labels, ports=good.ports)

    def blame(self, refusal: Refusal, rendered: Rendered, check: Check) -> None:
        """Step back or leave out those that haproxy has something against."""
        culprits = {
            app_id
            for first, last, app_id in rendered.owners()
            if any(first <= line <= last for line in refusal.lines)
        }
        if not culprits:
            culprits = self._searched(check, refusal)
        for app_id in sorted(culprits):
            self._put_aside(app_id, _shown(refusal))

    def _searched(self, check: Check, refusal: Refusal) -> set[str]:
        """One app without which haproxy takes the rest, found by halves among those that changed,
        then among all."""
        changed = [app_id for app_id in self._apps if app_id not in self._good]
        changed += sorted(self.can_step_back)
        for candidates in (changed, list(self._apps)):
            if candidates and check(self.rendered(frozenset(candidates))) is None:
                return {self._one_of(candidates, check)}
        raise RefusedError(_shown(refusal))

    def _one_of(self, candidates: list[str], check: Check) -> str:
        """Without all of them it is good, with all it is not: the first that makes it bad."""
        good, bad = 0, len(candidates)
        while bad - good > 1:
            middle = (good + bad) // 2
            if check(self.rendered(frozenset(candidates[middle:]))) is None:
                good = middle
            else:
                bad = middle
        return candidates[bad - 1]

    def _good_now(self) -> dict[str, Good]:
        """Of most apps the same as before."""
        good, now = self._good, {}
        for app_id, app in self._apps.items():
            known = good.get(app_id)
            same = known is not None and known.labels is app.labels and known.ports is app.ports
            now[app_id] = known if known is not None and same else Good(app.labels, app.ports)
        return now
