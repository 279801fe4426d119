"""Fields of Marathon that this release can not honour: refused by name, never dropped in silence.

They are judged on the canonical dict, because the record has no place for them.
"""

from collections.abc import Iterator
from typing import Any

from api.faults import Fault

_VOLUMES = {
    "persistent": "persistent volumes are not supported by this release",
}
_ELSEWHERE = ("external", "secret")


def unsupported_faults(app: dict[str, Any]) -> Iterator[Fault]:
    """One fault for each field that would change how tasks run, if we knew how."""
    if app.get("residency"):
        yield Fault("/residency", "needs persistent volumes, which this release does not support")
    if app.get("check", {}).get("http", {}).get("scheme") == "HTTPS":
        yield Fault("/check/http/scheme", "only HTTP: Mesos has no other checks")
    yield from _container_faults(app.get("container", {}))


def _container_faults(container: dict[str, Any]) -> Iterator[Fault]:
    for index, volume in enumerate(container.get("volumes", [])):
        path = f"/container/volumes({index})"
        refused = [kind for kind in _VOLUMES if kind in volume]
        for kind in refused:
            yield Fault(f"{path}/{kind}", _VOLUMES[kind])
        if not refused and not {*_ELSEWHERE} & {*volume} and not volume.get("hostPath"):
            error = "must not be empty" if "hostPath" in volume else "not defined"
            yield Fault(f"{path}/hostPath", error)
