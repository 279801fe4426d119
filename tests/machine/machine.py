"""One machine for the provisioning scripts, made of this one.

It sees this system's files, but what it writes goes to a file system in memory that is gone with
it (overlayfs in a mount namespace of its own), and its services run in a network of their own with
the address that it is given, alone or at a switch with others. No systemd runs in it, so units are
started here by what they say. Needs root, as the scripts do.
"""

import configparser
import contextlib
import os
import shlex
import signal
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from tests.machine.holding import held
from tests.machine.switch import Switch

REPOSITORY = Path(__file__).parents[2]
CHECKOUT = "/repository"
_PATIENCE_SECONDS = 300.0
_ROOT = "/mnt"
# The upper folders lie in memory, because overlayfs takes no other overlay for them.
_FILES = f"""set -e
mount -t tmpfs -o size=3g,mode=755 none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
for each in proc dev sys; do mount --rbind /$each /mnt/root/$each; done
mount -t tmpfs -o mode=755 none /mnt/root/run
mount -t tmpfs -o mode=1777 none /mnt/root/tmp
mkdir /mnt/root{CHECKOUT}
mount --bind "$1" /mnt/root{CHECKOUT}
mount -o remount,ro,bind /mnt/root{CHECKOUT}
echo ready
exec sleep infinity
"""
_NETWORK = """set -e
ip link set lo up
[ -z "$1" ] || ip address add "$1/32" dev lo
echo ready
exec sleep infinity
"""
_RESTART_ALWAYS = 'while :; do "$@"; echo "ended with $?"; sleep 0.5; done'
_VARIABLES = ("HOME", "PATH", "PIP_CONFIG_FILE", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL")


class Machine:
    """A context: the machine exists within it, or until its power is cut."""

    def __init__(self, address: str, switch: Switch | None = None) -> None:
        self.address = address
        self._switch = switch
        self._stack = ExitStack()
        self._files = self._network = 0

    def __enter__(self) -> "Machine":
        with self._stack:
            self._files = self._hold(["--mount", "--propagation=private"], _FILES, str(REPOSITORY))
            alone = "" if self._switch else self.address
            self._network = self._hold(["--net"], _NETWORK, alone)
            self._stack.callback(self._end_all)
            if self._switch:
                self._switch.plug(self._network, self.address)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def cut_power(self) -> None:
        """Nothing of it says anything any more, not even good-bye, and all of it is gone."""
        assert self._switch is not None
        self._switch.unplug(self.address)
        self._stack.close()

    def run(self, *words: str, inside: bool = False) -> str:
        """What a command prints; ``inside`` its own network, else it reaches what this system
        does, such as package indexes. AssertionError when it fails."""
        done = subprocess.run(
            [*self._entering(inside), *words],
            env={name: os.environ[name] for name in _VARIABLES if name in os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}"
        return done.stdout

    def path(self, path: str) -> Path:
        """A file of the machine, as this process reaches it."""
        return Path(f"/proc/{self._files}/root{_ROOT}/root{path}")

    def start_unit(self, name: str) -> None:
        """Start what a unit says, as the user and with the variables that it says."""
        unit = configparser.RawConfigParser(strict=False, interpolation=None)
        unit.optionxform = str  # type: ignore[assignment,method-assign]  # as Python documents it
        unit.read_string(self.path(f"/etc/systemd/system/{name}.service").read_text())
        service = unit["Service"]
        variables = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        variables += service.get("Environment", "").split()
        if "EnvironmentFile" in service:
            variables += self._environment_file(name)
        user = service.get("User", "root")
        directory = service.get("WorkingDirectory", "/")
        self.start(
            "sh", "-c", _RESTART_ALWAYS, "sh",
            "setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "env", "-i", "-C",
            directory, *variables, *service["ExecStart"].split(), log=f"/var/log/{name}.log",
        )  # fmt: skip

    def _environment_file(self, name: str) -> list[str]:
        lines = self.path(f"/etc/systemd/system/{name}.service").read_text().splitlines()
        named = [line.partition("=")[2] for line in lines if line.startswith("EnvironmentFile=")]
        paths = [self.path(each.removeprefix("-")) for each in named]
        found = [line for path in paths if path.exists() for line in path.read_text().splitlines()]
        return [line for line in found if line and not line.startswith("#")]

    def start(self, *words: str, log: str) -> None:
        """Start a command that runs until the machine is gone."""
        output = self._stack.enter_context(self.path(log).open("wb"))
        process = subprocess.Popen(
            [*self._entering(inside=True), *words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        self._stack.callback(_end, process)

    def _end_all(self) -> None:
        for pid in _inhabitants(Path(f"/proc/{self._network}/ns/net")):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _entering(self, inside: bool) -> list[str]:
        network = [f"--net=/proc/{self._network}/ns/net"] if inside else []
        files = f"--mount=/proc/{self._files}/ns/mnt"
        return ["nsenter", files, *network, "--", "chroot", f"{_ROOT}/root"]

    def _hold(self, namespaces: list[str], script: str, *arguments: str) -> int:
        """Make a namespace with the script; the id of the process that keeps it."""
        process = held(namespaces, script, *arguments)
        self._stack.callback(_end, process)
        return process.pid


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


def _inhabitants(namespace: Path) -> list[int]:
    """The processes in this namespace, those that made a session of their own included."""
    own = namespace.readlink()
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "ns" / namespace.name).readlink() == own:
                found.append(int(process.name))
        except OSError:  # it ended while we looked
            continue
    return found
