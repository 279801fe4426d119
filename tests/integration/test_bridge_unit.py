"""The units of `stayer haproxy install --systemd`, started by hand as systemd would: haproxy with
what the drop-in adds, and the daemon with the few rights that its unit leaves it, in a file system
that it can not write but for its own folders. What /etc and /run have here stays here.
"""

import configparser
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from click.testing import CliRunner

from cli.main import main
from tests.edge.fixtures import NO_PAGE
from tests.edge.haproxy import Haproxy
from tests.edge.tasks import serving
from tests.integration.product import STAYER
from tests.polling import eventually
from tests.unit.cli.scripted_http import Answer, scripted

_INSTALL = ["haproxy", "install", "--systemd", "--yes", f"--program={STAYER}"]
_FIRST = """global
  stats socket /run/haproxy/admin.sock mode 660 level admin expose-fd listeners
defaults
  mode http
  timeout connect 1s
  timeout client 1s
  timeout server 1s
frontend nothing_yet
  bind 127.0.0.1:{port}
"""
# A machine's own files; and of the daemon alone what ProtectSystem=strict, ReadWritePaths and
# StateDirectory come to.
_MACHINE = """set -e
mount -t tmpfs none /mnt
mkdir /mnt/etc /mnt/work /mnt/lib /mnt/lib-work
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work /etc
mount -t overlay overlay -o lowerdir=/var/lib,upperdir=/mnt/lib,workdir=/mnt/lib-work /var/lib
mount -t tmpfs none /run
rm -rf /etc/haproxy /var/lib/stayer-haproxy
mkdir -p /etc/haproxy /run/haproxy /var/lib/stayer-haproxy
cp -r "$1"/etc/. /etc/
cp "$1"/first.cfg /etc/haproxy/haproxy.cfg
$2 &
echo $! > "$1"/haproxy.pid
until [ -S /run/haproxy-master.sock ]; do sleep 0.05; done
shift 2
exec unshare --mount --propagation private sh -c 'for each in /etc/haproxy /var/lib/stayer-haproxy
do mount --bind $each $each; done
for each in / /etc /run /var/lib; do mount -o remount,ro,bind $each; done
exec "$@"' daemon "$@"
"""


def _service(path: Path) -> configparser.SectionProxy:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as its documentation does it
    unit.read(path)
    return unit["Service"]


def _confined(service: configparser.SectionProxy) -> list[str]:
    """How a program is started with only the rights that a unit names."""
    names = service["CapabilityBoundingSet"].split()
    rights = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in names)
    return ["setpriv", f"--bounding-set=-all,{rights}", "--inh-caps=-all", "--no-new-privs", "--"]


@contextmanager
def _started(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Both units of a folder, until the end of the block."""
    units = root / "etc/systemd/system"
    added = _service(units / "haproxy.service.d/stayer.conf")["Environment"].strip('"')
    bridge = _service(units / "stayer-haproxy.service")
    haproxy = f"haproxy -W -f /etc/haproxy/haproxy.cfg {added.removeprefix('EXTRAOPTS=')}"
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _MACHINE, "machine"]
    command += [str(root), haproxy, *_confined(bridge), *shlex.split(bridge["ExecStart"])]
    with (root / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        with suppress(ProcessLookupError):
            os.kill(int((root / "haproxy.pid").read_text()), signal.SIGTERM)
        print((root / "log").read_text())  # noqa: T201 - shown by pytest when the test failed


def test_the_units_do_what_they_are_for_with_the_rights_they_have(
    tmp_path: Path, task_ports: int
) -> None:
    first = task_ports + 900
    ask = Haproxy(tmp_path, first, *range(first + 1, first + 4)).ask
    with ExitStack() as stack:
        marathon = stack.enter_context(scripted({"GET /v3/services": NO_PAGE}))
        a, b = (stack.enter_context(serving(name)) for name in "ab")
        marathon.script["GET /v2/apps"] = Answer({"apps": [_app("a", a.port)]})
        words = [f"--http-bind=127.0.0.1:{first}", "--https-bind=", "--appid-bind=", "--log="]
        words += [f"--stats-bind=127.0.0.1:{first + 2}", f"--root={tmp_path}", marathon.url]
        for said in ("Done.", "All of it is as it should be."):
            result = CliRunner().invoke(main, [*_INSTALL, *words])
            assert (result.exit_code, result.output.splitlines()[-1]) == (0, said), result.output
        (tmp_path / "first.cfg").write_text(_FIRST.format(port=first + 3))
        daemon = stack.enter_context(_started(tmp_path))

        def answers(name: str) -> bool:
            assert daemon.poll() is None, (tmp_path / "log").read_text()
            try:
                return ask(f"{name}.example")[1] == name
            except OSError:
                return False

        eventually(lambda: answers("a"), "the daemon brings haproxy to nothing")
        marathon.script["GET /v2/apps"] = Answer({"apps": [_app("a", a.port), _app("b", b.port)]})
        reload = _service(tmp_path / "etc/systemd/system/stayer-haproxy.service")["ExecReload"]
        words = shlex.split(reload.replace("$MAINPID", str(daemon.pid)))
        subprocess.run(words, check=True, timeout=60)
        eventually(lambda: answers("b"), "a reload of the unit changes nothing")
        capabilities = Path(f"/proc/{daemon.pid}/status").read_text().split("CapBnd:")[1].split()[0]
        assert int(capabilities, 16).bit_count() == 2


def _app(name: str, port: int) -> dict[str, object]:
    return {
        "id": f"/{name}",
        "instances": 1,
        "labels": {"HAPROXY_0_VHOST": f"{name}.example"},
        "portDefinitions": [{"port": 0}],
        "networks": [{"mode": "host"}],
        "tasks": [{"id": name, "host": "127.0.0.1", "ports": [port], "state": "TASK_RUNNING"}],
    }
