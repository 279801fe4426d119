"""haproxy itself takes whatever the bridge makes of evil labels, and an API that lies or never ends
changes nothing on the node."""

import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from msgspec.structs import replace

from haproxy_bridge.exits import Exit
from haproxy_bridge.render import RenderOptions, render
from haproxy_bridge.render.texts import ROUTES
from haproxy_bridge.services import Policy, ServiceOptions, build
from haproxy_bridge.services.labels import PORT_LABELS
from haproxy_bridge.snapshot import App, Check, CheckKind, Port
from haproxy_bridge.swap.check import check
from tests.edge.fixtures import Edge
from tests.unit.cli.scripted_http import Misbehaviour
from tests.unit.haproxy_bridge.hostile import EVIL
from tests.unit.haproxy_bridge.made import app, checked, snapshot
from tests.unit.haproxy_bridge.ways import WAYS, asked, written

OPTIONS = RenderOptions(
    http_bind="127.0.0.1:80",
    https_bind="127.0.0.1:443",
    log="",
    appid_bind="127.0.0.1:9091",
    stats_bind="127.0.0.1:9090",
)
ALL = ServiceOptions(groups=("*",))
RAW = ServiceOptions(policy=Policy(templates=True))
_OF_THE_NODE = {"SSL_CERT", "BIND_ADDR", "BIND_OPTIONS"}
"""What they name may not be there: haproxy looks, and the app is left out."""


def refused(*apps: App, options: ServiceOptions, folder: Path) -> tuple[str, ...]:
    """What haproxy has against a configuration of these apps."""
    rendered = render(build(snapshot(*apps), options), OPTIONS)
    found = check("haproxy", folder, rendered)
    return () if found is None else found.messages


@pytest.mark.parametrize("name", sorted({*PORT_LABELS} - _OF_THE_NODE))
@pytest.mark.parametrize("more", [{"VHOST": "a{}.example"}, {"MODE": "http"}, {"MODE": "tcp"}])
def test_haproxy_takes_what_is_made_of_labels(
    name: str, more: dict[str, str], tmp_path: Path
) -> None:
    apps = [
        app(
            f"/a{number}",
            20000 + number,
            **{key: value.format(number) for key, value in more.items()} | {name: text},
        )
        for number, text in enumerate(EVIL)
    ]
    assert refused(*apps, options=ALL, folder=tmp_path) == ()


def test_haproxy_takes_what_is_made_of_all_other_texts(tmp_path: Path) -> None:
    apps = []
    for number, text in enumerate(EVIL):
        path = "/" + text if text.isprintable() else "/"  # as the readers of answers let through
        made = checked(
            app(f"/a{number}", 20000 + number),
            Check(CheckKind.HTTP, path, interval_seconds=2.5, timeout_seconds=0.1),
        )
        one = replace(made.tasks[0], id=text, host=text, version=text)
        ports = (Port(20000 + number, name=text, labels={f"HAPROXY_{text}": text, text: text}),)
        apps.append(replace(made, tasks=(one, replace(one, id="b")), version=text, ports=ports))
    assert refused(*apps, options=ALL, folder=tmp_path) == ()


def test_haproxy_takes_every_way_with_a_piece_of_somebodys_own(tmp_path: Path) -> None:
    """Each of marathon-lb's pieces once; they need what the other pieces of the way define."""
    apps: list[App] = []
    for number, way in enumerate(WAYS):
        for front_end in (0, 1):
            for name in dict.fromkeys(written(way, front_end)):
                host = f"h{len(apps)}.example"
                labels = asked(way)
                labels["VHOST"] = labels["VHOST"].replace("a.example", host)
                labels["VHOST"] = labels["VHOST"].replace("b.example", f"{number}{host}")
                own = ROUTES.get(name, "  redirect scheme https if host_{cleanedUpHostname}")
                apps.append(app(f"/w{len(apps)}", 20000 + len(apps), **labels, **{name: own}))
    # Without a certificate, which would have to be made.
    head = "frontend marathon_https_in\n  bind {httpsBind}\n  mode http\n"
    options = replace(OPTIONS, certificates=("-",), templates={"HTTPS_FRONTEND_HEAD": head})
    made = render(build(snapshot(*apps), RAW), options)
    assert not made.problems
    assert len(made.backends) == len(apps)
    found = check("haproxy", tmp_path, made)
    assert found is None, found


