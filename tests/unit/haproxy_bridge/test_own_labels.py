"""Labels that marathon-lb does not have: routes for some requests, pages for errors, time-outs."""

import pytest

from haproxy_bridge.render import RenderOptions, render
from haproxy_bridge.rendered import Rendered, Trouble
from haproxy_bridge.services import ServiceOptions, build
from haproxy_bridge.snapshot import App
from tests.unit.haproxy_bridge.made import app, snapshot


def rendered(*apps: App, options: RenderOptions | None = None) -> Rendered:
    services = build(snapshot(*apps), ServiceOptions())
    return render(services, options or RenderOptions(log=""))


def rules(made: Rendered) -> list[str]:
    lines = [line.strip() for line in made.config.decode().splitlines()]
    return [line for line in lines if line.startswith(("use_backend", "acl below"))]


def test_pinned_requests_come_before_all_and_leave_others_their_paths() -> None:
    made = rendered(
        app("/a", 1, VHOST="x.example"),
        app("/b", 2, VHOST="x.example", PATH="/api", BACKEND_WEIGHT="9"),
        app("/c", 3, VHOST="x.example", MATCH_COOKIE="canary=yes", MATCH_HEADER="X-Try"),
    )
    assert not [one for one in made.problems if one.keeps_out]
    first = rules(made)
    host = "{ var(txn.stayer_host) -m str x.example }"
    asked = "{ req.hdr(X-Try) -m found } { req.cook(canary) -m str yes }"
    assert first[:3] == [
        "acl below0_c_3 path_beg /api",
        f"use_backend c_3 if {host} {asked} !below0_c_3",
        f"use_backend b_2 if {host} {{ path_beg /api }}",
    ]
    assert "c_3" not in "".join(
        text.decode() for name, text in made.files.items() if "exact" in name
    )


def test_two_apps_for_the_same_requests_of_a_host_are_a_conflict() -> None:
    first, second = (app(f"/{name}", n, VHOST="x.example") for n, name in enumerate("ab", 1))
    pinned = app("/c", 3, VHOST="x.example", MATCH_QUERY="q=1")
    again = app("/d", 4, VHOST="x.example", MATCH_QUERY="q=1")
    other = app("/e", 5, VHOST="x.example", MATCH_QUERY="q=2")
    found = rendered(first, second, pinned, again, other).problems
    assert [one.app_id for one in found if one.trouble is Trouble.CONFLICT] == ["/b", "/d"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MATCH_HEADER", "X Canary: yes"),
        ("MATCH_HEADER", "X-Canary: a b"),
        ("MATCH_COOKIE", "a=b=c"),
        ("MATCH_QUERY", "=1"),
        ("TIMEOUT_TUNNEL", "0"),
        ("ERROR_PAGE", " "),
        ("ERROR_PAGE", "a\0b"),
        ("OBSERVE", "layer5"),
        ("OBSERVE", "layer7/0"),
        ("OBSERVE", "layer7/x"),
        ("OBSERVE", "/3"),
        ("RETRY_ON", ""),
        ("RETRY_ON", "200"),
        ("RETRY_ON", "none 503"),
    ],
)
def test_a_value_that_is_not_understood_keeps_its_port_out(name: str, text: str) -> None:
    made = rendered(app("/a", 1, **{"VHOST": "x.example", name: text}))
    assert [(one.trouble, one.label) for one in made.problems] == [
        (Trouble.INVALID, f"HAPROXY_0_{name}")
    ]
    assert made.backends == ()


def test_what_does_nothing_is_told() -> None:
    found = rendered(
        app("/a", 1, MODE="tcp", MATCH_COOKIE="a=b"), app("/b", 2, MODE="http", MATCH_QUERY="a")
    ).problems
    assert [(one.app_id, one.trouble) for one in found] == [
        ("/a", Trouble.IGNORED),
        ("/b", Trouble.IGNORED),
    ]


