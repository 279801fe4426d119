"""What the scheduler says, as a Snapshot: fetched, checked in shape and translated.

Stayer has a page made for the bridge (``/v3/services``); an old Marathon is read through
``/v2/apps``; the text of ``/v2/tasks`` serves what only knows that. An answer that is not of the
right shape is no answer: nothing follows from it.
"""

from haproxy_bridge.source.asking import MAIN, Asking, Heard, Source
from haproxy_bridge.source.reading import Kind, Reader, SourceOptions, Unchanged

__all__ = [
    "MAIN",
    "Asking",
    "Heard",
    "Kind",
    "Reader",
    "Source",
    "SourceOptions",
    "Unchanged",
]
