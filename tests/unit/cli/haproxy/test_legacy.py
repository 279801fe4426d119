"""The bridge of 2014 by its names, sub-commands and paths, without its defects."""

import re
import subprocess
import syslog
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.haproxy.legacy import main, to_log
from haproxy_bridge.exits import Exit
from tests.unit.cli.scripted_http import Answer, ScriptedServer, scripted

TEXT = (
    b"web\t10000\t10.0.0.2:31000\t10.0.0.1:31001\t\n"
    b"shop_cart\t10001\t10.0.0.3:31000\t\n"
    b"shop_cart\t10002\t10.0.0.3:31001\t\n"
    b"batch\t \t10.0.0.4\t\n"
    b"zero\t0\t10.0.0.4:31000\t\n"
    b"double\t10000\t10.0.0.5:31000\t\n"
    b"stats\t9090\t10.0.0.5:31000\t\n"
    b"six\t10003\t[2001:db8::1]:31000\t10.0.0.9:0\t\n"
)
LIVE = "# somebody's own\n"


def text(content: bytes) -> Answer:
    return Answer(content, headers={"Content-Type": "text/plain"})


@pytest.fixture
def marathon() -> Iterator[ScriptedServer]:
    with scripted({"GET /v2/tasks": text(TEXT)}) as server:
        yield server


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node in a folder, with haproxy's configuration of somebody."""
    config = tmp_path / "etc/haproxy/haproxy.cfg"
    config.parent.mkdir(parents=True)
    config.write_text(LIVE)
    return tmp_path


def bridge(*words: str, root: Path | None = None) -> Result:
    env = {"HAPROXY_MARATHON_BRIDGE_ROOT": str(root) if root else None}
    return CliRunner(env=env).invoke(main, words, prog_name="haproxy_marathon_bridge")


def place(server: ScriptedServer) -> str:
    return server.url.removeprefix("http://")


def test_the_configuration_goes_to_standard_output(marathon: ScriptedServer) -> None:
    result = bridge(place(marathon))
    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if line.startswith("listen ")] == [
        "listen stats",
        "listen double-10000",
        "listen shop_cart-10001",
        "listen shop_cart-10002",
        "listen six-10003",
    ]
    assert "  server six-1 [2001:db8::1]:31000 check\n" in result.stdout
    assert marathon.requests[0].headers["Accept"] == "text/plain"
    assert bridge("config", place(marathon)).stdout == result.stdout
    assert bridge("header").stdout + bridge("apps", place(marathon)).stdout == result.stdout


def test_servers_are_sorted_and_counted(marathon: ScriptedServer) -> None:
    marathon.script["GET /v2/tasks"] = text(TEXT.splitlines(keepends=True)[0])
    assert bridge("apps", place(marathon)).stdout == (
        "\nlisten web-10000\n"
        "  bind 0.0.0.0:10000\n"
        "  mode tcp\n"
        "  option tcplog\n"
        "  balance leastconn\n"
        "  server web-1 10.0.0.1:31001 check\n"
        "  server web-2 10.0.0.2:31000 check\n"
    )


def test_haproxy_takes_it(marathon: ScriptedServer, tmp_path: Path) -> None:
    config = tmp_path / "haproxy.cfg"
    config.write_text(bridge(place(marathon)).stdout)
    command = ["haproxy", "-c", "-f", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["a b global", "a;#'\"\\", "${HOME}", "l\u00e4den"])
def test_a_name_can_not_break_out(marathon: ScriptedServer, name: str) -> None:
    marathon.script["GET /v2/tasks"] = text(f"{name}\t10000\t10.0.0.1:2\t10.0.0.1:1 x\t\n".encode())
    told = bridge("apps", place(marathon)).stdout
    assert re.search(r"^listen [A-Za-z0-9_.-]+-10000$", told, re.MULTILINE)
    servers = [line for line in told.splitlines() if "server" in line]
    assert len(servers) == 1
    assert re.fullmatch(r"  server [A-Za-z0-9_.-]+-1 10\.0\.0\.1:2 check", servers[0])


def test_a_line_that_is_none_is_no_answer(marathon: ScriptedServer) -> None:
    marathon.script["GET /v2/tasks"] = text(b"web\rglobal\t10000\t10.0.0.1:1\t\n")
    result = bridge("apps", place(marathon))
    assert (result.exit_code, result.stdout) == (Exit.UNREACHABLE, "")


def test_the_next_one_is_asked_if_the_first_is_down(marathon: ScriptedServer) -> None:
    assert bridge("127.0.0.1:1", place(marathon)).exit_code == 0
    assert bridge("127.0.0.1:1").exit_code == Exit.UNREACHABLE


def test_without_words_there_is_a_usage() -> None:
    result = bridge()
    assert result.exit_code == 1
    assert "Usage: haproxy_marathon_bridge" in result.stderr
    assert bridge("-h").exit_code == 0
    assert bridge("--no-such").exit_code == Exit.USAGE


