"""Where apps are taken from: a Marathon that answers, and files. Nothing is ever changed there."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from msgspec import Struct

from api.client import Client, ClientError, Credentials, RefusedError, Token
from cli.answers import read
from cli.connection import UnreachableFailure
from cli.definitions import read_json
from cli.importing.documents import DocumentError, Found, merged, read_document

_MAX_FILE_BYTES = 256 * 1024 * 1024
_EVERYTHING = {"embed": ["group.groups", "group.apps", "group.pods", "group.apps.counts"]}
_SCHEMES = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Source:
    """What was read. ``document`` is the answer of a running Marathon (None: files only), and
    ``marathon_role`` its --mesos_role, empty if it does not say."""

    found: Found
    document: object = None
    marathon_role: str = ""

    @property
    def is_running(self) -> bool:
        """Whether a Marathon answered, so that its tasks run now."""
        return self.document is not None


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the Marathon."""

    timeout_seconds: float
    credentials: Credentials | Token | None = None
    ca_file: str | None = None


class _Config(Struct, frozen=True):
    mesos_role: str | None = None


class _Info(Struct, frozen=True):
    marathon_config: _Config = _Config()


def read_sources(words: Sequence[str], access: Access) -> Source:
    """All that these URLs (of one Marathon) and files hold together. click.UsageError for what
    can not be used; UnreachableFailure when Marathon does not answer."""
    urls = [word for word in words if word.startswith(_SCHEMES)]
    try:
        parts = [_from_file(word) for word in words if word not in urls]
        if not urls:
            return Source(merged(parts))
        document, role = _from_marathon(urls, access)
        return Source(merged([*parts, read_document(document)]), document, role)
    except DocumentError as error:
        raise click.UsageError(f"these are not the definitions of one cluster: {error}") from error


def _from_file(name: str) -> Found:
    try:
        if name == "-":
            return read_document(read_json(sys.stdin.buffer, _MAX_FILE_BYTES))
        with Path(name).open("rb") as file:
            return read_document(read_json(file, _MAX_FILE_BYTES))
    except DocumentError as error:
        raise click.UsageError(f"{name}: {error}") from error
    except OSError as error:
        raise click.UsageError(f"{name}: {error.strerror or error}") from error


def _from_marathon(urls: Sequence[str], access: Access) -> tuple[object, str]:
    """The tree of groups with everything in it, and the role of apps that asked for none."""
    try:
        client = Client(
            urls,
            timeout_seconds=access.timeout_seconds,
            credentials=access.credentials,
            ca_file=access.ca_file,
        )
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from error
    try:
        document = client.get_group(query=_EVERYTHING)
        return document, _role(client)
    except ClientError as error:
        raise UnreachableFailure(f"Marathon does not answer as it should: {error}") from error
    finally:
        client.close()


def _role(client: Client) -> str:
    """Its --mesos_role; empty from one that keeps its settings to itself."""
    try:
        return read(client.info(), _Info).marathon_config.mesos_role or ""
    except RefusedError:
        return ""
