"""One look: what servers do, what is made of it, and how a failure reads."""

import asyncio
import contextlib
import os
import resource
import socket
import struct
import threading

import pytest

from framework.domain.health import ProbeAnswer, ProbeProtocol, ProbeTarget
from framework.health.addresses import Addresses, system_lookup
from framework.health.look import Finding, Look, UnableError
from framework.health.wire import Wire, tls_context
from tests.unit.health.loopback import (
    LIMIT_BYTES,
    Behaviour,
    answering,
    endless,
    look,
    server_tls,
    serving,
    then_silent,
)
from tests.unit.health.targets import HOST, target

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"


def status(code: int) -> bytes:
    return f"HTTP/1.1 {code} Reason\r\nContent-Length: 0\r\n\r\n".encode()


def found(
    behaviour: Behaviour, *, host: str = HOST, tls: bool = False, **fields: object
) -> Finding:
    """What one look finds at a server that behaves so. ``{port}`` stands for the port in the
    cause."""

    async def scenario() -> Finding:
        async with serving(behaviour, host, server_tls() if tls else None) as port:
            finding = await look(target(port, 0, **{"hosts": (host,), **fields}))
            cause = finding.cause.replace(f":{port}", ":PORT")
            return Finding(finding.alive, cause, finding.answer)

    return asyncio.run(scenario())


def looked(at: ProbeTarget) -> Finding:
    async def scenario() -> Finding:
        return await look(at)

    return asyncio.run(scenario())


def unused_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(
    ("code", "statuses", "alive"),
    [
        (200, (), True), (204, (), True), (302, (), True), (399, (), True),
        (400, (), False), (404, (), False), (500, (), False), (503, (), False), (600, (), False),
        (200, (200,), True), (204, (200,), False), (503, (200, 503), True),
    ],
)  # fmt: skip
def test_status_decides(code: int, statuses: tuple[int, ...], alive: bool) -> None:
    cause = "" if alive else f"HTTP status {code}"
    assert found(answering(status(code)), statuses=statuses) == Finding(alive, cause)


def test_redirect_is_not_followed() -> None:
    requests: list[bytes] = []
    redirect = b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n"
    assert found(answering(redirect, requests)).alive
    assert len(requests) == 1


def test_interim_answers_are_passed_over() -> None:
    assert found(answering(status(100) + status(103) + status(500))).cause == "HTTP status 500"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/", b"GET / HTTP/1.1"),
        ("", b"GET / HTTP/1.1"),
        ("health", b"GET /health HTTP/1.1"),
        ("/a/b?c=d&e=%20", b"GET /a/b?c=d&e=%20 HTTP/1.1"),
        ("/x y", b"GET /x%20y HTTP/1.1"),
        ("/\u00e4", b"GET /%C3%A4 HTTP/1.1"),
        ("/a HTTP/1.1\r\nX: y\r\n\r\n", b"GET /a%20HTTP/1.1%0D%0AX:%20y%0D%0A%0D%0A HTTP/1.1"),
    ],
)
def test_request(path: str, line: bytes) -> None:
    requests: list[bytes] = []
    assert found(answering(OK, requests), path=path).alive
    first, *headers = requests[0].removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert first == line
    by_name = dict(header.split(b": ", 1) for header in headers)
    assert by_name.pop(b"Host").startswith(b"127.0.0.1:")
    assert by_name == {b"User-Agent": b"stayer", b"Accept": b"*/*", b"Connection": b"close"}


def test_slow_head_is_no_answer() -> None:
    finding = found(then_silent(b"HTTP/1.1 200 OK\r\nServer: x\r\n"), timeout_seconds=0.1)
    assert finding == Finding(False, "no answer within 0.1 s")


def test_interim_answer_alone_is_no_answer() -> None:
    assert found(then_silent(status(100)), timeout_seconds=0.1).cause == "no answer within 0.1 s"


@pytest.mark.parametrize("keep", [False, True])
def test_slow_body_changes_nothing(keep: bool) -> None:
    start = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 9\r\n\r\nhalf"
    finding = found(then_silent(start), timeout_seconds=0.3, keep_answer=keep)
    assert finding == Finding(True, "", ProbeAnswer(200, "a/b", "half") if keep else None)


def test_slow_body_that_nobody_keeps_does_not_hold_the_place() -> None:
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
    assert found(then_silent(start), timeout_seconds=3_600).alive


