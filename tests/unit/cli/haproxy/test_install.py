"""Setting an edge node up, in a folder instead of the machine."""

import configparser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from haproxy_bridge.exits import Exit
from haproxy_bridge.install.plan import Command, File, Plan, pending
from haproxy_bridge.run.options import DEFAULT_CONFIG, DEFAULT_STATE
from tests.zookeeper.certificates import make_certificates

URL = "http://m1:8080"
PROGRAM = "/opt/stayer/bin/stayer"


def stayer(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(main, ["haproxy", *words], input=stdin)


def install(root: Path, *words: str) -> Result:
    return stayer("install", *words, f"--root={root}", f"--program={PROGRAM}", URL)


def files(root: Path) -> dict[str, str]:
    found = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text() for path in found}


def test_systemd_gets_a_unit_that_starts_the_daemon(tmp_path: Path) -> None:
    result = install(tmp_path, "--systemd", "--yes", "--group=edge", "--strict")
    assert result.exit_code == 0, result.output
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.read_string(files(tmp_path)["etc/systemd/system/stayer-haproxy.service"])
    assert unit["Service"]["ExecStart"] == (
        "/opt/stayer/bin/stayer haproxy watch @/etc/stayer-haproxy/args"
    )
    assert unit["Service"]["ReadWritePaths"] == "/etc/haproxy"
    drop_in = files(tmp_path)["etc/systemd/system/haproxy.service.d/stayer.conf"]
    assert "-S /run/haproxy-master.sock" in drop_in
    assert "etc/cron.d/stayer-haproxy" not in files(tmp_path)


def test_the_daemon_has_few_rights_and_comes_back(tmp_path: Path) -> None:
    install(tmp_path, "--systemd", "--yes")
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as its documentation does it
    unit.read_string(files(tmp_path)["etc/systemd/system/stayer-haproxy.service"])
    service = unit["Service"]
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    rights = set(service["CapabilityBoundingSet"].split())
    assert rights == {"CAP_CHOWN", "CAP_DAC_READ_SEARCH"}
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"  # look at everything
    assert (service["Restart"], unit["Unit"]["StartLimitIntervalSec"]) == ("always", "0")
    assert service["RestartPreventExitStatus"] == str(int(Exit.USAGE))
    assert f"/var/lib/{service['StateDirectory']}/state.json" == DEFAULT_STATE
    assert str(Path(DEFAULT_CONFIG).parent) in service["ReadWritePaths"].split()
    assert unit["Install"]["WantedBy"] == "multi-user.target"


@pytest.mark.parametrize("how", ["--systemd", "--cron"])
def test_a_dry_run_shows_it_and_does_nothing(tmp_path: Path, how: str) -> None:
    result = install(tmp_path, how, "--dry-run")
    assert result.exit_code == 0
    assert "write: " in result.stdout
    assert "--dry-run" not in result.stdout  # it is none of the arguments of the node
    assert files(tmp_path) == {}
    install(tmp_path, how, "--yes")
    before = files(tmp_path)
    removed = stayer("uninstall", "--dry-run", f"--root={tmp_path}")
    assert (removed.exit_code, files(tmp_path)) == (0, before)
    assert "remove: " in removed.stdout


def test_cron_gets_a_line_that_runs_once(tmp_path: Path) -> None:
    assert install(tmp_path, "--cron", "--yes").exit_code == 0
    line = files(tmp_path)["etc/cron.d/stayer-haproxy"].splitlines()[-1]
    assert line == ("* * * * * root /opt/stayer/bin/stayer haproxy once @/etc/stayer-haproxy/args")
    assert "etc/systemd/system/stayer-haproxy.service" not in files(tmp_path)


def test_the_arguments_are_those_that_were_given_and_what_debian_wants(tmp_path: Path) -> None:
    install(tmp_path, "--cron", "--yes", "--group=a b", "--group=c", "--strict", "--max-drop=0.3")
    lines = files(tmp_path)["etc/stayer-haproxy/args"].splitlines()
    assert sorted(line for line in lines if not line.startswith("#")) == sorted(
        [
            "'--group=a b'",
            "--group=c",
            "--strict",
            "--max-drop=0.3",
            "--haproxy-user=haproxy",
            "--haproxy-group=haproxy",
            "--master-socket=/run/haproxy-master.sock",
            URL,
        ]
    )


def test_what_is_written_can_be_read_back(tmp_path: Path) -> None:
    state = tmp_path / "it's here" / "state.json"
    install(tmp_path, "--cron", "--yes", f"--state={state}", "--request-timeout=0.1")
    arguments = tmp_path / "etc/stayer-haproxy/args"
    arguments.write_text(arguments.read_text().replace(URL, "http://127.0.0.1:1"))
    assert stayer("once", f"@{arguments}").exit_code == Exit.UNREACHABLE
    assert state.exists()


