"""What a node remembers from run to run, in one file that is whole or not there.

Without it the guards go by the configuration that lies there: it tells who served, and not which
verdict, epoch or label that came from.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from haproxy_bridge.guard import Held, Memory
from haproxy_bridge.rendered import Backend, Problem, Rendered
from haproxy_bridge.runtime.maps import Tables
from haproxy_bridge.snapshot import Port
from haproxy_bridge.swap import files

VERSION = 2


class Good(Struct, frozen=True):
    """What an app said when haproxy last took it: its labels and ports."""

    labels: dict[str, str]
    ports: tuple[Port, ...]


class Refused(Struct, frozen=True):
    """What an app said that haproxy did not take, and ``why`` not."""

    labels: dict[str, str]
    ports: tuple[Port, ...]
    why: str


class Applied(Struct, frozen=True):
    """What haproxy was last brought to; as ``Rendered`` without its text. ``tables``: the maps that
    its worker had then, none if nobody knows."""

    structure: str
    backends: tuple[Backend, ...]
    maps: dict[str, str] = {}
    tables: Tables = Tables()

    def rendered(self) -> Rendered:
        """For comparison with the next one."""
        return Rendered(structure=self.structure, backends=self.backends, maps=self.maps)


class Certificate(Struct, frozen=True):
    """One of the node's. ``ends_ms``: of the wall clock, 0 where it is not known. ``problem``: why
    the file is not what clients are shown, or will not be for long."""

    file: str
    ends_ms: int = 0
    problem: str = ""


class State(Struct, frozen=True):
    """``memory`` is that of the main cluster, ``others`` those of the others by name; ``kept``: of
    which clusters the last servers stay, and why. ``held``: a configuration that waits to be
    believed, since nothing is remembered that speaks for it. ``good`` and ``refused``: by app id.
    ``problems`` and times are for ``status``; times are milliseconds of the wall clock, 0 for
    never. ``failure``: why the last run kept everything, "" if it did not. ``tried``: fingerprints
    of certificates that haproxy's socket did not take, and for which it was reloaded.
    ``addresses``: where agents were found, by name."""

    version: int = VERSION
    memory: Memory = Memory()
    others: dict[str, Memory] = {}
    kept: dict[str, str] = {}
    held: Held | None = None
    applied: Applied | None = None
    good: dict[str, Good] = {}
    refused: dict[str, Refused] = {}
    problems: tuple[Problem, ...] = ()
    last_run_ms: int = 0
    last_success_ms: int = 0
    last_change_ms: int = 0
    last_reload_ms: int = 0
    changes: int = 0
    route_changes: int = 0
    reloads: int = 0
    failed_reloads: int = 0
    failure: str = ""
    certificates: tuple[Certificate, ...] = ()
    tried: tuple[str, ...] = ()
    addresses: dict[str, str] = {}

    @property
    def why_held(self) -> str:
        """Why an answer waits to be believed, "" if none does."""
        held = self.memory.held or self.held
        return "" if held is None else held.why


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


class Saver:
    """Saves again and again, and encodes of apps and backends only what is new: the whole at once
    would keep all other threads waiting for as long as that takes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._apps: dict[str, _Encoded] = {}
        self._backends = _Encoded()

    def save(self, state: State) -> None:
        """As the function of this name."""
        files.write_atomically(self._path, self.encoded(state), 0o600)

    def encoded(self, state: State) -> bytes:
        """The same bytes as of the state in one piece."""
        applied = state.applied
        others = {name: self._memory(name, one) for name, one in state.others.items()}
        whole = _fields(state) | {"memory": self._memory("", state.memory), "others": others}
        if applied is not None:
            whole["applied"] = _fields(applied) | {"backends": self._backends.of(applied.backends)}
        return msgspec.json.encode(whole)

    def _memory(self, name: str, memory: Memory) -> dict[str, Any]:
        found = _fields(memory)
        if memory.rotation is not None:
            apps = self._apps.setdefault(name, _Encoded())
            found["rotation"] = _fields(memory.rotation)
            found["rotation"]["apps"] = apps.of(memory.rotation.apps)
        return found


class _Encoded:
    """Records, each encoded once for as long as it is among those that are asked for."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Struct, msgspec.Raw]] = {}

    def of(self, records: Sequence[Struct]) -> list[msgspec.Raw]:
        known = self._known  # a record that is held has its number to itself
        self._known = {
            id(one): known.get(id(one)) or (one, msgspec.Raw(msgspec.json.encode(one)))
            for one in records
        }
        return [text for _, text in self._known.values()]


def _fields(record: Struct) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}
