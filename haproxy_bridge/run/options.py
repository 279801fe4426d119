"""Everything that an edge node's bridge is told, in one place."""

from msgspec import Struct

from haproxy_bridge.guard import GuardOptions, Spread
from haproxy_bridge.render import RenderOptions
from haproxy_bridge.services import ServiceOptions
from haproxy_bridge.swap.load import LoadOptions

DEFAULT_CONFIG = "/etc/haproxy/haproxy.cfg"
DEFAULT_STATE = "/var/lib/stayer-haproxy/state.json"


class NodeOptions(Struct, frozen=True, kw_only=True):
    """``config``: where haproxy's configuration lies; ``state``: what is remembered, and beside it
    the lock. ``haproxy``: the program that checks. ``validate``: ask it before a configuration is
    used (never switch it off but for its cost in a trial). ``seed``: turns the order of servers on
    each node. ``lock_seconds``: how long to wait for another run. ``spread``: how apps of several
    clusters are served."""

    config: str = DEFAULT_CONFIG
    state: str = DEFAULT_STATE
    haproxy: str = "haproxy"
    validate: bool = True
    seed: str = ""
    lock_seconds: float = 0.0
    guard: GuardOptions = GuardOptions()
    spread: Spread = Spread.FALLBACK
    services: ServiceOptions = ServiceOptions()
    render: RenderOptions = RenderOptions()
    load: LoadOptions = LoadOptions()
