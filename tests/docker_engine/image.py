"""A small image that the tests build themselves, so that nothing is pulled from anywhere.

Debian's static busybox with a name for each of its programs, and an entry point that tells what
it was given before it becomes that.
"""

import io
import subprocess
import tarfile
from pathlib import Path

_BUSYBOX = Path("/bin/busybox")
_ENTRY = b'#!/bin/sh\necho "entry: $*"\nexec "$@"\n'
CHANGES = ('ENTRYPOINT ["/bin/sh", "/entry"]', "ENV FROM_IMAGE=yes")
"""As in a Dockerfile, for the import."""


def image_tar(version: str = "") -> bytes:
    """The root file system of the image; the file /etc/version tells one from another."""
    assert _BUSYBOX.exists(), "the tests need busybox-static: scripts/system-packages"
    listed = subprocess.run([_BUSYBOX, "--list"], check=True, capture_output=True, text=True)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for folder in ("bin", "dev", "etc", "proc", "sys"):
            tar.addfile(_member(folder, tarfile.DIRTYPE, 0o755))
        tar.addfile(_member("tmp", tarfile.DIRTYPE, 0o1777))
        _add(tar, "bin/busybox", _BUSYBOX.read_bytes(), 0o755)
        _add(tar, "entry", _ENTRY, 0o755)
        _add(tar, "etc/version", version.encode(), 0o644)
        for name in set(listed.stdout.split()) - {"busybox"}:
            link = _member(f"bin/{name}", tarfile.SYMTYPE, 0o777)
            link.linkname = "busybox"
            tar.addfile(link)
    return content.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    member = _member(name, tarfile.REGTYPE, mode)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _member(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode = kind, mode
    return member