def test_what_names_things_of_the_node_leaves_out_its_own_app_alone(edge: Edge) -> None:
    good = edge.task("good")
    options = replace(edge.options, services=ServiceOptions(policy=Policy(templates=True)))
    edge.options = options
    evil = [
        edge.app(f"bad{n}", [good], n + 1, VHOST=f"bad{n}.example", **labels)
        for n, labels in enumerate(
            (
                {"SSL_CERT": "/nowhere/at.pem"},
                {"BIND_ADDR": "no.such.host.invalid"},
                {"BIND_OPTIONS": "ssl"},
                {"BIND_OPTIONS": "no-such-word"},
                {"BACKEND_HEAD": "listen evil\n  nonsense"},
                {"HTTP_FRONTEND_ACL": "  use_backend nowhere if no_such_acl"},
            )
        )
    ]
    edge.say(edge.app("good", [good], 0, VHOST="good.example"), *evil)
    outcome = edge.run()
    assert outcome.exit is Exit.PARTIAL
    told = {one.app_id for one in outcome.problems if one.keeps_out}
    assert told == {f"/bad{n}" for n in range(len(evil))}
    assert edge.haproxy.ask("good.example")[:2] == (200, "good")


def _head(handler: BaseHTTPRequestHandler, length: int | None) -> None:
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()


_WHOLE = b'{"apps": []}'


def _too_short(handler: BaseHTTPRequestHandler) -> None:
    _head(handler, len(_WHOLE) - 1)
    handler.wfile.write(_WHOLE)


def _too_long(handler: BaseHTTPRequestHandler) -> None:
    _head(handler, len(_WHOLE) + 1)
    handler.wfile.write(_WHOLE)


def _cut(handler: BaseHTTPRequestHandler) -> None:
    _head(handler, None)
    handler.wfile.write(b'{"apps": [{"id": "/a", "tasks": [')


def _chunks_cut(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"5\r\n" + _WHOLE)


def _deep(handler: BaseHTTPRequestHandler) -> None:
    content = b'{"apps": ' + b"[" * 1_000_000
    _head(handler, len(content))
    handler.wfile.write(content)


def _deep_label(handler: BaseHTTPRequestHandler) -> None:
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    content = b'{"apps": [{"id": "/a", "deployments": [' + deep + b"]}]}"
    _head(handler, len(content))
    handler.wfile.write(content)


def _big(handler: BaseHTTPRequestHandler) -> None:
    """100 MB of what is no list of apps."""
    content = b'{"apps": [' + b'"' + b"x" * 100_000_000 + b'"]}'
    _head(handler, len(content))
    handler.wfile.write(content)


def _endless(handler: BaseHTTPRequestHandler) -> None:
    _head(handler, None)
    piece = b" " * 1_000_000
    while True:
        handler.wfile.write(piece)  # ends when nobody reads any more


def _byte_by_byte(handler: BaseHTTPRequestHandler) -> None:
    _head(handler, None)
    pause = threading.Event()
    while not pause.wait(0.02):
        handler.wfile.write(b" ")


def _headers_byte_by_byte(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    pause = threading.Event()
    while not pause.wait(0.02):
        handler.wfile.write(b"x")


def _quietly(misbehave: Misbehaviour) -> Misbehaviour:
    def run(handler: BaseHTTPRequestHandler) -> None:
        try:
            misbehave(handler)
        except OSError:
            handler.close_connection = True  # whoever asked has gone, as it should

    return run


@pytest.mark.parametrize(
    "misbehave",
    [
        _too_short,
        _too_long,
        _cut,
        _chunks_cut,
        _deep,
        _deep_label,
        _big,
        _endless,
        _byte_by_byte,
        _headers_byte_by_byte,
    ],
)
def test_an_api_that_lies_or_never_ends_changes_nothing(
    edge: Edge, misbehave: Misbehaviour
) -> None:
    a = edge.task("a")
    edge.say(edge.app("a", [a], VHOST="a.example"))
    assert edge.run().exit is Exit.OK
    good = edge.haproxy.config.read_bytes()
    edge.impatient(seconds=2)
    edge.marathon.script["GET /v2/apps"] = _quietly(misbehave)
    outcome = edge.run()
    assert outcome.exit is Exit.UNREACHABLE, outcome
    assert outcome.why
    assert edge.haproxy.config.read_bytes() == good
    assert edge.haproxy.ask("a.example")[:2] == (200, "a")
    edge.say(edge.app("a", [a], VHOST="a.example"))
    assert edge.run().exit is Exit.OK
