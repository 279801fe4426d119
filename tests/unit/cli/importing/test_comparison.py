"""What an import would change, app by app."""

from typing import Any

from api.options import ApiOptions
from cli.importing.comparison import Action, Plan, Target, compare, options_of
from cli.importing.documents import Found, GroupSettings, read_document
from cli.patterns import linear_full_match
from tests.unit.cli.importing.marathon import DB, JOB, POD, ROOT, WEB, app, group


def plan(
    document: Any,
    *there: dict[str, Any],
    groups: dict[str, GroupSettings] | None = None,
    suspended: bool = False,
    options: ApiOptions | None = None,
) -> Plan:
    present = {one["id"]: one for one in there}
    target = Target(present, groups or {}, options or ApiOptions(), linear_full_match)
    found = document if isinstance(document, Found) else read_document(document)
    return compare(found, target, suspended=suspended, marathon_role="*")


def actions(made: Plan) -> dict[str, str]:
    return {one.id: one.action.value for one in made.apps}


def test_create_change_unchanged_and_not_possible() -> None:
    pinned = app("/pinned", secrets={"key": {"source": "vault"}})
    document = group("/", [JOB, DB, WEB, pinned], pods=[POD])
    made = plan(document, {**DB, "version": "another"}, {**WEB, "mem": 32, "env": {"A": "b"}})
    assert actions(made) == {
        "/job": "create",
        "/pinned": "not possible",
        "/shop/data/db": "unchanged",
        "/shop/web": "change",
        "/shop/pod": "not possible",
    }
    (web,) = made.of(Action.CHANGE)
    assert web.changed == ("env", "mem")
    told = {one.id: one.faults[0] for one in made.of(Action.IMPOSSIBLE)}
    assert told["/pinned"] == (
        "/secrets",
        "Feature secrets is not enabled. Enable with --enable_features secrets)",
    )
    assert told["/shop/pod"] == ("/", "pods are not supported by this release")
    assert [one["id"] for one in made.definitions] == ["/job", "/shop/web"]


def test_another_way_to_say_the_same_is_no_change() -> None:
    open_port = {"id": "/x", "cmd": "sleep 1000", "instances": 2, "cpus": 0.5, "mem": 64}
    assert actions(plan(open_port, app("/x"))) == {"/x": "unchanged"}
    other = plan(open_port, app("/x", portDefinitions=[{"port": 10_001, "protocol": "udp"}]))
    assert other.apps[0].changed == ("portDefinitions",)


def test_suspended_apps_get_no_instances_and_running_ones_keep_theirs() -> None:
    made = plan(ROOT, {**DB, "instances": 5}, suspended=True)
    counts = {one.id: (one.action.value, one.before, one.after, one.wanted) for one in made.apps}
    assert counts == {
        "/job": ("create", None, 0, 0),
        "/shop/web": ("create", None, 0, 2),
        "/shop/data/db": ("unchanged", 5, 5, 1),
    }
    assert not any(one.starts_tasks for one in made.apps)
    (web,) = plan(WEB, {**WEB, "instances": 0}).apps
    assert (web.changed, web.before, web.after) == (("instances",), 0, 2)
    assert web.starts_tasks
    assert web.running == 2


def test_a_group_where_an_app_is_to_go() -> None:
    clash = "there is a group at this path, or an app above it"
    made = plan([app("/a/b"), app("/x"), app("/c"), app("/c/d")], app("/a"), groups=_IN_X)
    assert {one.id: one.faults for one in made.apps} == {
        "/a/b": (("/id", clash),),
        "/c": (("/id", clash),),
        "/c/d": (("/id", clash),),
        "/x": (("/id", clash),),
    }
    assert actions(plan(ROOT, WEB, DB, groups={"/shop": GroupSettings(("/base",))}))["/job"] == (
        "create"
    )


_IN_X = {"/x": GroupSettings()}


def test_settings_of_groups() -> None:
    enforcing = group("/eu", [app("/eu/web", role="eu", acceptedResourceRoles=["eu"])])
    document = group("/", [], [{**enforcing, "enforceRole": True}, group("/empty", [])])
    made = plan(document)
    assert made.groups == {"/empty": {}, "/eu": {"enforceRole": True}}
    assert made.sets_roles
    assert actions(made) == {"/eu/web": "create"}, "its group's name is its role by then"
    shop = plan(ROOT, groups={"/shop": GroupSettings(("/other",))})
    assert shop.groups == {"/shop": {"dependencies": ["/base"]}}
    assert not shop.sets_roles
    same = plan(ROOT, groups={"/shop": GroupSettings(("/base",), enforce_role=True)})
    assert same.groups == {}, "what is set here stays"


def test_service_ports_of_several_apps() -> None:
    made = plan([app("/a"), app("/b")], app("/c"), app("/d", portDefinitions=[]))
    (warning,) = made.warnings
    assert warning == "service port 10000 is that of several apps: /a, /b, /c (there already)"
    open_ports = [app(name, portDefinitions=[{"port": 0}]) for name in ("/a", "/b")]
    assert plan(open_ports).warnings == ()
    assert plan(app("/a"), app("/a")).warnings == ()


def test_the_schedulers_settings_decide() -> None:
    asked = app("/x", role="special")
    (refused,) = plan(asked).apps
    assert refused.action is Action.IMPOSSIBLE
    (taken,) = plan(asked, options=ApiOptions(mesos_role="special")).apps
    assert taken.action is Action.CREATE


def test_settings_as_a_scheduler_tells_them() -> None:
    told = {
        "mesos_role": "web",
        "enable_features": ["gpu_resources"],
        "default_network_name": None,
        "http_port": 99,
        "mesos_bridge_name": 7,
    }
    assert options_of(told) == ApiOptions(mesos_role="web", enable_features=("gpu_resources",))
    assert options_of({}) == ApiOptions()
