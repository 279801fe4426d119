"""What starts when the program is called: by its name, one of several.

The names of 2014 still work, whether they are installed by pip or are links to `stayer`; and an
edge node that has the bridge only calls it `stayer-haproxy`.
"""

import sys
from pathlib import Path

LEGACY = frozenset({"haproxy-marathon-bridge", "haproxy_marathon_bridge"})


def main() -> None:
    """Run what the name stands for."""
    name = Path(sys.argv[0]).name
    if name in LEGACY:
        from cli.haproxy.legacy import main as legacy

        legacy(prog_name=name)
    elif name == "stayer-haproxy":
        from cli.haproxy.commands import haproxy

        haproxy(prog_name=name)
    else:
        from cli.main import main as stayer

        stayer()