def test_late_body_is_waited_for_where_it_is_kept() -> None:
    async def hesitate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.4)
        writer.write(b"late")
        await reader.read()

    assert found(hesitate, keep_answer=True).answer == ProbeAnswer(200, "", "late")


@pytest.mark.parametrize("keep", [False, True])
def test_endless_body_is_cut(keep: bool) -> None:
    finding = found(endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1_000), keep_answer=keep)
    assert finding == Finding(True, "", ProbeAnswer(200, "", "x" * 4_096) if keep else None)


def test_answer_is_kept_for_any_status() -> None:
    body = b"HTTP/1.1 503 Busy\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<b>wait</b>"
    assert found(answering(body), keep_answer=True) == Finding(
        False, "HTTP status 503", ProbeAnswer(503, "text/html; charset=utf-8", "<b>wait</b>")
    )


def test_chunked_answer_is_kept_decoded() -> None:
    body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    assert found(answering(body), keep_answer=True).answer == ProbeAnswer(200, "", "abc")


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        (endless(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 200), "its head is too long"),
        (endless(b"HTTP/1.1 200 OK\r\nA: ", b"b" * 1_000), "its head is too long"),
        (endless(b"", status(100) * 50), "its head is too long"),
        (then_silent(b"SSH-2.0-OpenSSH_9.2\r\n"), r"it begins with 'SSH-2.0-OpenSSH_9.2\r\n'"),
        (answering(b""), "it is empty: the connection was closed"),
        (answering(b"HTTP/1.1 200"), "it ends within its head"),
    ],
)
def test_no_http(behaviour: Behaviour, why: str) -> None:
    cause = f"the answer of 127.0.0.1:PORT is not HTTP: {why}"
    assert found(behaviour) == Finding(False, cause)


async def _reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    linger = struct.pack("ii", 1, 0)  # no lingering: closing resets
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def test_reset() -> None:
    assert found(_reset) == Finding(False, "connection reset by 127.0.0.1:PORT")


@pytest.mark.parametrize("protocol", ProbeProtocol)
def test_refused(protocol: ProbeProtocol) -> None:
    port = unused_port()
    finding = looked(target(port, protocol=protocol))
    assert finding == Finding(False, f"connection refused by 127.0.0.1:{port}")


def test_connection_that_is_never_made() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind((HOST, 0))
        full.listen(0)
        port = full.getsockname()[1]
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex((HOST, port))
        finding = looked(target(port, timeout_seconds=0.2))
    assert finding == Finding(False, f"no connection to 127.0.0.1:{port} within 0.2 s")


def test_tcp_looks_no_further_than_the_connection() -> None:
    assert found(then_silent(b""), protocol=ProbeProtocol.TCP, timeout_seconds=0.5).alive


def test_connection_to_itself_is_nobody() -> None:
    """Without a listener, a port can be connected to from that very port: rare, so forced."""

    async def scenario() -> Finding:
        loop = asyncio.get_running_loop()
        wire, addresses = Wire(loop, ipv6=False), Addresses(loop, 30, system_lookup)
        wire._socket.bind((HOST, 0))
        port = wire._socket.getsockname()[1]
        await wire.connect(HOST, port)
        try:
            one = Look(target(port), loop, addresses, tls_context(), LIMIT_BYTES)
            return one._connected(wire)
        finally:
            wire.close()

    assert not asyncio.run(scenario()).alive


def test_look_that_is_ended_as_its_answer_arrives() -> None:
    troubles: list[dict[str, object]] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: troubles.append(context))
        with socket.create_server((HOST, 0)) as listener:
            wire = Wire(loop, ipv6=False)
            await wire.connect(HOST, listener.getsockname()[1])
            peer, _ = listener.accept()
            waiting = loop.create_task(wire.receive(10))
            turn = loop.create_future()
            loop.call_soon(turn.set_result, None)
            await turn  # now it waits
            loop.call_soon(waiting.cancel)
            peer.send(b"x")
            await asyncio.wait((waiting,))
            wire.close()
            peer.close()

    asyncio.run(scenario())
    assert not troubles


@pytest.mark.parametrize("code", [200, 500])
def test_https_without_a_trusted_certificate(code: int) -> None:
    finding = found(answering(status(code)), tls=True, protocol=ProbeProtocol.HTTPS)
    assert finding.cause == ("" if code == 200 else "HTTP status 500")


