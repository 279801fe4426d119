"""Editions: which state of a thing somebody has read, so that a change can be for that one only.

An edition names what a writer would overwrite (a definition, a freeze), never what goes by itself
(tasks and their states). It follows from stored records alone: a restart does not change it.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from typing import Any, TypeVar

from framework.core.trees import ROOT, below
from framework.core.turn import Turn
from framework.domain.events import ANY_EDITION, OnlyIf, Written
from framework.domain.freezing import EVERYTHING
from framework.domain.replies import Refused, Why
from framework.domain.state import State

_DIGEST_BYTES = 8

Record = TypeVar("Record")


def edition(state: State, written: Written, key: str) -> str:
    """The present edition of a thing; empty if there is none. Hexadecimal digits."""
    text = _SAID[written](state, key)
    if not text:
        return ""
    named = f"{written}\n{key}\n{text}"
    return blake2b(named.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def refused(turn: Turn, command: OnlyIf) -> Refused | None:
    """Why it is not to be carried out. The message is the present edition, empty for none."""
    present = edition(turn.world.state, command.written, command.key)
    if holds(present, command.matches, command.matches_none):
        return None
    return Refused(Why.OTHER_EDITION, command.key, present)


def holds(
    present: str, matches: tuple[str, ...] | None, matches_none: tuple[str, ...] | None
) -> bool:
    """Whether the present edition is one of the first (None: any or none may be), and is none of
    the others. ANY_EDITION stands for whatever there is."""
    if matches is not None and not _is_among(present, matches):
        return False
    return matches_none is None or not _is_among(present, matches_none)


def _is_among(present: str, editions: tuple[str, ...]) -> bool:
    return bool(present) and (present in editions or ANY_EDITION in editions)


def _app(state: State, app_id: str) -> str:
    app = state.apps.get(app_id)
    return "" if app is None else app.version


def _group(state: State, path: str) -> str:
    """Its version. One that has no record is as new as the newest app in it."""
    group = state.groups.get(path)
    if group is not None:
        return group.version
    apps = state.apps.copy()
    newest = max((apps[app_id].version for app_id in below(path, apps)), default="")
    return newest or ("empty" if path == ROOT else "")


def _deployment(state: State, deployment_id: str) -> str:
    """How far it is, and whether it waits: whoever promotes or ends it has looked at that."""
    one = state.deployments.get(deployment_id)
    if one is None:
        return ""
    waits = f"{one.paused} {one.canary} {one.promoted} {one.share} {one.canary_step} {one.by_hand}"
    return f"{one.version} {one.current_step} {waits}"


def _freezes(state: State, _key: str) -> str:
    return _all(state.freezes, lambda one: (one.app_id or EVERYTHING, one.reason, one.since_ms))


def _orphans(state: State, _key: str) -> str:
    return _all(state.orphans, lambda one: (one.task_id, one.kill_requested))


def _crashes(state: State, _key: str) -> str:
    return _all(state.crashes, lambda one: (one.id, bool(one.set_aside_ms)))


def _all(records: Mapping[str, Record], said: Callable[[Record], tuple[Any, ...]]) -> str:
    """What is said of each of a list, which is there even if it is empty."""
    lines: Iterable[str] = (repr(said(one)) for one in list(records.values()))
    return "\n".join(["all", *sorted(lines)])


def _pace(state: State, _key: str) -> str:
    """What an operator set; how many are lost goes by itself."""
    storm = state.storm
    return "none" if storm is None else f"{storm.since_ms} {storm.pace} {storm.reason}"


_SAID: dict[Written, Callable[[State, str], str]] = {
    Written.APP: _app,
    Written.GROUP: _group,
    Written.DEPLOYMENT: _deployment,
    Written.FREEZES: _freezes,
    Written.ORPHANS: _orphans,
    Written.CRASHES: _crashes,
    Written.PACE: _pace,
}
