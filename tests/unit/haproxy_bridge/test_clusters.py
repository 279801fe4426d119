"""Several clusters: what of their apps serves, and what one that is not heard leaves behind."""

import threading
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from api.client import Client, UnreachableError
from haproxy_bridge.exits import Exit
from haproxy_bridge.guard import GuardOptions, Spread, Together
from haproxy_bridge.render import RenderOptions, render
from haproxy_bridge.run import state_file
from haproxy_bridge.run.clusters import Believed, Clusters
from haproxy_bridge.run.state_file import State
from haproxy_bridge.services import ServiceOptions, build
from haproxy_bridge.snapshot import App, Port, Snapshot
from haproxy_bridge.source import Asking, Heard, Reader, Unchanged
from tests.polling import eventually
from tests.unit.haproxy_bridge.made import app, snapshot, task

GUARD = GuardOptions()
HERE = snapshot(app("/a", 10000, 4))
WEST = snapshot(replace(app("/a", 10009, 4), tasks=(task("/west", 7),)), app("/b", 10001, 4))


def servers(made: Snapshot, **options: object) -> dict[str, list[tuple[str, int, bool]]]:
    """Address, weight and whether it is a backup, by backend."""
    rendered = render(build(made, ServiceOptions()), RenderOptions(**options))  # type: ignore[arg-type]  # as the class takes them
    return {
        one.name: [
            (server.address, server.weight, server.options.endswith(" backup"))
            for server in one.servers
        ]
        for one in rendered.backends
    }


def test_the_first_cluster_serves_and_the_others_are_its_backups() -> None:
    made = Together(Spread.FALLBACK).of([replace(HERE, state_id="s"), WEST])
    assert made.state_id == "s"
    found = servers(made)
    assert [backup for *_, backup in found["a_10000"]] == [False] * 4 + [True]
    assert found["a_10000"][4] == ("10.0.0.7", 100, True)
    assert [backup for *_, backup in found["b_10001"]] == [False] * 4
    text = render(build(made, ServiceOptions()), RenderOptions(all_backups=True)).config
    assert text.count(b"  option allbackups\n") == 2


def test_together_all_serve_alike() -> None:
    found = servers(Together(Spread.UNION).of([HERE, WEST]))
    assert [(weight, backup) for _, weight, backup in found["a_10000"]] == [(100, False)] * 5


def test_a_task_has_as_many_places_as_the_app_of_the_first_cluster_has_ports() -> None:
    two = replace(HERE.apps[0], ports=(Port(10000), Port(10001)))
    made = Together(Spread.UNION).of([replace(HERE, apps=(two,)), WEST])
    assert made.apps[0].tasks[-1].endpoints == (task("/west", 7).endpoints[0], None)
    made = Together(Spread.UNION).of([replace(HERE, apps=(replace(two, ports=()),)), WEST])
    assert made.apps[0].tasks[-1].endpoints == ()


@pytest.mark.parametrize(
    ("spread", "weights"), [("fallback", [256, 28, 28, 28, 100]), ("union", [256, 21, 21, 21, 21])]
)
def test_a_share_is_that_of_the_new_tasks_of_the_first_cluster(
    spread: str, weights: list[int]
) -> None:
    tasks = tuple(replace(one, old=n > 0) for n, one in enumerate(HERE.apps[0].tasks))
    canary = replace(HERE.apps[0], tasks=tasks, new_share=75.0)
    made = Together(Spread(spread)).of([replace(HERE, apps=(canary,)), WEST])
    assert [weight for _, weight, _ in servers(made)["a_10000"]] == weights


def test_shares_of_a_group_pass_over_backups() -> None:
    one, two = (app(name, 10000, 1, DEPLOYMENT_GROUP="g") for name in ("/a", "/b"))
    here = snapshot(replace(one, share=75.0), replace(two, share=25.0))
    west = snapshot(replace(one, tasks=(task("/west", 7),)))
    found = servers(Together(Spread.FALLBACK).of([here, west]))["g_10000"]
    assert sorted(weight for _, weight, backup in found if not backup) == [85, 256]
    assert [weight for _, weight, backup in found if backup] == [100]


