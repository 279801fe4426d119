"""The bridge of a Docker Engine for tests, with addresses that no other engine here uses.

Several test processes run engines at once, so a process holds a lock on a number, which stands in
the name of its bridge and in its addresses. Nothing is routed: the bridge reaches this machine.
"""

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TextIO

_NUMBERS = range(100, 160)


class Bridge:
    """None until `create`, and none after `remove`."""

    def __init__(self) -> None:
        self._name = ""
        self._lock: TextIO | None = None

    def create(self) -> list[str]:
        """Make it; the flags of dockerd for it, and for networks that users create."""
        number, self._lock = _locked_number()
        self._name = f"stayer-test{number}"
        network = f"10.213.{number}"
        self._delete()  # of a process that was killed
        for words in (
            ("link", "add", "name", self._name, "type", "bridge"),
            ("address", "add", f"{network}.1/25", "dev", self._name),
            ("link", "set", self._name, "up"),
        ):
            subprocess.run(["ip", *words], check=True)
        pool = f"base={network}.128/25,size=28"
        return [f"--bridge={self._name}", f"--default-address-pool={pool}"]

    def remove(self) -> None:
        """Of no effect without it."""
        if self._lock is not None:
            self._delete()
            self._lock.close()
            self._lock = None

    def _delete(self) -> None:
        if Path("/sys/class/net", self._name).exists():
            subprocess.run(["ip", "link", "delete", self._name], check=True)


def _locked_number() -> tuple[int, TextIO]:
    for number in _NUMBERS:
        path = Path(tempfile.gettempdir()) / f"stayer-bridge-{os.getuid()}-{number}.lock"
        lock = path.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return number, lock
    raise RuntimeError(f"{len(_NUMBERS)} engines run already")
