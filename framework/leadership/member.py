"""What the processes on one state tell each other about themselves, as JSON in their znodes."""

import msgspec

_MAX_BYTES = 64 * 1024


class Member(msgspec.Struct, frozen=True):
    """One Stayer process. ``address`` (host:port) is where its API is reached, ``secure`` whether
    by https; ``release`` and ``schemas`` (kind of record -> number) what it can read and write;
    ``stands`` whether it would lead."""

    address: str
    secure: bool = False
    release: str = ""
    schemas: dict[str, int] = msgspec.field(default_factory=dict)
    stands: bool = True


# A process that says something else than we understand may be of any release.
UNREADABLE = Member("", release="unknown", stands=False)


class Candidate(msgspec.Struct, frozen=True):
    """A process in the election. ``serving``: it leads, and its API answers as the leader's."""

    address: str
    secure: bool = False
    serving: bool = False


def member_from(data: bytes) -> Member:
    """UNREADABLE if it is not one."""
    if len(data) > _MAX_BYTES:
        return UNREADABLE
    try:
        return msgspec.json.decode(data, type=Member)
    except (msgspec.MsgspecError, RecursionError):
        return UNREADABLE


def candidate_from(data: bytes) -> Candidate | None:
    """None if it is not one."""
    if len(data) > _MAX_BYTES:
        return None
    try:
        return msgspec.json.decode(data, type=Candidate)
    except (msgspec.MsgspecError, RecursionError):
        return None
