"""Leadership where no other process can be there.

The stores in a file and in memory have one writer, which their lock on the file sees to; whoever
opened one leads.
"""

from collections.abc import Callable

from framework.interfaces import Leader


class AloneLeadership:
    """Leads from ``start`` until the process ends. ``address`` and ``secure`` say where its own
    API is reached."""

    def __init__(self, address: str, secure: bool = False) -> None:
        self._leader = Leader(address, secure)

    def start(self, gained: Callable[[], None], lost: Callable[[Exception], None]) -> None:  # noqa: ARG002 - the Protocol's; nothing takes the lead from us
        """Lead at once, in the caller's thread."""
        gained()

    def serving(self) -> None:
        """There is nobody to tell."""

    def leader(self) -> Leader | None:
        """This process, always."""
        return self._leader

    def confirm(self, max_age_seconds: float = 0.0) -> None:
        """Nothing to look at: the store's lock lasts as long as the process."""

    def stop(self) -> None:
        """Nobody waits for the lead."""
