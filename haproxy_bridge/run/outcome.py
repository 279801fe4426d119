"""What came of a run, for people and for monitoring."""

from msgspec import Struct

from haproxy_bridge.exits import Exit
from haproxy_bridge.rendered import Problem

SETTLED = frozenset({Exit.OK, Exit.PARTIAL, Exit.CLUSTER})


class Outcome(Struct, frozen=True, kw_only=True):
    """``why`` says what kept a run from its end, or what it did; ``added``, ``changed`` and
    ``removed`` count servers; ``reloaded``: haproxy loaded its configuration anew; ``postponed``:
    it has to, but not yet; ``awaits_reload``: it has to, and somebody else is to tell it;
    ``rerouted``: other routes without a reload.
    ``before`` and ``after`` are the file's bytes, for a diff, where the run looked at everything;
    ``services`` and ``servers`` count what is served now, ``certificates`` those that were put in,
    exchanged or taken out. ``kept``: clusters of which the last servers stay, and why."""

    exit: Exit
    why: str = ""
    changed: bool = False
    reloaded: bool = False
    postponed: bool = False
    awaits_reload: bool = False
    rerouted: bool = False
    added: int = 0
    modified: int = 0
    removed: int = 0
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    before: bytes = b""
    after: bytes = b""
    services: int = 0
    servers: int = 0
    certificates: int = 0
    kept: dict[str, str] = {}

    @property
    def is_live(self) -> bool:
        """Whether haproxy serves what follows from the answer."""
        return self.exit in SETTLED and not self.postponed and not self.awaits_reload
