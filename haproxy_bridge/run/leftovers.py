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

_TRIALS = re.compile(r"\.(stayer-candidate|trial)-[a-z0-9_]{8}")
"""Folders of configurations and certificates that were looked at."""


def swept(options: NodeOptions) -> None:
    """Under the lock, and before anything is written. What can not be taken away stays."""
    config, state = Path(options.config), Path(options.state)
    of_config = (config.name, f".{config.name}")  # its generations, and the mark of a new one
    _sweep(config.parent, lambda name: name.startswith(of_config) or bool(MAPS.fullmatch(name)))
    _sweep(config.with_name(FOLDER), lambda name: name.endswith(".pem"))
    _sweep(state.parent, lambda name: name == state.name)


def _sweep(folder: Path, is_ours: Callable[[str], bool]) -> None:
    with suppress(OSError):
        for entry in list(folder.iterdir()):
            if _TRIALS.fullmatch(entry.name):
                shutil.rmtree(entry, ignore_errors=True)
            unfinished = UNFINISHED.fullmatch(entry.name)
            if unfinished and is_ours(unfinished[1]):
                with suppress(OSError):
                    entry.unlink()
