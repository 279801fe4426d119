"""Certificates that change while a real haproxy serves: what a client is shown."""

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from haproxy_bridge.certificates import pem
from haproxy_bridge.exits import Exit
from haproxy_bridge.rendered import Trouble
from haproxy_bridge.run.node import wall_ms
from haproxy_bridge.run.outcome import Outcome
from haproxy_bridge.runtime import master, socket
from tests.edge.certificates import certificate, shown
from tests.edge.fixtures import Edge
from tests.unit.cli.scripted_http import Answer


def troubles(outcome: Outcome) -> dict[str, str]:
    """By the name of the file."""
    found = [one for one in outcome.problems if one.trouble is Trouble.CERTIFICATE]
    return {Path(one.app_id).name: one.message for one in found}


def fingerprint(path: Path) -> str:
    return pem.of_file(path).fingerprint


def reload_count(edge: Edge) -> int:
    return master.processes(edge.haproxy.master_socket).reloads


def test_certificates_change_without_a_reload(
    make_edge: Callable[..., Edge], tmp_path: Path
) -> None:
    there, own = tmp_path / "certificates", tmp_path / "own.pem"
    there.mkdir()
    edge = make_edge(render={"certificates": (str(there),)})
    edge.now_ms = wall_ms()  # ends of certificates are true ones
    https, task = edge.haproxy.https, edge.task("a")
    edge.say(edge.app("a", [task], 0, VHOST="a.example"))

    first = edge.run()
    assert "no certificate is in" in troubles(first)["zz-self-signed.pem"]
    fallback = shown(https, "a.example")
    assert fallback

    strict = replace(edge.options.render, strict_sni=True)
    edge.options = replace(edge.options, render=strict)
    own_before = certificate(own, "own.example")
    edge.say(
        edge.app("a", [task], 0, VHOST="a.example"),
        edge.app("b", [task], 1, VHOST="own.example", SSL_CERT=str(own)),
    )
    before = certificate(there / "a.pem", "a.example")
    outcome = edge.run()
    assert (outcome.exit, outcome.reloaded, troubles(outcome)) == (Exit.OK, True, {})
    edge.haproxy.wait_alone()
    assert shown(https, "a.example") == before
    assert shown(https, "own.example") == own_before
    assert shown(https, "wrong.example") == ""

    reloads = master.processes(edge.haproxy.master_socket).reloads
    new = certificate(there / "a.pem", "a.example", days=5)
    other = certificate(there / "b.pem", "b.example")
    own_after = certificate(own, "own.example")
    outcome = edge.run()
    assert (outcome.exit, outcome.changed, outcome.certificates) == (Exit.OK, True, 3)
    assert troubles(outcome)["a.pem"].startswith("it ends on ")
    assert shown(https, "a.example") == new
    assert shown(https, "b.example") == other
    assert shown(https, "own.example") == own_after

    (there / "b.pem").write_text((there / "b.pem").read_text()[:300])
    own.write_text("nonsense")
    outcome = edge.run()
    assert (outcome.exit, outcome.changed) == (Exit.OK, False)
    assert troubles(outcome).keys() == {"a.pem", "b.pem", "own.pem"}
    assert shown(https, "b.example") == other
    assert shown(https, "own.example") == own_after

    (there / "b.pem").unlink()
    edge.marathon.script["GET /v2/apps"] = Answer({"message": "no leader"}, 503)
    last = certificate(there / "a.pem", "a.example")
    assert (edge.run().exit, shown(https, "a.example")) == (Exit.UNREACHABLE, last)
    assert shown(https, "b.example") == ""
    (there / "a.pem").unlink()
    edge.run()
    assert shown(https, "a.example") == last
    assert master.processes(edge.haproxy.master_socket).reloads == reloads


