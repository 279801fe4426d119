"""The maps of routes that a worker of haproxy has, and which of them are to be replaced. Pure.

A worker knows a map under the name of the file that it loaded, which tells what was in it. Once its
entries were replaced, what it has is known only of the worker that was told, by the number of the
version that haproxy gave them.
"""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from haproxy_bridge.rendered import Rendered

_PID = re.compile(r"^Pid: (\d+)$", re.MULTILINE)
_MAP = re.compile(
    r"^\d+ \((stayer-([a-z]+)-[0-9a-f]{16}\.map)\) .*\bcurr_ver=(\d+) .*\bentry_cnt=(\d+)\s*$",
    re.MULTILINE,
)
_ENTRY = re.compile(r"^0x[0-9a-f]+ (.*)$", re.MULTILINE)
_OF_HOSTS = {"exact", "nocase"}
"""Two maps that are asked one after the other."""


class Table(Struct, frozen=True):
    """A map as a worker has it. ``name``: of the file that it loaded; ``version``: 0 for what was
    in that; ``entries``: how many it has, with those of versions that nobody finished."""

    name: str
    version: int
    entries: int


class Tables(Struct, frozen=True):
    """Those of one worker, by kind."""

    pid: str = ""
    by_kind: dict[str, Table] = {}


class Exchange(Struct, frozen=True):
    """That the map which haproxy calls ``name`` is to have these entries."""

    kind: str
    name: str
    entries: tuple[str, ...]


def read(answer: str) -> Tables:
    """``show info`` and ``show map``, on end. What is none of ours is passed over."""
    pid = _PID.search(answer)
    found = {
        kind: Table(name, int(version), int(entries))
        for name, kind, version, entries in _MAP.findall(answer)
    }
    return Tables(pid[1] if pid else "", found)


def shown(answer: str) -> list[str]:
    """``show map`` of one of them: its entries, in order of their text."""
    return sorted(_ENTRY.findall(answer))


def exchanges(
    before: Mapping[str, str], wanted: Rendered, known: Tables, seen: Tables
) -> tuple[tuple[Exchange, ...], str]:
    """Which are to be replaced, or else why only a reload does it. ``before``: names of the files
    with what haproxy has, by kind; ``known``: what the worker had when that was so."""
    if before == wanted.maps:
        return (), _doubt(wanted, known, seen)
    if seen != known or not seen.pid or seen.by_kind.keys() != wanted.maps.keys():
        return (), "routes, and another worker of haproxy, or other maps, than is known"
    found = tuple(_exchanges(before, wanted, seen))
    kinds = {one.kind for one in found}
    if kinds >= _OF_HOSTS:
        return (), "routes with and without regard to case"
    return found, ""


def _doubt(wanted: Rendered, known: Tables, seen: Tables) -> str:
    """Why what the worker has may not be what is wanted. Maps that can not be read are no reason,
    nor is a number of entries where none was known: one reload would follow the other."""
    if seen == known:
        return ""
    for kind, name in wanted.maps.items():
        table = seen.by_kind.get(kind)
        if table is None:
            continue
        entries = wanted.files[name].count(b"\n") if known.pid else table.entries
        if table != Table(name, 0, entries):
            return "haproxy has other routes than its file"
    return ""


def _exchanges(before: Mapping[str, str], wanted: Rendered, seen: Tables) -> Iterator[Exchange]:
    for kind, name in wanted.maps.items():
        if before.get(kind) != name:
            # By this one character, as haproxy reads files: others end lines of Python alone.
            entries = tuple(wanted.files[name].decode().removesuffix("\n").split("\n"))
            yield Exchange(kind, seen.by_kind[kind].name, entries)
