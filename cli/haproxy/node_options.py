"""The flags of an edge node, as the options of its bridge.

They are the same for each command, so that `generate` and `diff` show what `once` would do.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from inspect import signature
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Concatenate, NamedTuple, ParamSpec

import click
import msgspec

from api.client import Client, Credentials
from api.files import read_bounded
from api.selectors import SelectorError
from cli.connection import certificate_from, credentials_from, read_credentials
from cli.haproxy import clusters
from cli.haproxy.clusters import with_scheme
from cli.haproxy.node_flags import FLAGS
from cli.output import visible
from haproxy_bridge.guard import GuardOptions, Panic, Spread
from haproxy_bridge.render import RenderOptions
from haproxy_bridge.run.admin import is_loopback
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.reread import FilesError, Reread
from haproxy_bridge.services import Policy, ServiceOptions, templates, user_lists
from haproxy_bridge.services.options import Users
from haproxy_bridge.source import Kind, Reader, Source, SourceOptions
from haproxy_bridge.swap.load import LoadOptions

P = ParamSpec("P")

_MAX_FILE_BYTES = 1024 * 1024
_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}")
_MAX_PAGE_BYTES = 8192  # haproxy sends it from one buffer
_EDGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}")


class Bridge(NamedTuple):
    """What a command works with. ``edge``: the name under which Stayer knows this node, "" for
    none. ``others``: further clusters. ``pages``: where a daemon has its own, None for nowhere;
    ``access``: for those that are not for all. ``reread``: the options as their files are now."""

    reader: Reader
    client: Client
    node: NodeOptions
    edge: str
    others: tuple[Source, ...] = ()
    pages: tuple[str, int] | None = None
    access: Credentials | None = None
    reread: Reread | None = None


def with_bridge(command: Callable[Concatenate[Bridge, P], None]) -> Callable[..., None]:
    """Give the command the flags of a node and its URLs, and what they lead to as its first
    argument."""

    own = set(signature(command).parameters)

    @wraps(command)
    def prepared(*args: Any, urls: tuple[str, ...], **given: Any) -> None:
        options = {name: given.pop(name) for name in own & given.keys()}
        with _client(urls, given) as client, clusters.sources(given) as others:
            source = SourceOptions(kind=Kind(given["source"]), any_check=given["any_check"])
            edge = _edge_name(given["edge_name"])
            node, pages, access = node_options(given), _pages(given), _access(given)
            reader = Reader(client, source)
            reread = partial(_read_again, given, client, others)
            bridge = Bridge(reader, client, node, edge, others, pages, access, reread)
            command(bridge, *args, **options)

    for option in reversed(FLAGS):
        prepared = option(prepared)
    return click.argument("urls", nargs=-1, required=True, metavar="URL...")(prepared)


def _read_again(given: dict[str, Any], client: Client, others: tuple[Source, ...]) -> NodeOptions:
    """What the files that options name say now; clients are given their credentials. FilesError."""
    try:
        node = node_options(given)
        credentials = credentials_from(given["credentials_file"], given["token_file"])
        theirs = [clusters.access(one.name, given) for one in others]
    except click.UsageError as error:
        raise FilesError(error.message) from error
    except (ValueError, OSError) as error:
        raise FilesError(visible(str(error))) from error
    client.present(credentials)
    for one, access in zip(others, theirs, strict=True):
        one.client.present(access)
    return node


def _edge_name(given: str) -> str:
    if given and not _EDGE_NAME.fullmatch(given):
        shown = visible(given)
        raise click.UsageError(f"--edge-name: letters, digits, dots, dashes and _: {shown}")
    return given


@contextmanager
def _client(urls: tuple[str, ...], given: dict[str, Any]) -> Iterator[Client]:
    try:
        client = Client(
            [with_scheme(url) for url in urls],
            timeout_seconds=given["request_timeout"],
            credentials=credentials_from(given["credentials_file"], given["token_file"]),
            ca_file=given["ca_file"],
            client_certificate=certificate_from(given["client_cert"], given["client_key"]),
        )
    except (ValueError, OSError) as error:
        raise click.UsageError(visible(str(error))) from error
    try:
        yield client
    finally:
        client.close()


def node_options(given: dict[str, Any]) -> NodeOptions:
    """The options behind flags by name. click.UsageError for a file that can not be used."""
    try:
        return NodeOptions(
            config=str(Path(given["config"]).absolute()),
            state=str(Path(given["state"]).absolute()),
            haproxy=given["haproxy"],
            validate=not given["no_validate"],
            seed=os.uname().nodename,
            lock_seconds=given["lock_timeout"],
            guard=_guard(given),
            spread=Spread(given["spread"]),
            services=_services(given),
            render=_render(given),
            load=LoadOptions(
                master_socket=_absolute(given["master_socket"]),
                command=given["reload_command"],
                probe_url=_probe_url(given),
            ),
        )
    except (ValueError, OSError, msgspec.DecodeError) as error:
        raise click.UsageError(visible(str(error))) from error


def _pages(given: dict[str, Any]) -> tuple[str, int] | None:
    text = str(given["metrics_bind"])
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise click.UsageError(f"--metrics-bind: not HOST:PORT: {visible(text)}")
    return host.strip("[]"), int(port)


def _access(given: dict[str, Any]) -> Credentials | None:
    path = given["metrics_credentials_file"]
    try:
        return None if path is None else read_credentials(path)
    except (ValueError, OSError) as error:
        raise click.UsageError(f"--metrics-credentials-file: {visible(str(error))}") from error


def _pages_behind(given: dict[str, Any]) -> str:
    """The daemon's pages as haproxy reaches them, if it may pass them on: it does so from this
    machine, so either only this machine asks, or the daemon wants credentials."""
    where = _pages(given)
    local = is_loopback(given["stats_bind"].rpartition(":")[0].strip("[]"))
    if where is None or not where[1] or not (local or given["metrics_credentials_file"]):
        return ""
    host = "127.0.0.1" if where[0] in {"0.0.0.0", "::", "*"} else where[0]
    return f"[{host}]:{where[1]}" if ":" in host else f"{host}:{where[1]}"


def _absolute(path: str) -> str:
    """haproxy reads its paths from the folder of its configuration. "" stays."""
    return str(Path(path).absolute()) if path else ""


def _guard(given: dict[str, Any]) -> GuardOptions:
    return GuardOptions(
        max_drop=given["max_drop"],
        hold_runs=given["hold_runs"],
        hold_seconds=given["hold_seconds"],
        panic=Panic(given["panic"]),
        healthy_share=given["healthy_share"],
        min_uptime_seconds=given["min_uptime"],
    )


def _services(given: dict[str, Any]) -> ServiceOptions:
    policy = Policy()
    if given["policy_file"] is not None:
        policy = msgspec.json.decode(_read(given["policy_file"]), type=Policy)
    _check_selector(given)
    if given["allow_raw_templates"]:
        policy = msgspec.structs.replace(policy, templates=True)
    binds = (given["http_bind"], given["https_bind"], given["appid_bind"], given["stats_bind"])
    pages = _pages(given)
    reserved = {_port(bind) for bind in binds if bind} - {80, 443}
    return ServiceOptions(
        groups=given["groups"],
        strict=given["strict"],
        reserved_ports=frozenset(reserved | ({pages[1]} if pages else set())),
        own_app_id=given["own_app_id"],
        policy=policy,
        selector=given["selector"].strip(),
        users=_users(given["auth_files"]),
        ports_per_task=_range(given["ports_per_task"]),
    )


def _range(text: str) -> tuple[int, int]:
    if not text.strip():
        return 0, 0
    low, dash, high = text.partition("-")
    if not (dash and low.isdecimal() and high.isdecimal() and len(text) < 12):
        raise ValueError(f"--ports-per-task: not LOW-HIGH, such as 10050-10100: {text}")
    if not 0 < int(low) <= int(high) < 65_536:
        raise ValueError(f"--ports-per-task: not a range of ports of 1 to 65535: {text}")
    return int(low), int(high)


def _check_selector(given: dict[str, Any]) -> None:
    if not given["selector"].strip():
        return
    try:
        ServiceOptions(selector=given["selector"]).selects({})
    except SelectorError as error:
        form = "not of the form tier=web, env!=dev, zone in (a, b)"
        raise ValueError(f"--selector: {form}: {error}") from error
    if given["source"] == Kind.TEXT.value:
        raise ValueError("--selector: the text of /v2/tasks has no labels to select by")


def _users(paths: tuple[Path, ...]) -> dict[str, Users]:
    found: dict[str, Users] = {}
    for path in paths:
        if path.stat().st_mode & 0o007:
            raise ValueError(f"--auth-file: {path} is open to everybody: chmod o= {path}")
        try:
            lists = user_lists.read(path.stem, _read(path).decode())
        except UnicodeDecodeError:
            raise ValueError(f"--auth-file: {path} is not UTF-8 text") from None
        except ValueError as error:
            raise ValueError(f"--auth-file: {path}: {error}") from error
        twice = sorted(lists.keys() & found.keys())
        if twice:
            raise ValueError(f"--auth-file: {path}: there is a list {twice[0]} already")
        found |= lists
    return found


def _port(bind: str) -> int:
    _, _, port = bind.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"not an ADDRESS:PORT to listen on: {bind}")
    return int(port)


def _render(given: dict[str, Any]) -> RenderOptions:
    stats = given["stats_credentials_file"]
    credentials = None if stats is None else read_credentials(stats)
    key = given["cookie_key_file"]
    return RenderOptions(
        http_bind=given["http_bind"],
        https_bind=given["https_bind"],
        certificates=given["certificates"],
        appid_bind=given["appid_bind"],
        stats_bind=given["stats_bind"],
        stats_user=credentials.user if credentials else "",
        stats_password=credentials.password if credentials else "",
        pages=_pages_behind(given),
        socket=str(Path(given["socket"]).absolute()),
        user=given["haproxy_user"],
        group=given["haproxy_group"],
        log=given["log"],
        maxconn=given["maxconn"],
        max_reloads=given["max_worker_reloads"],
        trusted_proxies=_networks(given["trusted_proxies"]),
        json_log=_json_log(given),
        strict_sni=_strict_sni(given),
        accept_proxy=given["accept_proxy"],
        acme=_acme(given),
        error_page=_error_page(given["error_page_file"]),
        all_backups=bool(given["clusters"]) and given["spread"] == Spread.FALLBACK.value,
        cookie_key=_read(key).decode().strip() if key else "stayer",
        templates=_templates(given["templates_dir"]),
        extra=_included(given["include_dir"]),
    )


def _networks(given: tuple[str, ...]) -> tuple[str, ...]:
    try:
        if any("%" in one for one in given):
            raise ValueError("a network has no scope (%)")
        return tuple(str(ip_network(one, strict=False)) for one in given)
    except ValueError as error:
        right = "an address or a network, such as 10.0.0.0/8"
        raise ValueError(f"--trusted-proxy: not {right}: {error}") from error


def _json_log(given: dict[str, Any]) -> bool:
    if given["json_log"] and not given["log"]:
        raise ValueError("--json-log: --log says that there is none; name where it goes")
    return bool(given["json_log"])


def _strict_sni(given: dict[str, Any]) -> bool:
    if given["strict_sni"] and not given["https_bind"]:
        raise ValueError("--strict-sni: no TLS ends here; give --https-bind an ADDRESS:PORT")
    return bool(given["strict_sni"])


def _acme(given: dict[str, Any]) -> str:
    text = str(given["acme"])
    if not text:
        return ""
    if not _ADDRESS.fullmatch(text) or not 0 < int(text.rpartition(":")[2]) < 65_536:
        raise ValueError(f"--acme: not HOST:PORT, such as 127.0.0.1:402: {text}")
    if not given["http_bind"]:
        raise ValueError("--acme: challenges come by http; give --http-bind an ADDRESS:PORT")
    return text


def _error_page(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        page = read_bounded(path, _MAX_PAGE_BYTES).decode()
    except UnicodeDecodeError:
        raise ValueError(f"--error-page: {path} is not UTF-8 text") from None
    except ValueError as error:
        raise ValueError(f"--error-page: {error}, and haproxy sends no more") from error
    if not page.strip() or "\0" in page:
        raise ValueError(f"--error-page: {path} is empty or no text; it has to hold HTML")
    return page


def _templates(folder: Path | None) -> dict[str, str]:
    """By name; an environment variable goes before a file, as with marathon-lb."""
    _be_there("--templates", folder)
    found = {}
    names = {*templates.ALL, *templates.INSTEAD, *_names_in(folder)}
    for name in sorted(names):
        path = folder / f"HAPROXY_{name}" if folder else None
        if (text := os.environ.get(f"HAPROXY_{name}")) is not None:
            found[name] = text.replace("\\n", "\n") if name in templates.ALL else ""
        elif path is not None and path.is_file():
            found[name] = _read(path).decode()
    head = found.get("HEAD", "expose-fd listeners")
    if "expose-fd listeners" not in head or re.search(r"(?m)^\s*daemon\s*$", head):
        raise ValueError(
            "HAPROXY_HEAD: it has to have a `stats socket` with `expose-fd listeners`, and not to "
            "have `daemon`: else nothing changes without a lost connection"
        )
    return found


def _names_in(folder: Path | None) -> list[str]:
    """What there is for templates: misspelt ones, too, so that they are told."""
    names = [path.name for path in folder.glob("HAPROXY_*")] if folder else []
    return [name.removeprefix("HAPROXY_") for name in names if re.fullmatch(r"[A-Z0-9_]+", name)]


def _be_there(flag: str, folder: Path | None) -> None:
    """ValueError for one that is gone: that is not the same as an empty one."""
    if folder is not None and not folder.is_dir():
        raise ValueError(f"{flag}: {folder} is no folder")


def _included(folder: Path | None) -> str:
    _be_there("--include", folder)
    files = sorted(folder.glob("*.cfg")) if folder else []
    return "".join(f"\n# {path.name}\n{_read(path).decode().rstrip()}\n" for path in files)


def _read(path: Path) -> bytes:
    return read_bounded(path, _MAX_FILE_BYTES)


def _probe_url(given: dict[str, Any]) -> str:
    """Where haproxy tells that it lives: as asked for, else its statistics' own address."""
    if given["probe_url"] == "none" or (not given["probe_url"] and not given["stats_bind"]):
        return ""
    host, _, port = given["stats_bind"].rpartition(":")
    here = "127.0.0.1" if host in {"*", "", "0.0.0.0", "::", "[::]"} else host
    return given["probe_url"] or f"http://{here}:{port}/_haproxy_health_check"
