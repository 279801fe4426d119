"""Certificates for names, made anew with the `openssl` command, and what a client is shown."""

import hashlib
import socket
import ssl
import subprocess
from pathlib import Path


def certificate(path: Path, name: str, days: int = 100) -> str:
    """A new one with its key at this path, self-signed; its fingerprint. The file is whole at
    once."""
    made, key = path.with_suffix(".made"), path.with_suffix(".made.key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-noenc", "-days", str(days)]
    command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={name}"]
    command += ["-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(made)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    text = made.read_text()
    key.write_text(text + key.read_text())
    made.unlink()
    key.replace(path)
    return hashlib.sha1(ssl.PEM_cert_to_DER_cert(text), usedforsecurity=False).hexdigest().upper()


def shown(port: int, name: str) -> str:
    """The fingerprint of what a client that asks for this name is shown; "" if it is turned
    away."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 60) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=name) as tls:
                found = tls.getpeercert(binary_form=True) or b""
        except (ssl.SSLError, ConnectionError):
            return ""
    return hashlib.sha1(found, usedforsecurity=False).hexdigest().upper()
