"""Rules on external volumes; the texts are Marathon's where it has them.

Each volume is judged on the canonical dict, what they ask of the app on the record.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from api.definitions.secret_rules import feature_error
from api.faults import Fault
from api.options import ApiOptions
from framework.domain.app import App

EXTERNAL_VOLUMES = "external_volumes"
_DRIVER = "dvdi/driver"
_LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
_OPTION_NAME = re.compile(rf"{_LABEL}/{_LABEL}")
_OPTIONS = {
    "dvdi/volumetype": (re.compile(_LABEL), "must be a valid label"),
    "dvdi/newfstype": (re.compile(_LABEL), "must be a valid label"),
    "dvdi/iops": (re.compile(r"[1-9][0-9]*"), "must be a natural number"),
    "dvdi/overwritefs": (re.compile(r"true|false"), "must be a boolean"),
}


def external_faults(app: dict[str, Any], options: ApiOptions) -> Iterator[Fault]:
    """What is wrong with each external volume of a canonical definition."""
    container = app.get("container", {})
    docker = container.get("type", "DOCKER") == "DOCKER"
    for index, volume in enumerate(container.get("volumes", [])):
        if "external" not in volume:
            continue
        path = f"/container/volumes({index})"
        if not options.has_feature(EXTERNAL_VOLUMES):
            yield Fault(path, feature_error(EXTERNAL_VOLUMES))
        if "hostPath" in volume:
            yield Fault(f"{path}/hostPath", "must be empty with an external volume")
        for below, error in _volume_errors(volume, docker=docker):
            yield Fault(f"{path}{below}", error)


def _volume_errors(volume: dict[str, Any], *, docker: bool) -> Iterator[tuple[str, str]]:
    external = volume["external"]
    provider = external.get("provider")
    if provider == "csi":
        error = "csi is not supported by this release: name a Docker volume driver, with dvdi"
        yield "/external/provider", error
        return
    if provider != "dvdi":
        yield "/external/provider", "is unknown provider"
        return
    if not external.get("name"):
        yield "/external/name", "not defined" if "name" not in external else "must not be empty"
    if not docker and volume.get("mode", "RW") != "RW":
        yield "/mode", f"got {volume['mode']}, expected RW"
    if docker and "size" in external:
        yield "/external/size", "must be undefined for Docker containers"
    for below, error in _option_errors(external.get("options", {}), docker=docker):
        yield f"/external/options{below}", error


def _option_errors(options: dict[str, Any], *, docker: bool) -> Iterator[tuple[str, str]]:
    if not options.get(_DRIVER):
        yield f"/{_DRIVER}", "not defined"
    if docker and set(options) - {_DRIVER}:
        yield "", f'must only contain "{_DRIVER}"'
    for name, value in options.items():
        if not isinstance(value, str):
            yield f"/{name}", "must be a text"
        elif not _OPTION_NAME.fullmatch(name):
            yield f"/{name}", f"must fully match regular expression '{_OPTION_NAME.pattern}'"
        elif name in _OPTIONS and not _OPTIONS[name][0].fullmatch(value):
            yield f"/{name}", _OPTIONS[name][1]


def external_app_faults(app: App) -> Iterator[Fault]:
    """What external volumes ask of the rest of the definition."""
    volumes = () if app.container is None else app.container.external_volumes
    if not volumes:
        return
    if app.instances > 1:
        yield Fault(
            "/instances",
            f"Number of instances is limited to 1 when declaring DVDI volumes in app [{app.id}]",
        )
    for name, count in Counter(volume.name for volume in volumes).items():
        if count > 1:
            yield Fault(
                "/container/volumes",
                f"Requested DVDI volume '{name}' is declared more than once within app {app.id}",
            )
    over = app.upgrade_strategy.maximum_over_capacity
    if over:
        yield Fault("/upgradeStrategy/maximumOverCapacity", f"got {over}, expected 0.0")
