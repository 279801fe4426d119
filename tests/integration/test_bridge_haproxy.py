"""The bridge on a real haproxy: routes, changes without a reload, and what is kept when things go
wrong. The scheduler is scripted; the tasks are real.
"""

import base64
import http.client
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from haproxy_bridge.exits import Exit
from haproxy_bridge.rendered import Trouble
from haproxy_bridge.runtime import master
from haproxy_bridge.services import Policy, ServiceOptions
from haproxy_bridge.swap.load import LoadOptions
from tests.edge.fixtures import Edge
from tests.edge.tasks import TaskServer
from tests.polling import eventually
from tests.unit.cli.scripted_http import Answer, hang_up
from tests.zookeeper.certificates import make_certificates

CRYPTED = "$5$abc$qsg6EHbUzHQzF1POlD7zUwBINSELQxypPaeDcZe6vH0"
"""Of `secret`."""
RAW = ServiceOptions(policy=Policy(templates=True))


def reloads(edge: Edge) -> int:
    return master.processes(edge.haproxy.master_socket).reloads


def names(edge: Edge, requests: int = 20, **how: str) -> set[str]:
    """Who answers."""
    answers = [edge.haproxy.ask(**how) for _ in range(requests)]  # type: ignore[arg-type]  # all texts
    assert {status for status, _, _ in answers} == {200}
    return {body for _, body, _ in answers}


def test_requests_find_their_app(edge: Edge) -> None:
    a, b, c, d, e, f, g = (edge.task(name) for name in "abcdefg")
    edge.say(
        edge.app("a", [a], 0, VHOST="x.example"),
        edge.app("b", [b], 1, VHOST="x.example", PATH="/api"),
        edge.app("c", [c], 2, VHOST="*.x.example"),
        edge.app("d", [d], 3, VHOST=r"~d[0-9]+\.example"),
        edge.app("e", [e], 4, VHOST="e.example", PATH="-i /Deep"),
        edge.app("f", [f], 5, MODE="http"),
        edge.app("g", [g], 6, VHOST="x.example", MATCH_HEADER="X-Canary: yes"),
        edge.app("h", [g], 7, VHOST="e.example", PATH="/deep", MATCH_COOKIE="who=g"),
        edge.app("i", [g], 8, VHOST="*.x.example", MATCH_QUERY="try"),
        edge.app("j", [], 9, VHOST="j.example", ERROR_PAGE="<h1>j is # away</h1>\n"),
        edge.app("k", [g], 10, VHOST="x.example", PATH="-i /Any"),
    )
    outcome = edge.run()
    assert (outcome.exit, outcome.reloaded) == (Exit.OK, True), outcome
    expected = {
        ("x.example", "/"): "a",
        ("X.Example:8080", "/y"): "a",
        ("x.example.", "/"): "a",
        ("x.example", "/api/z"): "b",
        ("x.example", "/aNY/z"): "g",
        ("w.x.example", "/api"): "c",
        ("d12.example", "/"): "d",
        ("e.example", "/dEEP/er"): "e",
    }
    found = {route: edge.haproxy.ask(*route)[1] for route in expected}
    assert found == expected
    pinned = {
        ("x.example", "/", "X-Canary", "yes"): "g",
        ("x.example", "/", "X-Canary", "no"): "a",
        ("x.example", "/api/z", "X-Canary", "yes"): "b",
        ("e.example", "/deep", "Cookie", "a=b; who=g"): "g",
        ("e.example", "/deep", "Cookie", "who=x"): "e",
        ("w.x.example", "/?try", "X-None", ""): "c",
        ("w.x.example", "/?try=1", "X-None", ""): "g",
    }
    asked = {
        (host, path, name, value): edge.haproxy.ask(host, path, headers={name: value})[1]
        for host, path, name, value in pinned
    }
    assert asked == pinned
    assert edge.haproxy.ask("j.example")[:2] == (503, "<h1>j is # away</h1>\n")
    assert edge.haproxy.ask("e.example", "/elsewhere")[0] == 503
    assert edge.haproxy.ask("nobody.example")[0] == 503
    assert edge.haproxy.ask(port=edge.first_port + 5)[1] == "f"
    by_id = {"X-Marathon-App-Id": "/f"}
    assert edge.haproxy.ask(port=edge.haproxy.appid, headers=by_id)[1] == "f"


