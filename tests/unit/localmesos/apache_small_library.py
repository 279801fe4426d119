"""A small ELF library made byte by byte, with what the edit of Mesos' library looks for."""

import struct
from dataclasses import dataclass, field

GONE = "libgone.so.9"
STAYS = "libz.so.1"
SYMBOLS = ("", "gone_function", "gone_untyped", "svn_prefix_only", "kept_function")
VERSIONS = (0, 2, 1, 1, 1)  # gone_function has version index 2, of the library that is gone
GLOBAL = 1

_HEADER_BYTES, _PROGRAM_BYTES, _PROGRAMS = 64, 56, 3
_GLOB_DAT = 6


@dataclass(slots=True)
class _Body:
    """What follows the headers; the file is loaded at address 0, so offsets are addresses."""

    data: bytearray = field(default_factory=bytearray)

    def add(self, part: bytes) -> int:
        """Append a part, aligned; answers its offset in the file."""
        self.data += bytes(-len(self.data) % 8)
        offset = _HEADER_BYTES + _PROGRAMS * _PROGRAM_BYTES + len(self.data)
        self.data += part
        return offset


def small_library(needed: tuple[str, ...] = (STAYS, GONE)) -> bytearray:
    """A shared library that needs `needed` and has the undefined SYMBOLS, two of them used."""
    names = ["", *needed, GONE, "GONE_1.0", *SYMBOLS[1:]]
    text = b"".join(name.encode() + b"\0" for name in names)
    offsets = {name: text.index(b"\0" + name.encode() + b"\0") + 1 for name in names[1:]}
    offsets[""] = 0
    symbols = b"".join(
        struct.pack("<IBBHQQ", offsets[symbol], (GLOBAL << 4) if symbol else 0, 0, 0, 0, 0)
        for symbol in SYMBOLS
    )
    body = _Body()
    strings_at, symbols_at = body.add(text), body.add(symbols)
    dynamic = [
        *((1, offsets[library]) for library in needed),  # DT_NEEDED
        (5, strings_at),
        (6, symbols_at),
        (10, len(text)),
        (11, 24),
        (0x6FFFFFF0, body.add(struct.pack(f"<{len(VERSIONS)}H", *VERSIONS))),
        (0x6FFFFFFE, body.add(_verneed(offsets))),
        (0x6FFFFFFF, 1),
        (7, body.add(_relocations(slots_at=body.add(bytes(16))))),
        (8, 48),
        (9, 24),
        (0, 0),
    ]
    dynamic_at = body.add(b"".join(struct.pack("<QQ", *entry) for entry in dynamic))
    dynsym = (0, 11, 2, symbols_at, symbols_at, len(symbols), 0, 1, 8, 24)
    sections_at = body.add(bytes(64) + struct.pack("<IIQQQQIIQQ", *dynsym))
    return _file_header(sections_at) + _program_headers(body, dynamic_at, 16 * len(dynamic))


def _verneed(offsets: dict[str, int]) -> bytes:
    version = struct.pack("<IHHII", 0, 0, 2, offsets["GONE_1.0"], 0)
    return struct.pack("<HHIII", 1, 1, offsets[GONE], 16, 0) + version


def _relocations(slots_at: int) -> bytes:
    """The addresses of symbols 1 and 3 are wanted at load time."""
    return b"".join(
        struct.pack("<QQq", slots_at + 8 * slot, (symbol << 32) | _GLOB_DAT, 0)
        for slot, symbol in enumerate((1, 3))
    )


def _file_header(sections_at: int) -> bytearray:
    fields = (3, 62, 1, 0, _HEADER_BYTES, sections_at, 0, 64, _PROGRAM_BYTES, _PROGRAMS, 64, 2, 0)
    return bytearray(b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", *fields))


def _program_headers(body: _Body, dynamic_at: int, dynamic_bytes: int) -> bytes:
    """Load all of it, find the dynamic section, and want no executable stack."""
    size = _HEADER_BYTES + _PROGRAMS * _PROGRAM_BYTES + len(body.data)
    headers = (
        (1, 6, 0, 0, 0, size, size, 4096),
        (2, 6, dynamic_at, dynamic_at, 0, dynamic_bytes, dynamic_bytes, 8),
        (0x6474E551, 6, 0, 0, 0, 0, 0, 16),
    )
    return b"".join(struct.pack("<IIQQQQQQ", *each) for each in headers) + bytes(body.data)
