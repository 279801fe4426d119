"""The regular expression engine of the placement language, injected by the composition root.

Patterns come from clients, and a backtracking engine can be made to run for ever by one of thirty
characters. RE2 takes time linear in the text whatever the pattern, in memory that is limited here.
"""

from collections.abc import Callable
from functools import lru_cache

import re2

from constraints import BadPattern

MAX_PATTERN_BYTES = 1 << 20
"""Memory one compiled pattern may take, in bytes."""
MAX_CACHED_PATTERNS = 256

_LOOK_AROUND = ("(?=", "(?!", "(?<=", "(?<!")


@lru_cache(maxsize=MAX_CACHED_PATTERNS)
def linear_full_match(pattern: str) -> Callable[[str], bool]:
    """Compile a pattern to a predicate on the whole text; raises `BadPattern`."""
    options = re2.Options()
    options.max_mem = MAX_PATTERN_BYTES
    # A refused pattern is a client's mistake and answered to it; it is no news for stderr.
    options.log_errors = False
    # Nothing is captured, and captures are what makes RE2 slow.
    options.never_capture = True
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise BadPattern(_reason(error)) from None
    except UnicodeEncodeError:
        raise BadPattern("it has half a surrogate pair, which is no character") from None

    def matches(text: str) -> bool:
        try:
            return compiled.fullmatch(text) is not None
        except UnicodeEncodeError:
            # A text that has no UTF-8 form matches nothing.
            return False

    return matches


def _reason(error: Exception) -> str:
    detail = error.args[0] if error.args else ""
    text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
    kind, _, part = text.partition(": ")
    if _is_unbounded(kind, part):
        return (
            f"{text} (look-ahead, look-behind and back-references are not supported"
            " because they can run for ever)"
        )
    if kind == "invalid repetition size":
        return f"{text} (a part can be repeated at most 1000 times)"
    return text


def _is_unbounded(kind: str, part: str) -> bool:
    if kind == "invalid perl operator":
        return part in _LOOK_AROUND
    back_reference = part[1:2].isdigit() or part[1:2] == "k"
    return kind == "invalid escape sequence" and part.startswith("\\") and back_reference
