"""Where the leading master is: addresses, and who knows the present one.

A static detector names one master, which itself redirects to the leader; the one that watches
ZooKeeper is in ``detection``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

DEFAULT_PORT = 5050
SCHEDULER_PATH = "/api/v1/scheduler"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One master's HTTP address."""

    host: str
    port: int = DEFAULT_PORT
    secure: bool = False

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class MasterDetector(Protocol):
    """Tells which master leads. Its text says where it looks, without credentials."""

    def start(self, changed: Callable[[], None]) -> None:
        """Begin to look; ``changed`` is called, from another thread, after the leader changed."""
        ...

    def leader(self) -> Endpoint | None:
        """The master to try now, or None while none is known. May be asked often."""
        ...

    def leads(self, endpoint: Endpoint) -> bool:
        """Whether the leader is at this address, as far as is known."""
        ...

    def stop(self) -> None:
        """Look no more; harmless when repeated or not started."""
        ...


@dataclass(frozen=True, slots=True)
class StaticMaster:
    """The one master named by the operator."""

    endpoint: Endpoint

    def __str__(self) -> str:
        return str(self.endpoint)

    def start(self, changed: Callable[[], None]) -> None:
        """Nothing ever changes."""

    def leader(self) -> Endpoint | None:
        """Always the same."""
        return self.endpoint

    def leads(self, endpoint: Endpoint) -> bool:  # noqa: ARG002 - of the Protocol
        """The named master or wherever it redirects to."""
        return True

    def stop(self) -> None:
        """Nothing was begun."""


def parse_endpoint(text: str) -> Endpoint:
    """``host``, ``host:port``, ``http://host:port`` or ``https://host:port``; ValueError."""
    wrong = ValueError(f"'{text}' is no Mesos master: expected host:port or http(s)://host:port")
    url = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise wrong
    if parts.path not in ("", "/") or parts.query or parts.fragment or not is_host(host):
        raise wrong
    return Endpoint(host, DEFAULT_PORT if port is None else port, parts.scheme == "https")


def redirect_target(location: str, origin: Endpoint) -> Endpoint:
    """The master that a 307 of ``origin`` points to. Masters send ``//host:port/path``, without
    a scheme. ValueError if it is no address or would leave https, where our secret is safe."""
    if len(location) > 2048:
        raise ValueError("the redirect's Location is too long")
    parts = urlsplit(location)
    scheme = parts.scheme or ("https" if origin.secure else "http")
    if scheme not in ("http", "https") or not parts.hostname or not is_host(parts.hostname):
        raise ValueError(f"the redirect's Location is {location!r}")
    if origin.secure and scheme != "https":
        raise ValueError(f"the redirect to {location!r} would leave https")
    return Endpoint(parts.hostname, parts.port or DEFAULT_PORT, scheme == "https")


def is_host(text: str) -> bool:
    """Whether it can be put into a request: no control characters, blanks or other alphabets."""
    return text.isascii() and text.isprintable() and " " not in text
