"""What a run that died half-way through a file left behind, taken away by the next one.

A file is written under another name first, and what is only to be looked at lies in a folder of its
own. What only whoever holds the lock makes may be taken away by the next who holds it; nothing of
anybody else's is touched.
"""

import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.tls import FOLDER
from haproxy_bridge.swap.files import MAPS, UNFINISHED

_CANDIDATES = re.compile(r"\.stayer-candidate-[a-z0-9_]{8}")
"""Folders of configurations that were looked at."""
_TRIALS = re.compile(r"\.trial-[a-z0-9_]{8}")
"""Folders of certificates that were looked at, among our copies and nowhere else."""


def swept(options: NodeOptions) -> None:
    """Under the lock, and before anything is written. What can not be taken away stays."""
    config, state = Path(options.config), Path(options.state)
    of_config = (config.name, f".{config.name}")  # its generations, and the mark of a new one
    _sweep_folders(config.parent, _CANDIDATES)
    _sweep_folders(config.with_name(FOLDER), _TRIALS)
    _sweep(config.parent, lambda name: name.startswith(of_config) or bool(MAPS.fullmatch(name)))
    _sweep(config.with_name(FOLDER), lambda name: name.endswith(".pem"))
    _sweep(state.parent, lambda name: name == state.name)


def _sweep_folders(folder: Path, names: re.Pattern[str]) -> None:
    with suppress(OSError):
        for entry in list(folder.iterdir()):
            if names.fullmatch(entry.name):
                shutil.rmtree(entry, ignore_errors=True)


def _sweep(folder: Path, is_ours: Callable[[str], bool]) -> None:
    with suppress(OSError):
        for entry in list(folder.iterdir()):
            unfinished = UNFINISHED.fullmatch(entry.name)
            if unfinished and is_ours(unfinished[1]):
                with suppress(OSError):
                    entry.unlink()
