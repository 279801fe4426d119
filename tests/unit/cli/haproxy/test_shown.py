"""What `stayer haproxy diff` says of servers: by backend, how many come and go."""

from cli.haproxy.shown import server_changes

BEFORE = b"""frontend a_1
  default_backend a_1
backend a_1
  server one 10.0.0.1:1 weight 100
  server two 10.0.0.2:1 weight 100
backend b_2
  server one 10.0.0.1:2 check
backend gone_3
  server one 10.0.0.1:3
listen other
  server one 10.0.0.1:4
"""
AFTER = b"""backend a_1
  server two 10.0.0.9:1 weight 100
  server one 10.0.0.1:1 weight 7
backend b_2
  server one 10.0.0.1:2 check inter 2s
backend new_4
  server one 10.0.0.1:5
  server two 10.0.0.1:6
listen other
"""


def test_servers_that_come_and_go_are_counted_by_backend() -> None:
    assert list(server_changes(BEFORE, AFTER)) == [
        "a_1: +1 -1 servers",
        "gone_3: -1 servers",
        "new_4 (new): +2 servers",
    ]
    assert list(server_changes(BEFORE, BEFORE)) == []
    assert list(server_changes(b"", b"")) == []
