"""Whether this machine can run Apache's build of Mesos at all, asked before anything is fetched."""

import ctypes
import os
import platform
import sys

from localmesos.apache.errors import EngineError

_SIMULATED = "use the simulated engine here (--engine simulated)"
_PACKAGES = {
    "libsasl2.so.2": "libsasl2-2",
    "libz.so.1": "zlib1g",
    "libstdc++.so.6": "libstdc++6",
    "libgcc_s.so.1": "libgcc-s1",
}
"""Libraries that Mesos needs and that a small system may lack -> their Debian packages."""


def check_host() -> None:
    """Raise EngineError, saying what to do, unless this is x86-64 Linux with the libraries."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise EngineError(
            "Apache's build of Mesos runs on x86-64 Linux only, and this is "
            f"{platform.system()} on {platform.machine()}: {_SIMULATED}"
        )
    if sys.maxsize < 2**32 or not _has_glibc():
        raise EngineError(
            f"Apache's build of Mesos needs a 64-bit Python on the GNU C library: {_SIMULATED}"
        )
    missing = [library for library in _PACKAGES if not _loads(library)]
    if missing:
        packages = " ".join(_PACKAGES[library] for library in missing)
        raise EngineError(
            f"Mesos needs {', '.join(missing)}, missing on this machine. On Debian or Ubuntu: "
            f"apt-get install {packages} (on others, the package with that library)"
        )


def _has_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (OSError, ValueError):
        return False


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
