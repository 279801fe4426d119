"""A registry of images on loopback, as far as an engine pulls from one: version 2 of the protocol.

It serves images that a test makes of files, one layer each. Engines trust registries on loopback
without certificates. With a password it answers 401 to whoever does not give it.
"""

import base64
import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_IMAGE = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """What one registry has; `address` is the first part of its images' names."""

    def __init__(self, address: str, user_and_password: str | None) -> None:
        self.address = address
        encoded = base64.b64encode((user_and_password or "").encode()).decode()
        self._credentials = f"Basic {encoded}" if user_and_password else None
        self._pages: dict[str, tuple[str, bytes]] = {"/v2/": ("application/json", b"{}")}

    def push(self, repository: str, tag: str, layer_tar: bytes) -> str:
        """Have an image of one layer, in place of the one with that name; the name for pulls."""
        layer = gzip.compress(layer_tar, mtime=0)
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer_tar)]},
            "history": [{"created": "2026-01-01T00:00:00Z"}],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self._blob(repository, _IMAGE, json.dumps(config).encode()),
            "layers": [self._blob(repository, _LAYER, layer)],
        }
        text = json.dumps(manifest).encode()
        for reference in (tag, _digest(text)):
            self._pages[f"/v2/{repository}/manifests/{reference}"] = (_MANIFEST, text)
        return f"{self.address}/{repository}:{tag}"

    def _blob(self, repository: str, kind: str, data: bytes) -> dict[str, str | int]:
        digest = _digest(data)
        self._pages[f"/v2/{repository}/blobs/{digest}"] = (kind, data)
        return {"mediaType": kind, "size": len(data), "digest": digest}

    def answer(self, path: str, credentials: str | None) -> tuple[int, str, bytes]:
        """Status, content type and body."""
        if self._credentials not in (None, credentials):
            return 401, "application/json", b'{"errors": [{"code": "UNAUTHORIZED"}]}'
        if path not in self._pages:
            return 404, "application/json", b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}'
        return 200, *self._pages[path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    registry: Registry


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        status, kind, body = self.server.registry.answer(self.path, self.headers["Authorization"])
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
        if kind == _MANIFEST:
            self.send_header("Docker-Content-Digest", _digest(body))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="tests"')
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815 - the server's name for it

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the server's name
        """Nothing: the tests look at what the engine says."""


@contextmanager
def registry(user_and_password: str | None = None) -> Iterator[Registry]:
    """A registry that serves while the context lasts."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        address = f"127.0.0.1:{server.server_port}"
        server.registry = Registry(address, user_and_password)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.registry
        finally:
            server.shutdown()
            thread.join()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
