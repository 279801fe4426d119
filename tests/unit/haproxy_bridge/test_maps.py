"""Routes of a running haproxy: either they are known to be what is wanted, or it is reloaded."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from haproxy_bridge.rendered import Backend, Rendered, Server
from haproxy_bridge.runtime import apply, exchange, maps
from haproxy_bridge.runtime.maps import Exchange, Table, Tables, exchanges
from haproxy_bridge.runtime.plan import NotAppliedError, Plan
from tests.unit.haproxy_bridge.map_socket import MapSocket, map_socket

MANY = tuple(sorted(f"app{number}.example/{'x' * 60} app_{number}" for number in range(1_000)))


@pytest.fixture
def place() -> Iterator[Path]:
    """Paths of sockets are short."""
    with tempfile.TemporaryDirectory(prefix="maps-", dir="/tmp") as folder:
        yield Path(folder) / "admin.sock"


@pytest.fixture
def haproxy(place: Path) -> Iterator[MapSocket]:
    with map_socket(place) as made:
        made.load(exact=("a.example/ a",), appid=("/a a", "/b b"))
        yield made


def wanted(haproxy: MapSocket, *entries: str, kind: str = "exact") -> list[Exchange]:
    name = next(name for name in haproxy.maps if kind in name)
    return [Exchange(kind, name, entries)]


def test_a_map_is_replaced_as_a_whole(place: Path, haproxy: MapSocket) -> None:
    before = exchange.seen(place)
    assert before.pid == str(haproxy.pid)
    assert {kind: one.entries for kind, one in before.by_kind.items()} == {"exact": 1, "appid": 2}
    both = [*wanted(haproxy, *MANY), *wanted(haproxy, "/c c", kind="appid")]
    now = exchange.replaced(place, both, before)
    assert haproxy.serves() == {"exact": list(MANY), "appid": ["/c c"]}
    assert now == exchange.seen(place)
    assert now.by_kind["exact"] == Table(both[0].name, 1, len(MANY))
    exchange.replaced(place, wanted(haproxy, "b.example/ b"), now)
    assert haproxy.serves() == {"exact": ["b.example/ b"], "appid": ["/c c"]}


@pytest.mark.parametrize("command", ["prepare", "add", "show map @"])
@pytest.mark.parametrize("answer", ["Permission denied\n\n", "New version created: x\n", ""])
def test_whatever_haproxy_does_not_take_stays_unseen(
    place: Path, haproxy: MapSocket, command: str, answer: str
) -> None:
    def said(asked: str) -> str | None:
        return answer if asked.startswith(command) else None

    before = exchange.seen(place)
    haproxy.before = said
    with pytest.raises(NotAppliedError):
        exchange.replaced(place, wanted(haproxy, *MANY), before)
    assert haproxy.serves()["exact"] == ["a.example/ a"]
    assert not [one for one in haproxy.asked if one.startswith("commit")]
    assert [len(one.versions) for one in haproxy.maps.values()] == [1, 1]


@pytest.mark.parametrize("command", ["prepare", "show map @", "commit", "show info"])
def test_another_worker_is_noticed(place: Path, haproxy: MapSocket, command: str) -> None:
    before = exchange.seen(place)
    answering = iter(range(1))

    def takes_over(asked: str) -> str | None:
        if asked.startswith(command) and next(answering, None) == 0:
            haproxy.pid += 1
        return None

    haproxy.before = takes_over
    with pytest.raises(NotAppliedError):
        exchange.replaced(place, wanted(haproxy, "b.example/ b"), before)
    unseen = haproxy.serves()["exact"] == ["a.example/ a"]
    assert unseen == (command in {"prepare", "show info"})  # before anything is committed


def test_what_is_put_in_beside_is_noticed(place: Path, haproxy: MapSocket) -> None:
    before = exchange.seen(place)

    def meddles(asked: str) -> str | None:
        if asked == "show map":
            next(iter(haproxy.maps.values())).versions[1].append("c.example/ c")
        return None

    haproxy.before = meddles
    with pytest.raises(NotAppliedError):
        exchange.replaced(place, wanted(haproxy, "b.example/ b"), before)


SERVERS = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_port srv_fqdn
3 b 1 s1 h 2 0 {} 1 -
"""


@pytest.mark.parametrize("weight", [100, 1])
def test_servers_come_before_routes_and_go_after_them(
    place: Path, haproxy: MapSocket, weight: int
) -> None:
    def said(asked: str) -> str | None:
        if asked.startswith("show servers"):
            return SERVERS.format(weight)
        return "" if asked.startswith(("set", "del")) else None

    wanted_b = Rendered(backends=(Backend("b", (Server("s1", "h", 1, 100),)),))
    steps = Plan(
        commands=("set server b/s1 weight 100",),
        exchanges=tuple(wanted(haproxy, "b.example/ b")),
        lowering=("set server b/s2 state maint",),
        removals=("del server b/s2",),
        seen=exchange.seen(place),
    )
    haproxy.before = said
    if weight < 100:  # it was told, and does not
        with pytest.raises(NotAppliedError, match="b/s1 does not serve"):
            apply.apply(place, steps, wanted_b, {"b"})
        assert haproxy.serves()["exact"] == ["a.example/ a"]
        return
    assert apply.apply(place, steps, wanted_b, {"b"}) == exchange.seen(place)
    assert haproxy.serves()["exact"] == ["b.example/ b"]
    places = [
        next(at for at, one in enumerate(haproxy.asked) if one.startswith(command))
        for command in (*steps.commands, "commit map", *steps.lowering, *steps.removals)
    ]
    assert places == sorted(places)


