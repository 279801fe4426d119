"""What a running haproxy has: its servers by backend, and the sessions of each."""

from collections.abc import Iterator

from msgspec import Struct

_VERSION = "1"
_FORCED_MAINTENANCE = 0x01
_FORCED_DRAIN = 0x08


class BadStateError(ValueError):
    """The answer is none that this bridge reads; the text says what is wrong."""


class Running(Struct, frozen=True):
    """A server as it is. ``stopped``: in maintenance by command, ``drained``: in drain by command.
    ``up``: haproxy sends requests to it if its weight is not 0; ``failed``: it sends none, because
    of its own checks alone."""

    name: str
    address: str
    port: int
    weight: int
    up: bool
    stopped: bool = False
    drained: bool = False
    failed: bool = False


def backends(answer: str) -> list[str]:
    """``show backend``: their names. BadStateError."""
    rows = answer.strip().split("\n")
    if rows[0].strip() != "# name":
        raise BadStateError(f"not a list of backends: {answer[:100]!r}")
    return [row.strip() for row in rows[1:]]


def servers(answer: str) -> dict[str, dict[str, Running]]:
    """``show servers state``, one answer or several on end, by backend and name. BadStateError."""
    found: dict[str, dict[str, Running]] = {}
    for row, cells in _rows(answer):
        try:
            backend, server = cells["be_name"], _server(cells)
        except (KeyError, ValueError) as error:
            raise BadStateError(f"not a server: {row[:100]!r}") from error
        found.setdefault(backend, {})[server.name] = server
    return found


def numbers(answer: str) -> dict[str, str]:
    """Of the same: backends that have servers, and haproxy's numbers of them. BadStateError."""
    found = {}
    for row, cells in _rows(answer):
        if not {"be_name", "be_id"} <= cells.keys():
            raise BadStateError(f"not a server: {row[:100]!r}")
        found[cells["be_name"]] = cells["be_id"]
    return found


def _rows(answer: str) -> Iterator[tuple[str, dict[str, str]]]:
    rows = answer.strip().split("\n")
    if rows[0].strip() != _VERSION or len(rows) < 2 or not rows[1].startswith("# "):
        raise BadStateError(f"not a list of servers: {answer[:100]!r}")
    columns = rows[1][2:].split()
    for row in rows[2:]:
        if not row.strip() or row.strip() == _VERSION or row.startswith("# "):
            continue  # the head of the next answer
        yield row, dict(zip(columns, row.split(" "), strict=False))


def _server(cells: dict[str, str]) -> Running:
    forced = int(cells["srv_admin_state"])
    fqdn = cells.get("srv_fqdn", "-")
    return Running(
        name=cells["srv_name"],
        address=cells["srv_addr"] if fqdn == "-" else fqdn,
        port=int(cells["srv_port"]),
        weight=int(cells["srv_uweight"]),
        up=int(cells["srv_op_state"]) == 2,
        stopped=bool(forced & _FORCED_MAINTENANCE),
        drained=bool(forced & _FORCED_DRAIN),
        failed=int(cells["srv_op_state"]) == 0 and not forced,
    )


def sessions(answer: str) -> dict[tuple[str, str], int]:
    """``show stat``: sessions that are open and queued, by backend and server. BadStateError."""
    rows = answer.strip().split("\n")
    if not rows[0].startswith("# "):
        raise BadStateError(f"no statistics: {answer[:100]!r}")
    columns = rows[0][2:].split(",")
    places = [columns.index(name) for name in ("pxname", "svname", "qcur", "scur")]
    return dict(_sessions(rows[1:], places))


def _sessions(rows: list[str], places: list[int]) -> Iterator[tuple[tuple[str, str], int]]:
    for row in rows:
        cells = row.split(",")
        if len(cells) > max(places):
            backend, server, queued, open_now = (cells[place] for place in places)
            yield (backend, server), int(queued or 0) + int(open_now or 0)
