"""Fields of Marathon that this release can not honour: refused by name, never dropped in silence.

They are judged on the canonical dict, because the record has no place for them.
"""

from collections.abc import Iterator
from typing import Any

from api.faults import Fault

_VOLUMES = {
    "persistent": "persistent volumes are not supported by this release",
    "external": "external volumes are not supported by this release",
    "secret": "secret volumes are not supported by this release",
}
_NO_SECRETS = "secrets are not supported by this release"


def unsupported_faults(app: dict[str, Any]) -> Iterator[Fault]:
    """One fault for each field that would change how tasks run, if we knew how."""
    if app.get("secrets"):
        yield Fault("/secrets", _NO_SECRETS)
    for name, value in app.get("env", {}).items():
        if not isinstance(value, str):
            yield Fault(f"/env/{name}", f"{_NO_SECRETS}, so none can be referenced")
    if app.get("residency"):
        yield Fault("/residency", "needs persistent volumes, which this release does not support")
    if app.get("executorResources") and app.get("executor", "") not in ("", "//cmd"):
        yield Fault("/executorResources", "is not supported by this release")
    if app.get("check", {}).get("http", {}).get("scheme") == "HTTPS":
        yield Fault("/check/http/scheme", "only HTTP is supported by this release")
    yield from _container_faults(app.get("container", {}))


def _container_faults(container: dict[str, Any]) -> Iterator[Fault]:
    if container.get("linuxInfo"):
        yield Fault("/container/linuxInfo", "is not supported by this release")
    if container.get("docker", {}).get("pullConfig"):
        yield Fault("/container/docker/pullConfig", f"{_NO_SECRETS}, and pullConfig needs one")
    for index, volume in enumerate(container.get("volumes", [])):
        path = f"/container/volumes({index})"
        refused = [kind for kind in _VOLUMES if kind in volume]
        for kind in refused:
            yield Fault(f"{path}/{kind}", _VOLUMES[kind])
        if not refused and not volume.get("hostPath"):
            error = "must not be empty" if "hostPath" in volume else "not defined"
            yield Fault(f"{path}/hostPath", error)
