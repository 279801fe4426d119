"""Labels to services: what is exposed, under which names, and what is wrong."""

from typing import Any

import pytest
from msgspec.structs import replace

from haproxy_bridge.rendered import Problem, Trouble
from haproxy_bridge.services import Policy, Rule, ServiceOptions, build
from haproxy_bridge.services.model import Auth, Host, HostKind, Mode, Service
from haproxy_bridge.snapshot import App, Check, CheckKind, Endpoint, Port
from tests.unit.haproxy_bridge.made import app, checked, snapshot, task

ALL = ServiceOptions(groups=("*",))


def services(*apps: App, **options: Any) -> dict[str, Service]:
    built = build(snapshot(*apps), ServiceOptions(**options))
    assert not [one for one in built.problems if one.keeps_out], built.problems
    return {one.name: one for one in built.services}


def problems(*apps: App, **options: Any) -> tuple[Problem, ...]:
    return build(snapshot(*apps), ServiceOptions(**options)).problems


def only(**labels: str) -> Service:
    (service,) = services(app("/a", **labels)).values()
    return service


def test_a_plain_app_is_served_by_tcp_on_its_service_port() -> None:
    service = services(app("/my/app", 10001, 2))["my_app_10001"]
    assert (service.mode, service.port, service.bind_addr) == (Mode.TCP, 10001, "*")
    assert [one.endpoint.host for one in service.members] == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize(
    ("node", "label", "served"),
    [
        ((), None, True),
        ((), "external", False),
        (("external",), None, False),
        (("external",), "external", True),
        (("external",), "internal, external", True),
        (("external", "internal"), "internal", True),
        (("external",), "internal", False),
        (("*",), None, True),
        (("*",), "internal", True),
        (("external",), "*", True),
    ],
)
def test_groups(node: tuple[str, ...], label: str | None, served: bool) -> None:
    labels = {} if label is None else {"GROUP": label}
    assert bool(services(app("/a", **labels), groups=node)) is served


def test_a_group_of_a_port_goes_before_that_of_the_app() -> None:
    made = replace(
        app("/a", GROUP="internal", **{"1_GROUP": "external"}), ports=(Port(10000), Port(10001))
    )
    made = replace(made, tasks=())
    assert list(services(made, groups=("external",))) == ["a_10001"]
    assert list(services(made, groups=("internal",))) == ["a_10000"]


def test_enabled() -> None:
    assert not services(app("/a", ENABLED="false"))
    assert not services(app("/a", ENABLED="1"))
    assert not services(app("/a"), strict=True)
    assert services(app("/a", ENABLED="TRUE"), strict=True)


def test_the_bridge_does_not_serve_itself() -> None:
    assert not services(app("/lb"), own_app_id="/lb")


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("a.example", ["a.example"]),
        ("A.Example:80", ["a.example"]),
        ("a.example.", ["a.example"]),
        ("a.example,b.example", ["a.example", "b.example"]),
        (" a.example , b.example\n", ["a.example", "b.example"]),
        ("*.a.example", ["*.a.example"]),
        (r"~b[0-9]+\.example", [r"~b[0-9]+\.example"]),
        ("a_b.example", ["a_b.example"]),
    ],
)
def test_hosts(text: str, hosts: list[str]) -> None:
    service = only(VHOST=text)
    assert [host.shown for host in service.hosts] == hosts
    assert (service.mode, service.port) == (Mode.HTTP, 10000)


def test_paths() -> None:
    service = only(VHOST="a.example", PATH="-i /api /v2")
    assert (service.paths, service.ignore_case) == (("/api", "/v2"), True)
    assert only(PATH="/api").paths == ()


def test_mode() -> None:
    http = Check(CheckKind.HTTP, "/ok")
    assert services(checked(app("/a"), http))["a_10000"].mode is Mode.HTTP
    assert services(checked(app("/a", MODE="tcp"), http))["a_10000"].mode is Mode.TCP
    assert only(MODE="http").mode is Mode.HTTP
    assert only(VHOST="a.example", TLS_PASSTHROUGH="true").mode is Mode.TCP


def test_a_check_at_a_number_speaks_for_the_only_port() -> None:
    made = checked(app("/a"), Check(CheckKind.HTTP, port=8080))
    assert services(made)["a_10000"].mode is Mode.HTTP
    two = replace(made, ports=(Port(10000), Port(10001)))
    assert services(two)["a_10000"].mode is Mode.TCP


