"""The front ends that all apps share: virtual hosts over http and https, and routes by app id."""

from collections.abc import Sequence

from haproxy_bridge.render import routes
from haproxy_bridge.render.options import RenderOptions
from haproxy_bridge.render.pieces import Pieces
from haproxy_bridge.render.texts import filled, word
from haproxy_bridge.services.model import Service

_CHALLENGES = "/.well-known/acme-challenge/"
_REQUEST = """\
  http-request set-var(txn.stayer_in) str({here})
  http-request set-var(txn.stayer_host) req.hdr(host),field(1,:),lower,regsub(\\.$,)
  http-request set-var(txn.stayer_path) path
  http-request set-var(txn.stayer_base) var(txn.stayer_host),concat("",txn.stayer_path)
"""


class Shared:
    """The text of the shared front ends; ``files`` are the maps they look into, by kind."""

    def __init__(
        self,
        services: Sequence[Service],
        pieces: Pieces,
        options: RenderOptions,
        files: dict[str, str],
    ) -> None:
        self._services = [one for one in services if one.hosts]
        self._all = services
        self._pieces = pieces
        self._options = options
        self._files = files

    def text(self) -> str:
        """All of them."""
        return self._http() + self._https() + self._by_app_id() + self._challenged()

    def _http(self) -> str:
        if not self._options.http_bind:
            return ""
        bind = self._arriving(self._options.http_bind)
        head = filled(self._pieces.common("HTTP_FRONTEND_HEAD"), {"httpBind": bind})
        return head + self._routing(https=False)

    def _arriving(self, bind: str) -> str:
        return f"{bind} accept-proxy" if self._options.accept_proxy else bind

    def _challenged(self) -> str:
        acme = self._options.acme
        if not acme or not self._options.http_bind:
            return ""
        return f"\nbackend stayer_acme\n  mode http\n  server acme {acme}\n"

    def _https(self) -> str:
        options = self._options
        certificates = [f"crt {word(path)}" for path in dict.fromkeys(options.certificates)]
        if "certificates" in self._files:
            certificates.append(f"crt-list {self._files['certificates']}")
        passing = [one for one in self._services if one.tls_passthrough]
        if not options.https_bind or not (certificates or passing):
            return ""
        bind = self._arriving(options.https_bind)
        if not passing:
            return self._terminated(bind, certificates)
        inner = "abns@stayer_https"
        text = _passing(passing, bind, inner if certificates else "")
        text = text.replace(
            "  mode tcp\n", "  mode tcp\n" + self._pieces.arriving(options, "tcp"), 1
        )
        if certificates:
            text += self._terminated(f"{inner} accept-proxy", certificates)
        return text

    def _terminated(self, bind: str, certificates: list[str]) -> str:
        values = {
            "httpsBind": bind,
            "sslCerts": " ".join((*certificates, *["strict-sni"] * self._options.strict_sni)),
        }
        head = filled(self._pieces.common("HTTPS_FRONTEND_HEAD"), values)
        return head + self._routing(https=True)

    def _routing(self, *, https: bool) -> str:
        arriving = self._pieces.arriving(self._options, "http")
        lines = [arriving, _REQUEST.format(here="https" if https else "http")]
        if self._options.acme and not https:
            lines.append(f"  use_backend stayer_acme if {{ path_beg {_CHALLENGES} }}\n")
        lines += routes.first_rules(self._services, self._pieces, https=https)
        lines += routes.mixed_rules(self._services, self._pieces)
        lines += self._looked_up("exact", routes.BASE, "map_beg")
        lines += self._looked_up("nocase", f"{routes.BASE},lower", "map_beg")
        lines += routes.last_rules(self._services, self._pieces, https=https)
        return "".join(lines)

    def _looked_up(self, kind: str, sample: str, lookup: str) -> list[str]:
        name = self._files.get(kind)
        if name is None:
            return []
        found = f"{sample},{lookup}({name})"
        return [f"  use_backend %[{found}] if {{ {found} -m found }}\n"]

    def _by_app_id(self) -> str:
        options = self._options
        if not options.appid_bind or "appid" not in self._files:
            return ""
        head = filled(
            self._pieces.common("HTTP_FRONTEND_APPID_HEAD"), {"appidBind": options.appid_bind}
        )
        sample = "req.hdr(X-Marathon-App-Id)"
        return (
            head
            + self._pieces.arriving(options, "http")
            + "".join(self._looked_up("appid", sample, "map_str"))
        )


def _passing(services: Sequence[Service], bind: str, inner: str) -> str:
    """TLS that is passed on unopened goes by the name in its first message; the rest of it to
    the front end that opens it."""
    lines = [
        "\nfrontend stayer_tls_in\n",
        f"  bind {bind}\n",
        "  mode tcp\n",
        "  tcp-request inspect-delay 5s\n",
        "  tcp-request content set-var(sess.stayer_sni) req.ssl_sni,lower\n",
        "  tcp-request content accept if { req.ssl_hello_type 1 }\n",
    ]
    for service in services:
        for host in service.hosts:
            condition = routes.host_condition(host, "var(sess.stayer_sni)")
            lines.append(f"  use_backend {service.name} if {condition}\n")
    if inner:
        lines += [
            "  default_backend stayer_tls_here\n",
            "\nbackend stayer_tls_here\n",
            "  mode tcp\n",
            f"  server here {inner} send-proxy-v2\n",
        ]
    return "".join(lines)
