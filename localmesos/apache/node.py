"""The process that is a Mesos master, a Mesos agent, or a whole cluster: what it runs inside.

libmesos owns the signals, the threads and the fate of its process, so it never runs in the
process of its user. The starter holds the other end of standard input: a line `appoint` makes
an agent register again, and the end of the input (the starter is gone) ends this process.
Settings come in as environment variables of Mesos' own names (MESOS_*, LIBPROCESS_*).
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from localmesos.apache.flag_files import serve_flag_files
from localmesos.apache.library import Library

USAGE = "master LIBRARY | agent LIBRARY MASTER_IP MASTER_PORT | cluster LIBRARY FLAGS_FOLDER"
APPOINT = b"appoint\n"


def main(arguments: list[str] | None = None) -> None:
    """Boot what the arguments name (see USAGE) and stay until standard input ends."""
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


if __name__ == "__main__":
    main()
