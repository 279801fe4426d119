"""Which Python package index to ask, as configured for pip on this machine.

Companies point pip to an index of their own, with certificates of their own; what pip may fetch,
the engine fetches from the same place. Read are the files and variables that pip reads, in its
order: the system's, the user's and the environment's file, PIP_CONFIG_FILE, then PIP_* variables.
"""

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

DEFAULT_INDEX = "https://pypi.org/simple/"
_SECTIONS = ("global", "install")


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """`urls` are asked in order, `folders` are looked into first, `certificate` is a CA bundle."""

    urls: tuple[str, ...]
    folders: tuple[Path, ...]
    certificate: str | None


def index_settings(environment: Mapping[str, str] | None = None) -> IndexSettings:
    """pip's settings for this interpreter and `environment` (the process's own by default)."""
    variables = os.environ if environment is None else environment
    values: dict[str, str] = {}
    for path in _files(variables):
        values.update(_read(path))
    for name in ("index-url", "extra-index-url", "find-links", "no-index", "cert"):
        value = variables.get("PIP_" + name.upper().replace("-", "_"))
        if value:
            values[name] = value
    indexes = [values.get("index-url", DEFAULT_INDEX), *values.get("extra-index-url", "").split()]
    if values.get("no-index", "").lower() in ("1", "true", "yes", "on"):
        indexes = []
    links = values.get("find-links", "").split()
    return IndexSettings(
        urls=tuple(url for url in indexes if url.startswith(("https://", "http://"))),
        folders=tuple(Path(link.removeprefix("file://")) for link in links if _is_local(link)),
        certificate=values.get("cert") or variables.get("REQUESTS_CA_BUNDLE") or None,
    )


def without_credentials(url: str) -> str:
    """The address as it may be shown and logged."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def _is_local(link: str) -> bool:
    return link.startswith("file://") or "://" not in link


def _files(variables: Mapping[str, str]) -> Iterator[Path]:
    chosen = variables.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return
    home = Path(variables.get("HOME") or Path.home())
    for folder in reversed((variables.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")):
        yield Path(folder) / "pip" / "pip.conf"
    yield Path("/etc/pip.conf")
    yield home / ".pip" / "pip.conf"
    yield Path(variables.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    yield Path(sys.prefix) / "pip.conf"
    if chosen:
        yield Path(chosen)


def _read(path: Path) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text())
    except (OSError, ValueError, configparser.Error):
        return {}  # pip's own business; here it only means that nothing is set
    return {
        name: value
        for section in _SECTIONS
        if parser.has_section(section)
        for name, value in parser.items(section)
    }
