"""The election with real ZooKeeper servers: one leads, whatever dies, and knows when it no longer
does.
"""

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.protocol.states import KazooState

from framework.interfaces import Leader, LeadershipLostError
from framework.leadership.member import UNREADABLE, Candidate, Member
from framework.leadership.znodes import ElectionZnodes
from framework.zookeeper.fence import Fence
from tests.integration.standing import (
    LONG_MS,
    SHORT_MS,
    Stander,
    Standers,
    candidates,
    standing_process,
)
from tests.polling import eventually
from tests.zookeeper.ensemble import Ensemble
from tests.zookeeper.proxy import Proxy
from tests.zookeeper.server import ZooKeeperServer


@pytest.fixture
def stand(zk_url: str) -> Iterator[Standers]:
    with ExitStack() as running:
        yield Standers(zk_url, running)


@pytest.fixture
def proxy(zookeeper: ZooKeeperServer) -> Iterator[Proxy]:
    with Proxy(zookeeper.address, zookeeper.port) as one:
        yield one


def _may_write(leader: Stander) -> bool:
    """Whether a transaction under the leader's fence succeeds."""
    fence = leader.leadership.fence
    client = leader.session.client
    transaction = client.transaction()
    transaction.check(fence.path, fence.version)
    transaction.create(leader.session.path("written-"), sequence=True)
    return not any(isinstance(one, KazooException) for one in transaction.commit())


def test_one_of_three_leads_and_all_learn_it_when_it_serves(stand: Standers) -> None:
    first, second, third = (stand(name) for name in "abc")
    eventually(first.gained.is_set, "the first to be elected")
    assert {one.known_leader for one in (first, second, third)} == {""}, "it only prepares yet"
    first.serve()
    for one in (first, second, third):
        eventually(lambda one=one: one.known_leader == "a:80", "all to know the leader")  # type: ignore[misc]  # bound as default
    first.leadership.confirm()
    assert _may_write(first)
    assert not second.gained.is_set()
    assert not third.gained.is_set()
    for one in (second, third):
        with pytest.raises(LeadershipLostError):
            one.leadership.confirm()
        with pytest.raises(LeadershipLostError):
            _ = one.leadership.fence


def test_a_leader_is_told_with_how_it_is_reached(stand: Standers, zk_url: str) -> None:
    first = stand("a")
    second = stand("b")
    first.serve()
    eventually(lambda: second.leadership.leader() == Leader("a:80"), "the leader")
    path = candidates(first, of="a")[0]
    first.session.client.set(path, b'{"address":"a:443","secure":true,"serving":true}')
    eventually(
        lambda: second.leadership.leader() == Leader("a:443", secure=True), "the leader's address"
    )
    first.session.client.set(path, b"nonsense")
    eventually(lambda: second.leadership.leader() is None, "nobody known")


def test_who_steps_down_is_followed_at_once(stand: Standers) -> None:
    # Its session stays open all the time, so nothing here waits for the end of a session.
    first, second, third = stand("a").serve(), stand("b"), stand("c")
    first.leadership.stop()
    second.serve()
    eventually(lambda: third.known_leader == "b:80", "the new leader to be known")
    assert first.session.client.connected
    assert first.known_leader == ""
    assert not first.lost, "it went by itself"
    with pytest.raises(LeadershipLostError):
        first.leadership.confirm(3600.0)
    assert not _may_write(first)
    assert _may_write(second)
    assert first.member not in second.leadership.members()
    first.leadership.stop()


def test_each_epoch_is_above_the_last(stand: Standers) -> None:
    standers = [stand(name) for name in "abcd"]
    fences = []
    for one in standers:
        eventually(one.gained.is_set, "the next to be elected")
        fences.append(one.leadership.fence)
        one.leadership.stop()
    assert len({fence.path for fence in fences}) == 1
    assert [fence.epoch for fence in fences] == sorted({fence.epoch for fence in fences})
    assert [fence.version for fence in fences] == sorted({fence.version for fence in fences})
    client = standers[0].session.client
    data, stat = client.get(fences[-1].path)
    told = json.loads(data)
    assert (told["epoch"], told["leader"]) == (fences[-1].epoch, "d:80")
    assert stat.version == fences[-1].version


@pytest.mark.parametrize(
    ("last", "epoch"),
    [(b'{"epoch":41,"leader":"x:80"}', 42), (b'{"epoch":0}', 1), (b"nonsense", 1), (b"", 1)],
)
def test_epochs_go_on_from_what_is_there(
    zookeeper: ZooKeeperServer, stand: Standers, zk_root: str, last: bytes, epoch: int
) -> None:
    client = KazooClient(zookeeper.hosts)
    client.start()
    client.create(f"{zk_root}/epoch", last, makepath=True)
    client.stop()
    client.close()
    assert stand("a").serve().leadership.fence == Fence(f"{zk_root}/epoch", 1, epoch)


