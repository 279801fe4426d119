"""A small ELF library made byte by byte, with what the edit of Mesos' library looks for."""

import struct

GONE = "libgone.so.9"
STAYS = "libz.so.1"
SYMBOLS = ("", "gone_function", "gone_untyped", "svn_prefix_only", "kept_function")
VERSIONS = (0, 2, 1, 1, 1)  # gone_function has version index 2, of the library that is gone
GLOBAL = 1


def small_library(needed: tuple[str, ...] = (STAYS, GONE)) -> bytearray:
    """A shared library that needs `needed` and has the undefined SYMBOLS, two of them used."""
    names = ["", *needed, GONE, "GONE_1.0", *SYMBOLS[1:]]
    strings = b"".join(name.encode() + b"\0" for name in names)

    def name(text: str) -> int:
        return strings.index(b"\0" + text.encode() + b"\0") + 1 if text else 0

    symbols = b"".join(
        struct.pack("<IBBHQQ", name(symbol), (GLOBAL << 4) if symbol else 0, 0, 0, 0, 0)
        for symbol in SYMBOLS
    )
    versions = struct.pack(f"<{len(VERSIONS)}H", *VERSIONS)
    verneed = struct.pack("<HHIII", 1, 1, name(GONE), 16, 0)
    verneed += struct.pack("<IHHII", 0, 0, 2, name("GONE_1.0"), 0)
    slots = bytes(16)
    header, programs = 64, 3 * 56
    at: dict[str, int] = {}
    body = b""
    for part, data in (
        ("strings", strings),
        ("symbols", symbols),
        ("versions", versions),
        ("verneed", verneed),
        ("slots", slots),
    ):
        body += bytes(-len(body) % 8)
        at[part] = header + programs + len(body)
        body += data
    body += bytes(-len(body) % 8)
    at["relocations"] = header + programs + len(body)
    glob_dat = 6
    body += struct.pack("<QQq", at["slots"], (1 << 32) | glob_dat, 0)
    body += struct.pack("<QQq", at["slots"] + 8, (3 << 32) | glob_dat, 0)
    at["dynamic"] = header + programs + len(body)
    entries = [(1, name(library)) for library in needed] + [
        (5, at["strings"]),
        (6, at["symbols"]),
        (10, len(strings)),
        (11, 24),
        (7, at["relocations"]),
        (8, 48),
        (9, 24),
        (0x6FFFFFF0, at["versions"]),
        (0x6FFFFFFE, at["verneed"]),
        (0x6FFFFFFF, 1),
        (0, 0),
    ]
    body += b"".join(struct.pack("<QQ", *entry) for entry in entries)
    sections = header + programs + len(body)
    body += bytes(64)
    body += struct.pack(
        "<IIQQQQIIQQ", 0, 11, 2, at["symbols"], at["symbols"], len(symbols), 0, 1, 8, 24
    )
    size = header + programs + len(body)
    dynamic_size = 16 * len(entries)
    return bytearray(
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, header, sections, 0, 64, 56, 3, 64, 2, 0)
        + struct.pack("<IIQQQQQQ", 1, 6, 0, 0, 0, size, size, 4096)
        + struct.pack(
            "<IIQQQQQQ", 2, 6, at["dynamic"], at["dynamic"], 0, dynamic_size, dynamic_size, 8
        )
        + struct.pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)
        + body
    )
