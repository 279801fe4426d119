"""The wire between machines of namespaces: a bridge of the kernel in a network of its own, so that
nothing of this system's network is touched, and machines may have any addresses. Needs root.
"""

import subprocess
from types import TracebackType

from tests.machine.holding import held

_BRIDGE = """set -e
ip link add bridge type bridge
ip link set bridge up
echo ready
exec sleep infinity
"""


class Switch:
    """A context: machines can be plugged in within it."""

    def __init__(self) -> None:
        self._holder: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Switch":
        self._holder = held(["--net"], _BRIDGE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._holder is not None
        self._holder.kill()
        self._holder.wait()

    def plug(self, network: int, address: str) -> None:
        """Give the network of this process a cable to here, with an address on it (and its /24)."""
        port = _port(address)
        self._ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(network))
        self._ip("link", "set", port, "master", "bridge", "up")
        enter = ["nsenter", f"--net=/proc/{network}/ns/net", "--", "ip"]
        subprocess.run([*enter, "address", "add", f"{address}/24", "dev", "eth0"], check=True)
        subprocess.run([*enter, "link", "set", "eth0", "up"], check=True)

    def unplug(self, address: str) -> None:
        """Take the cable out: what the machine still says, nobody hears."""
        self._ip("link", "delete", _port(address))

    def _ip(self, *words: str) -> None:
        assert self._holder is not None
        network = f"--net=/proc/{self._holder.pid}/ns/net"
        subprocess.run(["nsenter", network, "--", "ip", *words], check=True)


def _port(address: str) -> str:
    return f"port{address.rpartition('.')[2]}"
