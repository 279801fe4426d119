"""What a configuration tells where nothing is remembered."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from haproxy_bridge.guard import GuardOptions, found
from haproxy_bridge.render import render
from haproxy_bridge.render.options import RenderOptions
from haproxy_bridge.services import ServiceOptions, build
from haproxy_bridge.snapshot import Verdict
from tests.unit.haproxy_bridge.made import app, snapshot

OPTIONS = GuardOptions()


def config(*addresses: str) -> bytes:
    lines = (f"  server s{n} {one} check\n" for n, one in enumerate(addresses))
    return ("backend b\n" + "".join(lines)).encode()


def test_servers_are_found_whoever_wrote_them() -> None:
    text = b"""\
listen web
  bind 0.0.0.0:80
  #server none 1.1.1.1:1
\tserver  a\t10.0.0.1:31000  check
  server b [2001:db8::1]:31001
  server c h2.example:31002
  server d /var/run/d.sock
  default-server inter 2s
  server-state-file-name x
"""
    assert found.servers(text) == {
        ("10.0.0.1", 31000),
        ("2001:db8::1", 31001),
        ("h2.example", 31002),
    }


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_those_of_our_own_are_found(counts: list[int]) -> None:
    apps = [app(f"/a{n}", 10_000 + n, count) for n, count in enumerate(counts)]
    rendered = render(build(snapshot(*apps), ServiceOptions()), RenderOptions())
    addresses = {(server.address, server.port) for b in rendered.backends for server in b.servers}
    assert found.servers(rendered.config) == addresses


def why(before: list[str], after: list[str]) -> str:
    return found.suspicious(config(*after), found.servers(config(*before)), OPTIONS)


def test_only_what_takes_most_away_waits() -> None:
    four = [f"10.0.0.{n}:80" for n in range(4)]
    others = [f"10.0.1.{n}:80" for n in range(4)]
    assert why([], []) == why(four, four) == why([], four) == ""
    assert why(four, four[:2]) == "", "half may go"
    assert why(four, others) == "", "as many others came"
    assert why(four, []).startswith("4 of the 4 servers")
    assert why(four, four[:1]).startswith("3 of the 4 servers")
    assert why(four, others[:3]).startswith("4 of the 4 servers")


def test_who_served_is_remembered_from_addresses() -> None:
    answer = snapshot(app("/a", 10000, 3), app("/b", 10001, 1))
    a, b = answer.apps
    unsure = tuple(replace(task, health=Verdict.UNKNOWN) for task in a.tasks[:2])
    answer = replace(answer, apps=(replace(a, tasks=(*unsure, a.tasks[2])), b))
    memory = found.remembered(answer, frozenset({("10.0.0.2", 31000), ("10.0.0.3", 31000)}))
    assert memory.rotation is not None
    served = {one.id: [task.id for task in one.tasks] for one in memory.rotation.apps}
    assert served == {"/a": ["a.2", "a.3"], "/b": []}
    assert memory.verdicts == {"a.2": Verdict.UP}
    assert found.remembered(answer, frozenset()).rotation is None
