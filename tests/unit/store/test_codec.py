"""The line of a change: round trips, older and newer releases, damage, what is refused."""

import msgspec
import pytest
from hypothesis import given

from framework.domain.app import App
from framework.domain.exits import ExitCode
from framework.domain.instance import Tombstone
from framework.domain.rollout import Connection
from framework.domain.state import Change, Kind
from framework.interfaces import StateTooNewError, StoreError, StoreUnusableError
from framework.store.codec import (
    RECORD_MAX_BYTES,
    SCHEMAS,
    Codec,
)
from tests.property.strategies import changes
from tests.unit.store.releases import later, to_2

STONE = Change(Kind.TOMBSTONE, "web.1", Tombstone("web.1", 7, "expunged"))


def tombstone_of(size: int) -> Change:
    """A change whose line takes ``size`` bytes."""
    empty = Change(Kind.TOMBSTONE, "t", Tombstone("t", 1, ""))
    return empty._replace(record=Tombstone("t", 1, "x" * (size - len(Codec().encode(empty)))))


@given(changes)
def test_a_change_survives_its_line(change: Change) -> None:
    line = Codec().encode(change)
    assert Codec().decode(line) == change
    assert type(Codec().decode(line).kind) is Kind
    assert b"\n" not in line


def test_a_line_says_what_it_is_and_leaves_defaults_out() -> None:
    assert Codec().encode(STONE) == (
        b'["tombstone",1,"web.1",{"task_id":"web.1","at_ms":7,"why":"expunged"}]'
    )
    assert Codec().encode(STONE._replace(record=None)) == b'["tombstone",1,"web.1",null]'
    assert Codec().encode(Change(Kind.APP, "/a", App(id="/a"))) == b'["app",1,"/a",{"id":"/a"}]'


def test_a_volatile_kind_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="connection is never stored"):
        Codec().encode(Change(Kind.CONNECTION, "connection", Connection()))


@pytest.mark.parametrize(
    "record",
    [
        App(id="/a", backoff_factor=float("nan")),
        App(id="/a", backoff_factor=float("inf")),
        App(id="/a", cmd="\ud800"),
        App(id="/a", cmd=7),  # type: ignore[arg-type]  # a bug elsewhere must not be stored
        App(id="/a", env={"A": object()}),  # type: ignore[dict-item]  # the same
    ],
    ids=["nan", "infinite", "surrogate", "wrong-type", "no-json"],
)
def test_what_could_not_be_read_back_is_refused(record: App) -> None:
    with pytest.raises(StoreError, match="app '/a' can not be stored"):
        Codec().encode(Change(Kind.APP, "/a", record))


def test_the_limit_on_size_is_exact() -> None:
    fits, exceeds = tombstone_of(RECORD_MAX_BYTES), tombstone_of(RECORD_MAX_BYTES + 3)
    assert len(Codec().encode(fits)) == RECORD_MAX_BYTES
    told = f"{RECORD_MAX_BYTES + 3} bytes, {RECORD_MAX_BYTES} are allowed"
    with pytest.raises(StoreError, match=told):
        Codec().encode(exceeds)


LATER = later()
OLD_LINE = b'["tombstone",1,"web.1",{"task_id":"web.1","at_ms":7,"why":"expunged"}]'
WITHOUT_REASON = b'["tombstone",1,"web.1",{"task_id":"web.1","at_ms":7}]'


def test_an_older_record_is_upgraded_step_by_step() -> None:
    assert LATER.decode(OLD_LINE).record == Tombstone("web.1", 7000, "expunged")
    newer_line = OLD_LINE.replace(b",1,", b",2,", 1).replace(b"why", b"reason")
    assert LATER.decode(newer_line).record == Tombstone("web.1", 7, "expunged")
    assert LATER.decode(b'["tombstone",1,"web.1",null]') == STONE._replace(record=None)


def test_an_upgraded_record_is_written_in_the_new_schema() -> None:
    line = LATER.encode(LATER.decode(OLD_LINE))
    assert line.startswith(b'["tombstone",3,')


def test_a_codec_without_the_needed_upgrade_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="no upgrade from tombstone 1"):
        Codec(schemas={**SCHEMAS, Kind.TOMBSTONE: 2}, upgrades={})


def test_a_codec_without_the_way_back_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="no downgrade to tombstone 1"):
        Codec(schemas={**SCHEMAS, Kind.TOMBSTONE: 2}, upgrades={(Kind.TOMBSTONE, 1): to_2})


def on_an_old_store(codec: Codec) -> Codec:
    """The codec after it saw the mark that today's release made."""
    codec.check_mark(Codec(release="1.0.0").mark())
    return codec


def test_a_newer_release_writes_what_the_stores_mark_says() -> None:
    codec = on_an_old_store(later())
    whole = STONE._replace(record=Tombstone("web.1", 7000, "expunged"))
    assert codec.encode(whole) == OLD_LINE
    assert codec.encode(STONE._replace(record=None)) == b'["tombstone",1,"web.1",null]'
    assert codec.decode(OLD_LINE) == whole
    assert codec.behind == {"tombstone": (1, 3)}
    assert codec.mark() == Codec(release="1.0.0").mark()


def test_what_the_older_schema_can_not_say_is_refused() -> None:
    codec = on_an_old_store(later())
    with pytest.raises(StoreError, match=r"a time between two seconds.*1\.0\.0.*state migrate"):
        codec.encode(STONE)
    assert codec.encode(STONE._replace(record=Tombstone("web.1", 7000, "expunged")))


