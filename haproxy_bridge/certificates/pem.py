"""A certificate with its key in PEM, as haproxy takes them: which one it is, and when it ends.

Only the blocks are kept, without blank lines, since one would end what haproxy's socket reads.
"""

import base64
import binascii
import hashlib
import re
import ssl
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from api.files import read_bounded

MAX_BYTES = 64 * 1024
_BLOCK = re.compile(
    r"-----BEGIN ([A-Z0-9 ]{3,40})-----\s*\n(.*?)-----END \1-----", re.DOTALL | re.ASCII
)
_TIMES = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}
_VERSION = 0xA0


class BadPemError(ValueError):
    """It can not be used; the text says why, and nothing of what is in it."""


class Pem(Struct, frozen=True):
    """``fingerprint``: of the certificate, SHA-1 in hex, by which haproxy names it. ``ends_ms``: of
    the wall clock."""

    content: bytes
    fingerprint: str
    ends_ms: int


def read(content: bytes) -> Pem:
    """The blocks of a file. BadPemError if there is no certificate, or no key that is open."""
    blocks = _BLOCK.findall(content.decode("ascii", "replace"))
    leaf = next((text for kind, text in blocks if kind == "CERTIFICATE"), None)
    if leaf is None:
        raise BadPemError("no certificate in PEM is in it")
    keys = [(kind, text) for kind, text in blocks if kind.endswith("PRIVATE KEY")]
    if not keys:
        raise BadPemError("no private key is in it, nor in a file beside it with .key at its end")
    if any(kind.startswith("ENCRYPTED") or ":" in text for kind, text in keys):
        raise BadPemError("its private key is encrypted, and nobody is there to be asked")
    try:
        found = base64.b64decode("".join(leaf.split()), validate=True)
        ends = _ends(found)
    except (binascii.Error, ValueError, IndexError) as error:
        raise BadPemError("its certificate is damaged") from error
    whole = "".join(_block(kind, text) for kind, text in blocks)
    fingerprint = hashlib.sha1(found, usedforsecurity=False).hexdigest().upper()
    return Pem(whole.encode(), fingerprint, ends)


def of_file(path: Path) -> Pem:
    """What a file has, with the key in the one beside it if it has none of its own. OSError,
    ValueError."""
    content = read_bounded(path, MAX_BYTES)
    beside = path.with_name(f"{path.name}.key")
    if b"PRIVATE KEY-----" not in content and beside.exists():
        content += b"\n" + read_bounded(beside, MAX_BYTES)
    return read(content)


def why(error: OSError | ValueError) -> str:
    """That a file can not be used, without its name."""
    return (error.strerror if isinstance(error, OSError) else "") or str(error)


def belong_together(found: Pem, folder: Path) -> None:
    """BadPemError if OpenSSL does not take the certificate with its key. OSError."""
    with tempfile.TemporaryDirectory(prefix=".trial-", dir=folder) as place:
        path = Path(place) / "pem"
        path.touch(0o600)
        path.write_bytes(found.content)
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(path, password=lambda: b"")
        except ssl.SSLError as error:
            reason = (error.reason or "it can not be read").lower().replace("_", " ")
            raise BadPemError(f"OpenSSL does not take it: {reason}") from error


def _block(kind: str, text: str) -> str:
    lines = "".join(f"{line.strip()}\n" for line in text.splitlines() if line.strip())
    return f"-----BEGIN {kind}-----\n{lines}-----END {kind}-----\n"


def _ends(der: bytes) -> int:
    """When the certificate ends (X.509: Certificate, tbsCertificate, validity, notAfter), in
    milliseconds. ValueError, IndexError."""
    _, certificate, _ = _part(der, 0)
    _, at, _ = _part(der, certificate)
    kind, _, end = _part(der, at)
    if kind == _VERSION:
        at = end
    for _ in ("serial number", "algorithm", "issuer"):
        _, _, at = _part(der, at)
    _, begins, _ = _part(der, at)
    _, _, after = _part(der, begins)
    kind, start, end = _part(der, after)
    if kind not in _TIMES:
        raise ValueError("not a time")
    text = der[start:end].decode("ascii")
    return int(datetime.strptime(text, _TIMES[kind]).replace(tzinfo=UTC).timestamp() * 1000)


def _part(der: bytes, at: int) -> tuple[int, int, int]:
    """Kind, and where the content of the element at this place begins and ends."""
    kind, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(der[start : start + size]), start + size
    if start + length > len(der):
        raise ValueError("it is cut off")
    return kind, start, start + length
