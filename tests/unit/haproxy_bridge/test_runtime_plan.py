"""The order in which a running haproxy is told: between two commands it serves requests too."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from haproxy_bridge.rendered import Backend, Rendered, Server
from haproxy_bridge.runtime.plan import Have, lacking, plan
from haproxy_bridge.runtime.state import Running

_NAMES = ("s1", "s2", "s3", "s4")
_WEIGHTS = st.sampled_from((0, 1, 100, 256))
_OPTIONS = st.sampled_from(("", "maxconn 2"))


@st.composite
def changes(draw: st.DrawFn) -> tuple[list[Server], list[Running]]:
    """The servers of one backend that are wanted, and those that are there."""
    options = draw(_OPTIONS)
    wanted = [
        Server(name, "h", 1, draw(_WEIGHTS), draw(st.booleans()), options)
        for name in draw(st.sets(st.sampled_from(_NAMES)).map(sorted))
    ]
    there = []
    for name in draw(st.permutations(_NAMES))[: draw(st.integers(0, len(_NAMES)))]:
        stopped = draw(st.booleans())
        drained = draw(st.booleans()) and not stopped
        there.append(Running(name, "h", 1, draw(_WEIGHTS), not stopped, stopped, drained))
    return wanted, there


def _serving(servers: dict[str, Running]) -> bool:
    return any(one.weight and not (one.stopped or one.drained) for one in servers.values())


def _told(servers: dict[str, Running], command: str) -> None:
    """What haproxy 2.6 makes of it."""
    words = command.split()
    verb, name = words[0], words[2].partition("/")[2]
    if verb == "add":
        servers[name] = Running(name, "h", 1, int(words[5]), up=False, stopped=True)
    elif verb == "enable":
        servers[name] = replace(servers[name], stopped=False)
    elif words[3] == "weight":
        servers[name] = replace(servers[name], weight=int(words[4]))
    elif words[3] == "state":
        servers[name] = replace(servers[name], stopped=words[4] == "maint", drained=False)
    else:
        raise AssertionError(f"haproxy is told {command!r}")


@given(changes())
def test_traffic_finds_a_server_between_any_two_commands(
    change: tuple[list[Server], list[Running]],
) -> None:
    wanted, there = change
    now = {one.name: one for one in there}
    have: Have = {"web": dict(now)}
    made = Rendered(backends=(Backend("web", tuple(wanted)),))
    before = _serving(now)
    steps = plan(made, made, have)
    assert not steps.reload
    seen = []
    for command in (*steps.commands, *steps.lowering):
        _told(now, command)
        seen.append(_serving(now))
    after = any(one.weight and not one.draining for one in wanted)
    assert (seen[-1] if seen else before) == after
    if before and after:
        assert all(seen), steps


@given(changes(), changes(), st.booleans())
def test_a_route_that_moves_finds_a_server_at_every_moment(
    old: tuple[list[Server], list[Running]],
    new: tuple[list[Server], list[Running]],
    moves: bool,
) -> None:
    wanted = Rendered(backends=(Backend("a", tuple(old[0])), Backend("b", tuple(new[0]))))
    have: Have = {"a": {one.name: one for one in old[1]}, "b": {one.name: one for one in new[1]}}
    now = {name: dict(servers) for name, servers in have.items()}
    steps = plan(wanted, wanted, have)
    leads_to, target = "a", "b" if moves else "a"
    seen = [_serving(now[leads_to])]
    for command in steps.commands:
        _told(now[_backend(command)], command)
        seen.append(_serving(now[leads_to]))
    assert lacking(wanted.backends, now) == []
    leads_to = target  # exchanges come here
    seen.append(_serving(now[leads_to]))
    for command in steps.lowering:
        _told(now[_backend(command)], command)
        seen.append(_serving(now[leads_to]))
    if seen[0] and seen[-1]:
        assert all(seen), steps


def _backend(command: str) -> str:
    return command.split()[2].partition("/")[0]


def _limited(server: int, front_end: int, options: str = "check maxconn {} backup") -> Rendered:
    one = Server("s1", "h", 1, 100, False, options.format(server))
    return Rendered(backends=(Backend("web", (one,), maxconn=front_end),))


def test_limits_change_by_command_and_nothing_else_beside_them() -> None:
    have: Have = {"web": {"s1": Running("s1", "h", 1, 100, up=True)}}
    steps = plan(_limited(5, 50), _limited(6, 60), have)
    assert set(steps.commands) == {"set maxconn server web/s1 6", "set maxconn frontend web 60"}
    assert not steps.reload
    assert plan(_limited(5, 50), _limited(5, 50), have).commands == ()
    for options in ("maxconn {} backup", "check maxconn {} backup slowstart 5s", "check backup"):
        assert "other options" in plan(_limited(5, 50), _limited(5, 50, options), have).reload
