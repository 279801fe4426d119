"""A Docker Engine for tests: dockerd with a socket, folders and a containerd of its own.

It needs root, and no more of the machine than that: no packet filter and plain copies for layers.
Its containers have a bridge, but no way from there to other machines. It leaves nothing behind,
and ends with the process that started it, however that ends.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from localmesos.apache.docker_engine import NoDockerError, find_docker
from tests.docker_engine.bridge import Bridge
from tests.polling import eventually

_END_SECONDS = 30.0
_LARGE_BYTES = 6 << 30
LIMITED_RUNTIME = "limited"
_LIMITED = """#!/bin/sh
# The runtime of containers on a machine that lacks a capability: nobody can grant it to them.
bundle=
previous=
for word; do
    [ "$previous" != --bundle ] || bundle=$word
    previous=$word
done
[ -z "$bundle" ] || sed -i 's/"CAP_SYS_RESOURCE",//g' "$bundle/config.json"
exec runc "$@"
"""
_FLAGS = (
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
    "--exec-opt=native.cgroupdriver=cgroupfs",
    "--shutdown-timeout=2",
)


class DockerDaemon:
    """Running while the context lasts.

    One for large images keeps them in layers, in memory that is freed with its last process.
    """

    def __init__(self, *, large_images: bool = False) -> None:
        # Not pytest's folders: the paths of sockets must be short.
        self._folder = Path(tempfile.mkdtemp(prefix="stayer-docker-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._bridge = Bridge()
        self._large_images = large_images

    @property
    def host(self) -> str:
        """As in DOCKER_HOST."""
        return f"unix://{self._folder}/docker.sock"

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _start(self) -> None:
        assert os.geteuid() == 0, "no Docker Engine answers, and only root can start one"
        dockerd = shutil.which("dockerd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert dockerd, "the tests need docker.io: scripts/system-packages"
        folder, settings = self._folder, self._folder / "daemon.json"
        settings.write_text("{}")  # not the machine's own
        runtime = folder / "runtime"
        runtime.write_text(_LIMITED)
        runtime.chmod(0o755)
        folders = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        own = [f"--{flag}={folder / name}" for flag, name in folders.items()]
        own += [f"--add-runtime={LIMITED_RUNTIME}={runtime}", *self._bridge.create()]
        own.append(f"--storage-driver={'overlay2' if self._large_images else 'vfs'}")
        command = [dockerd, f"--config-file={settings}", f"--host={self.host}", *own, *_FLAGS]
        if self._large_images:
            (folder / "data").mkdir()
            mount = f"mount -t tmpfs -o size={_LARGE_BYTES},mode=711 none {folder}/data"
            command = ["unshare", "--mount", "sh", "-ec", f'{mount}; exec "$@"', "sh", *command]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=TERM", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        eventually(self._answers, "the Docker Engine")

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"dockerd ended:\n{(self._folder / 'log').read_text()}")
        try:
            find_docker({"DOCKER_HOST": self.host})
        except NoDockerError as reason:
            raise AssertionError(reason) from None
        return True

    def _stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(_END_SECONDS)
        for pid in self._left():  # containerd and its shims, after a bad end
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not self._left(), "the end of containerd")
        for mount in reversed(self._mounts()):
            subprocess.run(["umount", "--lazy", mount], check=True)
        self._bridge.remove()
        shutil.rmtree(self._folder)

    def _left(self) -> list[int]:
        mark = os.fsencode(self._folder)
        return [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and mark in _command_line(entry)
        ]

    def _mounts(self) -> list[str]:
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        return [mount for mount in mounts if mount.startswith(f"{self._folder}/")]


def _command_line(entry: Path) -> bytes:
    try:
        running = (entry / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        return (entry / "cmdline").read_bytes() if running else b""
    except OSError:
        return b""
