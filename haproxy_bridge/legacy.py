"""The configuration as the bridge of 2014 printed it, for those who pipe it somewhere.

Its words are those that haproxy takes today. The statistics have no password: the one of 2014 was
known to all, and they only listen on loopback and change nothing.
"""

import re
from collections.abc import Iterator

from haproxy_bridge.snapshot import App, Snapshot

_HEADER = """global
  daemon
  log 127.0.0.1 local0
  log 127.0.0.1 local1 notice
  maxconn 4096

defaults
  log            global
  retries             3
  maxconn          2000
  timeout connect  5000
  timeout client  50000
  timeout server  50000

listen stats
  bind 127.0.0.1:9090
  balance
  mode http
  stats enable
"""
STATS_PORT = 9090
_ODD = re.compile(r"[^A-Za-z0-9_.-]")


def header() -> str:
    """What stands before the apps."""
    return _HEADER


def apps(snapshot: Snapshot) -> str:
    """A ``listen`` for each app and service port, sorted; the first app that has a port keeps
    it."""
    taken = {STATS_PORT}
    return "".join(stanza for app in snapshot.apps for stanza in _of_app(app, taken))


def _of_app(app: App, taken: set[int]) -> Iterator[str]:
    name = _ODD.sub("_", app.id.strip("/").replace("/", "_"))
    for index, port in enumerate(app.ports):
        if port.service_port == 0 or port.service_port in taken:
            continue
        taken.add(port.service_port)
        yield (
            f"\nlisten {name}-{port.service_port}\n"
            f"  bind 0.0.0.0:{port.service_port}\n"
            "  mode tcp\n  option tcplog\n  balance leastconn\n"
        )
        places = sorted(
            (task.host, where.port)  # by name, as it was
            for task in app.tasks
            if (where := task.endpoints[index]) is not None
        )
        for number, (host, at) in enumerate(places, 1):
            address = f"[{host}]:{at}" if ":" in host else f"{host}:{at}"
            yield f"  server {name}-{number} {address} check\n"
