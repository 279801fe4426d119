"""The process that is a Mesos master, a Mesos agent, or a whole cluster: what it runs inside.

libmesos owns the signals, the threads and the fate of its process, so it never runs in the
process of its user. The starter holds the other end of standard input: a line `appoint` makes
an agent register again, and the end of the input ends this process. When the starter dies, this
process is killed by the kernel, even while it is stopped.
Settings come in as environment variables of Mesos' own names (MESOS_*, LIBPROCESS_*).
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from localmesos.apache.flag_files import serve_flag_files
from localmesos.apache.library import Library

USAGE = "master LIBRARY | agent LIBRARY MASTER_IP MASTER_PORT | cluster LIBRARY FLAGS_FOLDER"
_PR_SET_PDEATHSIG = 1
APPOINT = b"appoint\n"


def main(arguments: list[str] | None = None) -> None:
    """Boot what the arguments name (see USAGE) and stay until standard input ends."""
    _die_with_the_starter()
    role, library, *rest = sys.argv[1:] if arguments is None else arguments
    appoint = _boot(role, Library(Path(library)), rest)
    for line in sys.stdin.buffer:
        if line == APPOINT and appoint is not None:
            appoint()
    os._exit(0)  # no destructors: threads of libmesos are still at work


def _boot(role: str, library: Library, rest: list[str]) -> Callable[[], None] | None:
    if role == "master":
        library.boot("master")
        return None
    if role == "agent":
        return library.boot_agent("slave(1)", rest[0], int(rest[1]))
    if role == "cluster":
        serve_flag_files(Path(rest[0]))
        library.boot("master")
        return None
    raise SystemExit(f"usage: {USAGE}")


def _die_with_the_starter() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


if __name__ == "__main__":
    main()
