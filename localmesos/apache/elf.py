"""Let libmesos of 2020 load where its OpenSSL 1.0, curl, Subversion and APR no longer exist.

A local cluster calls none of these libraries, but the loader insists on each library, each symbol
version and each symbol that is named. The edit keeps the size of the file: needed libraries that
are gone are renamed to one that stays, their versions and symbols become weak (may be missing).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap

from localmesos.apache.errors import EngineError

Image = bytearray | mmap

STAYING_LIBRARY = "libz.so.1"
MISSING_LIBRARIES = frozenset(
    {
        "libssl.so.1.0.0",
        "libcrypto.so.1.0.0",
        "libcurl.so.4",
        "libsvn_delta-1.so.1",
        "libsvn_subr-1.so.1",
        "libapr-1.so.0",
    }
)
MISSING_SYMBOL_PREFIXES = ("svn_", "apr_", "Py", "_Py")

_MAX_NAME_BYTES = 4096
_PT_LOAD, _PT_DYNAMIC = 1, 2
_DT_NULL, _DT_NEEDED, _DT_HASH, _DT_STRTAB, _DT_SYMTAB = 0, 1, 4, 5, 6
_DT_VERSYM, _DT_VERNEED, _DT_VERNEEDNUM = 0x6FFFFFF0, 0x6FFFFFFE, 0x6FFFFFFF
_SHT_DYNSYM = 11
_VER_FLG_WEAK = 0x2
_STB_WEAK = 2

_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")
_DYNAMIC = struct.Struct("<QQ")
_VERNEED = struct.Struct("<HHIII")
_VERNAUX = struct.Struct("<IHHII")
_SYMBOL = struct.Struct("<IBBHQQ")


@dataclass(frozen=True, slots=True)
class Weakened:
    """What one edit changed: libraries renamed, symbols made weak."""

    libraries: int
    symbols: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the tables of the dynamic loader lie, as offsets into the file."""

    dynamic: int
    entries: tuple[tuple[int, int], ...]
    strings: int
    symbols: int
    symbol_count: int
    versions: int | None
    verneed: int | None
    verneed_count: int

    def name(self, image: Image, offset: int) -> str:
        begin = self.strings + offset
        end = image.find(b"\0", begin, begin + _MAX_NAME_BYTES)
        if end < 0:
            raise EngineError("a name in the library's string table has no end")
        return bytes(image[begin:end]).decode("ascii", "replace")


def weaken(
    image: Image,
    *,
    missing: frozenset[str] = MISSING_LIBRARIES,
    staying: str = STAYING_LIBRARY,
    symbol_prefixes: tuple[str, ...] = MISSING_SYMBOL_PREFIXES,
) -> Weakened:
    """Edit a 64-bit little-endian ELF library in place so that it loads without `missing`.

    Undefined symbols of the missing libraries, and those that begin with one of
    `symbol_prefixes`, become weak. Raises EngineError when the image is no such library or does
    not need `staying`.
    """
    try:
        layout = _layout(image)
        substitute = _staying_offset(image, layout, staying)
        libraries = _rename_needed(image, layout, missing, substitute)
        gone_versions = _weaken_versions(image, layout, missing, substitute)
        symbols = _weaken_symbols(image, layout, gone_versions, symbol_prefixes)
    except struct.error as error:
        raise EngineError(f"the Mesos library is damaged: {error}") from error
    return Weakened(libraries, symbols)


def needed_libraries(image: Image) -> tuple[str, ...]:
    """The libraries that the loader will ask for (DT_NEEDED), in order."""
    layout = _layout(image)
    return tuple(layout.name(image, value) for tag, value in layout.entries if tag == _DT_NEEDED)


