"""How a run ended, as monitoring reads it. The numbers are a promise; docs list them."""

from enum import IntEnum


class Exit(IntEnum):
    """Higher is not worse: each is its own message."""

    OK = 0  # unchanged, or applied
    INTERNAL = 1
    CHANGED = 2  # with --detailed-exitcode: applied changes, or would
    UNREACHABLE = 3  # nobody answered as they should; all is kept
    HELD = 4  # the answer is not believed yet; all is kept
    REFUSED = 5  # haproxy refuses whatever we make of it; all is kept
    NOT_RELOADED = 6  # haproxy did not take it; the one before is back
    PARTIAL = 7  # applied, but something of at least one app is left out
    CLUSTER = 8  # applied, but one of several clusters is not heard, or not believed
    USAGE = 64
    LOCKED = 75  # another run is under way


MEANING = {
    Exit.OK: "unchanged, or changes applied",
    Exit.INTERNAL: "a bug, or a fault of this machine; everything is kept",
    Exit.CHANGED: "with --detailed-exitcode: changes applied, or to be applied",
    Exit.UNREACHABLE: "no scheduler answered as it should; everything is kept",
    Exit.HELD: "the answer takes away too much to be believed at once; everything is kept",
    Exit.REFUSED: "haproxy refuses the configuration; everything is kept",
    Exit.NOT_RELOADED: "haproxy could not be brought to it; the configuration before is back",
    Exit.PARTIAL: "applied, but something of at least one app is left out (see status)",
    Exit.CLUSTER: "applied, but one of several clusters does not answer or is not believed yet; "
    "its servers are kept",
    Exit.USAGE: "the command line is wrong",
    Exit.LOCKED: "another run is under way",
}
