"""What an operator has written into files (users, policy, templates, pages), read again and again
by a daemon. A file that can not be used, or that haproxy wants nothing of, leaves in force what was
there before, and is told.
"""

from collections.abc import Callable

from msgspec.structs import replace

from haproxy_bridge.rendered import NODE, Problem, Trouble
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.outcome import SETTLED, Outcome


class FilesError(Exception):
    """A file can not be used; the text names it and says why."""


Reread = Callable[[], NodeOptions]
"""Raises FilesError."""


class Files:
    """``now``: the options in force."""

    def __init__(self, options: NodeOptions, reread: Reread | None = None) -> None:
        self.now = options
        self._reread = reread
        self._good = options
        self._refused: NodeOptions | None = None
        self._unusable = self._why_refused = ""

    def look(self) -> bool:
        """Read them; whether there are other options now."""
        if self._reread is None:
            return False
        try:
            found = self._reread()
        except FilesError as error:
            self._unusable = f"{error}; what it said before stays in force"
            return False
        self._unusable = ""
        found = replace(self.now, services=found.services, render=found.render)
        if found == self._refused:
            return False
        self._refused, self._why_refused = None, ""
        changed = found != self.now
        self.now = found
        return changed

    def step_back(self, why: str) -> bool:
        """haproxy refuses what follows from them: back to what it last took, if that is another."""
        if self.now == self._good:
            return False
        self._refused, self.now = self.now, self._good
        self._why_refused = (
            f"haproxy refuses what the operator's files lead to: {why}; what they said before "
            "stays in force"
        )
        return True

    def proven(self) -> None:
        """haproxy takes what follows from them."""
        self._good = self.now

    def told(self, outcome: Outcome) -> Outcome:
        """The outcome with what is wrong with them among its problems."""
        why = self._unusable or self._why_refused
        if outcome.exit not in SETTLED:
            return outcome
        others = [one for one in outcome.problems if one.trouble is not Trouble.FILE]
        own = [Problem(Trouble.FILE, NODE, why)] if why else []
        if not own and len(others) == len(outcome.problems):
            return outcome
        return replace(outcome, problems=(*others, *own))
