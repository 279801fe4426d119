"""From bodies that name apps to one command: merged onto what is there, and again if it changed.

The merge reads the published view and the command says which version it was made for; when
somebody was faster, the scheduler refuses and the merge is done anew.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from api.context import Context
from api.definitions import Update, absolute, merge, parse_app, read_update
from api.errors import UnprocessableError, app_unknown, invalid, refusal
from api.faults import INVALID_JSON, NOT_VALID, Fault, Invalid, below
from api.schemas import APP, read
from framework.domain.app import App
from framework.domain.clock import iso, parse_iso
from framework.domain.events import ChangeApps, PutApp
from framework.domain.records import replace
from framework.domain.replies import Done, Refused, Why

# Each refusal means that somebody else's change of the same app was stored; no more of them can
# be under way at once than the server has threads, or few more.
_ATTEMPTS = 20
_TRY_AGAIN = frozenset({Why.CHANGED_MEANWHILE, Why.APP_EXISTS, Why.APP_UNKNOWN})


class Mode(Enum):
    """What a body means for an app that exists, or does not."""

    MERGE_OR_CREATE = auto()
    MERGE = auto()
    REPLACE_OR_CREATE = auto()


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for one app. ``place`` is where in the request's body it stands."""

    app_id: str
    body: dict[str, Any]
    place: str = ""
    update: Update | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """``created``: none of the apps was there before."""

    done: Done
    created: bool


def one_wish(app_id: str, body: Any, mode: Mode, context: Context) -> Wish:
    """The wish for the app that the URL names, whatever id the body has."""
    if not isinstance(body, dict):
        raise invalid(Invalid(INVALID_JSON, (Fault("/", "error.expected.jsobject"),)))
    return _wish({**body, "id": app_id}, "", mode, context)


def many_wishes(body: Any, mode: Mode, context: Context) -> list[Wish]:
    """The wishes of an array, each naming its app."""
    if not isinstance(body, list):
        raise invalid(Invalid(INVALID_JSON, (Fault("/", "error.expected.jsarray"),)))
    wishes = [_wish(item, f"/({index})", mode, context) for index, item in enumerate(body)]
    seen: set[str] = set()
    for wish in wishes:
        if wish.app_id in seen:
            fault = Fault(f"{wish.place}/id", "is named twice in this request")
            raise invalid(Invalid(NOT_VALID, (fault,)))
        seen.add(wish.app_id)
    return wishes


def _wish(body: Any, place: str, mode: Mode, context: Context) -> Wish:
    if mode is Mode.REPLACE_OR_CREATE:
        definition = read(APP, body)
        if isinstance(definition, Invalid):
            raise invalid(Invalid(definition.message, below(place, definition.faults)))
        return Wish(absolute(definition["id"]), body, place)
    update = read_update(body, context.options)
    if isinstance(update, Invalid):
        raise invalid(Invalid(update.message, below(place, update.faults)))
    if not update.id:
        raise UnprocessableError("requirement failed: App Update must have app id set")
    return Wish(update.id, body, place, update)


def change_apps(
    context: Context, wishes: Sequence[Wish], mode: Mode, *, force: bool, dry_run: bool = False
) -> Outcome:
    """Carry out the wishes together, or none of them."""
    for attempt in range(_ATTEMPTS):
        known = {wish.app_id: context.view.apps.get(wish.app_id) for wish in wishes}
        puts = tuple(_put(context, wish, known[wish.app_id], mode) for wish in wishes)
        reply = context.reply_to(ChangeApps(puts, force=force, dry_run=dry_run))
        if not isinstance(reply, Refused):
            return Outcome(reply, created=_none(known.values()))
        if reply.why not in _TRY_AGAIN or attempt == _ATTEMPTS - 1:
            raise refusal(reply, context.settings)
    raise AssertionError("the last attempt returns or raises")


def _none(apps: Iterable[App | None]) -> bool:
    return all(app is None for app in apps)


def _put(context: Context, wish: Wish, existing: App | None, mode: Mode) -> PutApp:
    if existing is None:
        if mode is Mode.MERGE or _goes_back(wish.update):
            raise app_unknown(wish.app_id)
        return PutApp(_whole(context, wish, None), expected_version="")
    update = wish.update
    if update is None:
        return PutApp(_whole(context, wish, existing), expected_version=None)
    if _goes_back(update):
        app = _earlier(context, wish.app_id, update.version)
    else:
        if update.version:
            _check_version(update.version, existing, wish.place)
        merged = merge(existing, update, context.options, context.compile_pattern, context.enforces)
        app = _sound(merged, wish.place)
    return PutApp(app, expected_version=existing.version)


def _goes_back(update: Update | None) -> bool:
    return update is not None and bool(update.version) and not update.fields


def _check_version(version: str, existing: App, place: str) -> None:
    """Who sends back what was read, changed or not, sends the version that it was read from.
    Marathon refuses that; here it is taken while nobody was faster."""
    if moment(version) != existing.version:
        fault = Fault("/", "The 'version' field may only be combined with the 'id' field.")
        raise invalid(Invalid(NOT_VALID, below(place, (fault,))))


def _whole(context: Context, wish: Wish, existing: App | None) -> App:
    role = None if existing is None else existing.role
    outcome = parse_app(wish.body, context.options, context.compile_pattern, role, context.enforces)
    return _sound(outcome, wish.place)


def _sound(outcome: App | Invalid, place: str) -> App:
    if isinstance(outcome, Invalid):
        raise invalid(Invalid(outcome.message, below(place, outcome.faults)))
    return outcome


def _earlier(context: Context, app_id: str, version: str) -> App:
    """The definition to go back to, to be stamped as a new version."""
    return unstamped(stored_version(context, app_id, version))


def unstamped(app: App) -> App:
    """The definition without what the server says of it."""
    return replace(app, version="", created_at="", last_scaling_at="", last_config_change_at="")


def moment(version: str) -> str:
    """A version in a request, as it is stored. UnprocessableError for a bad timestamp."""
    try:
        return iso(parse_iso(version))
    except ValueError as error:
        raise UnprocessableError(str(error)) from error


def stored_version(context: Context, app_id: str, version: str) -> App:
    """The app as it was in a version. NotFoundError; UnprocessableError for a bad timestamp."""
    wanted = moment(version)
    current = context.view.apps.get(app_id)
    if current is None:
        raise app_unknown(app_id)
    if current.version == wanted:
        return current
    stored = context.view.versions_of.get(app_id, {}).get(wanted)
    if stored is None:
        raise app_unknown(app_id, wanted)
    return stored
