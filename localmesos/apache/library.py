"""The few functions of libmesos that boot a master and its agents, called through ctypes.

libmesos is C++ and offers no C interface, so the mangled names, the layout of std::string and
Option, and two functions patched in memory stand here and nowhere else. Everything handed to
libmesos stays allocated for the life of the process, because it keeps references.
"""

import ctypes
import mmap
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from localmesos.apache.errors import EngineError

_STRING = "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
_INITIALIZE = (
    "_ZN7process10initializeERK6OptionINSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEES9_S9_"
)
_FRAMEWORK_INFO = "_ZN5mesos13FrameworkInfoC1Ev"
_MASTER_INFO = "_ZN5mesos10MasterInfoC1Ev"
_PARSE = "_ZN6google8protobuf11MessageLite14ParseFromArrayEPKvi"
_DRIVER = f"_ZN5mesos20MesosSchedulerDriverC1EPNS_9SchedulerERKNS_13FrameworkInfoERK{_STRING}"
_APPOINT = "_ZN5mesos6master8detector24StandaloneMasterDetector7appointERK6OptionINS_10MasterInfoEE"
_HIERARCHY = f"_ZN7cgroups9hierarchyERK{_STRING}"

_FRAMEWORK_INFO_BYTES = 8 * 1024
_MASTER_INFO_BYTES = 4 * 1024
_DRIVER_BYTES = 64 * 1024
_SOME, _NONE = 0, 1
_JUMP_BYTES = 12
_CGROUPS = b"/sys/fs/cgroup"
_READ_WRITE_EXECUTE = mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
_READ_EXECUTE = mmap.PROT_READ | mmap.PROT_EXEC

_T = TypeVar("_T")
_AppointCallback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
_HierarchyCallback = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


class _String(ctypes.Structure):
    """std::string of the C++11 ABI: data, size, and a local buffer that we leave unused."""

    _fields_ = (
        ("data", ctypes.c_char_p),
        ("size", ctypes.c_size_t),
        ("local", ctypes.c_size_t * 2),
    )


class _OptionString(ctypes.Structure):
    """Option<std::string> of stout."""

    _fields_ = (("state", ctypes.c_int), ("value", _String))


class _ResultString(ctypes.Structure):
    """Result<std::string> of stout: Some of a short text, which lies in the string's own buffer."""

    _fields_ = (
        ("answered", ctypes.c_int),
        ("state", ctypes.c_int64),
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("local", ctypes.c_char * 16),
        ("error", ctypes.c_int),
    )


class Library:
    """libmesos loaded into this process; it can boot once and cannot be unloaded."""

    def __init__(self, path: Path) -> None:
        """Load the edited library. Raises EngineError when the loader refuses it."""
        try:
            self._library = ctypes.CDLL(str(path), mode=os.RTLD_LAZY | os.RTLD_GLOBAL)
        except OSError as error:
            raise EngineError(f"cannot load Mesos: {error}") from error
        self._kept: list[object] = []

    def boot(self, delegate: str) -> None:
        """Start a master and the agents that the environment asks for (MESOS_NUM_SLAVES).

        Requests for `/`-paths that name no process of libprocess go to `delegate`, so that a
        master answers at `/api/v1` as well as at `/master/api/v1`.
        """
        option = self._keep(_some(delegate))
        none = self._keep(_OptionString(state=_NONE))
        initialize = self._function(_INITIALIZE, ctypes.c_bool, 3)
        initialize(ctypes.byref(option), ctypes.byref(none), ctypes.byref(none))
        info = self._keep(ctypes.create_string_buffer(_FRAMEWORK_INFO_BYTES))
        self._function(_FRAMEWORK_INFO, None, 1)(info)
        self._parse(info, _text(1, "root") + _text(2, "boot"))
        driver = self._keep(ctypes.create_string_buffer(_DRIVER_BYTES))
        scheduler = self._keep(ctypes.create_string_buffer(64))  # any address but null
        master = self._keep(_string("local"))
        with self._docker_allowed():
            # The constructor boots the cluster; the driver itself is never started.
            self._function(_DRIVER, None, 4)(driver, scheduler, info, ctypes.byref(master))

    def boot_agent(self, delegate: str, master_host: str, master_port: int) -> Callable[[], None]:
        """Start one agent that registers with the master at `master_host` (IPv4), `master_port`.

        The answer is a function that points the agent to that master once more, which makes it
        register again at once after the master restarted.
        """
        detectors: list[int] = []

        def keep_detector(detector: int, _info: int) -> None:
            detectors.append(detector)

        callback = self._keep(_AppointCallback(keep_detector))
        appoint = self._function(_APPOINT, None, 2)
        with _diverted(_address(appoint), _address(callback)):
            self.boot(delegate)
        if not detectors:
            raise EngineError("this build of Mesos booted no agent that can be pointed elsewhere")

        def appoint_master() -> None:
            option = self._keep(ctypes.create_string_buffer(8 + _MASTER_INFO_BYTES))
            # SOME is 0, and the buffer is zeroed.
            info = ctypes.addressof(option) + 8
            self._function(_MASTER_INFO, None, 1)(ctypes.c_void_p(info))
            self._parse(ctypes.c_void_p(info), master_info(master_host, master_port))
            appoint(ctypes.c_void_p(detectors[0]), ctypes.byref(option))

        appoint_master()
        return appoint_master

    @contextmanager
    def _docker_allowed(self) -> Iterator[None]:
        """Let agents with docker tasks boot on a machine that has cgroups of version 2 only.

        Mesos 1.11 refuses without the `cpu` hierarchy of version 1, which its agents then use for
        statistics only: the limits are the engine's business.
        """
        if "docker" not in os.environ.get("MESOS_CONTAINERIZERS", "") or _has_cpu_hierarchy():
            yield
            return
        callback = self._keep(_HierarchyCallback(_answer_hierarchy))
        hierarchy = self._function(_HIERARCHY, None, 2)
        with _diverted(_address(hierarchy), _address(callback)):
            yield

    def _parse(self, message: object, wire: bytes) -> None:
        parse = self._library[_PARSE]
        parse.restype = ctypes.c_bool
        parse.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        if not parse(message, wire, len(wire)):
            raise EngineError("Mesos did not accept a message made for its start")

    def _function(
        self, name: str, result: type[ctypes.c_bool] | None, arguments: int
    ) -> "ctypes._NamedFuncPointer":
        try:
            function = self._library[name]
        except AttributeError as error:
            raise EngineError(f"this library is not the Mesos expected: no {name}") from error
        function.restype = result
        function.argtypes = [ctypes.c_void_p] * arguments
        return function

    def _keep(self, value: _T) -> _T:
        self._kept.append(value)
        return value