def test_a_second_time_nothing_changes(tmp_path: Path) -> None:
    install(tmp_path, "--systemd", "--yes")
    before = files(tmp_path)
    again = install(tmp_path, "--systemd", "--yes")
    assert (again.exit_code, again.stdout) == (0, "All of it is as it should be.\n")
    assert files(tmp_path) == before


def test_it_shows_what_it_will_do_and_does_nothing_unasked(tmp_path: Path) -> None:
    result = install(tmp_path, "--systemd")
    assert result.exit_code == Exit.USAGE
    assert "+ExecStart=/opt/stayer/bin/stayer haproxy watch" in result.stdout
    assert files(tmp_path) == {}


def test_a_change_is_shown_as_one(tmp_path: Path) -> None:
    install(tmp_path, "--cron", "--yes")
    told = install(tmp_path, "--cron", "--yes", "--strict").stdout
    assert "    +--strict" in told
    assert "cron.d" not in told


def test_the_other_way_takes_the_place_of_the_first(tmp_path: Path) -> None:
    install(tmp_path, "--cron", "--yes")
    assert install(tmp_path, "--systemd", "--yes").exit_code == 0
    assert "etc/cron.d/stayer-haproxy" not in files(tmp_path)


@pytest.mark.parametrize("how", ["--systemd", "--cron"])
def test_the_bridge_of_2014_leaves_for_it(tmp_path: Path, how: str) -> None:
    rival = tmp_path / "etc/cron.d/haproxy-marathon-bridge"
    rival.parent.mkdir(parents=True)
    rival.write_text("* * * * * root /opt/bridge refresh_system_haproxy m1:8080\n")
    shown = install(tmp_path, how, "--dry-run").stdout
    assert f"remove: {rival} (another bridge" in shown
    assert "-* * * * * root /opt/bridge" in shown
    assert rival.exists()
    assert install(tmp_path, how, "--yes").exit_code == 0
    assert not rival.exists()
    assert "etc/haproxy-marathon-bridge" not in install(tmp_path, how, "--yes").output


def test_uninstall_takes_away_ours_and_nothing_else(tmp_path: Path) -> None:
    install(tmp_path, "--systemd", "--yes")
    own = tmp_path / "etc/cron.d/stayer-haproxy"
    own.parent.mkdir(parents=True)
    own.write_text("# an operator's own\n")
    assert stayer("uninstall", "--yes", f"--root={tmp_path}").exit_code == 0
    assert files(tmp_path) == {"etc/cron.d/stayer-haproxy": "# an operator's own\n"}


@pytest.mark.parametrize("program", ["/opt/my stayer/bin/stayer", "/opt/%h/stayer", "/a;b"])
def test_a_program_that_cron_would_read_otherwise_is_refused(tmp_path: Path, program: str) -> None:
    words = ("--cron", "--yes", f"--root={tmp_path}", f"--program={program}", URL)
    assert stayer("install", *words).exit_code == Exit.USAGE
    assert files(tmp_path) == {}


def test_one_of_both_ways_has_to_be_named(tmp_path: Path) -> None:
    assert install(tmp_path, "--yes").exit_code == Exit.USAGE


def test_defaults_without_a_master_socket_are_told(tmp_path: Path) -> None:
    defaults = tmp_path / "etc/default/haproxy"
    defaults.parent.mkdir(parents=True)
    defaults.write_text('#EXTRAOPTS="-x"\nEXTRAOPTS="-de -m 16"\n')
    assert "sets EXTRAOPTS without -S" in install(tmp_path, "--cron", "--yes").stdout


def test_no_command_runs_for_a_folder(tmp_path: Path) -> None:
    plan = Plan(
        first=(Command(("false",), "why", needed=True),),
        files=(File("/etc/x", "text"),),
        then=(Command(("false",), "why"),),
    )
    left = pending(plan, tmp_path)
    assert (left.first, left.then) == ((), ())
    assert left.files == plan.files


def test_files_that_are_named_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    users = tmp_path / "users"
    users.write_text("joe:$6$a$b\n")
    users.chmod(0o600)
    root = tmp_path / "root"
    result = install(root, "--systemd", "--yes", "--auth-file=users", "--policy=policy.json")
    assert result.exit_code == Exit.USAGE  # there is no such file
    assert install(root, "--systemd", "--yes", "--auth-file=users").exit_code == 0
    assert f"--auth-file={users}\n" in files(root)["etc/stayer-haproxy/args"]
    made = make_certificates(tmp_path, "127.0.0.1")
    words = [f"--ca-file={made.authority.name}", f"--client-cert={made.server.name}"]
    assert install(root, "--systemd", "--yes", *words).exit_code == 0
    arguments = files(root)["etc/stayer-haproxy/args"]
    assert f"--ca-file={made.authority}\n--client-cert={made.server}\n" in arguments
