"""Each label of marathon-lb has its effect on the text, or is told to have none.

The table is bridge.md's 3.1 and 3.2; what haproxy does with the text is tried in
tests/integration/test_bridge_haproxy.py.
"""

import re

import pytest
from msgspec.structs import replace

from haproxy_bridge.render import RenderOptions, render
from haproxy_bridge.rendered import Rendered, Trouble
from haproxy_bridge.services import Policy, ServiceOptions, build, templates
from haproxy_bridge.services.labels import PORT_LABELS
from haproxy_bridge.services.templates import UNREAD
from haproxy_bridge.snapshot import App, Check, CheckKind
from tests.unit.haproxy_bridge.made import app, checked, snapshot
from tests.unit.haproxy_bridge.ways import WAYS, asked, written

OPTIONS = ServiceOptions(
    groups=("*",), policy=Policy(templates=True), users={"ops": (("ann", "$6$a$b"),)}
)
RENDER = RenderOptions(log="", certificates=("/all.pem",))
_CERTIFICATE = "bind *:10000 ssl crt /etc/ssl/a.pem"
_SNI = "use_backend a_10000 if { var(sess.stayer_sni) -m str a.example }"
_WWW = "if { req.hdr(host) -i -m beg www. }"


def rendered(*apps: App) -> Rendered:
    return render(build(snapshot(*apps), OPTIONS), RENDER)


def text(made: Rendered) -> str:
    """The configuration and its maps."""
    return made.config.decode() + "".join(one.decode() for one in made.files.values())


VALUES: dict[str, tuple[str, str]] = {
    "VHOST": ("b.example", "b.example/ a_10000"),
    "PATH": ("/api", "a.example/api a_10000"),
    "BACKEND_WEIGHT": ("3", "use_backend a_10000 if { var(txn.stayer_host) -m str a.example }"),
    "PORT": ("9999", "bind *:9999"),
    "BIND_ADDR": ("127.0.0.1", "bind 127.0.0.1:10000"),
    "BIND_OPTIONS": ("accept-proxy", "bind *:10000 accept-proxy"),
    "MODE": ("tcp", "backend a_10000\n  mode tcp"),
    "BALANCE": ("leastconn", "balance leastconn"),
    "STICKY": ("true", "cookie mesosphere_server_id insert"),
    "REDIRECT_TO_HTTPS": ("true", "redirect scheme https code 301"),
    "USE_HSTS": ("true", "Strict-Transport-Security max-age=15768000"),
    "SSL_CERT": ("/etc/ssl/a.pem", _CERTIFICATE),
    "AUTH": ("r:joe:hash", "user joe password hash"),
    "HTTP_BACKEND_PROXYPASS_PATH": ("/old", "http-request replace-path ^/old/?(.*)"),
    "HTTP_BACKEND_REVPROXY_PATH": ("/new", "http-response replace-header Location"),
    "HTTP_BACKEND_REDIR": ("/start", "redirect location /start code 301 if { path / }"),
    "BACKEND_NETWORK_ALLOWED_ACL": ("10.0.0.0/8", "acl network_allowed src 10.0.0.0/8"),
    "AUTH_LIST": ("ops", "user ann password $6$a$b"),
    "BACKEND_NAME": ("shop", "backend shop\n"),
    "REDIRECT_WWW": ("true", _WWW),
    "TLS_PASSTHROUGH": ("true", _SNI),
    "BACKEND_TLS": ("true", "ssl verify none"),
    "RATE_LIMIT": ("5/10s", "deny_status 429 if { sc_http_req_rate(0) gt 5 }"),
    "MAXCONN": ("77", "  maxconn 77\n"),
    "MAXCONN_SERVER": ("7", " maxconn 7"),
    "SLOWSTART": ("30", "slowstart 30s"),
    "TIMEOUT_SERVER": ("300", "timeout server 300s"),
    "TIMEOUT_TUNNEL": ("7200", "timeout tunnel 7200s"),
    "SHUTDOWN_SESSIONS": ("true", "on-marked-down shutdown-sessions"),
    "ERROR_PAGE": ("<p>", "http-error status 503"),
    "MATCH_HEADER": ("X-A: b", "{ req.hdr(X-A) -m str b }"),
    "MATCH_COOKIE": ("a=b", "{ req.cook(a) -m str b }"),
    "MATCH_QUERY": ("a=b", "{ url_param(a) -m str b }"),
    "OBSERVE": ("layer7/20", "observe layer7 error-limit 20 on-error mark-down"),
    "RETRY_ON": ("conn-failure, 502", "retry-on conn-failure 502"),
    "HTTP2": ("true", "proto h2"),
    "SEND_PROXY": ("true", "send-proxy-v2"),
}
_OF_SELECTION = {"GROUP", "ENABLED", "BACKEND_HEALTHCHECK_PORT_INDEX"}
"""They decide which ports and checks there are: tests/unit/haproxy_bridge/test_services.py."""