def test_values() -> None:
    service = only(
        MODE="http",
        PORT="9999",
        BIND_ADDR="127.0.0.1",
        BIND_OPTIONS="ssl crt /etc/x.pem",
        BALANCE="hdr(X-User)",
        STICKY="yes",
        USE_HSTS="t",
        REDIRECT_TO_HTTPS="y",
        SSL_CERT="/etc/ssl/a.pem",
        AUTH="realm:joe:$6$salt$hash",
        BACKEND_NETWORK_ALLOWED_ACL="10.0.0.0/8 127.0.0.1",
        BACKEND_WEIGHT="7",
        RATE_LIMIT="100/10s",
    )
    assert (service.port, service.bind_addr) == (9999, "127.0.0.1")
    assert service.name == "a_10000"
    assert service.bind_options == "ssl crt /etc/x.pem"
    assert (service.balance, service.sticky, service.hsts) == ("hdr(X-User)", True, True)
    assert service.redirect_to_https
    assert service.certificate == "/etc/ssl/a.pem"
    assert service.auth == Auth("realm", (("joe", "$6$salt$hash"),))
    assert service.allowed_networks == ("10.0.0.0/8", "127.0.0.1/32")
    assert (service.weight, service.rate_limit) == (7, (100, 10))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("VHOST", "a b;c"),
        ("VHOST", "a.example } evil {"),
        ("VHOST", "-a.example"),
        ("VHOST", "h\u00e9.example"),
        ("VHOST", "~(unclosed"),
        ("VHOST", "a." * 200 + "b"),
        ("VHOST", ",".join(f"h{n}.example" for n in range(101))),
        ("PATH", "api"),
        ("PATH", "/a#b"),
        ("PATH", '/a"b'),
        ("PATH", "/a\\b"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "99999999999999999999"),
        ("BIND_ADDR", "*:80 ssl"),
        ("BIND_OPTIONS", "ssl\ncrt"),
        ("BIND_OPTIONS", "name '#'"),
        ("BALANCE", "roundrobin\nserver evil 1.2.3.4:1"),
        ("BALANCE", "magic"),
        ("MODE", "health"),
        ("SSL_CERT", "x.pem"),
        ("SSL_CERT", "/a b"),
        ("SSL_CERT", "/a/../b"),
        ("AUTH", "a:b:c:d"),
        ("AUTH", "a:b"),
        ("AUTH", "a:b:c d"),
        ("AUTH", "a\n:b:c"),
        ("BACKEND_NETWORK_ALLOWED_ACL", "everybody"),
        ("BACKEND_WEIGHT", "high"),
        ("BACKEND_HEALTHCHECK_PORT_INDEX", "-1"),
        ("HTTP_BACKEND_REDIR", "http://else.where"),
        ("HTTP_BACKEND_PROXYPASS_PATH", "/a b"),
        ("RATE_LIMIT", "0/10s"),
        ("BACKEND_TLS", "perhaps"),
        ("VHOST", "x" * 5_000),
    ],
)
def test_bad_values_keep_their_port_out_and_no_other(name: str, text: str) -> None:
    bad = app("/bad", 10001, **{name: text})
    built = build(snapshot(app("/good"), bad), ALL)
    assert [one.name for one in built.services] == ["good_10000"]
    (problem,) = built.problems
    assert (problem.trouble, problem.app_id) == (Trouble.INVALID, "/bad")
    assert problem.label == f"HAPROXY_0_{name}"
    assert problem.message


def test_a_password_is_in_no_message() -> None:
    (problem,) = problems(app("/a", AUTH="realm:joe:secret:x"))
    assert "secret" not in problem.message


def test_labels_that_nothing_reads_are_told_and_harm_nothing() -> None:
    made = app("/a", VHSOT="a.example", **{"3_VHOST": "b.example"})
    built = build(snapshot(made), ServiceOptions())
    assert [one.name for one in built.services] == ["a_10000"]
    told = {one.label: one.message for one in built.problems}
    assert "did you mean HAPROXY_0_VHOST?" in told["HAPROXY_0_VHSOT"]
    assert "there is no port 3" in told["HAPROXY_3_VHOST"]
    assert {one.trouble for one in built.problems} == {Trouble.IGNORED}


def test_a_bad_place_of_a_port_without_a_number_is_told() -> None:
    (problem,) = problems(app("/a", 0, VHOST="-bad-"))
    assert (problem.trouble, problem.label) == (Trouble.INVALID, "HAPROXY_0_VHOST")


def test_apps_of_other_groups_are_not_talked_about() -> None:
    assert not problems(app("/a", GROUP="internal", VHSOT="x"), groups=("external",))


