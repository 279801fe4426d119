"""Which text a piece has: the app's own, the operator's, or ours."""

from collections.abc import Collection, Mapping

from haproxy_bridge.render.options import RenderOptions
from haproxy_bridge.render.texts import DEFAULTS, MAX_WORDS, filled
from haproxy_bridge.render.translate import translated
from haproxy_bridge.services.model import Service

_MAX_KEPT = 10_000
_AS_IT_IS = frozenset({"BACKEND_HTTP_OPTIONS"})  # marathon-lb fills no placeholders there


_EVERY = (
    '"time":"%tr","client":"%ci","frontend":"%f","backend":"%b","server":"%s",'
    '"app":"%[var(txn.stayer_app)]","task":"%[srv_name,field(1,:)]",'
    '"version":"%[srv_name,regsub(:check-.*,),field(2,:,0)]",'
    '"received":%U,"sent":%B,"ended":"%ts","retries":"%rc"'
)
_LOGS = {
    "http": "{"
    + _EVERY
    + ',"status":%ST,"milliseconds":%Ta,'
    + '"method":"%[capture.req.method,json(utf8s)]","uri":"%[capture.req.uri,json(utf8s)]"}',
    "tcp": "{" + _EVERY.replace("%tr", "%t") + ',"milliseconds":%Tt}',
}
"""Servers are named after their task and its version then, with a colon between."""
MAX_HOPS = 5


_SCHEME = (
    "  http-request set-var(txn.stayer_proto) req.hdr(x-forwarded-proto),lower"
    " if stayer_trusted { req.hdr(x-forwarded-proto) -i -m str http https }\n"
)
"""Before the source is another one. Without it TLS that ends in front would be asked for again."""
FORWARDED_SCHEME = """\
  http-request set-header X-Forwarded-Proto %[var(txn.stayer_proto)] \
if { var(txn.stayer_proto) -m found }
  http-request set-header X-Forwarded-Port 443 \
if !{ ssl_fc } { var(txn.stayer_proto) -m str https }
"""
"""What a task is told of the scheme that a trusted proxy was asked with, in place of ours."""


def _believed() -> str:
    """Each proxy in front adds the address of who asked it: from the last one on they are gone
    back, for as long as what was gone to is a proxy of ours, and every entry is an address."""
    hop = "  acl stayer_hop{0} req.hdr_ip(x-forwarded-for,-{0}) -m found\n"
    lines = [_SCHEME, *[hop.format(number) for number in range(1, MAX_HOPS + 1)]]
    for number in range(1, MAX_HOPS + 1):
        known = " ".join(f"stayer_hop{one}" for one in range(1, number + 1))
        source = f"req.hdr_ip(x-forwarded-for,-{number})"
        lines.append(f"  http-request set-src {source} if stayer_trusted {known}\n")
    return "".join((*lines, "  http-request del-header X-Forwarded-For\n"))


_BELIEVED = _believed()


class Pieces:
    """Pieces for one configuration."""

    def __init__(self, options: RenderOptions) -> None:
        self._operators = {
            name: _ended(translated(text)) for name, text in options.templates.items()
        }
        self._apps: dict[str, str] = {}
        self.trusts = bool(options.trusted_proxies)

    @property
    def of_operator(self) -> Collection[str]:
        """Names of those that the operator replaced."""
        return self._operators.keys()

    def of(self, service: Service, name: str, values: Mapping[str, object]) -> str:
        """The piece for a service."""
        own = service.templates.get(name)
        text = self.common(name) if own is None else self._translated(own)
        return text if name in _AS_IT_IS else filled(text, values)

    def common(self, name: str) -> str:
        """The operator's text or ours, unfilled; "" if there is none."""
        return self._operators.get(name, DEFAULTS.get(name, ""))

    def arriving(self, options: RenderOptions, mode: str) -> str:
        """What every front end of that mode begins with: its log, and whom it believes."""
        lines = [""]
        if options.log:
            json = f"  log-format '{_LOGS[mode]}'\n"
            lines.append(json if options.json_log else f"  option {mode}log\n")
        if options.trusted_proxies and mode == "http":
            for first in range(0, len(options.trusted_proxies), MAX_WORDS):
                some = " ".join(options.trusted_proxies[first : first + MAX_WORDS])
                lines.append(f"  acl stayer_trusted src {some}\n")
            lines.append(_BELIEVED)
        return "".join(lines)

    def is_ours(self, service: Service, name: str) -> bool:
        """Whether nobody replaced the piece."""
        return name not in service.templates and name not in self._operators

    def forget_unused(self) -> None:
        """Keep no more texts of apps than are likely to be asked for again."""
        if len(self._apps) > _MAX_KEPT:
            self._apps.clear()

    def _translated(self, text: str) -> str:
        known = self._apps.get(text)
        if known is None:
            known = self._apps[text] = _ended(translated(text))
        return known


def _ended(text: str) -> str:
    """With the line's end that every piece has; labels are often written without."""
    return text if not text or text.endswith("\n") else text + "\n"
