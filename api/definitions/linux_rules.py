"""Rules on ``container.linuxInfo``; the texts are Marathon's where it has them.

Judged on the canonical dict, where everything still stands in its place.
"""

from collections.abc import Iterator
from typing import Any

from api.faults import Fault

_PATH = "/container/linuxInfo"


def linux_faults(app: dict[str, Any]) -> Iterator[Fault]:
    """What is wrong with the kernel's settings of a canonical definition."""
    container = app.get("container", {})
    linux = container.get("linuxInfo")
    if linux is None:
        return
    if container.get("type", "DOCKER") == "DOCKER":
        yield Fault(_PATH, "linuxInfo is not supported with Docker containerizer")
    seccomp = linux.get("seccomp")
    if seccomp is not None:
        unconfined = seccomp.get("unconfined", False)
        if "profileName" in seccomp and unconfined:
            error = "Seccomp unconfined can NOT be true when Profile is defined"
            yield Fault(f"{_PATH}/seccomp", error)
        if "profileName" not in seccomp and not unconfined:
            error = "Seccomp unconfined must be true when Profile is NOT defined"
            yield Fault(f"{_PATH}/seccomp", error)
    ipc = linux.get("ipcInfo", {})
    if ipc.get("mode") == "SHARE_PARENT" and "shmSize" in ipc:
        error = "ipcInfo shmSize can NOT be set when mode is SHARE_PARENT"
        yield Fault(f"{_PATH}/ipcInfo", error)