def test_the_table_is_whole() -> None:
    assert VALUES.keys() | _OF_SELECTION == PORT_LABELS.keys()


@pytest.mark.parametrize("name", sorted(VALUES))
def test_a_value_label_has_its_effect(name: str) -> None:
    value, expected = VALUES[name]
    plain = {"VHOST": "a.example"}
    assert expected not in text(rendered(app("/a", **plain)))
    made = rendered(app("/a", **{**plain, name: value}))
    assert expected in text(made)
    assert {one.label for one in made.problems} <= {"HAPROXY_0_VHOST"}


ENABLING: dict[str, dict[str, str]] = {
    "USERLIST_HEAD": {"AUTH": "r:joe:hash"},
    "BACKEND_HSTS_OPTIONS": {"USE_HSTS": "true"},
    "BACKEND_STICKY_OPTIONS": {"STICKY": "true"},
    "HTTP_BACKEND_PROXYPASS_GLUE": {"HTTP_BACKEND_PROXYPASS_PATH": "/x"},
    "HTTP_BACKEND_REVPROXY_GLUE": {"HTTP_BACKEND_REVPROXY_PATH": "/x"},
    "HTTP_BACKEND_NETWORK_ALLOWED_ACL": {"BACKEND_NETWORK_ALLOWED_ACL": "10.0.0.0/8"},
    "TCP_BACKEND_NETWORK_ALLOWED_ACL": {
        "BACKEND_NETWORK_ALLOWED_ACL": "10.0.0.0/8",
        "MODE": "tcp",
    },
}


def mine_in(made: Rendered, front_end: str) -> list[str]:
    whole = made.config.decode().split(f"frontend {front_end}\n")[1]
    return re.findall(r"# mine (\S+)", whole.split("\n\n")[0])


@pytest.mark.parametrize("way", WAYS)
def test_the_pieces_of_a_way_are_those_of_marathon_lb(way: str) -> None:
    every = sorted(templates.OF_ROUTES - UNREAD)
    made = rendered(app("/a", **asked(way), **{name: f"  # mine {name}" for name in every}))
    assert mine_in(made, "marathon_http_in") == written(way, 0)
    assert mine_in(made, "marathon_https_in") == written(way, 1)
    told = {one.label.removeprefix("HAPROXY_0_") for one in made.problems}
    assert told == set(every) - {*written(way, 0), *written(way, 1)}
    assert "a.example" not in "".join(one.decode() for one in made.files.values())


@pytest.mark.parametrize("way", WAYS)
def test_one_own_piece_brings_the_others_of_its_way(way: str) -> None:
    for front_end, other in ((0, "https"), (1, "http")):
        here = ("http", "https")[front_end]
        for name in dict.fromkeys(written(way, front_end)):
            made = rendered(app("/a", **asked(way), **{name: f"  # mine {name}"}))
            assert set(mine_in(made, f"marathon_{here}_in")) == {name}
            assert not mine_in(made, f"marathon_{other}_in")
            assert "use_backend a_10000 if { var(txn.stayer_host)" in stanza(
                made, f"frontend marathon_{other}_in"
            )
            asks = "auth" in way and "_AUTH" in name
            passed = f"|| {{ var(txn.stayer_in) -m str {here} }}"
            assert (passed in stanza(made, "backend a_10000")) == asks


def stanza(made: Rendered, head: str) -> str:
    return made.config.decode().split(f"\n{head}\n")[1].split("\n\n")[0]


def test_an_operators_piece_is_for_all() -> None:
    options = replace(RENDER, templates={"HTTP_FRONTEND_ACL": "  # mine {hostname}"})
    services = build(snapshot(app("/a", VHOST="a.example"), app("/b", VHOST="b.example")), OPTIONS)
    assert mine_in(render(services, options), "marathon_http_in") == ["a.example", "b.example"]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("MAP_HTTP_FRONTEND_ACL", "in maps"),
        ("HTTPS_GROUPED_FRONTEND_HEAD", "--ssl-certs"),
        ("SSL_CERT", "--ssl-certs"),
        ("BACKEND_HAED", "did you mean HAPROXY_BACKEND_HEAD?"),
        ("X", "there is no template of this name"),
    ],
)
def test_an_operators_piece_that_nothing_reads_is_told(name: str, why: str) -> None:
    own = {name: "x", "HTTP_FRONTEND_HEAD": "\nfrontend f\n"}
    made = render(build(snapshot(app("/a")), OPTIONS), replace(RENDER, templates=own))
    (problem,) = made.problems
    assert (problem.trouble, problem.label) == (Trouble.IGNORED, f"HAPROXY_{name}")
    assert why in problem.message


