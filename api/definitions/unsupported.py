"""Fields of Marathon that this release can not honour: refused by name, never dropped in silence.

They are judged on the canonical dict, because the record has no place for them.
"""

from collections.abc import Iterator
from typing import Any

from api.faults import Fault


def unsupported_faults(app: dict[str, Any]) -> Iterator[Fault]:
    """One fault for each field that would change how tasks run, if we knew how."""
    if app.get("check", {}).get("http", {}).get("scheme") == "HTTPS":
        yield Fault("/check/http/scheme", "only HTTP: Mesos has no other checks")
