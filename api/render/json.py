"""Values to JSON bytes, and long arrays in pieces.

A C encoder holds the interpreter for its whole call, so a long list is encoded item by item:
between two items the scheduler's thread gets its turn.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()


def encode(value: Any) -> bytes:
    """One value as JSON."""
    return _ENCODER.encode(value)


def encode_list(name: str, items: Iterable[Any]) -> bytes:
    """``{"name": [items]}``, each item encoded by itself; a bare array if the name is empty."""
    array = b"[" + b",".join(map(_ENCODER.encode, items)) + b"]"
    return array if not name else b'{"' + name.encode("ascii") + b'":' + array + b"}"
