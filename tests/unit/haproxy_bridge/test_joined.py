"""Apps that are served together or not at all: one backend by its name, users by the name of their
list, and apps by their labels.
"""

import pytest

from haproxy_bridge.render import RenderOptions, render
from haproxy_bridge.rendered import Problem, Rendered, Trouble
from haproxy_bridge.services import Builder, Policy, Rule, ServiceOptions, build, user_lists
from haproxy_bridge.snapshot import App, Check, CheckKind
from tests.unit.haproxy_bridge.made import app, checked, snapshot

USERS: dict[str, tuple[tuple[str, str], ...]] = {"ops": (("joe", "$6$a$b"), ("ann", "$6$c$d"))}


def rendered(*apps: App, options: ServiceOptions | None = None) -> Rendered:
    services = build(snapshot(*apps), options or ServiceOptions())
    return render(services, RenderOptions(log=""))


def members(made: Rendered) -> dict[str, set[str]]:
    return {one.name: {server.app_id for server in one.servers} for one in made.backends}


def kinds(problems: tuple[Problem, ...]) -> list[tuple[str, Trouble]]:
    return [(one.app_id, one.trouble) for one in problems]


def test_apps_that_name_one_backend_are_served_as_one() -> None:
    a = app("/a", 1, VHOST="x.example,y.example", BACKEND_NAME="shop", BALANCE="leastconn")
    b = app("/b", 2, 2, VHOST="y.example x.example", BACKEND_NAME="shop")
    c = app("/c", 0, BACKEND_NAME="shop")
    made = rendered(c, b, a)
    assert members(made) == {"shop": {"/a", "/b", "/c"}}
    assert made.problems == ()
    text = made.config.decode()
    assert "balance leastconn" in text
    assert "\n  bind *:1\n" in text
    assert "\n  bind *:2\n" not in text
    assert made.files == rendered(a, b, c).files


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        ({"MODE": "tcp"}, "MODE"),
        ({"VHOST": "other.example"}, "VHOST"),
        ({"AUTH": "r:u:$5$x$y"}, "AUTH"),
        ({"BACKEND_NETWORK_ALLOWED_ACL": "10.0.0.0/8"}, "BACKEND_NETWORK_ALLOWED_ACL"),
        ({"STICKY": "true"}, "STICKY"),
    ],
)
def test_one_that_asks_for_something_else_is_left_out(labels: dict[str, str], named: str) -> None:
    a = app("/a", 1, VHOST="x.example", BACKEND_NAME="shop")
    b = app("/b", 2, BACKEND_NAME="shop", **labels)
    made = rendered(a, b)
    assert members(made) == {"shop": {"/a"}}
    (problem,) = [one for one in made.problems if one.trouble is Trouble.CONFLICT]
    assert problem.app_id == "/b"
    assert f"HAPROXY_0_{named}" in problem.message


def test_the_heavier_one_says_how() -> None:
    a = app("/a", 1, VHOST="x.example", BACKEND_NAME="shop", BALANCE="first")
    b = app("/b", 2, VHOST="x.example", BACKEND_NAME="shop", BACKEND_WEIGHT="2")
    made = rendered(a, b)
    assert members(made) == {"shop": {"/b"}}
    assert kinds(made.problems) == [("/a", Trouble.CONFLICT)]


def test_another_check_is_told_and_no_reason_to_be_left_out() -> None:
    a = checked(app("/a", 1, BACKEND_NAME="shop"), Check(CheckKind.TCP))
    b = checked(app("/b", 2, BACKEND_NAME="shop"), Check(CheckKind.TCP, interval_seconds=7))
    made = rendered(a, b)
    assert members(made) == {"shop": {"/a", "/b"}}
    assert kinds(made.problems) == [("/b", Trouble.IGNORED)]
    assert "health check" in made.problems[0].message


def test_those_that_the_policy_tells_apart_are_not_joined() -> None:
    policy = Policy(rules=(Rule("/a*", ports=("1-9",)),))
    a, b = app("/a", 1, BACKEND_NAME="shop"), app("/b", 2, BACKEND_NAME="shop")
    made = rendered(a, b, options=ServiceOptions(policy=policy))
    assert members(made) == {"shop": {"/a"}}
    assert kinds(made.problems) == [("/b", Trouble.CONFLICT)]