def test_requests_count_against_servers_as_far_as_they_are_seen() -> None:
    made = rendered(app("/a", 1, OBSERVE="layer7"), app("/b", 2, OBSERVE="false"))
    assert [(one.app_id, one.trouble, one.label) for one in made.problems] == [
        ("/a", Trouble.IGNORED, "HAPROXY_0_OBSERVE")
    ]
    options = [one.servers[0].options for one in made.backends]
    assert options[0].endswith("observe layer4 error-limit 10 on-error mark-down")
    assert options[1].endswith("rise 1")


def test_only_what_is_safe_to_repeat_is_repeated() -> None:
    made = rendered(app("/a", 1, MODE="http"))
    assert (
        "  retry-on conn-failure empty-response 503\n"
        "  http-request disable-l7-retry unless { method GET HEAD OPTIONS }\n"
    ) in made.config.decode()


@pytest.mark.parametrize("algorithm", ["source", "static-rr", "uri depth 3", "hdr(X-A)"])
def test_an_algorithm_with_fixed_servers_is_told_with_others(algorithm: str) -> None:
    made = rendered(app("/a", 1, MODE="http", BALANCE=algorithm), app("/b", 2, BALANCE="leastconn"))
    (problem,) = made.problems
    assert (problem.app_id, problem.trouble) == ("/a", Trouble.IGNORED)
    assert "takes a reload; not so with first, leastconn" in problem.message
    assert {one.name: one.dynamic for one in made.backends} == {"a_1": False, "b_2": True}


def test_a_page_for_errors_is_a_file_of_its_own() -> None:
    page = "<p>\n}  listen other\n"
    made = rendered(app("/a", 1, MODE="http", ERROR_PAGE=page))
    (name,) = [name for name, text in made.files.items() if text == page.encode()]
    assert f'http-error status 503 content-type "text/html;charset=utf-8" file {name}\n' in (
        made.config.decode()
    )
    assert "listen other" not in made.config.decode()
    other = rendered(app("/a", 1, MODE="http", ERROR_PAGE="another"))
    assert other.structure != made.structure


def test_time_out_of_tunnels_and_ends_of_sessions() -> None:
    made = rendered(app("/a", 1, TIMEOUT_TUNNEL="7200", SHUTDOWN_SESSIONS="true"))
    assert "\n  timeout tunnel 7200s\n" in made.config.decode()
    assert made.backends[0].servers[0].options.endswith("on-marked-down shutdown-sessions")


def test_what_an_operator_asks_for_all_is_in_every_front_end() -> None:
    options = RenderOptions(
        certificates=("/all.pem",),
        trusted_proxies=("10.0.0.0/8",),
        json_log=True,
        strict_sni=True,
        accept_proxy=True,
        acme="127.0.0.1:402",
        error_page="<p>away",
        max_reloads=7,
    )
    made = rendered(app("/a", 1, VHOST="a.example"), app("/b", 2), options=options).config.decode()
    front_ends = {part.split("\n")[0]: part for part in made.split("\nfrontend ")[1:]}
    http = ("marathon_http_in", "marathon_https_in", "marathon_http_appid_in", "a_1")
    for name in http:
        assert front_ends[name].count("http-request del-header X-Forwarded-For") == 1
        assert "acl stayer_trusted src 10.0.0.0/8" in front_ends[name]
        assert '"status":%ST' in front_ends[name]
    assert "X-Forwarded-For" not in front_ends["b_2"]
    assert "ssl crt /all.pem strict-sni" in front_ends["marathon_https_in"]
    proxied = {name for name, text in front_ends.items() if "accept-proxy" in text}
    assert proxied == {"marathon_http_in", "marathon_https_in"}
    assert "use_backend stayer_acme" in front_ends["marathon_http_in"]
    assert "use_backend stayer_acme" not in front_ends["marathon_https_in"]
    assert "\n  mworker-max-reloads 7\n" in made
    assert "http-error status 503" in made.split("\nfrontend ")[0]
    assert "option httplog" not in made