def test_what_labels_ask_of_http(edge: Edge) -> None:
    a, b = edge.task("a"), edge.task("b")
    users = ServiceOptions(users={"ops": (("ann", CRYPTED),)})
    edge.options = replace(edge.options, services=users)
    edge.say(
        edge.app("a", [a], 0, VHOST="auth.example", AUTH="my realm:joe:$5$x$y"),
        edge.app("b", [a], 1, VHOST="far.example", BACKEND_NETWORK_ALLOWED_ACL="192.0.2.0/24"),
        edge.app("c", [a], 2, VHOST="near.example", BACKEND_NETWORK_ALLOWED_ACL="127.0.0.0/8"),
        edge.app("d", [a], 3, VHOST="tls.example", REDIRECT_TO_HTTPS="true"),
        edge.app("e", [a], 4, VHOST="r.example", HTTP_BACKEND_REDIR="/start", STICKY="true"),
        edge.app(
            "f",
            [a],
            5,
            VHOST="a.example",
            HTTP_BACKEND_PROXYPASS_PATH="/old",
            HTTP_BACKEND_REVPROXY_PATH="/new",
        ),
        edge.app("g", [a], 6, VHOST="few.example", RATE_LIMIT="3/60s"),
        edge.app("h", [a], 7, VHOST="w.example,www.w.example", REDIRECT_WWW="true"),
        edge.app("i", [a], 8, VHOST="ops.example", AUTH_LIST="ops"),
        edge.app("j", [a], 9, VHOST="both.example", BACKEND_NAME="both"),
        edge.app("k", [b], 10, VHOST="both.example", BACKEND_NAME="both"),
    )
    assert edge.run().exit is Exit.OK
    assert names(edge, host="both.example") == {"a", "b"}
    ask = edge.haproxy.ask
    assert ask("auth.example")[0] == 401
    for password, status in (("secret", 200), ("other", 401)):
        given = base64.b64encode(f"ann:{password}".encode()).decode()
        assert ask("ops.example", headers={"Authorization": f"Basic {given}"})[0] == status
    assert ask("far.example")[0] == 403
    assert ask("near.example")[0] == 200
    status, _, headers = ask("tls.example", "/x")
    assert (status, headers["location"]) == (301, "https://tls.example/x")
    assert ask(port=edge.first_port + 3)[0] == 200
    assert ask("r.example")[2]["location"] == "/start"
    assert "mesosphere_server_id" in ask("r.example", "/x")[2]["set-cookie"]
    assert ask("a.example", "/old/x")[2]["location"] == "/new/old/x"
    assert a.seen[-1]["path"] == "/x"
    assert a.seen[-1]["x-forwarded-proto"] == "http"
    assert [ask("few.example")[0] for _ in range(5)] == [200, 200, 200, 429, 429]
    status, _, headers = ask("www.w.example", "/y")
    assert (status, headers["location"]) == (301, "//w.example/y")