def test_labels_of_a_port_itself() -> None:
    made = replace(app("/a"), ports=(Port(10000, labels={"HAPROXY_VHOST": "p.example"}),))
    assert services(made)["a_10000"].hosts == (Host(HostKind.EXACT, "p.example"),)


def test_the_second_owner_of_a_port_loses_the_port_only() -> None:
    built = build(snapshot(app("/b"), app("/a"), app("/c", VHOST="c.example")), ServiceOptions())
    found = {one.name: one.port for one in built.services}
    assert found == {"a_10000": 10000, "c_10000": 0}
    assert {one.app_id: one.message for one in built.problems} == {
        "/b": "port 10000 is that of /a already",
        "/c": "port 10000 is that of /a already",
    }


def test_the_same_port_on_other_addresses_is_no_conflict() -> None:
    one, two = app("/a", BIND_ADDR="10.0.0.1"), app("/b", BIND_ADDR="10.0.0.2")
    assert len(services(one, two)) == 2


def test_a_host_with_its_path_has_one_owner() -> None:
    a, b = app("/a", 1, VHOST="x.example"), app("/b", 2, VHOST="x.example,y.example")
    c = app("/c", 3, VHOST="x.example", PATH="/api")
    heavy = app("/z", 4, VHOST="x.example", BACKEND_WEIGHT="9")
    built = build(snapshot(a, b, c, heavy), ServiceOptions())
    found = {one.name: [host.text for host in one.hosts] for one in built.services}
    assert found == {"a_1": [], "b_2": ["y.example"], "c_3": ["x.example"], "z_4": ["x.example"]}
    assert [one.trouble for one in built.problems] == [Trouble.CONFLICT] * 2


def test_ports_80_and_443_belong_to_the_virtual_hosts() -> None:
    assert services(app("/a", 80, VHOST="a.example"))["a_80"].port == 0
    (problem,) = problems(app("/a", 443))
    assert "HAPROXY_n_VHOST is missing" in problem.message
    (problem,) = problems(app("/a", 9090))
    assert problem.trouble is Trouble.CONFLICT


def test_ports_that_nothing_listens_on() -> None:
    assert not services(app("/a", 0))
    assert services(app("/a", 0, VHOST="a.example"))["a_port0"].hosts
    udp = replace(app("/a"), ports=(Port(10000, protocol="udp"),))
    assert problems(udp)[0].trouble is Trouble.UNSUPPORTED
    assert services(replace(udp, ports=(Port(10000, protocol="udp,tcp"),)))


def test_templates_need_leave() -> None:
    made = app("/team/a", BACKEND_HEAD="backend {backend}\r\n  mode tcp")
    (problem,) = problems(made)
    assert problem.trouble is Trouble.FORBIDDEN
    allowed = services(made, policy=Policy(templates=True))["team_a_10000"]
    assert allowed.templates == {"BACKEND_HEAD": "backend {backend}\n  mode tcp"}
    team = Policy(rules=(Rule("/team/*", templates=True),))
    assert services(made, policy=team)
    assert problems(made, policy=Policy((Rule("/team/*", templates=False),), templates=True))


def test_labels_may_be_those_of_a_list_alone() -> None:
    policy = Policy(rules=(Rule("/team/*", labels=("VHOST", "MATCH_*")),))
    allowed = app("/team/a", 1, VHOST="a.example", MATCH_COOKIE="a=b")
    assert not problems(allowed, policy=policy)
    (problem,) = problems(app("/team/a", 1, BIND_OPTIONS="mss 1000"), policy=policy)
    assert (problem.trouble, problem.label) == (Trouble.FORBIDDEN, "HAPROXY_0_BIND_OPTIONS")
    assert not problems(app("/other", 1, BIND_OPTIONS="mss 1000"), policy=policy)


def test_hosts_and_ports_may_belong_to_apps() -> None:
    policy = Policy((Rule("/team/*", vhosts=("*.team.example",), ports=("10000-10010", "80")),))
    assert services(app("/team/a", VHOST="x.team.example"), policy=policy)
    assert problems(app("/team/a", VHOST="other.example"), policy=policy)
    assert problems(app("/team/a", 10011), policy=policy)
    assert problems(app("/other", VHOST="x.team.example"), policy=policy)
    assert services(app("/other", 20000, VHOST="other.example"), policy=policy)


