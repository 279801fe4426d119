"""`stayer state` on files: what it writes, refuses, finds and shows, and how it ends."""

import gzip
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings

from cli import shown
from cli.state import state
from framework.domain.app import App, Container, Docker, DockerParameter, ExternalVolume
from framework.domain.exits import ExitCode
from framework.domain.groups import Group
from framework.domain.instance import Orphan
from framework.domain.rollout import Wait
from framework.domain.state import Change, Kind
from framework.interfaces import StateTooNewError
from framework.store.backup import read_backup
from framework.store.codec import SCHEMAS, Codec
from framework.store.sqlite import SqliteStore
from tests.property.strategies import changes
from tests.unit.store.releases import next_release

VERSION = "2026-01-01T00:00:00.000Z"
DOCKER = Docker("img", parameters=(DockerParameter("env", "KEY=s3cret"),))
EXTERNAL = ExternalVolume("/data", "vol", options={"dvdi/key": "s3cret"})
WEB = App(
    id="/web",
    version=VERSION,
    cmd="./web",
    env={"TOKEN": "s3cret"},
    container=Container("DOCKER", DOCKER, external_volumes=(EXTERNAL,)),
)
STATE = [
    Change(Kind.APP, "/web", WEB),
    Change(Kind.APP_VERSION, f"/web@{VERSION}", WEB),
    Change(Kind.GROUP, "/", Group("/", VERSION)),
]
ORPHAN = Change(Kind.ORPHAN, "t-1", Orphan("t-1", "S0", "TASK_RUNNING", 1_700_000_000_000))
WITHOUT_WAITS: dict[Kind, int] = {
    kind: schema for kind, schema in SCHEMAS.items() if kind is not Kind.WAIT
}
OLD = Codec(schemas=WITHOUT_WAITS, release="0.0.9")

StayerState = Callable[..., Result]


