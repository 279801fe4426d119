"""Wrong values of an edge's flags: each is refused before anything is done, by the flag's name, and
with what would be right.
"""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from haproxy_bridge.exits import Exit
from tests.zookeeper.certificates import make_certificates

WRONG = [
    (("--trusted-proxy", "300.1.1.1"), "such as 10.0.0.0/8"),
    (("--trusted-proxy", "fe80::1%eth0"), "no scope"),
    (("--trusted-proxy", ""), "such as 10.0.0.0/8"),
    (("--json-log", "--log="), "name where it goes"),
    (("--json-log=yes",), "does not take a value"),
    (("--error-page", "{none}"), "does not exist"),
    (("--error-page", "{empty}"), "has to hold HTML"),
    (("--error-page", "{long}"), "more than 8192 bytes"),
    (("--error-page", "{binary}"), "not UTF-8 text"),
    (("--strict-sni", "--https-bind="), "give --https-bind"),
    (("--strict-sni=no",), "does not take a value"),
    (("--acme", "127.0.0.1"), "HOST:PORT"),
    (("--acme", "127.0.0.1:99999"), "HOST:PORT"),
    (("--acme", "a b:80"), "HOST:PORT"),
    (("--acme", "127.0.0.1:402", "--http-bind="), "give --http-bind"),
    (("--max-worker-reloads", "-1"), "x>=0"),
    (("--max-worker-reloads", "many"), "not a valid integer"),
    (("--selector", "tier in web"), "zone in (a, b)"),
    (("--selector", "tier=web,"), "zone in (a, b)"),
    (("--selector", "tier=web", "--source=text"), "no labels"),
    (("--auth-file", "{none}"), "does not exist"),
    (("--auth-file", "{open}"), "chmod o="),
    (("--auth-file", "{plain}"), "openssl passwd -6"),
    (("--auth-file", "{apr1}"), "htpasswd -B"),
    (("--auth-file", "{empty}"), "nobody is in the list"),
    (("--auth-file", "{good}", "--auth-file", "{good}"), "already"),
    (("--client-cert", "{empty}"), "unencrypted"),
    (("--client-cert", "{none}"), "does not exist"),
    (("--client-key", "{empty}"), "needs --client-cert"),
]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    content = {
        "empty": b"",
        "long": b"x" * 9_000,
        "binary": b"\xff",
        "open": b"joe:$6$a$b\n",
        "plain": b"joe:hunter2\n",
        "apr1": b"joe:$apr1$a$hunter2\n",
        "good": b"joe:$6$a$b\n",
    }
    for name, text in content.items():
        (tmp_path / name).write_bytes(text)
        (tmp_path / name).chmod(0o644 if name == "open" else 0o600)
    return {name: str(tmp_path / name) for name in (*content, "none")}


@pytest.mark.parametrize(("words", "right"), WRONG)
def test_it_is_refused_by_name(words: tuple[str, ...], right: str, files: dict[str, str]) -> None:
    given = [word.format(**files) for word in words]
    result = CliRunner().invoke(main, ["haproxy", "once", *given, "http://127.0.0.1:1"])
    assert result.exit_code == Exit.USAGE
    flag = given[0].partition("=")[0]
    assert flag in result.stderr or flag == "--client-cert"
    assert right in result.stderr
    assert "hunter2" not in result.output


def test_a_key_of_another_certificate_is_refused(tmp_path: Path) -> None:
    made = make_certificates(tmp_path, "127.0.0.1")
    words = ["--client-cert", str(made.client_certificate), "--client-key", str(made.server)]
    result = CliRunner().invoke(main, ["haproxy", "once", *words, "https://127.0.0.1:1"])
    assert result.exit_code == Exit.USAGE
    assert "mismatch" in result.stderr


@pytest.mark.parametrize("given", ["nonsense", "127.0.0.1:x", ":9101", "127.0.0.1:99999"])
def test_where_the_daemons_pages_can_not_be(given: str) -> None:
    words = ["haproxy", "watch", f"--metrics-bind={given}", "http://127.0.0.1:1"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == Exit.USAGE
    assert "--metrics-bind: not HOST:PORT" in result.stderr


def test_credentials_of_the_daemons_pages_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("nonsense\n")
    words = [
        "haproxy",
        "watch",
        f"--metrics-credentials-file={tmp_path}/file",
        "http://127.0.0.1:1",
    ]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == Exit.USAGE
    assert "--metrics-credentials-file: " in result.stderr
    assert "USER:PASSWORD" in result.stderr