def master_info(host: str, port: int) -> bytes:
    """The MasterInfo of a master at an IPv4 address, as protobuf wire bytes."""
    # Mesos keeps the address as the four network-order bytes read as a little-endian number.
    number = int.from_bytes(socket.inet_aton(host), "little")
    address = _text(1, host) + _text(2, host) + _number(3, port)
    return (
        _text(1, f"master@{host}:{port}")
        + _number(2, number)
        + _number(3, port)
        + _text(4, f"master@{host}:{port}")
        + _text(5, host)
        + _field(7, address)
    )


def _text(field: int, value: str) -> bytes:
    return _field(field, value.encode())


def _field(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _has_cpu_hierarchy() -> bool:
    lines = Path("/proc/mounts").read_text(errors="replace").splitlines()
    mounts = [line.split() for line in lines]
    return any(each[2] == "cgroup" and "cpu" in each[3].split(",") for each in mounts)


def _answer_hierarchy(result: int, _subsystems: int) -> int:
    """In place of cgroups::hierarchy: some folder, written where the caller wants its result."""
    told = _ResultString.from_address(result)
    told.answered = told.state = _SOME
    told.local = _CGROUPS
    told.data = result + _ResultString.local.offset
    told.size = len(_CGROUPS)
    told.error = _NONE
    return result


def _string(value: str) -> _String:
    encoded = value.encode()
    return _String(encoded, len(encoded), (ctypes.c_size_t * 2)(len(encoded), 0))


def _some(value: str) -> _OptionString:
    return _OptionString(_SOME, _string(value))


def _address(function: object) -> int:
    pointer = ctypes.cast(function, ctypes.c_void_p).value  # type: ignore[arg-type]  # any callable
    assert pointer is not None
    return pointer


@contextmanager
def _diverted(function: int, target: int) -> Iterator[None]:
    """While the context lasts, every call of the machine code at `function` goes to `target`.

    Calls inside libmesos are bound directly, with no table to exchange an entry in, so a jump
    is written over the first bytes of the function and taken back afterwards.
    """
    page = function & -mmap.PAGESIZE
    jump = b"\x48\xb8" + target.to_bytes(8, "little") + b"\xff\xe0"  # mov rax, target; jmp rax
    assert len(jump) == _JUMP_BYTES
    _protect(page, _READ_WRITE_EXECUTE)
    saved = ctypes.string_at(function, _JUMP_BYTES)
    ctypes.memmove(function, jump, _JUMP_BYTES)
    try:
        yield
    finally:
        ctypes.memmove(function, saved, _JUMP_BYTES)
        _protect(page, _READ_EXECUTE)


def _protect(page: int, protection: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    # Two pages, since the function may begin at the end of the first.
    if libc.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(2 * mmap.PAGESIZE), protection):
        reason = os.strerror(ctypes.get_errno())
        raise EngineError(f"cannot prepare Mesos for a master elsewhere: mprotect: {reason}")
