"""What an operator decides about the file itself: addresses, limits, certificates, logs."""

from msgspec import Struct


class RenderOptions(Struct, frozen=True, kw_only=True):
    """``http_bind``, ``https_bind``: where virtual hosts are served, "" for not at all.
    ``certificates``: files or folders for ``https_bind``; without any there is no https.
    ``appid_bind``: requests with the header X-Marathon-App-Id. ``stats_bind``: the page of
    statistics, metrics for Prometheus and the address that tells whether haproxy lives.
    ``stats_user``, ``stats_password``: "" for none. ``pages``: HOST:PORT of marathon-lb's pages,
    which are then at ``stats_bind``, too, as with marathon-lb; "" for nowhere. ``socket``:
    haproxy's admin socket.
    ``user``, ``group``: whom haproxy becomes, "" to stay. ``log``: where haproxy logs to, "" for
    nowhere. ``cookie_key``: secret for sticky sessions, the same on all nodes, so that they agree.
    ``maxconn``: connections at once, 0 for as many as the limit of open files allows.
    ``hard_stop_seconds``: how long an old worker may serve its last connections after a reload.
    ``max_reloads``: an old worker ends after so many more reloads, 0 for when it likes.
    ``trusted_proxies``: networks whose X-Forwarded-For is believed; with any, that of others is
    removed. ``json_log``: log lines are JSON. ``strict_sni``: no TLS without a certificate for the
    name. ``accept_proxy``: clients of virtual hosts come by the PROXY protocol. ``acme``: HOST:PORT
    of who answers challenges of certificate authorities, "" for nobody. ``error_page``: HTML for
    502, 503 and 504 of apps without one of their own. ``all_backups``: where only backups are left,
    all of them serve, not one. ``templates``: pieces that replace ours, by name. ``extra``: more of
    configuration, as it is."""

    http_bind: str = "*:80"
    https_bind: str = "*:443"
    certificates: tuple[str, ...] = ()
    appid_bind: str = "127.0.0.1:9091"
    stats_bind: str = "127.0.0.1:9090"
    stats_user: str = ""
    stats_password: str = ""
    pages: str = ""
    socket: str = "/run/haproxy/admin.sock"
    user: str = ""
    group: str = ""
    log: str = "/dev/log local0"
    maxconn: int = 0
    cookie_key: str = "stayer"
    hard_stop_seconds: int = 600
    connect_seconds: float = 3
    idle_seconds: float = 60
    max_reloads: int = 50
    trusted_proxies: tuple[str, ...] = ()
    json_log: bool = False
    strict_sni: bool = False
    accept_proxy: bool = False
    acme: str = ""
    error_page: str = ""
    all_backups: bool = False
    templates: dict[str, str] = {}
    extra: str = ""