def test_a_raised_mark_is_written_at_from_then_on() -> None:
    codec = on_an_old_store(later())
    codec.check_mark(codec.raised_mark())
    assert codec.encode(STONE).startswith(b'["tombstone",3,')
    assert codec.behind == {}
    with pytest.raises(StateTooNewError, match=r"release 9\.1\.0"):
        Codec().check_mark(codec.mark())


def test_a_wrong_way_back_never_becomes_durable() -> None:
    broken = Codec(
        schemas={**SCHEMAS, Kind.TOMBSTONE: 2},
        upgrades={(Kind.TOMBSTONE, 1): lambda document: document},
        downgrades={(Kind.TOMBSTONE, 1): lambda document: {"task_id": document["task_id"]}},
    )
    with pytest.raises(StoreError, match=r"tombstone 'web\.1' can not be stored"):
        on_an_old_store(broken).encode(STONE)
    forgetful = Codec(
        schemas={**SCHEMAS, Kind.TOMBSTONE: 2},
        upgrades={(Kind.TOMBSTONE, 1): lambda document: document},
        downgrades={(Kind.TOMBSTONE, 1): lambda document: {"at_ms": document["when"]}},
    )
    with pytest.raises(StoreError, match=r"KeyError: 'when'"):
        on_an_old_store(forgetful).encode(STONE)


def test_a_kind_that_the_store_does_not_know_stays_in_memory() -> None:
    old = Codec(schemas={kind: 1 for kind in SCHEMAS if kind is not Kind.TOMBSTONE})
    codec = Codec()
    assert codec.kept([STONE]) == [STONE]
    codec.check_mark(old.mark())
    app = Change(Kind.APP, "/a", App(id="/a"))
    assert codec.kept([STONE, app, STONE._replace(record=None)]) == [app]
    with pytest.raises(StoreError, match="new kind"):
        codec.encode(STONE)
    codec.check_mark(codec.raised_mark())
    assert codec.kept([STONE, app]) == [STONE, app]


@pytest.mark.parametrize(
    "line", [LATER.encode(STONE), b'["holiday",1,"x",{"id":"x"}]'], ids=["schema", "kind"]
)
def test_a_newer_record_is_refused(line: bytes) -> None:
    with pytest.raises(StateTooNewError, match=r"newer release .* nothing was changed") as refusal:
        Codec().decode(line)
    assert refusal.value.exit_code == ExitCode.STATE_TOO_NEW


def test_the_mark_names_the_release_that_is_needed() -> None:
    Codec().check_mark(Codec().mark())
    later().check_mark(Codec().mark())
    with pytest.raises(StateTooNewError, match=r"release 9\.1\.0 .*tombstone.* schema 3"):
        Codec(release="1.0.0").check_mark(later().mark())
    kind_of_later = msgspec.json.encode({"release": "8.0", "schemas": {"holiday": 1}})
    with pytest.raises(StateTooNewError, match=r"release 8\.0 .*holiday"):
        Codec().check_mark(kind_of_later)


@pytest.mark.parametrize(
    "mark",
    [b"", b"{}", b'{"release":1}', b"[" * 5000, b'{"release":"1","schemas":{"app":0}}'],
)
def test_a_malformed_mark_is_refused(mark: bytes) -> None:
    with pytest.raises(StoreUnusableError, match="mark of its release is malformed"):
        Codec().check_mark(mark)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff",
        b"{}",
        b'["app",1,"/a"]',
        b'["app",1,"/a",{"id":"/a"},1]',
        b'["app","1","/a",{"id":"/a"}]',
        b'["app",1,"/a",{"id":"/a"}',
        b'["app",1,"/a\xff",{"id":"/a"}]',
        b'["app",1,"/a",' + b"[" * 100_000 + b"]" * 100_000 + b"]",
    ],
)
def test_a_line_that_says_not_even_what_it_is(line: bytes) -> None:
    with pytest.raises(StoreUnusableError, match=r"app '/a' is malformed"):
        Codec().decode(line, ("app", "/a"))
    with pytest.raises(StoreUnusableError, match="is malformed"):
        Codec().decode(line)


@pytest.mark.parametrize(
    "line",
    [
        b'["app",1,"/a",{}]',
        b'["app",1,"/a",7]',
        b'["app",1,"/a",{"id":"/a","instances":"many"}]',
        b'["app",1,"/a",{"id":"/a","kill_selection":"NONE"}]',
        b'["app",0,"/a",{"id":"/a"}]',
        b'["app",-1,"/a",{"id":"/a"}]',
    ],
)
def test_damage_is_named_by_kind_and_id(line: bytes) -> None:
    with pytest.raises(StoreUnusableError, match=r"app '/a'.* is malformed"):
        Codec().decode(line)


@pytest.mark.parametrize("line", [WITHOUT_REASON, OLD_LINE.replace(b":7,", b':{"a":1},')])
def test_damage_in_an_older_record_is_told_as_damage(line: bytes) -> None:
    with pytest.raises(StoreUnusableError, match=r"tombstone 'web\.1' \(schema 1\) is malformed"):
        LATER.decode(line)


def test_the_removal_of_an_unknown_kind_is_refused() -> None:
    assert Codec().gone("app", "/a") == Change(Kind.APP, "/a", None)
    with pytest.raises(StoreUnusableError, match="holiday"):
        Codec().gone("holiday", "x")
