"""A change as bytes and back: one line of JSON, the same in every store.

``["instance",1,"<id>",{...}]``: kind, schema of that kind, id, and the record without the fields
that have their default value (``null``: the record is gone). An older schema is upgraded when it
is read; a newer one is refused, for dropping its unknown fields would destroy them unnoticed.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import metadata
from typing import Any, NamedTuple, NoReturn

import msgspec
from msgspec import Raw, Struct

from framework.domain.state import RECORD_TYPES, VOLATILE, Change, Kind
from framework.interfaces import StoreError, StoreUnusableError

RECORD_MAX_BYTES = 512 * 1024

# The schema of each stored kind. Whoever changes a stored record (a field, a default, a name)
# raises its number and adds an upgrade; tests/unit/store/test_shapes.py notices if forgotten.
SCHEMAS: Mapping[Kind, int] = {kind: 1 for kind in Kind if kind not in VOLATILE}

# (kind, schema n) -> function from the record's JSON object at schema n to that at n + 1.
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
UPGRADES: Mapping[tuple[Kind, int], Upgrade] = {}

_GONE = Raw(b"null")


class Mark(Struct, frozen=True, gc=False):
    """Who wrote a store last, and the schemas it may hold: kept once per store."""

    release: str
    schemas: dict[str, int]


class _Line(Struct, frozen=True, gc=False, array_like=True, forbid_unknown_fields=True):
    kind: str
    schema: int
    id: str
    record: Raw


class _Form(NamedTuple):
    kind: Kind
    schema: int
    decode: Callable[[bytes | Raw], Any]


class Codec:
    """Encodes and decodes changes by a table of schemas; the arguments are for tests of
    releases to come."""

    def __init__(
        self,
        schemas: Mapping[Kind, int] = SCHEMAS,
        upgrades: Mapping[tuple[Kind, int], Upgrade] = UPGRADES,
        release: str = "",
    ) -> None:
        missing = [
            f"{kind} {schema}"
            for kind, newest in schemas.items()
            for schema in range(1, newest)
            if (kind, schema) not in upgrades
        ]
        assert not missing, f"no upgrade from {', '.join(missing)}"
        self._release = release or this_release()
        self._schemas = {str(kind): schema for kind, schema in schemas.items()}
        self._upgrades = upgrades
        self._encode = msgspec.json.Encoder().encode
        self._split = msgspec.json.Decoder(_Line).decode
        self._forms = {
            str(kind): _Form(kind, schema, msgspec.json.Decoder(RECORD_TYPES[kind]).decode)
            for kind, schema in schemas.items()
        }

    def encode(self, change: Change) -> bytes:
        """The change's line. StoreError if it is too large or could not be read back; a volatile
        kind is a bug of the caller."""
        kind, id_, record = change
        assert kind not in VOLATILE, f"{kind} is never stored"
        form = self._forms[kind]
        try:
            raw = self._encode(record)
            if record is not None:  # msgspec checks types only when it decodes; NaN becomes null
                form.decode(raw)
            line = self._encode(_Line(kind, form.schema, id_, Raw(raw)))
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
            raise StoreError(f"{kind} {id_!r} can not be stored: {error}") from error
        if len(line) > RECORD_MAX_BYTES:
            raise StoreError(
                f"{kind} {id_!r} can not be stored: it takes {len(line)} bytes,"
                f" {RECORD_MAX_BYTES} are allowed"
            )
        return line

    def decode(self, line: bytes, key: tuple[str, str] | None = None) -> Change:
        """The change of a line. StoreUnusableError if it is malformed or of a newer schema;
        ``key``, kind and id, is under which the line was found, and it must say the same."""
        try:
            split = self._split(line)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            what = "a record" if key is None else f"{key[0]} {key[1]!r}"
            raise StoreUnusableError(_malformed(what, error)) from error
        if key is not None and (split.kind, split.id) != key:
            raise StoreUnusableError(
                f"the store is damaged: under {key[0]} {key[1]!r} it holds {split.kind}"
                f" {split.id!r}. Restore a backup of the store; nothing was changed."
            )
        form = self._forms.get(split.kind)
        if form is None or form.schema != split.schema:
            return self._decode_foreign(split)
        if split.record == _GONE:
            return Change(form.kind, split.id, None)
        try:
            return Change(form.kind, split.id, form.decode(split.record))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise StoreUnusableError(_malformed(f"{split.kind} {split.id!r}", error)) from error

    def gone(self, kind: str, id_: str) -> Change:
        """The removal of a record that a store remembers by its key only."""
        form = self._forms.get(kind)
        if form is None:
            self._refuse(f"it names the kind {kind!r}", "")
        return Change(form.kind, id_, None)

    def _decode_foreign(self, line: _Line) -> Change:
        """A line whose schema is not this release's."""
        kind, schema, id_ = line.kind, line.schema, line.id
        current = self._schemas.get(kind, 0)
        if schema > current:
            self._refuse(f"{kind} {id_!r} has schema {schema}", "")
        known = Kind(kind)
        try:
            document = msgspec.json.decode(line.record, type=dict[str, Any] | None)
            if document is None:
                return Change(known, id_, None)
            for step in range(schema, current):
                document = self._upgrades[known, step](document)
            return Change(known, id_, msgspec.convert(document, RECORD_TYPES[known]))
        except (
            msgspec.MsgspecError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            RecursionError,
        ) as error:
            raise StoreUnusableError(
                _malformed(f"{kind} {id_!r} (schema {schema})", error)
            ) from error

    def mark(self) -> bytes:
        """What a store keeps beside its records, so that an older release knows at once."""
        return self._encode(Mark(self._release, self._schemas))

    def check_mark(self, mark: bytes) -> None:
        """StoreUnusableError if a release that we can not read wrote the store."""
        try:
            written = msgspec.json.decode(mark, type=Mark)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise StoreUnusableError(_malformed("the mark of its release", error)) from error
        for kind, schema in written.schemas.items():
            if schema > self._schemas.get(kind, 0):
                self._refuse(f"its {kind} records have schema {schema}", written.release)

    def _refuse(self, what: str, release: str) -> NoReturn:
        by = f"release {release}" if release else "a newer release"
        raise StoreUnusableError(
            f"the store was written by {by} of Stayer: {what}, which release {self._release}"
            " does not know. Start that release or a later one; nothing was changed."
        )


def _malformed(what: str, error: Exception) -> str:
    return (
        f"the store is damaged: {what} is malformed ({type(error).__name__}: {error})."
        " Restore a backup of the store; nothing was changed."
    )


@cache
def this_release() -> str:
    """The version of the installed distribution."""
    try:
        return metadata.version("stayer")
    except metadata.PackageNotFoundError:
        return "0 (not installed)"


def excess_bytes(change: Change) -> int:
    """By how many bytes the change exceeds what a store takes; 0 if it fits. For whoever
    accepts a definition and must refuse it before it is too late."""
    kind, id_, record = change
    line = msgspec.json.encode(_Line(kind, SCHEMAS[kind], id_, Raw(msgspec.json.encode(record))))
    return max(0, len(line) - RECORD_MAX_BYTES)
