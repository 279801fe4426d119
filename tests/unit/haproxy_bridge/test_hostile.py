"""Labels, ids and addresses of those who wish us ill: nothing of theirs leaves its own place in the
configuration, and haproxy takes what is made of the rest.
"""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from haproxy_bridge.render import RenderOptions, render
from haproxy_bridge.rendered import Rendered, Trouble
from haproxy_bridge.services import Policy, Rule, ServiceOptions, build, templates
from haproxy_bridge.services.labels import PORT_LABELS
from haproxy_bridge.snapshot import App, Check, CheckKind, Endpoint, Port
from tests.unit.haproxy_bridge.hostile import EVIL
from tests.unit.haproxy_bridge.made import app, checked, snapshot, task

OPTIONS = RenderOptions(
    http_bind="127.0.0.1:80", log="", appid_bind="127.0.0.1:9091", stats_bind="127.0.0.1:9090"
)
ALL = ServiceOptions(groups=("*",))
_SECTION = re.compile(r"^(?:\S.*)$", re.MULTILINE)


def rendered(*apps: App, options: ServiceOptions = ALL) -> Rendered:
    return render(build(snapshot(*apps), options), OPTIONS)


def sections(made: Rendered) -> list[str]:
    """The first lines of sections: all that is not indented."""
    return [line for line in _SECTION.findall(made.config.decode()) if not line.startswith(" ")]


def lines_of(made: Rendered, app_id: str) -> list[str]:
    """The lines that are an app's."""
    lines = made.config.decode().split("\n")
    return [
        line
        for first, last, owner in made.owners()
        if owner == app_id
        for line in lines[first - 1 : last]
    ]


GOOD = app("/good", 10001, 2, VHOST="good.example")
SHARED = {"global", "defaults", "frontend stayer_stats", "frontend marathon_http_in"}
SHARED |= {
    "frontend marathon_http_appid_in",
    "frontend marathon_https_in",
    "frontend stayer_tls_in",
    "# Made by `stayer haproxy`; changes here are overwritten.",
}
GOODS = {"frontend good_10001", "backend good_10001"}
BADS = {"frontend bad_10002", "backend bad_10002", "userlist user_bad_10002"}


@pytest.mark.parametrize("name", sorted({*PORT_LABELS, *templates.OF_APPS}))
def test_no_label_leaves_its_place(name: str) -> None:
    """All evil texts of one label at once, each on an app of its own."""
    alone = lines_of(rendered(GOOD), "/good")
    apps = [
        app(f"/bad{number}", 20000 + number, **{"VHOST": f"bad{number}.example", name: text})
        for number, text in enumerate(EVIL)
    ]
    made = rendered(GOOD, *apps)
    assert lines_of(made, "/good") == alone
    names = {f"bad{number}_{20000 + number}" for number in range(len(apps))}
    if name == "BACKEND_NAME":
        names |= set(EVIL) & {"true", "tcp", "http"}  # as good a name as any
    allowed = {
        f"{kind}{one}" for one in names for kind in ("frontend ", "backend ", "userlist user_")
    }
    assert set(sections(made)) <= SHARED | GOODS | allowed
    assert "evil" not in made.config.decode()


@pytest.mark.parametrize("name", sorted(PORT_LABELS))
def test_no_label_of_an_http_port_without_hosts_breaks_it(name: str) -> None:
    for mode in ("http", "tcp"):
        labels = [{"MODE": mode, name: text} for text in EVIL]
        apps = [app(f"/bad{number}", 20000 + number, **one) for number, one in enumerate(labels)]
        made = rendered(*apps)
        assert "evil" not in made.config.decode()


@pytest.mark.parametrize(
    "app_id", ["/a\nlisten evil", "/a b", "/a#b", "/h\u00e9", "", "/", "/a//b", "/" + "a" * 2_000]
)
def test_an_id_that_is_none_is_left_out_and_told(app_id: str) -> None:
    made = rendered(GOOD, replace(app("/x"), id=app_id))
    assert made.config == rendered(GOOD).config
    assert [one.trouble for one in made.problems] == [Trouble.INVALID]


@pytest.mark.parametrize("text", EVIL)
def test_nothing_else_of_an_app_leaves_its_place(text: str) -> None:
    """Hosts, check paths, names of ports, protocols, versions and ids of tasks."""
    evil = checked(
        app("/bad", 10002),
        Check(CheckKind.HTTP, "/" + text.replace("\n", ""), interval_seconds=2.5),
    )
    one = replace(evil.tasks[0], id=text, host=text, version=text)
    evil = replace(evil, tasks=(one, replace(one, id="b"), replace(one, id="c")), version=text)
    named = replace(
        evil, ports=(Port(10002, name=text, labels={f"HAPROXY_{text}": text, text: text}),)
    )
    if text.isprintable():  # others are no path for the readers of the scheduler's answers
        made = rendered(GOOD, named)
        assert set(sections(made)) <= SHARED | GOODS | BADS
    of_text = replace(app("/bad", 10002), ports=(Port(10002, protocol=text),))
    assert set(sections(rendered(GOOD, of_text))) <= SHARED | GOODS | BADS


