"""Where a configuration can not listen, told before haproxy tries."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from haproxy_bridge.rendered import Piece, Rendered
from haproxy_bridge.swap import binding


@pytest.fixture
def taken() -> Iterator[int]:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def refused(config: str, there: str = "") -> list[int]:
    """The lines."""
    found = binding.refusal(Rendered((Piece(config.encode(), 0),)), there.encode())
    return [] if found is None else list(found.lines)


def test_a_port_of_somebody_else_is_told_with_its_line(taken: int) -> None:
    config = f"frontend a\n  mode tcp\n  bind 127.0.0.1:{taken} ssl crt /x\n"
    assert refused(config) == [3]
    assert refused(config.replace("127.0.0.1", "*")) == [3]
    assert refused(config.replace("127.0.0.1", "")) == [3]
    assert refused(config.replace("127.0.0.1", "0.0.0.0")) == [3]
    assert refused(f"frontend a\n\tbind unix@/x,127.0.0.1:{taken}\n") == [2]
    assert refused("frontend a\n  bind 192.0.2.1:80\n  bind [2001:db8::1]:80\n") == [2, 3]


def test_what_haproxy_has_already_is_not_tried(taken: int) -> None:
    config = f"frontend a\n  bind 127.0.0.1:{taken}\n"
    assert refused(config, there=config) == []


@pytest.mark.parametrize(
    "line",
    [
        "bind abns@stayer_https accept-proxy",
        "bind /run/a.sock",
        "bind fd@3",
        "bind 192.0.2.1:80 transparent",
        "bind 192.0.2.1:80 interface eth7",
        "bind 192.0.2.1:80-90",
        "bind host.example:80",
        "bind 192.0.2.1:0",
        "bind 192.0.2.1:99999",
        "bind 999.0.0.1:80",
        "bind",
        "#bind 192.0.2.1:80",
    ],
)
def test_what_can_not_be_told_is_left_to_haproxy(line: str) -> None:
    assert refused(f"frontend a\n  {line}\n") == []