@pytest.mark.parametrize("name", ["a_1", "x_port0", "stayer_acme", "marathon_http_in", "a b", "1"])
def test_a_name_that_may_be_somebody_elses_is_none(name: str) -> None:
    made = rendered(app("/a", 1, BACKEND_NAME=name))
    assert kinds(made.problems) == [("/a", Trouble.INVALID)]
    assert made.backends == ()


def test_a_group_names_its_backend_itself() -> None:
    made = rendered(app("/a", 1, DEPLOYMENT_GROUP="g", BACKEND_NAME="shop"))
    assert members(made) == {"g_1": {"/a"}}
    assert kinds(made.problems) == [("/a", Trouble.IGNORED)]


def test_built_again_it_is_what_it_would_be_at_once() -> None:
    builder = Builder(ServiceOptions())
    a, b = app("/a", 1, BACKEND_NAME="shop"), app("/b", 2, 1, BACKEND_NAME="shop")
    other = app("/b", 2, 3, BACKEND_NAME="shop")
    for apps in ((a, b), (a, b), (a, other), (other,), (a, app("/b", 2, STICKY="t")), (a, b)):
        assert builder.build(snapshot(*apps)) == build(snapshot(*apps), ServiceOptions())


def test_users_of_a_list_are_asked_for_their_passwords() -> None:
    options = ServiceOptions(users=USERS)
    made = rendered(
        app("/a", 1, VHOST="x.example", AUTH_LIST="Staff only:ops"),
        app("/b", 2, MODE="http", AUTH_LIST="ops"),
        options=options,
    )
    text = made.config.decode()
    assert made.problems == ()
    assert "auth realm Staff\\ only unless { http_auth(user_a_1) }" in text
    assert "auth realm ops unless { http_auth(user_b_2) }" in text
    assert text.count("  user ann password $6$c$d\n") == 2


@pytest.mark.parametrize(
    "labels",
    [
        {"AUTH_LIST": "nobody"},
        {"AUTH_LIST": "a:b:c"},
        {"AUTH_LIST": "ops", "AUTH": "r:u:$5$x$y"},
    ],
)
def test_without_its_list_a_port_is_left_out(labels: dict[str, str]) -> None:
    made = rendered(app("/a", 1, MODE="http", **labels), options=ServiceOptions(users=USERS))
    assert kinds(made.problems) == [("/a", Trouble.INVALID)]
    assert made.backends == ()


def test_lists_of_users() -> None:
    text = "# us\njoe:$5$a$b\n\n[ops]\njoe:$y$j9T$x$y\nann:$2y$05$abc/.\n"
    assert user_lists.read("all", text) == {
        "all": (("joe", "$5$a$b"),),
        "ops": (("joe", "$y$j9T$x$y"), ("ann", "$2y$05$abc/.")),
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("joe:secret", "line 1: not a crypted"),
        ("joe:{SHA}c2VjcmV0", "line 1: not a crypted"),
        ("joe:$5$se cret", "line 1: not NAME:"),
        ("joe:$5$a$b\njoe:$5$a$secret", "line 2: this user"),
        ("[a]\nx:$5$a$b\n[a]\nx:$5$a$secret", "line 3: the list a"),
        ("[a]\n[b]\nx:$5$a$secret", "nobody is in the list a"),
        ("", "nobody is in the list all"),
    ],
)
def test_what_is_no_list_says_the_line_and_not_what_is_in_it(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        user_lists.read("all", text)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("selector", "served"),
    [
        ("", {"a_1", "b_2", "c_3"}),
        ("tier=web", {"a_1", "b_2"}),
        ("tier==web, env!=dev", {"a_1"}),
        ("tier in (web, db)", {"a_1", "b_2", "c_3"}),
        ("env", {"a_1", "b_2"}),
    ],
)
def test_apps_are_selected_by_their_labels(selector: str, served: set[str]) -> None:
    labelled = [
        (app("/a", 1), {"tier": "web", "env": "prod"}),
        (app("/b", 2), {"tier": "web", "env": "dev"}),
        (app("/c", 3), {"tier": "db"}),
    ]
    apps = [App(one.id, one.wanted, labels, one.ports, one.tasks) for one, labels in labelled]
    made = rendered(*apps, options=ServiceOptions(selector=selector))
    assert set(members(made)) == served
