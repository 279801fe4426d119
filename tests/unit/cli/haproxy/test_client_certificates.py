"""A scheduler that asks edges for a certificate: who shows none, or a wrong one, is told so, and
what serves stays.
"""

import ssl
from pathlib import Path

from click.testing import CliRunner

from cli.main import main
from haproxy_bridge.exits import Exit
from tests.unit.cli.scripted_http import Answer, scripted
from tests.zookeeper.certificates import Certificates, make_certificates

PORT = {"servicePort": 10_000}
TASK = {"id": "a.1", "host": "h", "endpoints": [{"host": "127.0.0.1", "port": 1}], "health": "up"}
SERVICE = {"id": "/a", "wanted": 1, "ports": [PORT], "tasks": [TASK]}
PAGE = Answer({"stateId": "s", "epoch": 1, "synced": True, "services": [SERVICE]})


def asking(made: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server)
    context.load_verify_locations(made.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_only_with_its_certificate_an_edge_is_let_in(tmp_path: Path) -> None:
    made = make_certificates(tmp_path / "right", "127.0.0.1")
    other = make_certificates(tmp_path / "wrong", "127.0.0.1")
    config = tmp_path / "haproxy.cfg"
    node = ["--no-validate", "--reload-command=", "--edge-name=", f"--config={config}"]
    node += [f"--state={tmp_path}/state.json", f"--socket={tmp_path}/no.sock"]
    right = [f"--client-cert={made.client_certificate}", f"--client-key={made.client_key}"]
    wrong = [f"--client-cert={other.client_certificate}", f"--client-key={other.client_key}"]
    with scripted({"GET /v3/services": PAGE}, asking(made)) as server:

        def once(*shown: str) -> tuple[int, str]:
            words = ["haproxy", "once", *node, f"--ca-file={made.authority}", *shown, server.url]
            result = CliRunner().invoke(main, words)
            return result.exit_code, result.stderr

        assert once(*right)[0] == Exit.OK
        served = config.read_bytes()
        assert b"backend a_10000" in served
        for shown in ([], wrong):
            code, said = once("--lock-timeout=1", *shown)
            assert code == Exit.UNREACHABLE
            if not shown:  # what lasts is not told each time
                assert "client certificate" in said
        assert config.read_bytes() == served
        assert server.asked() == ["GET /v3/services"]
