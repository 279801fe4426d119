"""Building and rendering again costs what changed, and gives what a first time would."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from haproxy_bridge.render import Renderer, RenderOptions, render
from haproxy_bridge.run.config_file import ConfigFile
from haproxy_bridge.services import Builder, Policy, Rule, ServiceOptions, build
from haproxy_bridge.snapshot import App, Snapshot
from tests.unit.haproxy_bridge.made import app, snapshot, task

OPTIONS = ServiceOptions(policy=Policy((Rule("/b*", vhosts=("b.example",)),), templates=True))
RENDER = RenderOptions(log="")

_LABELS = st.fixed_dictionaries(
    {},
    optional={
        "VHOST": st.sampled_from(
            ["a.example", "b.example", "*.example", "a.example,c.example", ";"]
        ),
        "PATH": st.sampled_from(["/x", "/y", "-i /x"]),
        "MODE": st.sampled_from(["http", "tcp"]),
        "BACKEND_WEIGHT": st.sampled_from(["1", "2"]),
        "DEPLOYMENT_GROUP": st.sampled_from(["g", "h"]),
        "BALANCE": st.sampled_from(["source", "leastconn"]),
        "BACKEND_HTTP_OPTIONS": st.sampled_from(["  option forwardfor", "  rspadd X-A:\\ b"]),
        "ENABLED": st.sampled_from(["true", "false"]),
    },
)


@st.composite
def _apps(draw: st.DrawFn) -> Snapshot:
    found: list[App] = []
    for app_id in draw(st.sets(st.sampled_from(["/a", "/a/b", "/a_b", "/b", "/c", "/d d"]))):
        labels = draw(_LABELS)
        made = app(app_id, draw(st.sampled_from([10001, 10002, 80, 0])), **labels)
        numbers = sorted(draw(st.sets(st.integers(1, 4))))
        tasks = tuple(task(app_id, number, draining=draw(st.booleans())) for number in numbers)
        found.append(replace(made, tasks=tasks))
    return snapshot(*found)


@settings(deadline=None)
@given(st.lists(_apps(), max_size=6))
def test_the_same_comes_of_it_as_the_first_time(snapshots: list[Snapshot]) -> None:
    builder, renderer = Builder(OPTIONS, "node"), Renderer(RENDER)
    for one in snapshots:
        services = builder.build(one)
        assert services == build(one, OPTIONS, "node")
        assert renderer.render(services) == render(services, RENDER)


def test_only_what_changed_is_done_again() -> None:
    apps = [app(f"/a{number}", 10000 + number, 3) for number in range(20)]
    builder, renderer = Builder(OPTIONS), Renderer(RENDER)
    before = builder.build(snapshot(*apps))
    first = renderer.render(before)
    apps[7] = replace(apps[7], tasks=apps[7].tasks[:2])
    again = [replace(one) for one in apps]  # equal, not the same
    after = builder.build(snapshot(*again))
    second = renderer.render(after)
    kept = {one.name for one in after.services if any(one is old for old in before.services)}
    assert len(kept) == 19
    assert "a7_10007" not in kept
    drawn = [one.name for one in second.backends if not any(one is old for old in first.backends)]
    assert drawn == ["a7_10007"]
    texts = [one for one in second.pieces if not any(one is old for old in first.pieces)]
    assert [one.app_id for one in texts] == ["/a7"]
    assert second.structure == first.structure
    assert second.files is first.files


def test_other_members_of_a_fixed_backend_are_another_structure() -> None:
    """haproxy has to reload for them, also where everything else stays."""
    renderer, builder = Renderer(RENDER), Builder(OPTIONS)
    fixed = app("/a", 10000, 3, BALANCE="static-rr")
    first = renderer.render(builder.build(snapshot(fixed, app("/b", 10001))))
    fewer = snapshot(replace(fixed, tasks=fixed.tasks[:2]), app("/b", 10001))
    second = renderer.render(builder.build(fewer))
    assert second.structure != first.structure
    assert second == render(build(fewer, OPTIONS), RENDER)


def test_a_file_is_known_by_its_pieces(tmp_path: Path) -> None:
    """The text of all is put together when it is written, not to see whether it is the same."""
    apps = [app(f"/a{number}", 10000 + number, 3) for number in range(3)]
    renderer, builder = Renderer(RENDER), Builder(OPTIONS)
    first = renderer.render(builder.build(snapshot(*apps)))
    apps[1] = replace(apps[1], tasks=apps[1].tasks[:2])
    second = renderer.render(builder.build(snapshot(*apps)))
    path = tmp_path / "haproxy.cfg"
    file = ConfigFile(path, late=True)
    assert not file.holds(first, anew=False)
    file.replace(first)
    assert file.holds(first, anew=True)
    file.change(second)
    assert path.read_bytes() == first.config
    assert file.holds(second, anew=True), "what is owed is as good as written"
    assert not file.holds(first, anew=False)
    file.write()
    assert path.read_bytes() == second.config
    path.write_bytes(b"somebody else's")
    assert file.holds(second, anew=False), "as far as is known"
    assert not file.holds(second, anew=True)
    assert not file.holds(second, anew=False)
