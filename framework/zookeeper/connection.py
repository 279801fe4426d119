"""kazoo's connection, which a missing answer ends and not the process.

A server that learns while it answers that the session is another server's by now (a request to
renew it was held up on the way) leaves a write without an answer, and may have answered the read
behind it before it closes. kazoo takes that for its own mistake, and its thread dies of it.
"""

from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionDropped
from kazoo.protocol.connection import ConnectionHandler


class Connection(ConnectionHandler):  # type: ignore[misc]  # kazoo has no types
    """Answers come in the order of the requests; when one is left out the outcome of all is
    unknown, as after any other loss of a connection."""

    def _read_response(self, header: Any, buffer: bytes, offset: int) -> object:
        pending = self.client._pending  # noqa: SLF001 - as kazoo's own does
        if not pending or pending[0][2] != header.xid:
            raise ConnectionDropped(f"the answer to request {header.xid} came before its turn")
        return super()._read_response(header, buffer, offset)


def use_in(client: KazooClient) -> None:
    """Have a client that is not started use it."""
    made = client._connection  # noqa: SLF001 - kazoo has no way to give it another one
    ours = Connection(client, made.retry_sleeper, logger=made.logger)
    client._connection = ours  # noqa: SLF001 - as above
