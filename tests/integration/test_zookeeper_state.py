"""`stayer state` on a store in ZooKeeper: to and from a file, beside leaders and after them."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.state import state
from framework.domain.app import App
from framework.domain.exits import ExitCode
from framework.domain.groups import Group
from framework.domain.instance import Tombstone
from framework.domain.state import Change, Kind, State
from framework.interfaces import LeadershipLostError, StateTooNewError
from framework.leadership.member import Member
from framework.leadership.zookeeper import ZooKeeperLeadership
from framework.store.codec import SCHEMAS, Codec
from framework.store.sqlite import SqliteStore
from framework.store.zookeeper import ZooKeeperStore
from framework.zookeeper.session import Session
from tests.integration.zookeeper_stores import next_fence, session_at, zookeeper
from tests.polling import eventually

__all__ = ["zookeeper"]  # a fixture

VERSION = "2026-01-01T00:00:00.000Z"
WEB = App(id="/web", version=VERSION, cmd="./web")
STATE = [
    Change(Kind.APP, "/web", WEB),
    Change(Kind.APP_VERSION, f"/web@{VERSION}", WEB),
    Change(Kind.GROUP, "/", Group("/", VERSION)),
]
# Two segments of the log.
MANY = [Change(Kind.TOMBSTONE, f"t{n}", Tombstone(f"t{n}", n, "x" * 4000)) for n in range(200)]
WITHOUT_WAITS: dict[Kind, int] = {**SCHEMAS}
del WITHOUT_WAITS[Kind.WAIT]

StayerState = Callable[..., Result]


@pytest.fixture
def stayer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zk_url: str) -> StayerState:
    """Runs `stayer state` in a folder of its own, on a path of its own in ZooKeeper."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Result:
        env = {"STAYER_STORE": None, "STAYER_ZK": zk_url, "COLUMNS": "200"}
        return CliRunner(env=env).invoke(state, words, catch_exceptions=False)

    return run


def backup_of(changes: list[Change], name: str, stayer: StayerState) -> str:
    """A backup of these records, by way of a file."""
    with closing(SqliteStore(f"{name}.db")) as store:
        store.append(changes)
    assert stayer("backup", name, "--store", f"sqlite:{name}.db").exit_code == 0
    return name


def held(url: str) -> dict[Kind, dict[str, object]]:
    with session_at(url) as session, closing(ZooKeeperStore(session)) as store:
        found = State()
        found.apply(store.load())
        return {kind: {**table} for kind, table in found.tables.items() if table}


def tables_of(changes: list[Change]) -> dict[Kind, dict[str, object]]:
    wanted = State()
    wanted.apply(changes)
    return {kind: {**table} for kind, table in wanted.tables.items() if table}


def write(url: str, changes: list[Change], codec: Codec | None = None) -> None:
    """As a leader that has ended since."""
    with session_at(url) as session, closing(ZooKeeperStore(session, codec)) as store:
        store.write_under(next_fence(session))
        store.append(changes)


def test_a_state_moves_into_zookeeper_and_back(stayer: StayerState, zk_url: str) -> None:
    result = stayer("restore", backup_of([*STATE, *MANY], "b", stayer))
    assert result.exit_code == 0, result.output
    assert "203 records" in result.stdout
    assert held(zk_url) == tables_of([*STATE, *MANY])
    assert stayer("check").exit_code == 0
    assert stayer("backup", "back.gz").exit_code == 0
    assert stayer("restore", "back.gz", "--store", "sqlite:new.db").exit_code == 0
    with closing(SqliteStore("new.db")) as store:
        assert tables_of(list(store.load())) == tables_of([*STATE, *MANY])


def test_nothing_stays_behind_of_the_command(stayer: StayerState, zk_url: str) -> None:
    assert stayer("restore", backup_of(STATE, "b", stayer)).exit_code == 0
    with session_at(zk_url) as session:
        assert session.client.get_children(session.path("election")) == []
        assert session.client.get_children(session.path("members")) == []


def test_a_state_is_replaced_only_when_asked_and_kept(stayer: StayerState, zk_url: str) -> None:
    write(zk_url, MANY)
    backup_of(STATE, "b", stayer)
    refused = stayer("restore", "b")
    assert refused.exit_code == 1
    assert "holds 200 records" in refused.stderr
    assert held(zk_url) == tables_of(MANY)
    done = stayer("restore", "b", "--replace", "--previous", "was.gz")
    assert done.exit_code == 0, done.output
    assert held(zk_url) == tables_of(STATE)
    assert stayer("restore", "was.gz", "--replace").exit_code == 0
    assert held(zk_url) == tables_of(MANY)