def test_what_an_operator_asks_for_all(make_edge: Callable[..., Edge], tmp_path: Path) -> None:
    """TLS that ends here, a proxy in front, challenges, a page for errors, and a log of JSON."""
    made = make_certificates(tmp_path, "127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
        log.bind(("127.0.0.1", 0))
        log.settimeout(60)
        edge = make_edge(
            render={
                "certificates": (str(made.server),),
                "trusted_proxies": ("127.0.0.0/8",),
                "json_log": True,
                "error_page": "<p>away",
            }
        )
        a, challenged = edge.task("a"), edge.task("challenged")
        render = replace(
            edge.options.render,
            log=f"127.0.0.1:{log.getsockname()[1]} local0",
            acme=f"127.0.0.1:{challenged.port}",
        )
        edge.options = replace(edge.options, render=render)
        edge.say(
            edge.app("a", [a], 0, VHOST="a.example", REDIRECT_TO_HTTPS="true", USE_HSTS="true"),
            edge.app("b", [a], 1, VHOST="b.example", BACKEND_NETWORK_ALLOWED_ACL="192.0.2.0/24"),
            edge.app("c", [], 2, VHOST="c.example"),
            edge.app("d", [a], 3),
            version="2026:x",
        )
        outcome = edge.run()
        assert outcome.exit is Exit.OK, outcome
        ask = edge.haproxy.ask
        assert ask("c.example", '/?"x')[:2] == (503, "<p>away")
        lines = iter(lambda: log.recv(65_536).partition(b": ")[2], b"")
        said = json.loads(next(line for line in lines if line.startswith(b"{")))
        assert (said["app"], said["status"], said["uri"]) == ("/c", 503, '/?"x')
        assert ask("b.example")[0] == 403
        _clients_behind_proxies(edge, a)
        _lines_name_tasks(edge, lines)
        assert ask("a.example")[0] == 301
        _schemes_behind_proxies(edge, a)
        assert ask("a.example", "/.well-known/acme-challenge/x")[1] == "challenged"
        trust = ssl.create_default_context(cafile=str(made.authority))
        tls = http.client.HTTPSConnection("127.0.0.1", edge.haproxy.https, context=trust)
        with closing(tls):
            tls.request("GET", "/", headers={"Host": "a.example"})
            answer = tls.getresponse()
            assert (answer.status, answer.read()) == (200, b"a")
            assert answer.headers["Strict-Transport-Security"]
        assert a.seen[-1]["x-forwarded-proto"] == "https"
        proxied = replace(edge.options.render, accept_proxy=True, trusted_proxies=())
        edge.options = replace(edge.options, render=proxied)
        assert edge.run().reloaded
        edge.haproxy.wait_alone()
        assert by_proxy(edge, "192.0.2.7") == 200
        assert by_proxy(edge, "198.51.100.7") == 403


def by_proxy(edge: Edge, client: str) -> int:
    """The status that b.example answers to this client behind a proxy."""
    with socket.create_connection(("127.0.0.1", edge.haproxy.http), 60) as connection:
        head = f"PROXY TCP4 {client} 127.0.0.1 1 80\r\n"
        connection.sendall(f"{head}GET / HTTP/1.0\r\nHost: b.example\r\n\r\n".encode())
        return int(connection.makefile("rb").readline().split()[1])


def _clients_behind_proxies(edge: Edge, task: TaskServer) -> None:
    """Whom the outermost of our proxies saw is the client, whatever that one claimed."""
    clients = {
        "6.6.6.6, 192.0.2.7": "192.0.2.7",
        "6.6.6.6, 192.0.2.7, 127.0.0.9": "192.0.2.7",
        "192.0.2.7, 6.6.6.6, 127.0.0.9": "",
        "192.0.2.7, unknown, 127.0.0.9": "",
        "192.0.2.7, 127.0.0.8, 127.0.0.7": "192.0.2.7",
    }
    for told, client in clients.items():
        status, *_ = edge.haproxy.ask("b.example", headers={"X-Forwarded-For": told})
        assert status == (200 if client else 403), told
        assert not client or task.seen[-1]["x-forwarded-for"] == client


def _schemes_behind_proxies(edge: Edge, task: TaskServer) -> None:
    """TLS that ended in front of us is none to ask for again; what a task is told is only that."""
    for told, status in (("https", 200), ("HTTPS", 200), ("http", 301), ("https, http", 301)):
        headers = {"X-Forwarded-Proto": told}
        assert edge.haproxy.ask("a.example", headers=headers)[0] == status, told
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
    assert edge.haproxy.ask("b.example", headers=headers)[0] == 200
    seen = task.seen[-1]
    assert (seen["x-forwarded-proto"], seen["x-forwarded-port"]) == ("https", "443")
    headers["X-Forwarded-Proto"] = "gopher"
    assert edge.haproxy.ask("b.example", headers=headers)[0] == 200
    assert task.seen[-1]["x-forwarded-proto"] == "http"


def _lines_name_tasks(edge: Edge, lines: Iterator[bytes]) -> None:
    """Of http, however long the line, and of tcp."""
    path = "/" + 900 * '"'
    headers = {"X-Forwarded-For": "192.0.2.7"}
    assert edge.haproxy.ask("b.example", path, headers=headers)[0] == 200
    assert edge.haproxy.ask(port=edge.first_port + 3)[0] == 200
    said = (json.loads(line) for line in lines if line.startswith(b"{"))
    http = next(line for line in said if line.get("uri") == path)
    assert (http["app"], http["client"]) == ("/b", "192.0.2.7")
    tcp = next(line for line in said if line["app"] == "/d")
    for line in (http, tcp):
        assert (line["task"], line["version"]) == ("a", "2026:x")


def test_ways_that_templates_lay(make_edge: Callable[..., Edge]) -> None:
    """As marathon-lb chooses among them; what is not replaced goes with what is."""
    edge = make_edge(services=RAW)
    a = edge.task("a")
    from_here, from_afar = "src 127.0.0.1", "src 192.0.2.1"
    route = "  acl host_{cleanedUpHostname} hdr(host) -i {hostname}\n  use_backend {backend} if "
    only = route + "host_{cleanedUpHostname} {{ %s }}"
    open_path = (
        "  acl auth_{cleanedUpHostname} http_auth(user_{backend})\n"
        "  acl host_{cleanedUpHostname} hdr(host) -i {hostname}\n"
        '  http-request auth realm "{realm}" if host_{cleanedUpHostname} '
        "!auth_{cleanedUpHostname} !{{ path /ping }}\n"
        "  use_backend {backend} if host_{cleanedUpHostname}"
    )
    redirect = "  redirect scheme https code 302 if !{{ ssl_fc }} host_{cleanedUpHostname}"
    users = {"AUTH": "my realm:joe:$5$x$y"}
    edge.say(
        edge.app("a", [a], 0, VHOST="near.example", HTTP_FRONTEND_ACL=only % from_here),
        edge.app("b", [a], 1, VHOST="far.example", HTTP_FRONTEND_ACL=only % from_afar),
        edge.app("c", [a], 2, VHOST="c.example", HTTP_FRONTEND_ACL_WITH_AUTH=open_path, **users),
        edge.app(
            "d",
            [a],
            3,
            VHOST="d.example,e.example",
            HTTP_FRONTEND_ACL_ONLY="  acl host_{cleanedUpHostname} hdr(x-host) {hostname}",
        ),
        edge.app(
            "e",
            [a],
            4,
            VHOST="f.example,g.example",
            PATH="/x /y",
            HTTP_FRONTEND_ROUTING_ONLY_WITH_PATH="  use_backend {backend} if path_{backend}",
        ),
        edge.app(
            "f",
            [a],
            5,
            VHOST="t.example",
            REDIRECT_TO_HTTPS="true",
            BACKEND_REDIRECT_HTTP_TO_HTTPS=redirect,
        ),
    )
    outcome = edge.run()
    assert outcome.exit is Exit.OK, outcome

    def status(host: str, path: str = "/", **headers: str) -> int:
        return edge.haproxy.ask(host, path, headers=headers)[0]

    assert [status(f"{host}.example") for host in ("near", "far")] == [200, 503]
    assert [status("c.example"), status("c.example", "/ping")] == [401, 200]
    assert edge.haproxy.ask("c.example", "/ping", port=edge.first_port + 2)[0] == 401
    by_header = {"x-host": "e.example"}
    assert [status("e.example"), status("any.example", **by_header)] == [503, 200]
    assert [status("any.example", "/y"), status("g.example", "/z")] == [200, 503]
    assert [status("t.example"), edge.haproxy.ask(port=edge.first_port + 5)[0]] == [302, 200]


def test_members_come_and_go_without_a_reload(edge: Edge) -> None:
    one, two, three = (edge.task(name) for name in ("one", "two", "three"))
    edge.say(edge.app("a", [one], VHOST="a.example"))
    assert edge.run().reloaded
    before = reloads(edge)
    edge.say(edge.app("a", [one, two, three], VHOST="a.example"))
    outcome = edge.run()
    assert (outcome.exit, outcome.reloaded, outcome.added) == (Exit.OK, False, 2)
    assert names(edge, host="a.example") == {"one", "two", "three"}
    edge.say(edge.app("a", [three], VHOST="a.example"))
    assert edge.run().removed == 2
    assert names(edge, host="a.example") == {"three"}
    assert reloads(edge) == before
    assert not edge.run().changed
    edge.haproxy.stop()
    edge.haproxy.start()  # the file is what ran
    assert names(edge, host="a.example") == {"three"}
    assert not edge.run().changed


def test_a_removed_server_finishes_what_it_began(edge: Edge) -> None:
    one, two = edge.task("one"), edge.task("two")
    edge.say(edge.app("a", [one], MODE="http"))
    edge.run()
    with socket.create_connection(("127.0.0.1", edge.first_port)) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        eventually(lambda: one.waiting, "the request does not come")
        edge.say(edge.app("a", [two], MODE="http"))
        outcome = edge.run()
        assert (outcome.exit, outcome.reloaded) == (Exit.OK, False)
        assert edge.haproxy.ask(port=edge.first_port)[1] == "two"
        one.release.set()
        client.settimeout(30)
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    assert not edge.run().changed


def test_one_apps_bad_labels_leave_out_that_app_alone(make_edge: Callable[..., Edge]) -> None:
    edge = make_edge(services=RAW)
    a, b, c = edge.task("a"), edge.task("b"), edge.task("c")
    bad = {"BACKEND_HTTP_OPTIONS": "  nonsense here"}
    edge.say(edge.app("a", [a], 0, VHOST="a.example"), edge.app("b", [b], 1, VHOST="b.example"))
    edge.run()
    edge.say(
        edge.app("a", [a], 0, VHOST="a.example", **bad),
        edge.app("b", [b, c], 1, VHOST="b.example"),
        edge.app("c", [c], 2, VHOST="c.example", **bad),
    )
    outcome = edge.run()
    assert outcome.exit is Exit.PARTIAL
    told = {one.app_id: one.message for one in outcome.problems if one.trouble is Trouble.REFUSED}
    assert "unknown keyword 'nonsense'" in told["/a"]
    assert told["/a"].endswith("its labels as they last were stay in force")
    assert told["/c"].endswith("it is left out")
    assert names(edge, host="a.example") == {"a"}
    assert names(edge, host="b.example") == {"b", "c"}
    assert edge.haproxy.ask("c.example")[0] == 503


def test_a_configuration_that_can_not_be_loaded_is_taken_back(edge: Edge) -> None:
    a, probe = edge.task("a"), edge.task("probe")
    load = replace(
        edge.options.load, probe_url=f"http://127.0.0.1:{probe.port}/", probe_seconds=0.2
    )
    edge.options = replace(edge.options, load=load)
    edge.say(edge.app("a", [a], 0, VHOST="a.example"))
    edge.run()
    good = edge.haproxy.config.read_bytes()
    probe.ill = frozenset("/")
    edge.say(
        edge.app("a", [a], 0, VHOST="a.example"),
        edge.app("b", [a], 1, BIND_ADDR="127.0.0.1"),
    )
    outcome = edge.run()
    assert outcome.exit is Exit.NOT_RELOADED
    assert edge.haproxy.config.read_bytes() == good
    assert names(edge, host="a.example") == {"a"}
    probe.ill = frozenset()
    assert edge.run().exit is Exit.OK
    assert edge.haproxy.ask(port=edge.first_port + 1)[0] == 200


def test_a_port_that_somebody_else_has_leaves_out_that_app_alone(edge: Edge) -> None:
    a, b = edge.task("a"), edge.task("b")
    edge.say(edge.app("a", [a], 0, VHOST="a.example"))
    edge.run()
    wanted = [
        edge.app("a", [a, b], 0, VHOST="a.example,b.example"),
        edge.app("b", [a], 1, BIND_ADDR="127.0.0.1"),
        edge.app("c", [b], 2, BIND_ADDR="192.0.2.1"),
        edge.app("d", [b], 3, BIND_ADDR="127.0.0.1"),
    ]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", edge.first_port + 1))
        taken.listen()
        edge.say(*wanted)
        outcome = edge.run()
        assert outcome.exit is Exit.PARTIAL, outcome
        told = {one.app_id: one.message for one in outcome.problems}
        assert told.keys() == {"/b", "/c"}
        here = f"can not listen on 127.0.0.1:{edge.first_port + 1}: another process"
        assert here in told["/b"]
        assert "192.0.2.1" in told["/c"]
        assert "this machine has no such address" in told["/c"]
        assert names(edge, host="b.example") == {"a", "b"}
        assert edge.haproxy.ask(port=edge.first_port + 3)[1] == "b"
    edge.say(*wanted[:2], wanted[3])
    outcome = edge.run()
    assert (outcome.exit, outcome.problems) == (Exit.OK, ())
    assert edge.haproxy.ask(port=edge.first_port + 1)[1] == "a"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer({"apps": []}), Exit.HELD),
        (Answer(b"<html>maintenance</html>"), Exit.UNREACHABLE),
        (Answer({"message": "no leader"}, 503), Exit.UNREACHABLE),
        (Answer({"message": "Unauthorized"}, 401), Exit.UNREACHABLE),
        (Answer({"message": "Unauthorized"}), Exit.UNREACHABLE),
        (hang_up, Exit.UNREACHABLE),
    ],
)
def test_an_api_that_is_ill_leaves_everything_in_place(
    edge: Edge, answer: Answer, expected: Exit
) -> None:
    a = edge.task("a")
    edge.say(edge.app("a", [a], VHOST="a.example"))
    edge.run()
    good = edge.haproxy.config.read_bytes()
    edge.marathon.script["GET /v2/apps"] = answer
    outcome = edge.run()
    assert outcome.exit is expected
    assert outcome.why
    assert edge.haproxy.config.read_bytes() == good
    assert names(edge, host="a.example") == {"a"}
    edge.say(edge.app("a", [a], VHOST="a.example"))
    assert edge.run().exit is Exit.OK


