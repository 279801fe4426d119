"""The edit of the library, on a small ELF library made here byte by byte."""

import ctypes
import os
import platform
import struct
from pathlib import Path

import pytest

from localmesos.apache.elf import Weakened, needed_libraries, weaken
from localmesos.apache.errors import EngineError
from tests.unit.localmesos.apache_small_library import GLOBAL, GONE, STAYS, SYMBOLS, small_library

WEAK = 2


def bindings(image: bytearray) -> list[int]:
    (sections,) = struct.unpack_from("<Q", image, 40)
    (symbols,) = struct.unpack_from("<Q", image, sections + 64 + 24)
    return [image[symbols + 24 * number + 4] >> 4 for number in range(len(SYMBOLS))]


def test_what_is_gone_becomes_weak_and_nothing_else() -> None:
    image = small_library()
    size = len(image)
    assert bindings(image) == [0, GLOBAL, GLOBAL, GLOBAL, GLOBAL]
    assert weaken(image, missing=frozenset({GONE})) == Weakened(libraries=1, symbols=2)
    assert needed_libraries(image) == (STAYS, STAYS)
    assert bindings(image) == [0, WEAK, GLOBAL, WEAK, GLOBAL]
    assert len(image) == size


def test_the_edit_is_complete_after_once() -> None:
    image = small_library()
    weaken(image, missing=frozenset({GONE}))
    once = bytes(image)
    weaken(image, missing=frozenset({GONE}))
    assert image == once


@pytest.mark.mesos
def test_the_loader_takes_the_library_only_after_the_edit(tmp_path: Path) -> None:
    assert platform.machine() == "x86_64"
    image = small_library()
    before = tmp_path / "before.so"
    before.write_bytes(image)
    with pytest.raises(OSError, match=GONE):
        ctypes.CDLL(os.fspath(before), mode=os.RTLD_NOW)
    weaken(image, missing=frozenset({GONE}))
    after = tmp_path / "after.so"
    after.write_bytes(image)
    ctypes.CDLL(os.fspath(after), mode=os.RTLD_NOW)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda image: image[:0], "not a 64-bit"),
        (lambda image: b"\x7fELF\x01" + image[5:], "not a 64-bit"),
        (lambda image: image[:80], "damaged"),
        (lambda image: image[:-70], "damaged"),
        (lambda image: image.replace(b"libz", b"libx"), "does not need libz.so.1"),
    ],
)
def test_another_or_a_damaged_file_is_refused(damage: object, message: str) -> None:
    assert callable(damage)
    image = bytearray(damage(small_library()))
    with pytest.raises(EngineError, match=message):
        weaken(image, missing=frozenset({GONE}))
