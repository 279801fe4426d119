"""A certificate for a node that was promised some and has none yet, so that https answers at all.

The `openssl` command makes it: a library for it would be most of what an edge node installs.
"""

import subprocess
import tempfile
from pathlib import Path

from haproxy_bridge.certificates.pem import Pem, read

NAME = "zz-self-signed.pem"
"""Behind all others, so that one of these is the first as soon as there is one."""
_DAYS = 365
_ANEW_MS = 30 * 86_400_000
_LIMIT_SECONDS = 30.0


class NotMadeError(Exception):
    """There is no `openssl`, or it failed; the text says which."""


def is_due(known: Pem | None, now_ms: int) -> bool:
    """Whether one has to be made: there is none, or it ends within a month."""
    return known is None or known.ends_ms - now_ms < _ANEW_MS


def made(host: str, folder: Path, openssl: str = "openssl") -> Pem:
    """A new one for this host. NotMadeError, OSError."""
    with tempfile.TemporaryDirectory(prefix=".trial-", dir=folder) as place:
        key, certificate = Path(place) / "key", Path(place) / "certificate"
        command = [openssl, "req", "-x509", "-newkey", "ec", "-noenc", "-days", str(_DAYS)]
        command += ["-pkeyopt", "ec_paramgen_curve:prime256v1"]
        command += ["-subj", f"/CN={host[:64]}", "-addext", f"subjectAltName=DNS:{host}"]
        command += ["-keyout", str(key), "-out", str(certificate)]
        try:
            subprocess.run(  # noqa: S603 - no word of it is from outside
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_LIMIT_SECONDS,
                check=True,
            )
        except FileNotFoundError as error:
            raise NotMadeError(f"there is no {openssl} to make one") from error
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise NotMadeError(f"{openssl} makes none: {error}") from error
        return read(certificate.read_bytes() + key.read_bytes())