def test_the_check_of_another_port() -> None:
    checks = (Check(CheckKind.HTTP, "/main"), Check(CheckKind.HTTP, "/admin", port_index=1))
    one = task("/a", checks=checks)
    two_ports = (*one.endpoints, replace(one.endpoints[0], port=31009))  # type: ignore[type-var]  # is there
    made = replace(
        app("/a", BACKEND_HEALTHCHECK_PORT_INDEX="1"),
        ports=(Port(10000), Port(0)),
        tasks=(replace(one, endpoints=two_ports),),
    )
    (member,) = services(made)["a_10000"].members
    assert member.check is not None
    assert (member.check.path, member.check_port) == ("/admin", 31009)


def test_apps_of_one_deployment_group_are_one_service() -> None:
    old = app("/web-blue", 10001, 4, DEPLOYMENT_GROUP="web", DEPLOYMENT_STARTED_AT="2026-01-01")
    new = app(
        "/web-green",
        10001,
        3,
        DEPLOYMENT_GROUP="web",
        DEPLOYMENT_STARTED_AT="2026-01-02",
        DEPLOYMENT_TARGET_INSTANCES="4",
    )
    (service,) = services(old, new).values()
    assert (service.name, service.app_id) == ("web_10001", "/web-green")
    drained = sorted(one.task_id for one in service.members if one.draining)
    assert drained == ["web-blue.1", "web-blue.2", "web-blue.3"]
    assert len(service.members) == 7


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ((90, 10), {"/a": 256, "/b": 57}),
        ((100, 0), {"/a": 256, "/b": 0}),
        ((0, 100), {"/a": 0, "/b": 256}),
        ((50, 50), {"/a": 128, "/b": 256}),
    ],
)
def test_shares_do_not_depend_on_the_number_of_tasks(
    shares: tuple[float, float], expected: dict[str, int]
) -> None:
    a = replace(app("/a", 10000, 4, DEPLOYMENT_GROUP="web"), share=shares[0])
    b = replace(app("/b", 10000, 2, DEPLOYMENT_GROUP="web"), share=shares[1])
    (service,) = services(a, b).values()
    weights = {one.app_id: one.weight for one in service.members}
    assert weights == expected


@pytest.mark.parametrize(
    ("share", "old", "new", "expected"),
    [
        (None, 2, 1, [100, 100, 100]),
        (0, 2, 1, [256, 256, 0]),
        (25, 3, 1, [256, 256, 256, 256]),
        (50, 2, 1, [128, 128, 256]),
        (100, 2, 1, [0, 0, 256]),
        (100, 2, 0, [100, 100]),
        (0, 0, 2, [100, 100]),
    ],
)
def test_new_tasks_of_a_deployment_get_their_share(
    share: float | None, old: int, new: int, expected: list[int]
) -> None:
    numbers = range(1, old + new + 1)
    tasks = tuple(task("/a", number, old=number <= old) for number in numbers)
    leaving = task("/a", 9, draining=True)
    (service,) = services(replace(app("/a"), tasks=(*tasks, leaving), new_share=share)).values()
    weights = {one.task_id: one.weight for one in service.members}
    assert weights == {**dict(zip((one.id for one in tasks), expected, strict=True)), "a.9": 0}


def test_draining_tasks_get_no_weight() -> None:
    made = replace(app("/a"), tasks=(task("/a", 1, draining=True), task("/a", 2)))
    assert [one.weight for one in services(made)["a_10000"].members] == [0, 100]


def test_each_node_begins_elsewhere_and_always_there() -> None:
    made = snapshot(app("/a", 10000, 8))
    firsts = {build(made, ALL, f"node{n}").services[0].members[0].task_id for n in range(20)}
    assert len(firsts) > 2
    assert build(made, ALL, "node1") == build(made, ALL, "node1")


def test_tasks_on_agents_without_an_address_are_told() -> None:
    hosts = ("10.0.0.1", "h2.invalid", "h1.invalid", "h2.invalid", "2001:db8::1")
    found = [
        task("/a", number, endpoints=(Endpoint(host, 31000),)) for number, host in enumerate(hosts)
    ]
    (problem,) = problems(replace(app("/a"), tasks=tuple(found)), app("/b", 10001))
    assert (problem.trouble, problem.app_id) == (Trouble.UNRESOLVED, "/a")
    assert problem.message.startswith("3 of its 5 tasks get nothing")
    assert "for h1.invalid, h2.invalid (" in problem.message
    assert problem.keeps_out


def test_names_without_an_address_are_told_in_part() -> None:
    found = [
        task("/a", number, endpoints=(Endpoint(f"h{number}.invalid", 31000),))
        for number in range(9)
    ]
    (problem,) = problems(replace(app("/a"), tasks=tuple(found)))
    assert "h0.invalid, h1.invalid, h2.invalid and 6 more (" in problem.message