def test_where_others_reload_haproxy_it_says_so_once(edge: Edge) -> None:
    a, b = edge.task("a"), edge.task("b")
    edge.options = replace(edge.options, load=LoadOptions())
    before = reloads(edge)
    edge.say(edge.app("a", [a], VHOST="a.example"))
    first = edge.run()
    assert (first.exit, first.changed, first.reloaded) == (Exit.OK, True, False)
    assert "has to be told" in " ".join(first.notes)
    assert (edge.run().changed, edge.run().notes) == (False, ())
    assert reloads(edge) == before
    master.reload(edge.haproxy.master_socket)
    assert names(edge, host="a.example") == {"a"}
    edge.say(edge.app("a", [a, b], VHOST="a.example"))
    assert (edge.run().added, edge.run().changed) == (1, False)
    assert names(edge, host="a.example") == {"a", "b"}


def test_an_app_without_tasks_keeps_its_backend(edge: Edge) -> None:
    a = edge.task("a")
    edge.say(edge.app("a", [a], VHOST="a.example"))
    edge.run()
    before = reloads(edge)
    edge.say({**edge.app("a", [], VHOST="a.example"), "instances": 0})
    assert edge.run(force=True).exit is Exit.OK
    assert edge.haproxy.ask("a.example")[0] == 503
    edge.say(edge.app("a", [a], VHOST="a.example"))
    edge.run()
    assert names(edge, host="a.example") == {"a"}
    assert reloads(edge) == before


def test_a_dry_run_changes_nothing(edge: Edge) -> None:
    before = edge.haproxy.config.read_bytes()
    edge.say(edge.app("a", [edge.task("a")], VHOST="a.example"))
    outcome = edge.run(dry_run=True)
    assert (outcome.exit, outcome.changed, outcome.before) == (Exit.OK, True, before)
    assert b"backend a_" in outcome.after
    assert edge.haproxy.config.read_bytes() == before
    assert not (edge.haproxy.folder / "state" / "state.json").exists()
