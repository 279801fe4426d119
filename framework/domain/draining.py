"""Agents that are to be empty: drained by an operator, or announced by Mesos to be unavailable."""

from msgspec import Struct


class Drain(Struct, frozen=True, gc=False, omit_defaults=True):
    """An operator wants an agent empty. ``agent`` is its id or its hostname, as it was named.
    ``deadline_ms``: what is still there then is killed (0: waits for ever)."""

    agent: str
    since_ms: int
    reason: str = ""
    deadline_ms: int = 0


class Maintenance(Struct, frozen=True, gc=False, omit_defaults=True):
    """A time in which Mesos says an agent will be unavailable. ``for_ms`` None: for good."""

    agent_id: str
    from_ms: int
    for_ms: int | None = None


class InverseOffer(Struct, frozen=True, gc=False, omit_defaults=True):
    """Mesos asks for an agent back, for the time that it will be unavailable."""

    id: str
    agent_id: str
    from_ms: int
    for_ms: int | None = None
