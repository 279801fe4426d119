"""``zk://user:password@host:port,host:port/path``: the form that Mesos and Marathon use."""

import re
from dataclasses import dataclass, field

DEFAULT_PORT = 2181
_MAX_HOSTS = 64
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")
_FORM = "zk://host:port,host:port/path"


@dataclass(frozen=True, slots=True)
class ZkUrl:
    """``hosts`` are host:port; ``path`` begins with a slash and does not end with one (empty:
    the ensemble's root). Its text leaves the credentials out."""

    hosts: tuple[str, ...]
    path: str = ""
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"zk://{','.join(self.hosts)}{self.path}"


def parse_zk_url(text: str) -> ZkUrl:
    """ValueError, without the credentials, says what would be right."""
    scheme, found, rest = text.partition("://")
    if scheme != "zk" or not found:
        raise ValueError(f"a ZooKeeper URL has the form {_FORM}")
    # No host or path holds an @, a password may: and whatever else.
    credentials, _, rest = rest.rpartition("@")
    hosts, slash, path = rest.partition("/")
    user, colon, password = credentials.partition(":")
    if credentials and not (user and colon):
        raise ValueError("credentials in a ZooKeeper URL have the form user:password@")
    return ZkUrl(_checked_hosts(hosts), _checked_path(slash + path), user, password)


def without_credentials(text: str) -> str:
    """A setting that may be a ZooKeeper URL, as it may be shown and logged; others unchanged."""
    scheme, found, rest = text.partition("://")
    return f"{scheme}{found}{rest.rpartition('@')[2]}" if found else text


def _checked_hosts(text: str) -> tuple[str, ...]:
    hosts = text.split(",")
    if len(hosts) > _MAX_HOSTS:
        raise ValueError(f"a ZooKeeper URL names at most {_MAX_HOSTS} servers")
    return tuple(_checked_host(host) for host in hosts)


def _checked_host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError(f"{text!r} is no ZooKeeper server: the URL's form is {_FORM}")
    name, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return f"{text}:{DEFAULT_PORT}"
    if not name or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} has no usable port")
    return text


def _checked_path(text: str) -> str:
    path = text.rstrip("/")
    for segment in path.split("/")[1:]:
        if not _SEGMENT.fullmatch(segment) or segment in {".", "..", "zookeeper"}:
            raise ValueError(f"{segment!r} can not be part of the path in a ZooKeeper URL")
    return path