def made(**names: str) -> Rendered:
    """With one entry, of its name, in each of these maps."""
    files = {f"stayer-{kind}-{name:0>16}.map": f"{name}\n".encode() for kind, name in names.items()}
    return Rendered(files=files, maps=dict(zip(names, files, strict=True)))


def test_two_maps_of_hosts_are_not_replaced_at_once() -> None:
    """A host that went from the one to the other would be in none for a moment."""
    before = made(exact="a", nocase="a", appid="a")
    seen = Tables("7", {kind: Table(name, 0, 1) for kind, name in before.maps.items()})
    one = made(exact="b", nocase="a", appid="b")
    found, why = exchanges(before.maps, one, seen, seen)
    assert not why
    assert [change.kind for change in found] == ["exact", "appid"]
    found, why = exchanges(before.maps, made(exact="b", nocase="b", appid="a"), seen, seen)
    assert (found, bool(why)) == ((), True)


def test_an_entry_is_a_line_of_the_file(place: Path, haproxy: MapSocket) -> None:
    """What ends a list of entries on the socket is followed by commands."""
    before = made(exact="a")
    seen = Tables("7", {"exact": Table(before.maps["exact"], 0, 1)})
    text = "a.example/\u2028\u2028x a\nb.example/\x0bset b\n"
    name = "stayer-exact-0000000000000001.map"
    after = Rendered(files={name: text.encode()}, maps={"exact": name})
    ((one,), why) = exchanges(before.maps, after, seen, seen)
    assert not why
    assert one.entries == ("a.example/\u2028\u2028x a", "b.example/\x0bset b")
    asked = len(haproxy.asked)
    for blank in ("", " "):
        with pytest.raises(NotAppliedError):
            exchange.replaced(place, wanted(haproxy, "b.example/ b", blank), seen)
    assert not [line for line in haproxy.asked[asked:] if line.startswith("add")]


def test_an_answer_that_nobody_can_read_leads_to_no_reload_by_itself() -> None:
    before = made(exact="a")
    assert exchanges(before.maps, before, Tables(), Tables("7")) == ((), "")
    assert exchanges(before.maps, made(exact="b"), Tables("7"), Tables("7"))[1]
    assert exchanges(before.maps, made(exact="b"), Tables(), Tables())[1]


_KINDS = ("exact", "appid")
_CONTENTS = st.fixed_dictionaries({kind: st.sampled_from("abc") for kind in _KINDS})


class Edge(RuleBasedStateMachine):
    """A haproxy, what its file says, and a bridge with what it remembers; others reload haproxy,
    put entries in, and end the bridge between any two steps."""

    @initialize(first=_CONTENTS)
    def begins(self, first: dict[str, str]) -> None:
        self.pid, self.reloads = 0, 0
        self.applied = self.file = made(**first)
        self.others_load()
        self.known = self.seen()

    def others_load(self) -> None:
        """A worker that begins with the file as it lies there."""
        self.pid += 1
        self.tables = {kind: Table(name, 0, 1) for kind, name in self.file.maps.items()}
        self.serving = {kind: self.content(self.file, kind) for kind in _KINDS}

    def content(self, rendered: Rendered, kind: str) -> str:
        return rendered.files[rendered.maps[kind]].decode().strip()

    def believed(self) -> dict[str, str]:
        """What the bridge brought haproxy to last."""
        return {kind: self.content(self.applied, kind) for kind in _KINDS}

    def seen(self) -> Tables:
        return Tables(str(self.pid), dict(self.tables))

    @rule()
    def reloaded_by_others(self) -> None:
        self.others_load()

    @rule(kind=st.sampled_from(_KINDS))
    def meddled_with(self, kind: str) -> None:
        """As `add map` does, or a transaction of somebody else."""
        self.tables[kind] = Table(self.tables[kind].name, self.tables[kind].version, 2)
        self.serving[kind] = "?"

    @rule(contents=_CONTENTS, dies_after=st.sampled_from(["nothing", "commit", "file", ""]))
    def turn(self, contents: dict[str, str], dies_after: str) -> None:
        """The order of a turn: the running haproxy, the file, what is remembered."""
        wanted = made(**contents)
        found, why = exchanges(self.applied.maps, wanted, self.known, self.seen())
        if dies_after == "nothing":
            return
        for one in found:
            version = self.tables[one.kind].version + 1
            self.tables[one.kind] = Table(one.name, version, len(one.entries))
            self.serving[one.kind] = one.entries[0]
        known = self.seen()
        if dies_after == "commit":
            return
        self.file = wanted
        if dies_after == "file":
            return
        if why:
            self.reloads += 1
            self.others_load()
            known = self.seen()
        self.applied, self.known = wanted, known
        assert self.serving == contents, "what the bridge believes is so"

    @rule()
    def looked_twice(self) -> None:
        """A look after one that ended well finds nothing to do."""
        self.turn(self.believed(), "")
        before = self.reloads
        self.turn(self.believed(), "")
        assert self.reloads == before

    @rule(contents=_CONTENTS)
    def changed_in_peace(self, contents: dict[str, str]) -> None:
        """Where nobody else did anything, no reload comes of other routes."""
        self.turn(self.believed(), "")
        before = self.reloads
        self.turn(contents, "")
        assert self.reloads == before


Edge.TestCase.settings = settings(deadline=None, max_examples=60)
TestEdge = Edge.TestCase


def test_entries_are_read_as_haproxy_shows_them() -> None:
    answer = "Pid: 12\n\n0x5566 b.example/x y_1\n0x5567 a.example/ a_1\n\n"
    assert maps.read(answer) == Tables("12")
    assert maps.shown(answer) == ["a.example/ a_1", "b.example/x y_1"]