def lead(session: Session, codec: Codec | None = None) -> ZooKeeperLeadership:
    """An elected leader."""
    codec = codec or Codec()
    member = Member("a.example:8080", release=codec.release, schemas=dict(codec.schemas))
    leadership = ZooKeeperLeadership(session, member)
    leadership.start(lambda: None, lambda _error: None)
    eventually(lambda: leadership._fence is not None, "the election")
    return leadership


def test_a_living_leader_keeps_its_state(stayer: StayerState, zk_url: str) -> None:
    backup_of(STATE, "b", stayer)
    with session_at(zk_url) as session, closing(ZooKeeperStore(session)) as store:
        leadership = lead(session)
        store.write_under(leadership.fence)
        store.append(MANY)
        refused = stayer("restore", "b", "--replace")
        assert refused.exit_code == ExitCode.STORE_UNUSABLE
        assert "a Stayer at a.example:8080 uses this state" in refused.stderr
        store.append(STATE)
        assert stayer("backup", "beside").exit_code == 0
        assert "203 records" in stayer("check").stdout
        leadership.stop()
    assert held(zk_url) == tables_of([*MANY, *STATE])
    assert stayer("restore", "b", "--replace").exit_code == 0


def test_force_takes_the_state_from_a_leader(stayer: StayerState, zk_url: str) -> None:
    backup_of(STATE, "b", stayer)
    with session_at(zk_url) as session, closing(ZooKeeperStore(session)) as store:
        leadership = lead(session)
        store.write_under(leadership.fence)
        store.append(MANY)
        assert stayer("restore", "b", "--replace", "--force").exit_code == 0
        with pytest.raises(LeadershipLostError):
            store.append(MANY)
        leadership.stop()
    assert held(zk_url) == tables_of(STATE)


def test_migration_beside_a_leader_of_this_release(stayer: StayerState, zk_url: str) -> None:
    old = Codec(schemas=WITHOUT_WAITS, release="0.0.9")
    write(zk_url, STATE, old)
    with session_at(zk_url) as session, closing(ZooKeeperStore(session)) as store:
        leadership = lead(session)
        store.write_under(leadership.fence)
        assert tables_of(list(store.load())) == tables_of(STATE)
        done = stayer("migrate", "--backup", "before")
        assert done.exit_code == 0, done.output
        assert f"release {Codec().release} now: wait new -> 1" in done.stdout
        store.append(MANY)  # goes on in the old schemas, which the mark allows too
        leadership.stop()
    with session_at(zk_url) as session:
        with pytest.raises(StateTooNewError):
            ZooKeeperStore(session, Codec(schemas=WITHOUT_WAITS))
        with closing(ZooKeeperStore(session)) as store:
            assert not store.codec.behind
    assert "nothing to migrate" in stayer("migrate").stdout


def test_no_migration_while_an_older_member_is_registered(stayer: StayerState, zk_url: str) -> None:
    old = Codec(schemas=WITHOUT_WAITS, release="0.0.9")
    write(zk_url, STATE, old)
    with session_at(zk_url) as session:
        leadership = lead(session, old)
        refused = stayer("migrate")
        assert refused.exit_code == 1
        assert "a.example:8080 (release 0.0.9)" in refused.stderr
        assert json.loads(stayer("show", "--json").stdout)["release"] == "0.0.9"
        assert stayer("migrate", "--force").exit_code == 0
        assert json.loads(stayer("show", "--json").stdout)["release"] == Codec().release
        leadership.stop()


def test_where_there_is_no_store_none_is_made(
    stayer: StayerState, zk_url: str, zk_root: str
) -> None:
    for words in (["show"], ["check"], ["backup", "b"], ["migrate"]):
        result = stayer(*words)
        assert result.exit_code == ExitCode.STORE_UNUSABLE
        assert "there is no store at zk://" in result.stderr
    with session_at(zk_url.replace(zk_root, "/elsewhere")) as session:
        assert session.client.exists(zk_root) is None


def test_with_credentials_it_is_for_whoever_has_them(stayer: StayerState) -> None:
    Path("secret").write_text("ann:s3cret\n")
    backup_of(STATE, "b", stayer)
    done = stayer("restore", "b", "--zk_credentials_file", "secret")
    assert done.exit_code == 0, done.output
    assert stayer("check", "--zk_credentials_file", "secret").exit_code == 0
    for words in (["show"], ["restore", "b", "--replace"], ["migrate"]):
        refused = stayer(*words)
        assert refused.exit_code == ExitCode.STORE_READ_ONLY
        assert "--zk_credentials_file" in refused.stderr
    missing = stayer("show", "--zk_credentials_file", "none")
    assert missing.exit_code == ExitCode.STORE_UNUSABLE
    assert "none" in missing.stderr
