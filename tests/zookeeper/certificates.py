"""Certificates for TLS to ZooKeeper, made anew by the tests with the `openssl` command.

ZooKeeper's Java reads PEM as it is, so no key store of Java's is needed.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_DAYS = "2"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in PEM: the authority's certificate, and a key with a certificate for each side.
    ``server`` holds key and certificate in one file."""

    authority: Path
    server: Path
    client_certificate: Path
    client_key: Path


def make_certificates(folder: Path, address: str) -> Certificates:
    """An authority of one's own, and what it certifies for a server at this IP address and for
    one client."""
    folder.mkdir(parents=True, exist_ok=True)
    authority, authority_key = folder / "authority.pem", folder / "authority-key.pem"
    _openssl(
        *("req", "-x509", *_KEY, "-days", _DAYS, "-subj", "/CN=tests authority"),
        *("-keyout", str(authority_key), "-out", str(authority)),
    )

    def certified(name: str, *extension: str) -> tuple[Path, Path]:
        certificate, key = folder / f"{name}.pem", folder / f"{name}-key.pem"
        _openssl(
            *("req", "-x509", *_KEY, "-days", _DAYS, "-subj", f"/CN={name}", *extension),
            *("-CA", str(authority), "-CAkey", str(authority_key)),
            *("-addext", "basicConstraints=critical,CA:false"),
            *("-keyout", str(key), "-out", str(certificate)),
        )
        return certificate, key

    certificate, key = certified("server", "-addext", f"subjectAltName=IP:{address}")
    both = folder / "server-both.pem"
    both.write_text(key.read_text() + certificate.read_text())
    return Certificates(authority, both, *certified("client"))


def _openssl(*arguments: str) -> None:
    done = subprocess.run(
        ["openssl", *arguments], check=False, capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