def test_https_long_body_is_kept() -> None:
    behaviour = endless(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 50_000)
    finding = found(behaviour, tls=True, protocol=ProbeProtocol.HTTPS, keep_answer=True)
    assert finding.answer == ProbeAnswer(200, "", "x" * 4_096)


def test_https_against_plain_http() -> None:
    behaviour = then_silent(b"HTTP/1.1 400 Bad\r\n\r\n")
    finding = found(behaviour, protocol=ProbeProtocol.HTTPS)
    assert finding.cause == "TLS with 127.0.0.1:PORT failed: wrong version number"


def test_https_against_silence() -> None:
    finding = found(then_silent(b""), protocol=ProbeProtocol.HTTPS, timeout_seconds=0.1)
    assert finding.cause == "no TLS handshake with 127.0.0.1:PORT within 0.1 s"


def test_https_closed_in_the_handshake() -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4_096)

    finding = found(close, protocol=ProbeProtocol.HTTPS)
    assert not finding.alive
    assert "127.0.0.1:PORT" in finding.cause


def test_http_against_tls() -> None:
    assert "is not HTTP" in found(answering(OK), tls=True).cause


def test_server_name_is_sent_for_names_only() -> None:
    names: list[str | None] = []

    async def scenario() -> None:
        tls = server_tls()
        tls.sni_callback = lambda _socket, name, _context: names.append(name)
        async with serving(answering(OK), tls=tls) as port:
            for host in ("web.example", HOST):
                https = target(port, protocol=ProbeProtocol.HTTPS, hosts=(host,))
                assert (await look(https, lambda _host, _ipv6: HOST)).alive

    asyncio.run(scenario())
    assert names == ["web.example", None]


def test_ipv6() -> None:
    requests: list[bytes] = []
    behaviour = answering(status(500), requests)
    assert found(behaviour, host="::1", ipv6=True).cause == "HTTP status 500"
    assert b"Host: [::1]:" in requests[0]


def test_ipv6_refused_reads_well() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
    finding = looked(target(port, hosts=("::1",), ipv6=True))
    assert finding.cause == f"connection refused by [::1]:{port}"


def test_next_host_is_asked_where_the_first_does_not_resolve() -> None:
    requests: list[bytes] = []
    finding = found(answering(OK, requests), hosts=("agent1.local", HOST))
    assert finding.alive
    assert b"Host: 127.0.0.1:" in requests[0]


def test_first_host_that_resolves_is_asked_by_its_name() -> None:
    requests: list[bytes] = []

    async def scenario() -> None:
        async with serving(answering(OK, requests)) as port:
            hosts = ("agent1.local", "agent1.example", "203.0.113.1")
            known = {"agent1.example": HOST}
            finding = await look(target(port, hosts=hosts), lambda host, _: known.get(host))
            assert finding.alive
            assert f"Host: agent1.example:{port}\r\n".encode() in requests[0]

    asyncio.run(scenario())


def test_name_that_takes_too_long_leaves_time_for_the_next_host() -> None:
    answer = threading.Event()

    async def scenario() -> Finding:
        async with serving(answering(OK)) as port:
            slow = target(port, hosts=("slow.example", HOST), timeout_seconds=0.4)
            try:
                return await look(slow, lambda *_: HOST if answer.wait(60) else None)
            finally:
                answer.set()

    assert asyncio.run(scenario()).alive


@pytest.mark.parametrize(
    ("hosts", "ipv6", "cause"),
    [
        (("agent1.local",), False, "agent1.local does not resolve and no address is known"),
        ((HOST,), True, "127.0.0.1 does not resolve and no IPv6 address is known"),
        (("a.local", "::1"), False, "none of a.local, ::1 resolves to an address"),
        (("a..b", "x" * 300), False, f"none of a..b, {'x' * 300} resolves to an address"),
        ((), False, "no host is known"),
    ],
)
def test_no_address(hosts: tuple[str, ...], ipv6: bool, cause: str) -> None:
    assert looked(target(hosts=hosts, ipv6=ipv6)) == Finding(False, cause)


def test_lack_of_descriptors_is_not_the_targets_failure() -> None:
    async def scenario() -> None:
        async with serving(answering(OK)) as port:
            limits = resource.getrlimit(resource.RLIMIT_NOFILE)
            lowest_free = os.dup(0)
            os.close(lowest_free)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
            try:
                with pytest.raises(UnableError, match="Too many open files"):
                    await look(target(port))
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            assert (await look(target(port))).alive

    asyncio.run(scenario())