@pytest.fixture
def stayer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StayerState:
    """Runs `stayer state` in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, **env: str) -> Result:
        clean = {"STAYER_STORE": None, "STAYER_ZK": None, "COLUMNS": "200", **env}
        return CliRunner(env=clean).invoke(state, words, catch_exceptions=False)

    return run


def fill(path: str, changes: list[Change], codec: Codec | None = None) -> str:
    """A store with these records; its URL."""
    with closing(SqliteStore(path, codec=codec)) as store:
        store.append(changes)
    return f"sqlite:{path}"


def held(url: str) -> list[Change]:
    with closing(SqliteStore(url.removeprefix("sqlite:"))) as store:
        return sorted(store.load(), key=lambda change: (change.kind, change.id))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if not path.name.startswith("a.db")}


def test_a_state_moves_by_its_backup(stayer: StayerState) -> None:
    url = fill("a.db", STATE)
    result = stayer("backup", "b.gz", "--store", url)
    size = Path("b.gz").stat().st_size
    assert (result.exit_code, result.stdout) == (
        0,
        f"3 records of sqlite:a.db are in b.gz ({size} bytes).\n",
    )
    result = stayer("restore", "b.gz", STAYER_STORE="sqlite:new/c.db")
    assert result.exit_code == 0
    assert "are now in sqlite:new/c.db" in result.stdout
    assert held("sqlite:new/c.db") == STATE


def test_a_backup_beside_a_running_scheduler(stayer: StayerState) -> None:
    url = fill("a.db", STATE)
    with closing(SqliteStore("a.db")):
        assert stayer("backup", "b", "--store", url).exit_code == 0
        assert stayer("check", "--store", url).exit_code == 0
        refused = stayer("restore", "b", "--replace", "--store", url)
        assert refused.exit_code == ExitCode.STORE_UNUSABLE
        assert "only one scheduler may write" in refused.stderr
        refused = stayer("migrate", "--store", url)
        assert refused.exit_code == ExitCode.STORE_UNUSABLE
    assert held(url) == STATE


def test_a_backup_for_machines(stayer: StayerState, tmp_path: Path) -> None:
    url = fill("a.db", STATE)
    told = json.loads(stayer("backup", "b", "--json", "--store", url).stdout)
    assert told.pop("at") <= "9999"
    assert told == {
        "store": url,
        "file": "b",
        "bytes": Path("b").stat().st_size,
        "release": Codec().release,
        "schemas": {str(kind): schema for kind, schema in SCHEMAS.items()},
        "records": 3,
    }
    told = json.loads(stayer("restore", "b", "--json", "--store", "sqlite:c.db").stdout)
    assert told == {"store": "sqlite:c.db", "file": "b", "records": 3, "previous": None}


def test_a_backup_never_replaces_a_file_unasked(stayer: StayerState) -> None:
    url = fill("a.db", STATE)
    Path("b").write_text("mine")
    result = stayer("backup", "b", "--store", url)
    assert result.exit_code == 1
    assert "b exists already" in result.stderr
    assert Path("b").read_text() == "mine"
    assert stayer("backup", "b", "--overwrite", "--store", url).exit_code == 0
    assert stayer("check", "--file", "b").exit_code == 0


def test_a_backup_where_none_can_be_written(stayer: StayerState) -> None:
    result = stayer("backup", "no/such/b", "--store", fill("a.db", STATE))
    assert result.exit_code == 1
    assert "No such file or directory" in result.stderr


def test_a_state_is_replaced_only_when_asked_and_kept(stayer: StayerState, tmp_path: Path) -> None:
    stayer("backup", "b", "--store", fill("a.db", STATE))
    url = fill("c.db", [ORPHAN, STATE[2]])
    refused = stayer("restore", "b", "--store", url)
    assert refused.exit_code == 1
    assert "the store holds 2 records" in refused.stderr
    assert held(url) == [STATE[2], ORPHAN]
    done = stayer("restore", "b", "--replace", "--previous", "was.gz", "--store", url)
    assert done.exit_code == 0
    assert done.stdout.startswith("What was there before is in was.gz.\n")
    assert held(url) == STATE
    assert stayer("restore", "was.gz", "--replace", "--store", url).exit_code == 0
    assert held(url) == [STATE[2], ORPHAN]
    assert len([name for name in names(tmp_path) if "replaced" in name]) == 1


def test_nothing_is_replaced_when_the_previous_state_can_not_be_kept(
    stayer: StayerState,
) -> None:
    stayer("backup", "b", "--store", fill("a.db", STATE))
    url = fill("c.db", [ORPHAN])
    refused = stayer("restore", "b", "--replace", "--previous", "b", "--store", url)
    assert refused.exit_code == 1
    assert held(url) == [ORPHAN]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-9], "checksum"),
        (lambda data: data.replace(b"./web", b"./wub"), "checksum"),
        (lambda _: b"", "no backup"),
        (lambda data: gzip.compress(data)[:-9], "damaged"),
    ],
    ids=["cut", "changed", "empty", "cut-gzip"],
)
def test_a_damaged_backup_changes_nothing(
    stayer: StayerState, damage: Callable[[bytes], bytes], message: str
) -> None:
    stayer("backup", "b", "--store", fill("a.db", STATE))
    Path("b").write_bytes(damage(Path("b").read_bytes()))
    url = fill("c.db", [ORPHAN])
    refused = stayer("restore", "b", "--replace", "--store", url)
    assert refused.exit_code == 1
    assert message in refused.stderr
    assert "Nothing was changed." in refused.stderr
    assert held(url) == [ORPHAN]
    checked = stayer("check", "--file", "b")
    assert checked.exit_code == 1
    assert message in checked.stdout


def test_a_newer_releases_backup_or_store_is_refused(stayer: StayerState) -> None:
    url = fill("new.db", [], next_release())
    for words in (["show"], ["check"], ["backup", "b"], ["restore", "old"], ["migrate"]):
        if words[0] == "restore":
            stayer("backup", "old", "--store", fill("a.db", STATE))
        refused = stayer(*words, "--store", url)
        assert refused.exit_code == ExitCode.STATE_TOO_NEW
        assert "release 9.0.0" in refused.stderr


def test_a_right_state(stayer: StayerState) -> None:
    result = stayer("check", "--store", fill("a.db", [*STATE, ORPHAN]))
    assert result.exit_code == 0
    assert result.stdout == dedent(
        """\
              KIND    ID   WHAT
        note  orphan  t-1  a task that no record knows: adopt or kill it

        4 records in sqlite:a.db: nothing is wrong (1 worth a look)
        """
    )


def test_a_wrong_state(stayer: StayerState) -> None:
    url = fill("a.db", STATE[:2])
    result = stayer("check", "--store", url)
    assert result.exit_code == 1
    assert "wrong  group  /   the root of all groups does not exist" in result.stdout
    assert result.stdout.endswith("2 records in sqlite:a.db: 1 wrong\n")
    told = json.loads(stayer("check", "--json", "--store", url).stdout)
    assert told == {
        "store": url,
        "counts": {"app": 1, "app-version": 1},
        "findings": [
            {
                "kind": "group",
                "id": "/",
                "what": "the root of all groups does not exist",
                "wrong": True,
            }
        ],
    }


def test_a_damaged_record_is_a_finding(stayer: StayerState) -> None:
    url = fill("a.db", STATE)
    with closing(SqliteStore("a.db")) as store:
        assert store._writer is not None
        store._writer.execute("UPDATE records SET line = x'00' WHERE kind = 'app'")
    result = stayer("check", "--store", url)
    assert result.exit_code == 1
    assert "app '/web' is malformed" in result.stdout
    assert stayer("backup", "b", "--store", url).exit_code == ExitCode.STORE_UNUSABLE
    assert not Path("b").exists()


@pytest.mark.parametrize("words", [["show"], ["check"], ["backup", "b"], ["migrate"]])
def test_where_there_is_no_store_none_is_made(
    stayer: StayerState, tmp_path: Path, words: list[str]
) -> None:
    result = stayer(*words)
    assert result.exit_code == ExitCode.STORE_UNUSABLE
    assert "there is no store" in result.stderr
    assert "stayer-state" in result.stderr  # the default
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url", ["etcd://ann:s3cret@host", "memory:", "", "zk://ann:s3cret@", "zk:x"]
)
def test_a_url_that_names_no_store(stayer: StayerState, url: str) -> None:
    result = stayer("show", "--store", url)
    assert result.exit_code == 2
    assert "s3cret" not in result.stderr


def test_what_there_is(stayer: StayerState) -> None:
    url = fill("a.db", [*STATE, ORPHAN])
    lines = stayer("show", STAYER_STORE=url).stdout.splitlines()
    assert lines[:2] == ["Store          sqlite:a.db", f"Written as of  release {Codec().release}"]
    assert lines[3].split() == ["KIND", "RECORDS", "SCHEMA"]
    assert ["app-version", "1", "1"] in [line.split() for line in lines]
    assert lines[-1].split() == ["all", "4"]
    told = json.loads(stayer("show", "--json", "--store", url).stdout)
    assert told["counts"] == {"app": 1, "app-version": 1, "group": 1, "orphan": 1}


def test_one_kind(stayer: StayerState) -> None:
    url = fill("a.db", [*STATE, ORPHAN])
    assert stayer("show", "orphan", "--store", url).stdout == dedent(
        """\
        ID   STATE         AGENT_ID  FIRST_SEEN                KILL_REQUESTED
        t-1  TASK_RUNNING  S0        2023-11-14T22:13:20.000Z  no
        """
    )
    assert stayer("show", "delay", "--store", url).stdout == "There is no delay in sqlite:a.db.\n"
    assert stayer("show", "connection", "--store", url).exit_code == 2


@pytest.mark.parametrize("words", [["show", "app", "/web"], ["show", "app", "--json"]])
def test_secrets_are_shown_only_when_asked_for(stayer: StayerState, words: list[str]) -> None:
    url = fill("a.db", STATE)
    shown = stayer(*words, "--store", url).stdout
    assert "s3cret" not in shown
    assert "TOKEN" in shown
    asked = stayer(*words, "--secrets", "--store", url).stdout
    assert asked.count("s3cret") == 3


def test_one_record(stayer: StayerState) -> None:
    url = fill("a.db", STATE)
    assert json.loads(stayer("show", "group", "/", "--store", url).stdout) == {
        "kind": "group",
        "id": "/",
        "record": {"id": "/", "version": VERSION},
    }
    result = stayer("show", "app", "/x", "--store", url)
    assert result.exit_code == 1
    assert "there is no app '/x'" in result.stderr


@settings(max_examples=40)
@given(change=changes)
def test_any_record_can_be_shown(change: Change) -> None:
    if change.record is not None:
        assert len(shown.row(change)) == len(shown.columns(change.kind))
        assert json.dumps(shown.document(change, secrets=False))


def test_an_old_stores_schemas_are_kept_until_it_is_migrated(stayer: StayerState) -> None:
    url = fill("a.db", STATE, OLD)
    assert "To migrate     wait new -> 1\n" in stayer("show", "--store", url).stdout
    result = stayer("migrate", "--backup", "before", "--store", url)
    assert result.exit_code == 0
    assert result.stdout == (
        "The state as it was before is in before.\n"
        f"sqlite:a.db is written as of release {Codec().release} now: wait new -> 1.\n"
    )
    described, records = read_backup(Path("before"), OLD)
    assert described.release == "0.0.9"
    assert records == STATE
    assert "nothing to migrate" in stayer("migrate", "--store", url).stdout
    with pytest.raises(StateTooNewError):
        SqliteStore("a.db", codec=OLD)


def test_a_migration_for_machines(stayer: StayerState) -> None:
    url = fill("a.db", STATE, OLD)
    told = json.loads(stayer("migrate", "--json", "--backup", "b", "--store", url).stdout)
    assert told == {"store": url, "migrated": {"wait": {"from": 0, "to": 1}}, "backup": "b"}
    told = json.loads(stayer("migrate", "--json", "--store", url).stdout)
    assert told == {"store": url, "migrated": {}, "backup": None}


def test_no_migration_without_its_backup(stayer: StayerState) -> None:
    url = fill("a.db", STATE, OLD)
    Path("taken").write_text("mine")
    assert stayer("migrate", "--backup", "taken", "--store", url).exit_code == 1
    SqliteStore("a.db", codec=OLD).close()


def test_a_store_of_old_schemas_takes_no_records_that_it_can_not_say(
    stayer: StayerState,
) -> None:
    wait = Change(Kind.WAIT, "/web", Wait("/web", 1))
    stayer("backup", "b", "--store", fill("a.db", [*STATE, wait]))
    url = fill("c.db", [ORPHAN], OLD)
    refused = stayer("restore", "b", "--replace", "--store", url)
    assert refused.exit_code == ExitCode.STORE_LOST
    assert "stayer state migrate" in refused.stderr
    assert held(url) == [ORPHAN]