def _layout(image: Image) -> _Layout:
    if bytes(image[:6]) != b"\x7fELF\x02\x01":
        raise EngineError("the Mesos library is not a 64-bit little-endian ELF file")
    (program_offset,) = struct.unpack_from("<Q", image, 0x20)
    size, count = struct.unpack_from("<HH", image, 0x36)
    headers = [
        _PROGRAM_HEADER.unpack_from(image, program_offset + size * number)
        for number in range(count)
    ]
    loads = [header for header in headers if header[0] == _PT_LOAD]
    dynamic = next((header[2] for header in headers if header[0] == _PT_DYNAMIC), None)
    if dynamic is None:
        raise EngineError("the Mesos library has no dynamic section")

    def file_offset(address: int) -> int:
        for _, _, offset, virtual, _, file_size, _, _ in loads:
            if virtual <= address < virtual + file_size:
                return int(address - virtual + offset)
        raise EngineError("the Mesos library points outside of its own file")

    entries = tuple(_dynamic_entries(image, dynamic))
    tags = dict(entries)
    if _DT_STRTAB not in tags or _DT_SYMTAB not in tags:
        raise EngineError("the Mesos library has no dynamic symbols")
    return _Layout(
        dynamic=dynamic,
        entries=entries,
        strings=file_offset(tags[_DT_STRTAB]),
        symbols=file_offset(tags[_DT_SYMTAB]),
        symbol_count=_symbol_count(image),
        versions=file_offset(tags[_DT_VERSYM]) if _DT_VERSYM in tags else None,
        verneed=file_offset(tags[_DT_VERNEED]) if _DT_VERNEED in tags else None,
        verneed_count=tags.get(_DT_VERNEEDNUM, 0),
    )


def _dynamic_entries(image: Image, offset: int) -> Iterator[tuple[int, int]]:
    while True:
        tag, value = _DYNAMIC.unpack_from(image, offset)
        if tag == _DT_NULL:
            return
        yield tag, value
        offset += _DYNAMIC.size


def _symbol_count(image: Image) -> int:
    """The section headers tell the number of dynamic symbols; the dynamic section does not."""
    (section_offset,) = struct.unpack_from("<Q", image, 0x28)
    size, count = struct.unpack_from("<HH", image, 0x3A)
    for number in range(count):
        header = _SECTION_HEADER.unpack_from(image, section_offset + size * number)
        if header[1] == _SHT_DYNSYM:
            return int(header[5]) // _SYMBOL.size
    raise EngineError("the Mesos library has no table of dynamic symbols")


def _staying_offset(image: Image, layout: _Layout, staying: str) -> int:
    for tag, value in layout.entries:
        if tag == _DT_NEEDED and layout.name(image, value) == staying:
            return value
    raise EngineError(f"the Mesos library does not need {staying}: it is not the one expected")


def _rename_needed(image: Image, layout: _Layout, missing: frozenset[str], substitute: int) -> int:
    renamed = 0
    for number, (tag, value) in enumerate(layout.entries):
        if tag == _DT_NEEDED and layout.name(image, value) in missing:
            position = layout.dynamic + number * _DYNAMIC.size
            _DYNAMIC.pack_into(image, position, _DT_NEEDED, substitute)
            renamed += 1
    return renamed


def _weaken_versions(
    image: Image, layout: _Layout, missing: frozenset[str], substitute: int
) -> frozenset[int]:
    """Make the versions of the missing libraries weak; answers their version indexes."""
    indexes: set[int] = set()
    position = layout.verneed
    for _ in range(layout.verneed_count if position is not None else 0):
        assert position is not None
        version, count, file, first, following = _VERNEED.unpack_from(image, position)
        if layout.name(image, file) in missing:
            _VERNEED.pack_into(image, position, version, count, substitute, first, following)
            indexes.update(_weaken_auxiliaries(image, position + first, count))
        position += following
    return frozenset(indexes)


def _weaken_auxiliaries(image: Image, position: int, count: int) -> Iterator[int]:
    for _ in range(count):
        hash_, flags, other, name, following = _VERNAUX.unpack_from(image, position)
        _VERNAUX.pack_into(image, position, hash_, flags | _VER_FLG_WEAK, other, name, following)
        yield other & 0x7FFF
        position += following


def _weaken_symbols(
    image: Image, layout: _Layout, gone_versions: frozenset[int], prefixes: tuple[str, ...]
) -> int:
    weakened = 0
    for number in range(1, layout.symbol_count):
        position = layout.symbols + number * _SYMBOL.size
        name, info, other, section, value, size = _SYMBOL.unpack_from(image, position)
        if section != 0:  # defined in this library
            continue
        if _version(image, layout, number) in gone_versions or layout.name(image, name).startswith(
            prefixes
        ):
            weak = (_STB_WEAK << 4) | (info & 0xF)
            _SYMBOL.pack_into(image, position, name, weak, other, section, value, size)
            weakened += 1
    return weakened


def _version(image: Image, layout: _Layout, number: int) -> int | None:
    if layout.versions is None:
        return None
    (version,) = struct.unpack_from("<H", image, layout.versions + 2 * number)
    return int(version) & 0x7FFF