def test_the_order_of_ways() -> None:
    """By weight, a path counts 1; what is below 0 comes behind everything."""
    own = {"HTTP_FRONTEND_ACL": "  # mine {backend}"}
    made = rendered(
        app("/a", 1, VHOST="*.example", BACKEND_WEIGHT="-1"),
        app("/b", 2, VHOST="b.example", **own),
        app(
            "/c", 3, VHOST="c.example", PATH="/x", HTTP_FRONTEND_ACL_WITH_PATH="  # mine {backend}"
        ),
        app("/d", 4, VHOST="d.example", BACKEND_WEIGHT="2", **own),
        app("/e", 5, VHOST="*.e.example"),
        app("/f", 6, VHOST="f.example"),
        app("/g", 7, VHOST="g.example", BACKEND_WEIGHT="0"),
    )
    text = stanza(made, "frontend marathon_http_in")
    found = re.findall(r"# mine (\w+)|use_backend (\w+|%)", text)
    assert [one or other for one, other in found] == ["d_4", "c_3", "%", "b_2", "e_5", "a_1"]


@pytest.mark.parametrize("name", sorted(templates.OF_APPS - UNREAD - templates.OF_ROUTES))
def test_a_template_label_replaces_its_piece(name: str) -> None:
    labels = {"VHOST": "a.example", **ENABLING.get(name, {})}
    made = checked(app("/a", **{**labels, name: "  # mine, of {backend}"}), *_checks(name))
    mine = "  # mine, of {backend}" if name == "BACKEND_HTTP_OPTIONS" else "# mine, of a_10000"
    assert mine in text(rendered(made))
    assert "# mine" not in text(rendered(checked(app("/a", **labels), *_checks(name))))


def _checks(name: str) -> tuple[Check, ...]:
    return (Check(CheckKind.HTTP, "/"),) if "_HTTP_HEALTHCHECK" in name else ()


@pytest.mark.parametrize("name", sorted(UNREAD))
def test_a_template_that_stands_for_nothing_here_is_told(name: str) -> None:
    made = rendered(app("/a", **{"VHOST": "a.example", name: "  # mine"}))
    assert "# mine" not in text(made)
    told = [(one.trouble, one.label) for one in made.problems]
    assert told == [(Trouble.IGNORED, f"HAPROXY_0_{name}")]


@pytest.mark.parametrize(
    ("labels", "label"),
    [
        ({"PATH": "/x"}, "PATH"),
        ({"BACKEND_WEIGHT": "1"}, "BACKEND_WEIGHT"),
        ({"STICKY": "true"}, "STICKY"),
        ({"MODE": "http", "REDIRECT_TO_HTTPS": "true"}, "REDIRECT_TO_HTTPS"),
        ({"VHOST": "a.example", "PATH": "/x", "TLS_PASSTHROUGH": "true"}, "PATH"),
        (
            {"VHOST": "a.example", "BIND_OPTIONS": "ssl verify required ca-file /ca.pem"},
            "BIND_OPTIONS",
        ),
        ({"MODE": "http", "STICKY": "1"}, "STICKY"),
        ({"MODE": "http", "STICKY": "On"}, "STICKY"),
    ],
)
def test_a_label_without_effect_is_told(labels: dict[str, str], label: str) -> None:
    made = rendered(app("/a", **labels))
    assert [(one.trouble, one.label) for one in made.problems] == [
        (Trouble.IGNORED, f"HAPROXY_0_{label}")
    ]
    assert made.backends


@pytest.mark.parametrize("word", ["false", "No", "0", "", "TRUE", "y"])
def test_a_word_that_is_clear_is_not_told(word: str) -> None:
    assert not rendered(app("/a", MODE="http", STICKY=word)).problems


def test_a_port_that_is_not_served_for_a_doubtful_word_is_told() -> None:
    made = rendered(app("/a", ENABLED="1"))
    assert [one.label for one in made.problems] == ["HAPROXY_0_ENABLED"]
    assert not made.backends


@pytest.mark.parametrize(("text", "told"), [("", 0), ("0", 0), ("3", 1)])
def test_an_apps_own_label_without_effect_is_told(text: str, told: int) -> None:
    made = rendered(app("/a", DEPLOYMENT_GROUP="g", DEPLOYMENT_NEW_INSTANCES=text))
    found = [(one.trouble, one.label) for one in made.problems]
    assert found == [(Trouble.IGNORED, "HAPROXY_DEPLOYMENT_NEW_INSTANCES")] * told
    assert made.backends


def test_nobody_is_served_without_the_password_that_was_asked_for() -> None:
    made = rendered(app("/a", AUTH="r:joe:hash"))
    assert not made.backends
    assert made.problems[-1].keeps_out


def test_hosts_of_a_tcp_port_are_told_and_its_port_is_served() -> None:
    made = rendered(app("/a", VHOST="a.example", MODE="tcp"))
    assert "frontend a_10000" in made.config.decode()
    assert "a.example" not in text(made)
    assert [one.trouble for one in made.problems] == [Trouble.UNSUPPORTED]


def test_a_suspended_app_keeps_an_empty_backend() -> None:
    made = rendered(replace(app("/a", VHOST="a.example"), tasks=(), wanted=0))
    assert [(one.name, one.servers) for one in made.backends] == [("a_10000", ())]
    assert "a.example/ a_10000" in text(made)
