"""Services: each exposed port of an app, with everything that its labels ask of haproxy."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from haproxy_bridge.rendered import Problem
from haproxy_bridge.snapshot import Check, Endpoint


class Mode(StrEnum):
    """haproxy's modes."""

    HTTP = "http"
    TCP = "tcp"


class HostKind(StrEnum):
    """How the Host header of a request is compared. EXACT comes before SUFFIX (``*.x``) and
    REGEX (``~...``)."""

    EXACT = "exact"
    SUFFIX = "suffix"
    REGEX = "regex"


class Host(Struct, frozen=True, gc=False):
    """A virtual host; for SUFFIX the text begins with the dot."""

    kind: HostKind
    text: str

    @property
    def shown(self) -> str:
        """As it was written."""
        return {HostKind.SUFFIX: "*", HostKind.REGEX: "~"}.get(self.kind, "") + self.text


class Auth(Struct, frozen=True, gc=False):
    """HTTP basic authentication: users with crypted passwords."""

    realm: str
    users: tuple[tuple[str, str], ...]


class Member(Struct, frozen=True, gc=False):
    """A task behind a service. ``weight`` 0..256; 0 gets nothing new. ``check``: what haproxy is
    to repeat, None for a mere connect. ``check_port``: where, if not at the endpoint.
    ``backup``: only while no other can. ``version``: of the app's definition that it runs."""

    task_id: str
    app_id: str
    host: str
    endpoint: Endpoint
    weight: int = 100
    draining: bool = False
    check: Check | None = None
    check_port: int | None = None
    backup: bool = False
    version: str = ""


class Service(Struct, frozen=True, gc=False, kw_only=True):
    """One exposed port. ``name`` is that of its backend. ``port`` 0: it listens on no port of its
    own. ``weight`` is the place of its routes among all (the higher, the earlier), None: by how
    specific they are. ``paths``: prefixes of the path, none for all. ``hostname`` is the label's
    own text, for templates. ``shared_name``: that of a backend which it asks for
    together with other apps. ``match_header``, ``match_cookie``, ``match_query``: its virtual hosts
    are for requests with this name and value only ("" for any value). ``error_page``: what clients
    get where no server answers. ``observe``: what of real requests counts against a server besides
    its check (``layer4``, ``layer7``, "" for nothing), and after how many errors on end it is
    taken out. ``retry_on``: what a request that is safe to repeat is repeated on.
    ``created_at_ms``: since when there is its app, 0 if that is not known. ``templates`` are raw
    directives by name."""

    name: str
    app_id: str
    index: int
    mode: Mode
    port: int
    members: tuple[Member, ...] = ()
    hosts: tuple[Host, ...] = ()
    paths: tuple[str, ...] = ()
    ignore_case: bool = False
    weight: int | None = None
    hostname: str = ""
    bind_addr: str = "*"
    bind_options: str = ""
    balance: str = "roundrobin"
    sticky: bool = False
    redirect_to_https: bool = False
    hsts: bool = False
    certificate: str = ""
    auth: Auth | None = None
    proxypass_path: str = ""
    revproxy_path: str = ""
    root_redirect: str = ""
    www_redirect: bool = False
    allowed_networks: tuple[str, ...] = ()
    tls_passthrough: bool = False
    backend_tls: str = ""
    rate_limit: tuple[int, int] | None = None
    maxconn: int = 0
    server_maxconn: int = 0
    slow_start_seconds: int = 0
    server_timeout_seconds: int = 0
    tunnel_timeout_seconds: int = 0
    shutdown_sessions: bool = False
    error_page: str = ""
    match_header: tuple[str, str] | None = None
    match_cookie: tuple[str, str] | None = None
    match_query: tuple[str, str] | None = None
    http2: bool = False
    send_proxy: bool = False
    shared_name: str = ""
    observe: tuple[str, int] = ("layer4", 3)
    retry_on: tuple[str, ...] = ("conn-failure", "empty-response", "503")
    created_at_ms: int = 0
    templates: dict[str, str] = {}

    @property
    def rank(self) -> tuple[int, float, str, int]:
        """Its place among those that want one thing, the first of which gets it: by weight, then
        by the age of the apps. The same on each node and in each run."""
        age = self.created_at_ms or float("inf")
        return -(self.weight or 0), age, self.app_id, self.index

    @property
    def matches(self) -> tuple[tuple[str, str, str], ...]:
        """What a request has to have, all of it: haproxy's sample, the name, the value."""
        asked = (
            ("req.hdr", self.match_header),
            ("req.cook", self.match_cookie),
            ("url_param", self.match_query),
        )
        return tuple((sample, *pair) for sample, pair in asked if pair is not None)


def other_members(before: Sequence[Service], now: Sequence[Service]) -> list[int] | None:
    """The places of services that have other members than before; None if anything else is not as
    it was, too."""
    if len(before) != len(now):
        return None
    places = [at for at, (old, new) in enumerate(zip(before, now, strict=True)) if old is not new]
    if any(replace(before[at], members=()) != replace(now[at], members=()) for at in places):
        return None
    return places


class Services(Struct, frozen=True, gc=False):
    """All services of a node by name, and what was found wrong."""

    services: tuple[Service, ...] = ()
    problems: tuple[Problem, ...] = ()
