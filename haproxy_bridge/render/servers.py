"""The servers of a backend: names, addresses, weights and what haproxy checks."""

import math
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import TypeGuard
from urllib.parse import quote

from haproxy_bridge.render.pieces import Pieces
from haproxy_bridge.render.texts import SEVERAL_PATHS, filled, word
from haproxy_bridge.rendered import CHECK_MARK, Server, digest
from haproxy_bridge.services import values
from haproxy_bridge.services.model import Member, Mode, Service
from haproxy_bridge.snapshot import HTTP_KINDS, Check, CheckKind

_NOT_OF_NAME = re.compile(r"[^A-Za-z0-9-]")
_NOT_OF_TASK = re.compile(r"[^A-Za-z0-9._-]")
_NOT_OF_VERSION = re.compile(r"[^A-Za-z0-9.:_-]")
_MAX_HOST = 255
_MAX_VERSION = 64
_MOST_IDS = 32_767
_CHECK_PIECES = (
    "BACKEND_SERVER_HTTP_HEALTHCHECK_OPTIONS",
    "BACKEND_SERVER_TCP_HEALTHCHECK_OPTIONS",
)
"""Ours do not name the server's own port, so that servers with one check have one text."""
_HTTP_CHECK = "BACKEND_HTTP_HEALTHCHECK_OPTIONS"
_MAX_OTHER_PATH = 300
_MOST_OTHER_PATHS = 8
_CONNECT = Check(interval_seconds=5, timeout_seconds=3, max_consecutive_failures=1)
"""What is checked where the app says nothing: that somebody listens. Without any check a task on
an agent out of reach would get its part of the requests until Mesos gives it up."""


def chosen_check(service: Service) -> Check:
    """The check of the backend: that of the newest configuration, which most tasks come to have."""
    for member in reversed(service.members):
        if member.check is not None and not (member.draining or member.backup):
            return member.check
    return next((one.check for one in service.members if one.check is not None), _CONNECT)


def other_paths(service: Service, pieces: Pieces) -> dict[str, str]:
    """What tasks of other configurations are asked for, and the mark that the names of their
    servers have: haproxy knows one check for a backend, but it may go by the server's name."""
    chosen = chosen_check(service)
    if chosen.kind not in HTTP_KINDS or not pieces.is_ours(service, _HTTP_CHECK):
        return {}
    paths = {member.check.path for member in service.members if _asks_http(member.check)}
    paths.discard(chosen.path)
    some = sorted(path for path in paths if len(path) <= _MAX_OTHER_PATH)[:_MOST_OTHER_PATHS]
    return {path: f"{CHECK_MARK}{digest(path)[:8]}" for path in some}


def _asks_http(check: Check | None) -> TypeGuard[Check]:
    return check is not None and check.kind in HTTP_KINDS


def http_check(service: Service, pieces: Pieces, values: Mapping[str, object]) -> str:
    """The lines of a backend whose tasks are asked by HTTP."""
    check = chosen_check(service)
    values = {**values, **check_values(service, check)}
    others = other_paths(service, pieces)
    if not others:
        return pieces.of(service, _HTTP_CHECK, values)
    found = [member.check.timeout_seconds for member in service.members if _asks_http(member.check)]
    several = {
        "otherPaths": "".join(
            f",regsub(^.*{mark}$,{_encoded(path)})" for path, mark in others.items()
        ),
        "encodedPath": _encoded(check.path),
        "healthCheckTimeoutSeconds": _seconds(max(found)),
    }
    return filled(SEVERAL_PATHS, {**values, **several})


def _encoded(path: str) -> str:
    return quote(path, safe="/~")


def check_values(service: Service, check: Check) -> dict[str, object]:
    """What templates call the parts of a check."""
    return {
        "backend": service.name,
        "healthCheckPortIndex": check.port_index,
        "healthCheckPort": check.port or "",
        "healthCheckProtocol": check.kind.upper(),
        "healthCheckPath": word(check.path),
        "healthCheckTimeoutSeconds": _seconds(check.timeout_seconds),
        "healthCheckIntervalSeconds": _seconds(check.interval_seconds),
        "healthCheckGracePeriodSeconds": 0,
        "healthCheckMaxConsecutiveFailures": check.max_consecutive_failures,
        "healthCheckFalls": max(1, min(100, check.max_consecutive_failures + 1)),
        "healthCheckPortOptions": "",
        "observed": _observed(service),
    }


def _observed(service: Service) -> str:
    """A server that refuses connections is out after three: one that has ended always has room, and
    would be asked again and again, by requests that have six tries in all. Answers count only where
    an app asks for it: else whoever finds a request that ends in a 500 could have all its servers
    taken out."""
    mode, errors = service.observe
    return f" observe {mode} error-limit {errors} on-error mark-down" if mode else ""


