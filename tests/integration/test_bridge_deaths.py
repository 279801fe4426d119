"""A run that dies between any two of its steps leaves a configuration that is whole and serves, and
the next run ends what it began, on a real haproxy.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from haproxy_bridge.exits import Exit
from haproxy_bridge.run import first_config, state_file
from haproxy_bridge.run.node import wall_ms
from haproxy_bridge.runtime import apply
from haproxy_bridge.runtime.plan import differences
from tests.edge.certificates import certificate, shown
from tests.edge.dying import DIED, dying
from tests.edge.fixtures import Edge

Apps = list[dict[str, Any]]
DEATHS = [range(1, 200, 4), pytest.param(range(200), marks=pytest.mark.long)]
"""Effects to die before."""
_AGAIN = 3
"""After each so many of them the next run dies as well, somewhere else."""
_APART, _MOST = 7, 31


def _members(edge: Edge) -> tuple[Apps, Apps]:
    a1, a2, a3 = (edge.task(name) for name in ("a1", "a2", "a3"))
    apps = ([a1, a2], [a1, a3, edge.task("a4")])
    before, after = ([edge.app("a", tasks, VHOST="a.example")] for tasks in apps)
    return before, after


def _front_ends(edge: Edge) -> tuple[Apps, Apps]:
    a, b = edge.task("a"), edge.task("b")
    apps = [edge.app("a", [a, b], 0, VHOST="a.example"), edge.app("b", [b], 1, MODE="http")]
    return apps[:1], apps


def _routes(edge: Edge) -> tuple[Apps, Apps]:
    a, b = edge.task("a"), edge.task("b")
    before, after = (
        [edge.app("a", [a, b], 0, VHOST=hosts), edge.app("b", [b], 1, VHOST="b.example")]
        for hosts in ("a.example", "a.example,moves.example")
    )
    return before, after


def _is_good(edge: Edge) -> None:
    """What is there now, and what a haproxy that starts anew would serve."""
    assert first_config.is_good("haproxy", edge.haproxy.config)
    assert edge.haproxy.ask("a.example")[0] == 200
    assert state_file.load(Path(edge.options.state))[1] == ""


def _is_settled(edge: Edge, content: bytes) -> None:
    """File, haproxy and memory are at one."""
    state, _ = state_file.load(Path(edge.options.state))
    assert state.applied is not None
    assert edge.haproxy.config.read_bytes() == content
    assert differences(state.applied.backends, apply.running(edge.haproxy.admin_socket)) == []
    assert not edge.run().changed
    folders = [edge.haproxy.folder, Path(edge.options.state).parent]
    assert not [left for folder in folders for left in folder.rglob(".*")]


@pytest.mark.parametrize("deaths", DEATHS)
@pytest.mark.parametrize("change", [_members, _front_ends, _routes])
def test_the_next_run_ends_what_one_that_died_began(
    edge: Edge, change: Callable[[Edge], tuple[Apps, Apps]], deaths: range
) -> None:
    before, after = change(edge)
    contents = []
    for apps in (after, before):
        edge.say(*apps)
        assert edge.run().exit is Exit.OK
        contents.append(edge.haproxy.config.read_bytes())
    with dying(edge) as dies:
        for effect in deaths:
            edge.say(*after)
            ended = dies.run(edge, effect)
            assert edge.haproxy.config.read_bytes() in contents
            _is_good(edge)
            if effect % _AGAIN == 0:
                dies.run(edge, effect * _APART % _MOST)
                assert edge.haproxy.config.read_bytes() in contents
                _is_good(edge)
            assert edge.run().exit is Exit.OK
            _is_settled(edge, contents[0])
            edge.say(*before)
            assert edge.run().exit is Exit.OK
            _is_settled(edge, contents[1])
            if ended != DIED:
                break
    assert ended == Exit.OK
    assert effect > 10


@pytest.mark.parametrize("deaths", DEATHS)
def test_a_run_that_dies_with_what_can_not_be_loaded_leaves_a_way_back(
    edge: Edge, deaths: range
) -> None:
    a, probe = edge.task("a"), edge.task("probe")
    load = replace(
        edge.options.load, probe_url=f"http://127.0.0.1:{probe.port}/", probe_seconds=0.1
    )
    edge.options = replace(edge.options, load=load)
    good = edge.app("a", [a], 0, VHOST="a.example")
    edge.say(good)
    assert edge.run().exit is Exit.OK
    content = edge.haproxy.config.read_bytes()
    probe.ill = frozenset("/")
    edge.say(good, edge.app("b", [a], 1, BIND_ADDR="127.0.0.1"))
    with dying(edge) as dies:
        for effect in deaths:
            ended = dies.run(edge, effect)
            _is_good(edge)
            assert edge.run().exit is Exit.NOT_RELOADED
            assert edge.haproxy.config.read_bytes() == content, effect
            if ended != DIED:
                break
    assert ended == Exit.NOT_RELOADED
    probe.ill = frozenset()
    edge.say(good)
    assert edge.run().exit is Exit.OK
    _is_settled(edge, content)


class Folder:
    """A folder of certificates in two states: one is renewed, one comes, one goes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir()
        self._states = [self._made("a", "b"), self._made("a", "c")]
        self.put(0)

    def _made(self, *names: str) -> dict[str, tuple[bytes, str]]:
        made = {}
        for name in names:
            file = self._path / f"{name}.pem"
            shown_as = certificate(file, f"{name}.example")
            made[name] = (file.read_bytes(), shown_as)
        return made

    def put(self, state: int) -> None:
        """Have the certificates of the first, or of the second state."""
        for file in self._path.iterdir():
            file.unlink()
        for name, (content, _) in self._states[state].items():
            (self._path / f"{name}.pem").write_bytes(content)

    def is_shown(self, edge: Edge, state: int) -> None:
        """What clients get is what is there."""
        found = {name: shown(edge.haproxy.https, f"{name}.example") for name in "abc"}
        wanted = {name: shown_as for name, (_, shown_as) in self._states[state].items()}
        assert found == {"b": "", "c": "", **wanted}

    def is_good(self, edge: Edge) -> None:
        """Who stays is never without a certificate."""
        either = {state["a"][1] for state in self._states}
        assert shown(edge.haproxy.https, "a.example") in either


@pytest.mark.parametrize("deaths", DEATHS)
def test_certificates_are_those_that_are_there_after_a_run_that_died(
    make_edge: Callable[..., Edge], tmp_path: Path, deaths: range
) -> None:
    folder = Folder(tmp_path / "certificates")
    edge = make_edge(render={"certificates": (str(tmp_path / "certificates"),), "strict_sni": True})
    edge.now_ms = wall_ms()  # ends of certificates are true ones
    edge.say(edge.app("a", [edge.task("a")], VHOST="a.example"))
    assert edge.run().exit is Exit.OK
    content = edge.haproxy.config.read_bytes()
    with dying(edge) as dies:
        for effect in deaths:
            folder.put(1)
            ended = dies.run(edge, effect)
            _is_good(edge)
            folder.is_good(edge)
            if effect % _AGAIN == 0:
                dies.run(edge, effect * _APART % _MOST)
                _is_good(edge)
                folder.is_good(edge)
            for state in (1, 0):
                folder.put(state)
                assert edge.run().exit is Exit.OK
                folder.is_shown(edge, state)
                _is_settled(edge, content)
            if ended != DIED:
                break
    assert ended == Exit.OK
    assert effect > 10