_NAMES = st.sampled_from(sorted({*PORT_LABELS, *templates.OF_APPS}))
_KEYS = st.one_of(
    _NAMES.map("HAPROXY_0_{}".format),
    st.text(max_size=20).map("HAPROXY_{}".format),
    st.text(max_size=20),
)
_TEXTS = st.one_of(
    st.text(max_size=60), st.sampled_from(EVIL), st.lists(st.sampled_from(EVIL)).map(" ".join)
)


@settings(max_examples=150, deadline=None)
@given(labels=st.dictionaries(_KEYS, _TEXTS, max_size=8))
def test_whatever_labels_say_it_stays_with_their_app(labels: dict[str, str]) -> None:
    """No line of another app changes, and none is added outside the app's own but routes to it."""
    alone = rendered(GOOD)
    made = rendered(GOOD, replace(app("/bad", 10002), labels=labels))
    assert lines_of(made, "/good") == lines_of(alone, "/good")
    assert set(sections(made)) <= SHARED | GOODS | BADS
    own = [(first, last) for first, last, owner in made.owners() if owner == "/bad"]
    outside = [
        line
        for number, line in enumerate(made.config.decode().split("\n"), 1)
        if not any(first <= number <= last for first, last in own)
    ]
    known = set(alone.config.decode().split("\n"))
    for line in outside:
        plain = re.sub(r"[0-9a-f]{16}", "", line)
        assert (
            line in known
            or plain in {re.sub(r"[0-9a-f]{16}", "", one) for one in known}
            or line.startswith("  use_backend bad_10002 if { var(txn.stayer_host) -m ")
            or "stayer-nocase-" in line
        ), line


def test_ports_and_hosts_that_all_want() -> None:
    """The first one by weight and id gets them; what the others lose is told of each."""
    apps = [
        app(f"/a{number}", 10000, VHOST="x.example,*.x.example,~x[0-9]") for number in range(50)
    ]
    made = rendered(*apps)
    assert [line for line in sections(made) if line.startswith("frontend a")] == [
        "frontend a0_10000"
    ]
    for number in range(1, 50):
        told = [one for one in made.problems if one.app_id == f"/a{number}"]
        assert {one.trouble for one in told} == {Trouble.CONFLICT}
        assert len(told) == 4
    assert rendered(*reversed(apps)) == made


def test_nobody_joins_the_group_of_those_who_have_a_rule() -> None:
    policy = Policy((Rule("/team/*", vhosts=("*.team.example",)),))
    options = ServiceOptions(policy=policy)
    team = app("/team/web", 10001, VHOST="w.team.example", DEPLOYMENT_GROUP="web")
    evil = app("/evil", 10001, DEPLOYMENT_GROUP="web", DEPLOYMENT_STARTED_AT="2999")
    made = rendered(team, evil, options=options)
    apps = {
        server.app_id
        for backend in made.backends
        for server in backend.servers
        if backend.name == "web_10001"
    }
    assert len(apps) == 1


def test_many_labels_that_nothing_reads_are_told_in_part() -> None:
    labels = {f"HAPROXY_0_{'X' * 500}{number}": "x" for number in range(5_000)}
    made = rendered(replace(app("/a"), labels=labels))
    assert 0 < len(made.problems) < 100
    assert all(len(one.label) <= 200 for one in made.problems)


def test_twins_of_twins_have_names_of_their_own() -> None:
    place = Endpoint("10.0.0.1", 31000)
    tasks = [task("/a", 1, id=str(n), host="h", endpoints=(place,)) for n in range(3)]
    odd = task("/a", 9, id="odd", host="h", endpoints=(Endpoint("10.0.0.1.31000", 2),))
    names = [
        one.name for one in rendered(replace(app("/a"), tasks=(*tasks, odd))).backends[0].servers
    ]
    assert len(names) == len(set(names)) == 4


def test_ten_thousand_apps() -> None:
    apps = [app(f"/t{n % 50}/a{n}", 10000 + n, 10, VHOST=f"h{n}.example") for n in range(10_000)]
    made = rendered(*apps)
    assert len(made.backends) == 10_000
    assert sum(len(one.servers) for one in made.backends) == 100_000
    assert not made.problems
    (exact,) = [text for name, text in made.files.items() if "exact" in name]
    assert exact.count(b"\n") == 10_000
