"""A different flag value for each of many agents that boot in one process.

Mesos reads a flag given as `file:///path` anew for each agent. The path is a named pipe here,
and each reader gets the next value. Before a value is written, a fresh pipe takes the place of
the one being read, so that the next reader cannot join it and get two values as one.
"""

import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

_VALUES = "values.json"


def prepare_flag_files(folder: Path, values: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Put down what `serve_flag_files` will hand out: flag name -> a value for each reader.

    Returns the value that each flag must be given: the address of its pipe.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _VALUES).write_text(json.dumps({name: list(each) for name, each in values.items()}))
    return {name: f"file://{folder.absolute() / name}" for name in values}


def serve_flag_files(folder: Path) -> None:
    """Create the pipes and hand out the values from threads of their own, one for each flag."""
    values: dict[str, list[str]] = json.loads((folder / _VALUES).read_text())
    for name, each in values.items():
        path = folder / name
        _fresh_pipe(path)
        threading.Thread(
            target=_hand_out, args=(path, each), name=f"flag {name}", daemon=True
        ).start()


def _hand_out(path: Path, values: Sequence[str]) -> None:
    for value in values:
        descriptor = os.open(path, os.O_WRONLY)  # waits for a reader
        _fresh_pipe(path)
        with os.fdopen(descriptor, "w") as pipe:
            pipe.write(value)


def _fresh_pipe(path: Path) -> None:
    fresh = path.with_name(path.name + ".fresh")
    fresh.unlink(missing_ok=True)
    os.mkfifo(fresh, 0o600)
    fresh.rename(path)