def test_refresh_installs_what_haproxy_takes(marathon: ScriptedServer, node: Path) -> None:
    result = bridge("refresh_system_haproxy", place(marathon), root=node)
    config = node / "etc/haproxy/haproxy.cfg"
    assert result.exit_code in {Exit.OK, Exit.PARTIAL}, result.stderr
    assert "10.0.0.3:31001" in config.read_text()
    assert config.with_name("haproxy.cfg.1").read_text() == LIVE
    assert "conflict" in result.stderr
    again = bridge("refresh_system_haproxy", place(marathon), root=node)
    assert again.stderr == ""


@pytest.mark.parametrize(
    ("answer", "exit_"),
    [
        (text(b""), Exit.HELD),
        (text(b"batch\t \t10.0.0.4\t\n"), Exit.HELD),
        (text(b"<html>\n<body>It works</body>\n"), Exit.UNREACHABLE),
        (Answer({"message": "no"}, 401), Exit.UNREACHABLE),
        (Answer({"message": "loading"}, 503), Exit.UNREACHABLE),
    ],
)
def test_refresh_keeps_what_is_there(
    marathon: ScriptedServer, node: Path, answer: Answer, exit_: Exit
) -> None:
    marathon.script["GET /v2/tasks"] = answer
    for _ in range(2):
        assert bridge("refresh_system_haproxy", place(marathon), root=node).exit_code == exit_
    assert (node / "etc/haproxy/haproxy.cfg").read_text() == LIVE


def test_install_leaves_the_files_of_2014_and_no_new_configuration(node: Path) -> None:
    words = ("m1:8080", "http://m2:8080", "--program", "/opt/stayer/bin/haproxy-marathon-bridge")
    assert bridge("install_haproxy_system", *words, root=node).exit_code == 0
    assert (node / "etc/haproxy-marathon-bridge/marathons").read_text() == (
        "m1:8080\nhttp://m2:8080\n"
    )
    line = bridge("cronjob").stdout
    assert line in (node / "etc/cron.d/haproxy-marathon-bridge").read_text()
    assert line == (
        "* * * * * root /usr/local/bin/haproxy-marathon-bridge logged refresh_system_haproxy "
        "$(cat /etc/haproxy-marathon-bridge/marathons)\n"
    )
    program = node / "usr/local/bin/haproxy-marathon-bridge"
    assert program.read_text().endswith('exec /opt/stayer/bin/haproxy-marathon-bridge "$@"\n')
    assert program.stat().st_mode & 0o777 == 0o755
    assert (node / "etc/haproxy/haproxy.cfg").read_text() == LIVE
    again = bridge("install_cronjob", *words, root=node)
    assert "as it should be" in again.stdout


def test_run_from_where_it_is_installed_it_stays(node: Path) -> None:
    path = "/usr/local/bin/haproxy-marathon-bridge"
    assert bridge("install_cronjob", "m1:8080", "--program", path, root=node).exit_code == 0
    assert not (node / path.lstrip("/")).exists()


@pytest.mark.parametrize(
    "path", ["etc/cron.d/stayer-haproxy", "etc/systemd/system/stayer-haproxy.service"]
)
def test_two_bridges_do_not_undo_each_others_work(node: Path, path: str) -> None:
    (node / path).parent.mkdir(parents=True)
    (node / path).write_text("")
    result = bridge("install_cronjob", "m1:8080", "--program", "/bin/true", root=node)
    assert result.exit_code == Exit.USAGE
    assert "first: stayer haproxy uninstall" in result.stderr
    assert not (node / "etc/haproxy-marathon-bridge").exists()


@pytest.mark.parametrize("hostile", ["m1:8080;reboot", "$(reboot)", "m1:8080\nm2", ""])
def test_a_place_that_a_shell_would_read_is_refused(node: Path, hostile: str) -> None:
    result = bridge("install_cronjob", hostile, "--program", "/bin/true", root=node)
    assert result.exit_code == Exit.USAGE
    assert not (node / "etc/cron.d").exists()


def test_logged_gives_what_is_said_to_syslog() -> None:
    logged: list[tuple[int, str]] = []

    def run() -> None:
        main.main(["config", "127.0.0.1:1"], "haproxy-marathon-bridge")

    code = to_log(run, lambda priority, line: logged.append((priority, line)))
    assert code == Exit.UNREACHABLE
    assert logged
    assert {priority for priority, _ in logged} == {syslog.LOG_NOTICE}

    logged.clear()
    code = to_log(
        lambda: main.main(["cronjob"], "x"), lambda priority, line: logged.append((priority, line))
    )
    assert code == 0
    assert [priority for priority, _ in logged] == [syslog.LOG_INFO]


def test_logged_keeps_the_exit_code(node: Path) -> None:
    result = bridge("logged", "refresh_system_haproxy", "127.0.0.1:1", root=node)
    assert result.exit_code == Exit.UNREACHABLE
    assert result.stdout == ""
