"""Stored records for people: what of each kind a table shows, and one record as JSON.

Environments and options may hold secrets, so their values are left out unless asked for.
"""

from typing import Any

import msgspec

from cli.output import Column
from framework.domain.clock import iso
from framework.domain.state import Change, Kind

HIDDEN = "(hidden; see --secrets)"
_SECRET = frozenset({"env", "parameters", "options"})

# What a table says of each kind beside the id: fields, numbers of things, moments (..._ms).
_FIELDS: dict[Kind, tuple[str, ...]] = {
    Kind.APP: ("version", "instances", "cmd"),
    Kind.APP_VERSION: ("instances", "cmd"),
    Kind.INSTANCE: ("condition", "goal", "agent_id", "version"),
    Kind.AGENT: ("hostname", "region", "zone", "address"),
    Kind.DEPLOYMENT: ("version", "current_step", "total_steps", "parts", "paused"),
    Kind.DEPLOYMENT_PART: ("actions",),
    Kind.GROUP: ("version", "dependencies"),
    Kind.TREE_CHANGE: ("apps_before", "groups_before"),
    Kind.DELAY: ("delay_ms", "until_ms", "config"),
    Kind.FAILURE: ("state", "timestamp_ms", "host", "message"),
    Kind.PAST_FAILURE: ("number", "state", "timestamp_ms", "host", "message"),
    Kind.TOMBSTONE: ("at_ms", "why"),
    Kind.ORPHAN: ("state", "agent_id", "first_seen_ms", "kill_requested"),
    Kind.FRAMEWORK: ("framework_id", "state_id", "created_at_ms"),
    Kind.FREEZE: ("since_ms", "reason", "crash"),
    Kind.CRASH: ("kind", "subject", "crashes", "last_ms", "set_aside_ms"),
    Kind.RESERVATION: ("state", "host", "volumes", "pending"),
    Kind.WAIT: ("since_ms", "processed", "unused"),
    Kind.STORM: ("since_ms", "lost", "instances", "pace", "waiting", "replaced"),
    Kind.ALARM: ("since_ms", "last_ms", "message"),
}
_SPANS = frozenset({"delay_ms"})


def columns(kind: Kind) -> list[Column]:
    """Of a table of this kind's records."""
    fields = _FIELDS.get(kind, ())
    return [Column("ID"), *(Column(field.removesuffix("_ms").upper()) for field in fields)]


def row(change: Change) -> list[object]:
    """A record in such a table."""
    return [
        change.id,
        *(_cell(field, getattr(change.record, field)) for field in _FIELDS.get(change.kind, ())),
    ]


def _cell(field: str, value: Any) -> object:
    if isinstance(value, tuple | dict):
        return len(value)
    if field.endswith("_ms") and field not in _SPANS:
        return iso(value) if value else "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None or value == "" else value


def document(change: Change, *, secrets: bool) -> dict[str, object]:
    """A record as JSON, with the fields that have not their default value."""
    record = msgspec.to_builtins(change.record)
    return {
        "kind": change.kind.value,
        "id": change.id,
        "record": record if secrets else _without_secrets(record),
    }


def _without_secrets(value: Any) -> object:
    if isinstance(value, list | tuple):
        return [_without_secrets(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _hidden(one) if key in _SECRET else _without_secrets(one) for key, one in value.items()
    }


def _hidden(value: Any) -> object:
    """The names of an environment (of options, or of Docker's parameters) without their values."""
    if isinstance(value, dict):
        return dict.fromkeys(value, HIDDEN)
    if isinstance(value, list | tuple):
        return [{**one, "value": HIDDEN} for one in value]
    return HIDDEN