def test_the_next_leads_when_the_leaders_process_is_killed(stand: Standers, zk_url: str) -> None:
    with standing_process(zk_url, "a", SHORT_MS) as leader:
        assert leader.ask("serve") == "serving"
        second = stand("b")
        eventually(lambda: second.known_leader == "a:80", "the first leader to be known")
        assert leader.ask("0") == "confirmed"
        leader.send_signal(signal.SIGKILL)
        second.serve()
    assert second.known_leader == "b:80"


def test_a_leader_that_was_halted_trusts_nothing_it_knew(stand: Standers, zk_url: str) -> None:
    with standing_process(zk_url, "a", SHORT_MS) as leader:
        assert leader.ask("serve") == "serving"
        second = stand("b")
        assert leader.ask("0") == "confirmed"
        leader.send_signal(signal.SIGSTOP)
        second.serve()
        leader.tell("0.5", "0", "leader")
        leader.send_signal(signal.SIGCONT)
        assert leader.answer().startswith("lost")
        assert leader.answer().startswith("lost")
        assert leader.answer() in {"", "b:80"}
    assert _may_write(second)


def test_a_short_loss_of_the_connection_changes_nothing(
    stand: Standers, proxy: Proxy, zk_root: str
) -> None:
    first = stand("a", url=f"zk://{proxy.hosts}{zk_root}").serve()
    second = stand("b")
    before = first.leadership.fence
    proxy.cut()
    eventually(lambda: first.session.client.state == KazooState.SUSPENDED, "the loss")
    assert first.known_leader == "a:80"
    confirmed = threading.Event()

    def confirm() -> None:
        first.leadership.confirm()
        confirmed.set()

    waiting = threading.Thread(target=confirm, daemon=True)
    waiting.start()
    proxy.heal()
    eventually(confirmed.is_set, "the leader to confirm")
    waiting.join()
    assert first.leadership.fence == before
    assert _may_write(first)
    assert not first.lost
    assert not second.gained.is_set()


def test_a_long_loss_of_the_connection_ends_the_leader(
    stand: Standers, proxy: Proxy, zk_root: str
) -> None:
    first = stand("a", url=f"zk://{proxy.hosts}{zk_root}", session_ms=SHORT_MS).serve()
    second = stand("b")
    proxy.cut()
    second.serve()
    eventually(lambda: first.known_leader == "", "the first to doubt that it leads")
    assert not first.lost, "it can not know yet"
    proxy.heal()
    eventually(lambda: len(first.lost) == 1, "the first to learn it")
    assert isinstance(first.lost[0], LeadershipLostError)
    with pytest.raises(LeadershipLostError, match="expired"):
        first.leadership.confirm(3600.0)
    assert first.times_gained == 1
    assert second.known_leader == "b:80"
    assert not candidates(second, of="a"), "it does not stand again"


def test_an_expired_leader_is_told_once(stand: Standers) -> None:
    first, second = stand("a").serve(), stand("b")
    first.expire()
    second.serve()
    eventually(lambda: first.lost, "the first to be told")
    first.leadership.stop()
    assert len(first.lost) == 1


def test_an_expired_candidate_stands_again(stand: Standers) -> None:
    first, second, third = stand("a").serve(), stand("b"), stand("c")
    before = candidates(first, of="b")
    second.expire()
    eventually(
        lambda: (now := candidates(first, of="b")) and now != before, "the second to stand again"
    )
    eventually(lambda: second.member in first.leadership.members(), "it among the members")
    third.leadership.stop()
    first.leadership.stop()
    second.serve()
    assert not second.lost


def test_who_does_not_stand_knows_the_leader_and_never_leads(stand: Standers) -> None:
    only_looks = stand("old", stands=False)
    first = stand("a").serve()
    second = stand("b")
    eventually(lambda: only_looks.known_leader == "a:80", "the leader to be known")
    second.leadership.withdraw()
    eventually(lambda: not candidates(first, of="b"), "the second to withdraw")
    first.leadership.stop()
    eventually(lambda: only_looks.known_leader == "", "nobody to lead")
    third = stand("c").serve()
    eventually(lambda: only_looks.known_leader == "c:80", "the next leader to be known")
    assert not only_looks.gained.is_set()
    assert not second.gained.is_set()
    assert {(one.address, one.stands) for one in third.leadership.members()} == {
        ("old:80", False),
        ("b:80", False),
        ("c:80", True),
    }


def test_a_member_that_can_not_be_read_is_listed(stand: Standers) -> None:
    first = stand("a")
    first.session.client.create(first.session.path("members", "other"), b"[]")
    assert set(map(_key, first.leadership.members())) == {_key(first.member), _key(UNREADABLE)}


def _key(member: Member) -> tuple[str, str]:
    return member.address, member.release


def test_a_leader_whose_place_is_taken_away_is_lost(stand: Standers) -> None:
    first, second = stand("a").serve(), stand("b")
    first.session.client.delete(candidates(second, of="a")[0])
    eventually(lambda: first.lost, "the first to be told")
    second.serve()
    assert isinstance(first.lost[0], LeadershipLostError)


