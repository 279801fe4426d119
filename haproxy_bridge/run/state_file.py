"""What a node remembers from run to run, in one file that is whole or not there.

Losing it loses nothing that serves: the next run takes the scheduler's answer for the first one.
"""

from pathlib import Path

import msgspec
from msgspec import Struct

from haproxy_bridge.guard import Memory
from haproxy_bridge.rendered import Backend, Problem, Rendered
from haproxy_bridge.snapshot import Port
from haproxy_bridge.swap import files

VERSION = 2


class Good(Struct, frozen=True):
    """What an app said when haproxy last took it: its labels and ports."""

    labels: dict[str, str]
    ports: tuple[Port, ...]


class Applied(Struct, frozen=True):
    """What haproxy was last brought to; as ``Rendered`` without its text."""

    structure: str
    backends: tuple[Backend, ...]

    def rendered(self) -> Rendered:
        """For comparison with the next one."""
        return Rendered(structure=self.structure, backends=self.backends)


class State(Struct, frozen=True):
    """``good``: by app id. ``problems`` and times are for ``status``; times are milliseconds of
    the wall clock, 0 for never. ``failure``: why the last run kept everything, "" if it
    did not."""

    version: int = VERSION
    memory: Memory = Memory()
    applied: Applied | None = None
    good: dict[str, Good] = {}
    problems: tuple[Problem, ...] = ()
    last_run_ms: int = 0
    last_success_ms: int = 0
    last_change_ms: int = 0
    last_reload_ms: int = 0
    changes: int = 0
    reloads: int = 0
    failed_reloads: int = 0
    failure: str = ""


_DECODER = msgspec.json.Decoder(State)


def load(path: Path) -> tuple[State, str]:
    """The state, and why it begins anew if it does ("" if it does not, or never was). OSError."""
    content = files.read(path)
    if content is None:
        return State(), ""
    try:
        state = _DECODER.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return State(), f"{path} can not be read and is begun anew: {error}"
    if state.version != VERSION:
        return State(), f"{path} is of another release and is begun anew"
    return state, ""


def save(path: Path, state: State) -> None:
    """Durably. OSError."""
    files.write_atomically(path, msgspec.json.encode(state), 0o600)
