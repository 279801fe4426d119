"""Flags for further clusters behind one edge, and how they are reached."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from api.client import Client, Credentials, Token
from cli.connection import certificate_from, read_credentials, read_token
from cli.output import visible
from haproxy_bridge.guard import Spread
from haproxy_bridge.source import MAIN, Kind, Reader, Source, SourceOptions

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_MOST = 8

options = (
    click.option(
        "--cluster",
        "clusters",
        multiple=True,
        metavar="NAME=URL[,URL...]",
        help="Another cluster, behind the one of the URLs; repeatable.",
    ),
    click.option(
        "--spread",
        type=click.Choice([one.value for one in Spread]),
        default=Spread.FALLBACK.value,
        show_default=True,
        help="How apps of several clusters are served: by the first that has them, and by the "
        "others while none of its servers can; or by all.",
    ),
    click.option(
        "--cluster-credentials-file",
        "cluster_credentials",
        multiple=True,
        metavar="NAME=FILE",
        help="USER:PASSWORD for that cluster; it is given no others. Repeatable.",
    ),
    click.option(
        "--cluster-token-file",
        "cluster_tokens",
        multiple=True,
        metavar="NAME=FILE",
        help="The same with a token.",
    ),
)


@contextmanager
def sources(given: dict[str, Any]) -> Iterator[tuple[Source, ...]]:
    """Those of the flags by name; they are closed in the end. click.UsageError."""
    opened: list[Source] = []
    try:
        try:
            for name, urls in _named("--cluster", given["clusters"]).items():
                opened.append(_source(name, urls, given))
            _no_strangers({one.name for one in opened}, given)
        except (ValueError, OSError) as error:
            raise click.UsageError(visible(str(error))) from error
        yield tuple(opened)
    finally:
        for one in opened:
            one.client.close()


def _named(flag: str, given: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, equals, rest = text.partition("=")
        if not (equals and rest and _NAME.fullmatch(name)) or name == MAIN:
            raise ValueError(f"{flag}: not NAME=..., or the name is {MAIN}: {text}")
        if name in found:
            raise ValueError(f"{flag}: {name} is there twice")
        found[name] = rest
    if len(found) > _MOST:
        raise ValueError(f"{flag}: at most {_MOST} of them")
    return found


def _source(name: str, urls: str, given: dict[str, Any]) -> Source:
    client = Client(
        [with_scheme(url.strip()) for url in urls.split(",")],
        timeout_seconds=given["request_timeout"],
        credentials=access(name, given),
        ca_file=given["ca_file"],
        client_certificate=certificate_from(given["client_cert"], given["client_key"]),
    )
    kind = SourceOptions(kind=Kind(given["source"]), any_check=given["any_check"])
    return Source(name, Reader(client, kind), client)


def access(name: str, given: dict[str, Any]) -> Credentials | Token | None:
    """What a cluster's scheduler is shown. ValueError, OSError."""
    credentials = _named("--cluster-credentials-file", given["cluster_credentials"]).get(name)
    token = _named("--cluster-token-file", given["cluster_tokens"]).get(name)
    if credentials and token:
        raise ValueError(f"cluster {name}: credentials or a token, not both")
    if token:
        return read_token(Path(token))
    return read_credentials(Path(credentials)) if credentials else None


def _no_strangers(names: set[str], given: dict[str, Any]) -> None:
    """Credentials for nobody are a slip of the pen."""
    for flag, key in (
        ("--cluster-credentials-file", "cluster_credentials"),
        ("--cluster-token-file", "cluster_tokens"),
    ):
        for name in _named(flag, given[key]).keys() - names:
            raise ValueError(f"{flag}: there is no cluster {name}")


def with_scheme(url: str) -> str:
    """HOST:PORT as a URL, as the first bridges took it."""
    return url if "://" in url else f"http://{url}"