def _seconds(number: float) -> int:
    """Whole ones, as haproxy knows no fractions."""
    return math.ceil(max(1.0, min(3_600.0, number)))


def servers(service: Service, pieces: Pieces, *, by_task: bool = False) -> tuple[Server, ...]:
    """One for each member, each with a name of its own. ``by_task``: named after task and version,
    so that logs tell them."""
    check = chosen_check(service)
    others = other_paths(service, pieces)
    same = all(pieces.is_ours(service, name) for name in _CHECK_PIECES)
    known: dict[tuple[Check | None, int | None, int, bool], str] = {}
    found = []
    named = _by_task if by_task else _by_place
    for name, member in _named(service.members, named, others):
        where = member.endpoint
        key = (member.check, member.check_port, 0 if same else where.port, member.backup)
        options = known.get(key)
        if options is None:
            options = known[key] = _options(service, member, check, pieces, others)
        found.append(
            Server(
                name,
                where.host,
                where.port,
                member.weight,
                member.draining,
                options,
                member.task_id,
                member.app_id,
            )
        )
    return tuple(found)


def numbers(found: tuple[Server, ...]) -> dict[str, int]:
    """For templates that say ``id {serverId}``: a number of 1..32767 for each, by its name alone
    unless two names come to one, as marathon-lb's."""
    ids: dict[str, int] = {}
    used: set[int] = set()
    for name in sorted(server.name for server in found):
        number = zlib.crc32(name.encode()) % _MOST_IDS
        while number in used and len(used) < _MOST_IDS:
            number = (number + 1) % _MOST_IDS
        used.add(number)
        ids[name] = number + 1
    return ids


def _by_place(member: Member) -> str:
    """marathon-lb's names: host and port."""
    parts = (member.host[:_MAX_HOST], member.endpoint.host, str(member.endpoint.port))
    return _NOT_OF_NAME.sub("_", "_".join(dict.fromkeys(parts)))


def _by_task(member: Member) -> str:
    """Task, colon, version: what haproxy's logs take apart."""
    task = _NOT_OF_TASK.sub("_", member.task_id[:_MAX_HOST])
    version = _NOT_OF_VERSION.sub("_", member.version[:_MAX_VERSION])
    return f"{task}:{version}" if version else task


def _named(
    members: tuple[Member, ...], named: Callable[[Member], str], others: Mapping[str, str]
) -> Iterator[tuple[str, Member]]:
    """A second one of a name gets a number. ``others``: marks of paths, which come last."""
    used: set[str] = set()
    for member in members:
        plain = named(member)
        mark = others.get(member.check.path, "") if _asks_http(member.check) else ""
        name = plain + mark
        count = 1
        while name in used:
            count += 1
            name = f"{plain}_{count}{mark}"
        used.add(name)
        yield name, member


def _options(
    service: Service, member: Member, check: Check, pieces: Pieces, others: Mapping[str, str]
) -> str:
    found = [_check_options(service, member, check, pieces, others)]
    if service.backend_tls:
        verify = "required ca-file @system-ca" if service.backend_tls == "verify" else "none"
        found.append(f"ssl verify {verify}")
    if service.http2 and service.mode is Mode.HTTP:
        found.append("proto h2")
    if service.send_proxy:
        found.append("send-proxy-v2")
    if service.shutdown_sessions:
        found.append("on-marked-down shutdown-sessions")
    if service.server_maxconn:
        found.append(f"maxconn {service.server_maxconn}")
    if service.slow_start_seconds:
        found.append(f"slowstart {service.slow_start_seconds}s")
    if member.backup:
        found.append("backup")
    return " ".join(part for part in found if part)


def _check_options(
    service: Service, member: Member, check: Check, pieces: Pieces, others: Mapping[str, str]
) -> str:
    own = _CONNECT if member.check is None else member.check
    http = check.kind in HTTP_KINDS
    if http and not (_asks_http(own) and (own.path == check.path or own.path in others)):
        return ""  # its own check is another one: the scheduler's verdict is what there is
    name = _CHECK_PIECES[not http]
    port = member.check_port
    values = check_values(service, own) | {
        "healthCheckPort": port or member.endpoint.port,
        "healthCheckPortOptions": f" port {port}" if port else "",
    }
    tls = (
        " check-ssl verify none"
        if http and own.kind is CheckKind.HTTPS and not service.backend_tls
        else ""
    )
    return " ".join(pieces.of(service, name, values).split()) + tls


def is_dynamic(service: Service) -> bool:
    """Whether haproxy lets servers come and go at run time."""
    return values.is_dynamic(service.balance) and "BACKEND_SERVER_OPTIONS" not in service.templates