def test_an_app_that_is_the_same_everywhere_is_the_same_record() -> None:
    together = Together(Spread.FALLBACK)
    first = together.of([HERE, WEST]).apps
    again = together.of([replace(HERE, epoch=2), replace(WEST, epoch=3)]).apps
    assert [one is other for one, other in zip(first, again, strict=True)] == [True, True]
    fewer = together.of([HERE, replace(WEST, apps=WEST.apps[1:])]).apps
    assert len(fewer[0].tasks) == 4


class Node:
    """What a node remembers, run after run, a minute apart."""

    def __init__(self) -> None:
        self.state = State()
        self._now_ms = 1_000_000

    def hear(
        self, here: Snapshot | None, west: Snapshot | None, *, force: bool = False
    ) -> Believed:
        self._now_ms += 60_000
        heard = [
            Heard(name, answer, "" if answer is not None else "down")
            for name, answer in (("main", here), ("west", west))
        ]
        found = Clusters(GUARD).believed(heard, self.state, self._now_ms, force=force)
        state = found.remembered_in(self.state)
        encoded = state_file.Saver(Path("unused")).encoded(state)
        assert encoded == msgspec.json.encode(state)
        self.state = msgspec.json.decode(encoded, type=State)
        return found


def tasks(found: Believed) -> int:
    assert found.snapshot is not None, found.why
    return sum(len(one.tasks) for one in found.snapshot.apps)


def test_each_cluster_is_kept_for_itself() -> None:
    node = Node()
    assert tasks(node.hear(HERE, WEST)) == 9
    more: tuple[App, ...] = (*WEST.apps, app("/c", 10002, 2))
    down = node.hear(None, replace(WEST, apps=more))
    assert (tasks(down), down.kept) == (11, {"main": "down"})
    lost = node.hear(snapshot(app("/a", 10000, 5)), snapshot())
    assert tasks(lost) == 12
    assert lost.kept == {"west": "7 of 7 servers are gone without a reason"}
    for _ in range(2):
        lost = node.hear(HERE, snapshot())
    assert (tasks(lost), lost.kept) == (4, {})
    assert set(node.state.others) == {"west"}


def test_nobody_heard_or_believed_changes_nothing() -> None:
    node = Node()
    node.hear(HERE, WEST)
    found = node.hear(None, None)
    assert (found.snapshot, found.exit) == (None, Exit.UNREACHABLE)
    assert found.why == "cluster main: down; cluster west: down"
    assert node.hear(snapshot(), None).exit is Exit.HELD


def test_what_a_cluster_had_is_not_dropped_because_nothing_is_remembered() -> None:
    node = Node()
    for _ in range(2):
        found = node.hear(None, WEST)
        assert (found.snapshot, found.exit) == (None, Exit.UNREACHABLE)
        assert "before it has answered once" in found.why
    assert tasks(node.hear(None, WEST)) == 5
    assert tasks(Node().hear(None, WEST, force=True)) == 5
    assert tasks(node.hear(HERE, WEST)) == 9


class Slow(Reader):
    """It answers when it is let go."""

    def __init__(self, client: Client) -> None:
        self.let_go = threading.Event()
        self.asked = 0
        self.answer: Snapshot | None = WEST

    def read(self, tag: str = "") -> Snapshot | Unchanged:
        self.asked += 1
        assert self.let_go.wait(60)
        if self.answer is None:
            raise UnreachableError({"http://west": "down"})
        return self.answer


class Quick(Slow):
    """It answers at once."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.let_go.set()
        self.answer = HERE


def test_a_slow_cluster_keeps_no_other_waiting() -> None:
    client = Client(["http://127.0.0.1:1"])
    quick, slow = Quick(client), Slow(client)
    late = threading.Event()
    asking = Asking([("main", quick), ("west", slow)], patience_seconds=0.05, late=late.set)
    for _ in range(3):
        here, west = asking.heard()
        assert (here.answer, here.why) == (HERE, "")
        assert (west.answer, west.why) == (None, "it has not answered yet")
    assert (quick.asked, slow.asked) == (3, 1)
    slow.let_go.set()
    assert late.wait(60)
    heard = asking.heard()[1]
    assert (heard.answer, heard.why, heard.fresh) == (WEST, "", True)
    slow.answer = None
    eventually(lambda: asking.heard()[1].why, "its failure is not told")
    assert asking.heard()[1].answer is WEST
    client.close()
