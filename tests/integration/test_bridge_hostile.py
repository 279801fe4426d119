"""haproxy itself takes whatever the bridge makes of evil labels; what it does not take keeps back
no other app; and an API that lies or never ends changes nothing on the node."""

import math
import shutil
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from haproxy_bridge.exits import Exit
from haproxy_bridge.render import RenderOptions, render
from haproxy_bridge.render.texts import ROUTES
from haproxy_bridge.rendered import Trouble
from haproxy_bridge.run.outcome import Outcome
from haproxy_bridge.run.resident import Resident
from haproxy_bridge.run.turn import How
from haproxy_bridge.services import Policy, ServiceOptions, build
from haproxy_bridge.services.labels import PORT_LABELS
from haproxy_bridge.snapshot import App, Check, CheckKind, Port
from haproxy_bridge.source import Reader, SourceOptions
from haproxy_bridge.swap.check import check
from tests.edge.fixtures import Edge
from tests.edge.tasks import TaskServer
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


MANY = 300
_LINE = {"BACKEND_HTTP_OPTIONS": "  no-such-directive"}
_NO_LINE = {"HTTP_FRONTEND_ACL": "  use_backend nowhere"}
"""haproxy misses the backend when it has read all, and says of no line that it is bad."""


class Asked:
    """The program that checks: haproxy itself, and a note each time that it is started."""

    def __init__(self, edge: Edge) -> None:
        self._notes = edge.haproxy.folder / "asked"
        program = edge.haproxy.folder / "haproxy"
        haproxy = shutil.which("haproxy")
        program.write_text(f'#!/bin/sh\necho "$1" >> {self._notes}\nexec {haproxy} "$@"\n')
        program.chmod(0o700)
        edge.options = replace(edge.options, services=RAW, haproxy=str(program))

    def since(self) -> int:
        """How often since it was last looked at."""
        found = self._notes.read_text().split() if self._notes.exists() else []
        assert set(found) <= {"-c"}
        self._notes.unlink(missing_ok=True)
        return len(found)


def _host(number: int, release: int) -> str:
    return f"h{number}.r{release}.example"


def _many(edge: Edge, tasks: list[TaskServer], release: int, **turned: str) -> list[dict[str, Any]]:
    """By virtual host, as so many ports of this machine are not ours; one in the middle says
    more."""
    apps = []
    for number in range(MANY):
        labels = turned if number == MANY // 2 else {}
        one = edge.app(f"a{number:03}", tasks, 0, VHOST=_host(number, release), **labels)
        one["portDefinitions"] = [{"port": 0}]
        apps.append(one)
    return apps


@pytest.mark.parametrize(
    ("bad", "looks"),
    [(_LINE, 2), (_NO_LINE, 1 + 2 * (2 + math.ceil(math.log2(MANY + 1))))],
    ids=["haproxy-names-the-line", "haproxy-names-no-line"],
)
def test_of_many_apps_bad_ones_cost_few_looks_and_keep_back_themselves_alone(
    edge: Edge, bad: dict[str, str], looks: int
) -> None:
    """One was good before and turns bad, one comes as a bad one, and all others change."""
    asked = Asked(edge)
    one, two, three = (edge.task(name) for name in ("one", "two", "three"))
    turned = MANY // 2
    resident = Resident(Reader(edge.client, SourceOptions()), edge.options, lambda: edge.now_ms)

    def turn(*apps: dict[str, Any], everything: bool = True) -> Outcome:
        edge.now_ms += 60_000
        edge.say(*apps)
        return resident.turn(How(everything=everything))

    def served_by(number: int, release: int, requests: int = 4) -> set[str]:
        answers = [edge.haproxy.ask(_host(number, release))[:2] for _ in range(requests)]
        return {name if status == 200 else str(status) for status, name in answers}

    with resident.opened():
        assert turn(*_many(edge, [one], 1)).exit is Exit.OK
        assert asked.since() == 1
        newcomer = edge.app("newcomer", [one], 1, VHOST="newcomer.example", **bad)
        outcome = turn(*_many(edge, [one, two], 2, **bad), newcomer)
        assert (outcome.exit, outcome.services, outcome.servers) == (Exit.PARTIAL, MANY, 2 * MANY)
        told = {(each.app_id, each.trouble) for each in outcome.problems if each.keeps_out}
        bad_ones = {f"/a{turned}", "/newcomer"}
        assert told == {(name, Trouble.REFUSED) for name in bad_ones}
        assert asked.since() <= looks
        edge.haproxy.wait_alone()
        for number in range(MANY):
            mine, other = (1, 2) if number == turned else (2, 1)
            assert served_by(number, mine, 1) <= {"one", "two"}, number
            assert served_by(number, other, 1) == {"503"}, number
        assert served_by(turned, 1) == {"one", "two"}, "what it last was good as, with tasks of now"
        assert edge.haproxy.ask("newcomer.example")[0] == 503

        # Nothing of it is asked again for what comes and goes meanwhile.
        outcome = turn(*_many(edge, [two, three], 2, **bad), newcomer, everything=False)
        assert (outcome.exit, outcome.reloaded) == (Exit.PARTIAL, False)
        assert {each.app_id for each in outcome.problems if each.keeps_out} == bad_ones
        assert asked.since() == 0
        assert served_by(turned, 1) == served_by(0, 2) == {"two", "three"}
        outcome = turn(*_many(edge, [two, three], 2, **bad), newcomer)
        assert (outcome.exit, outcome.changed) == (Exit.PARTIAL, False)
        assert 1 <= asked.since() <= looks, "at each whole look: what it wanted may be there"
        mended = {**newcomer, "labels": {"HAPROXY_0_VHOST": "newcomer.example"}}
        assert turn(*_many(edge, [two], 2), mended, everything=False).exit is Exit.OK
        assert edge.haproxy.ask("newcomer.example")[:2] == (200, "one")


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