def test_one_that_a_run_has_put_in_and_not_shown_yet_is_shown_by_the_next(
    make_edge: Callable[..., Edge], tmp_path: Path
) -> None:
    there = tmp_path / "certificates"
    there.mkdir()
    certificate(there / "a.pem", "a.example")
    edge = make_edge(render={"certificates": (str(there),)})
    edge.now_ms = wall_ms()
    edge.say(edge.app("a", [edge.task("a")], VHOST="a.example"))
    assert edge.run().reloaded
    new = certificate(there / "b.pem", "b.example")
    content = (there / "b.pem").read_text().replace("\n\n", "\n")
    other = next(edge.haproxy.folder.glob("stayer-certificates/*a.pem"))
    copy = other.with_name(other.name.replace("a.pem", "b.pem"))
    for command in (f"new ssl cert {copy}", f"set ssl cert {copy} <<\n{content}"):
        socket.ask(edge.haproxy.admin_socket, command)
    assert "Success!" in socket.ask(edge.haproxy.admin_socket, f"commit ssl cert {copy}")
    assert shown(edge.haproxy.https, "b.example") != new
    outcome = edge.run()
    assert (outcome.reloaded, outcome.certificates, copy.exists()) == (False, 1, True)
    assert shown(edge.haproxy.https, "b.example") == new


def grown(path: Path, size: int) -> None:
    """The file with as many more certificates behind its own as that takes."""
    more = path.with_name("more.made")
    certificate(more, "authority.example")
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----\n"
    one = begin + more.read_text().partition(begin)[2].partition(end)[0] + end
    text = path.read_text()
    path.write_text(text + one * (1 + (size - len(text)) // len(one)))
    more.unlink()


def test_what_the_socket_does_not_take_comes_by_a_reload(
    make_edge: Callable[..., Edge], tmp_path: Path
) -> None:
    named, own = tmp_path / "a.pem", tmp_path / "own.pem"
    certificate(named, "a.example")
    certificate(own, "own.example")
    edge = make_edge(render={"certificates": (str(named),)})
    edge.now_ms = wall_ms()
    edge.say(edge.app("own", [edge.task("a")], VHOST="own.example", SSL_CERT=str(own)))
    assert edge.run().reloaded

    certificate(named, "a.example")
    grown(named, 20_000)
    outcome = edge.run()
    assert (outcome.exit, outcome.reloaded, outcome.certificates) == (Exit.OK, True, 1)
    assert "too long for haproxy's socket" in " ".join(outcome.notes)
    assert troubles(outcome) == {}
    edge.haproxy.wait_alone()
    assert shown(edge.haproxy.https, "a.example") == fingerprint(named)
    assert not edge.run().changed

    # Somebody's exchange of another one is not finished: the socket takes none of ours.
    held = own.read_text().replace("\n\n", "\n")
    assert "created" in socket.ask(edge.haproxy.admin_socket, f"set ssl cert {own} <<\n{held}")
    last = certificate(named, "a.example")
    outcome = edge.run()
    assert (outcome.exit, outcome.reloaded) == (Exit.OK, True)
    assert "haproxy does not take it" in " ".join(outcome.notes)
    edge.haproxy.wait_alone()
    assert shown(edge.haproxy.https, "a.example") == last


def test_what_haproxy_would_not_load_either_is_no_reason_to_reload(
    make_edge: Callable[..., Edge], tmp_path: Path
) -> None:
    own = tmp_path / "own.pem"
    before = certificate(own, "own.example")
    edge = make_edge()
    edge.now_ms = wall_ms()
    edge.say(edge.app("own", [edge.task("a")], VHOST="own.example", SSL_CERT=str(own)))
    assert edge.run().reloaded
    edge.haproxy.wait_alone()
    reloads = reload_count(edge)
    mixed, other = own.read_text(), tmp_path / "other.pem"
    certificate(other, "own.example")
    key = mixed.index("-----BEGIN PRIVATE")
    own.write_text(other.read_text().partition("-----BEGIN PRIVATE")[0] + mixed[key:])
    for again in (False, True):
        outcome = edge.run()
        assert (outcome.exit, outcome.reloaded, bool(outcome.notes)) == (Exit.OK, False, not again)
        assert "nor does haproxy load it anew" in troubles(outcome)["own.pem"]
        assert shown(edge.haproxy.https, "own.example") == before
    assert reload_count(edge) == reloads
