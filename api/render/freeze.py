"""What is frozen, and what the scheduler's decisions crashed on."""

from collections.abc import Iterable
from typing import Any

from framework.domain.clock import iso
from framework.domain.crashes import Crash
from framework.domain.freezing import EVERYTHING, Freeze
from framework.domain.state import State

_APPS_NAMED = 5


def freeze_object(view: State, *, safe_mode: bool) -> dict[str, Any]:
    """Every freeze: of everything, and of single apps by id."""
    everything = view.freezes.get(EVERYTHING)
    apps = sorted(_of_apps(view), key=lambda one: one.app_id)
    fields: dict[str, Any] = {
        "frozen": safe_mode or everything is not None,
        "safeMode": safe_mode,
        "apps": [{"id": one.app_id, **_freeze(one)} for one in apps],
    }
    return fields if everything is None else {**fields, **_freeze(everything)}


def _freeze(freeze: Freeze) -> dict[str, Any]:
    fields: dict[str, Any] = {"reason": freeze.reason, "since": iso(freeze.since_ms)}
    if freeze.crash:
        fields["crash"] = freeze.crash
    return fields


def _of_apps(view: State) -> list[Freeze]:
    return [one for one in list(view.freezes.values()) if one.app_id]


def freeze_warning(view: State, *, safe_mode: bool) -> str:
    """One line for whoever looks at anything meanwhile; empty if nothing is frozen."""
    everything = view.freezes.get(EVERYTHING)
    if everything is not None:
        reason = f": {everything.reason}" if everything.reason else ""
        return f"everything is frozen since {iso(everything.since_ms)}{reason}"
    if safe_mode:
        return "this scheduler runs in safe mode: nothing is launched or killed"
    names = sorted(one.app_id for one in _of_apps(view))
    if not names:
        return ""
    more = f" and {len(names) - _APPS_NAMED} more" if len(names) > _APPS_NAMED else ""
    return f"frozen: {', '.join(names[:_APPS_NAMED])}{more}"


def held_back(view: State, app_ids: Iterable[str]) -> list[str]:
    """Why nothing of these apps is launched or killed, in sentences."""
    everything = view.freezes.get(EVERYTHING)
    if everything is not None:
        return [_sentence("everything", everything)]
    found = ((app_id, view.freezes.get(app_id)) for app_id in app_ids)
    return [_sentence(app_id, freeze) for app_id, freeze in found if freeze is not None]


def _sentence(what: str, freeze: Freeze) -> str:
    return f"{what} is frozen: {freeze.reason}" if freeze.reason else f"{what} is frozen"


def crash_object(crash: Crash) -> dict[str, Any]:
    """What was handled when the decisions crashed, and whether it is set aside."""
    fields: dict[str, Any] = {
        "id": crash.id,
        "kind": crash.kind,
        "subject": crash.subject,
        "crashes": crash.crashes,
        "first": iso(crash.first_ms),
        "last": iso(crash.last_ms),
        "error": crash.error,
        "setAside": bool(crash.set_aside_ms),
    }
    if crash.app_id:
        fields["appId"] = crash.app_id
    if crash.set_aside_ms:
        fields["setAsideSince"] = iso(crash.set_aside_ms)
    return fields