def test_a_new_epoch_ends_the_one_who_looks(stand: Standers) -> None:
    first = stand("a").serve()
    first.leadership.confirm()
    first.session.client.set(first.leadership.fence.path, b"{}")
    first.leadership.confirm(3600.0)
    with pytest.raises(LeadershipLostError, match="another"):
        first.leadership.confirm()
    eventually(lambda: len(first.lost) == 1, "it to be told")


def test_a_failure_to_prepare_lets_the_next_lead(stand: Standers, zk_url: str) -> None:
    failing = Stander(zk_url, "a")
    failing.session.start()

    def gained() -> None:
        raise OSError("no room")

    failing.leadership.start(gained, failing.lost.append)
    eventually(lambda: failing.lost, "the failure to be told")
    assert isinstance(failing.lost[0], OSError)
    stand("b").serve()
    failing.close()


def test_no_candidate_is_left_behind_by_answers_that_are_lost(
    stand: Standers, proxy: Proxy, zk_root: str
) -> None:
    leader = stand("a").serve()
    unsure = Stander(f"zk://{proxy.hosts}{zk_root}", "b")
    unsure.session.start()
    znodes = ElectionZnodes(unsure.session, "b" * 32)
    proxy.lose_answers()
    _lose_the_answer(
        proxy, lambda: znodes.stand(Candidate("b:80")), lambda: bool(candidates(leader, of="b"))
    )
    own = eventually(lambda: znodes.own(znodes.order()), "it to find what it had made")
    assert candidates(leader, of="b") == [own]
    znodes.stand(Candidate("b:80"))
    assert znodes.own(znodes.order()) == own, "the first counts"
    assert candidates(leader, of="b") == [own], "and the second is taken away"
    unsure.session.close()


def test_an_epoch_whose_beginning_was_not_told_is_found(
    stand: Standers, proxy: Proxy, zk_root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    onlooker = stand("old", stands=False)
    unsure = Stander(f"zk://{proxy.hosts}{zk_root}", "b")
    unsure.session.start()
    znodes = ElectionZnodes(unsure.session, "b" * 32)
    znodes.stand(Candidate("b:80"))
    own = znodes.own(znodes.order())

    def version() -> int:
        return int(onlooker.session.client.exists(znodes.epoch_path).version)

    begin = unsure.session.client.transaction

    def begin_unheard() -> object:
        proxy.lose_answers()
        return begin()

    before = version()
    monkeypatch.setattr(unsure.session.client, "transaction", begin_unheard)
    _lose_the_answer(proxy, lambda: znodes.bump(own, "b:80"), lambda: version() > before)
    eventually(lambda: unsure.session.client.connected, "the connection")
    assert znodes.bump(own, "b:80").version == before + 1 == version()
    unsure.session.close()


def _lose_the_answer(proxy: Proxy, act: Callable[[], object], acted: Callable[[], bool]) -> None:
    """Do it, and break the connection once the servers have, before the answer arrives."""
    caught: list[KazooException] = []

    def run() -> None:
        try:
            act()
        except KazooException as error:
            caught.append(error)

    acting = threading.Thread(target=run, daemon=True)
    acting.start()
    eventually(acted, "the servers to do it")
    proxy.heal()
    acting.join()
    assert caught, "the outcome must be unknown"


def test_no_epoch_begins_without_a_place_in_the_election(stand: Standers) -> None:
    first = stand("a").serve()
    znodes = ElectionZnodes(first.session, "b" * 32)
    with pytest.raises(KazooException):
        znodes.bump(first.session.path("election", f"c-{'b' * 32}-0000000000"), "b:80")
    first.leadership.confirm()


@pytest.mark.timeout(180)
def test_the_end_of_the_server_we_are_connected_to_changes_nothing(ensemble: Ensemble) -> None:
    with ExitStack() as running:
        stand = Standers(ensemble.url("/stayer"), running)
        first, second = stand("a", session_ms=LONG_MS).serve(), stand("b", session_ms=LONG_MS)
        fence = first.leadership.fence
        for _ in range(2):
            index = _connected_to(first, ensemble)
            ensemble.servers[index].kill()
            eventually(lambda i=index: _connected_to(first, ensemble) not in (i, -1), "another")  # type: ignore[misc]  # bound as default
            first.leadership.confirm()
            assert _may_write(first)
            ensemble.servers[index].start_unready()
            ensemble.wait_until_serving()
        assert first.leadership.fence == fence
        assert not first.lost
        assert not second.gained.is_set()
        eventually(lambda: second.known_leader == "a:80", "the leader still to be known")


def _connected_to(stander: Stander, ensemble: Ensemble) -> int:
    """The index of the server, -1 while there is none."""
    client = stander.session.client
    connection = client._connection._socket
    if not client.connected or connection is None:
        return -1
    try:
        port = connection.getpeername()[1]
    except OSError:
        return -1
    return [proxy.hosts.endswith(f":{port}") for proxy in ensemble.proxies].index(True)
