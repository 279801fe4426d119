"""A change as bytes and back: one line of JSON, the same in every store.

``["instance",1,"<id>",{...}]``: kind, schema of that kind, id, and the record without the fields
that have their default value (``null``: the record is gone). An older schema is upgraded when it
is read; a newer one is refused, for dropping its unknown fields would destroy them unnoticed.

Each store has a mark: the schemas that it may hold. We write at the mark's, so that an older
release can go on reading, until somebody raises it (migration.py; docs/decisions/0015).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import metadata
from typing import Any, NamedTuple, NoReturn

import msgspec
from msgspec import Raw, Struct

from framework.domain.state import RECORD_TYPES, VOLATILE, Change, Kind
from framework.interfaces import StateTooNewError, StoreError, StoreUnusableError

RECORD_MAX_BYTES = 512 * 1024

# The schema of each stored kind. Whoever changes a stored record (a field, a default, a name)
# raises its number and adds an upgrade and a downgrade; tests/unit/store/test_shapes.py notices
# if forgotten.
SCHEMAS: Mapping[Kind, int] = {kind: 1 for kind in Kind if kind not in VOLATILE}

# (kind, schema n) -> function from the record's JSON object at schema n to that at n + 1.
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
UPGRADES: Mapping[tuple[Kind, int], Upgrade] = {}

# The way back, under the same key: from n + 1 to n, for a store whose mark still says n. It
# raises InexpressibleError where the older schema can not say what matters.
Downgrade = Callable[[dict[str, Any]], dict[str, Any]]
DOWNGRADES: Mapping[tuple[Kind, int], Downgrade] = {}

_GONE = Raw(b"null")


class InexpressibleError(Exception):
    """An older schema can not say what a record says; the message names what."""


class Mark(Struct, frozen=True, gc=False):
    """The schemas that a store may hold, and the release that made or raised it: kept once per
    store. A kind that is missing is not to be stored."""

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
    written: int  # the schema by the store's mark; 0: the kind is unknown to it
    decode: Callable[[bytes | Raw], Any]


class Codec:
    """Encodes and decodes changes by a table of schemas; the arguments are for tests of
    releases to come.

    One belongs to one store. Of a store that exists it is shown the mark before anything is
    encoded (``check_mark``); a new store is given ``mark()``."""

    def __init__(
        self,
        schemas: Mapping[Kind, int] = SCHEMAS,
        upgrades: Mapping[tuple[Kind, int], Upgrade] = UPGRADES,
        downgrades: Mapping[tuple[Kind, int], Downgrade] = DOWNGRADES,
        release: str = "",
    ) -> None:
        for ways, name in ((upgrades, "upgrade from"), (downgrades, "downgrade to")):
            missing = [
                f"{kind} {schema}"
                for kind, newest in schemas.items()
                for schema in range(1, newest)
                if (kind, schema) not in ways
            ]
            assert not missing, f"no {name} {', '.join(missing)}"
        self.release = release or this_release()
        self.schemas: Mapping[str, int] = {str(kind): schema for kind, schema in schemas.items()}
        self._upgrades = upgrades
        self._downgrades = downgrades
        self._encode = msgspec.json.Encoder().encode
        self._split = msgspec.json.Decoder(_Line).decode
        self._forms = {
            str(kind): _Form(kind, schema, schema, msgspec.json.Decoder(RECORD_TYPES[kind]).decode)
            for kind, schema in schemas.items()
        }
        self._unknown: frozenset[str] = frozenset()
        self._mark = Mark(self.release, dict(self.schemas))

    def encode(self, change: Change) -> bytes:
        """The change's line at the schema of the store's mark. StoreError if it is too large,
        could not be read back, or says what that schema can not; a volatile kind is a bug of
        the caller."""
        kind, id_, record = change
        assert kind not in VOLATILE, f"{kind} is never stored"
        form = self._forms[kind]
        try:
            raw = self._encode(record)
            if record is not None:  # msgspec checks types only when it decodes; NaN becomes null
                form.decode(raw)
            if form.written != form.schema:
                raw = self._downgraded(form, raw)
            line = self._encode(_Line(kind, form.written, id_, Raw(raw)))
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError) as error:
            raise StoreError(f"{kind} {id_!r} can not be stored: {error}") from error
        except InexpressibleError as error:
            raise StoreError(
                f"{kind} {id_!r} can not be stored: {error}, which the store's schemas (of release"
                f" {self._mark.release}) can not say. Migrate it first: stayer state migrate"
            ) from error
        if len(line) > RECORD_MAX_BYTES:
            raise StoreError(
                f"{kind} {id_!r} can not be stored: it takes {len(line)} bytes,"
                f" {RECORD_MAX_BYTES} are allowed"
            )
        return line

    def kept(self, changes: Sequence[Change]) -> Sequence[Change]:
        """Those whose kind the store's mark knows: what ``append`` writes. The others live in
        memory only until the store is migrated."""
        if not self._unknown:
            return changes
        return [change for change in changes if change.kind not in self._unknown]

    def _downgraded(self, form: _Form, raw: bytes) -> bytes:
        """The record's JSON at the schema of the store's mark."""
        document = msgspec.json.decode(raw)
        if not form.written:
            raise InexpressibleError("it is of a new kind")
        if document is None:
            return raw
        try:
            for step in range(form.schema - 1, form.written - 1, -1):
                document = self._downgrades[form.kind, step](document)
            again = document
            for step in range(form.written, form.schema):
                again = self._upgrades[form.kind, step](again)
        except (LookupError, AttributeError) as error:  # a bug, told with the record's name
            raise ValueError(f"{type(error).__name__}: {error}") from error
        msgspec.convert(again, RECORD_TYPES[form.kind])  # what can not be read is never written
        return self._encode(document)

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
        current = self.schemas.get(kind, 0)
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
        """What a store keeps beside its records, so that an older release knows at once: for a
        new store our own schemas, else those of the mark that ``check_mark`` saw."""
        return self._encode(self._mark)

    def check_mark(self, mark: bytes) -> None:
        """Write at the schemas of this mark from now on. StateTooNewError if a release that we
        can not read wrote the store. Look again before becoming the writer: the mark may have
        been raised meanwhile."""
        written = self.read_mark(mark)
        self._forms = {
            kind: form._replace(written=written.schemas.get(kind, 0))
            for kind, form in self._forms.items()
        }
        self._unknown = frozenset(kind for kind, form in self._forms.items() if not form.written)
        self._mark = written

    def read_mark(self, mark: bytes) -> Mark:
        """The mark, if we can read what it allows; the same errors."""
        try:
            written = msgspec.json.decode(mark, type=Mark)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise StoreUnusableError(_malformed("the mark of its release", error)) from error
        for kind, schema in written.schemas.items():
            if schema < 1:
                raise StoreUnusableError(
                    _malformed("the mark of its release", ValueError(f"{kind} {schema}"))
                )
            if schema > self.schemas.get(kind, 0):
                self._refuse(f"its {kind} records have schema {schema}", written.release)
        return written

    def raised_mark(self) -> bytes:
        """The mark that allows all our schemas; a store writes it when it is migrated."""
        return self._encode(Mark(self.release, dict(self.schemas)))

    @property
    def behind(self) -> Mapping[str, tuple[int, int]]:
        """The kinds for which the store's mark says less than this release could write, with
        both schemas; empty: there is nothing to migrate."""
        return {
            kind: (form.written, form.schema)
            for kind, form in self._forms.items()
            if form.written != form.schema
        }

    def _refuse(self, what: str, release: str) -> NoReturn:
        by = f"release {release}" if release else "a newer release"
        raise StateTooNewError(
            f"the store was written by {by} of Stayer: {what}, which release {self.release}"
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
