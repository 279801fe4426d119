"""Volumes of a container: folders of the agent, files with secrets, volumes of Docker drivers.

Persistent volumes are not among them: those come with the disk that a task takes of its offer.
"""

from framework.domain.app import Container, ExternalVolume
from framework.mesos.json_parts import JsonObject, secret
from framework.mesos.late import Late

DRIVER_OPTION = "dvdi/driver"
_PREFIX = "dvdi/"


def volumes(container: Container, late: Late) -> list[JsonObject]:
    """The Volume messages."""
    mounted: list[JsonObject] = [
        {
            "container_path": volume.container_path,
            "host_path": volume.host_path,
            "mode": volume.mode,
        }
        for volume in container.volumes
    ]
    mounted += [
        {
            "container_path": volume.container_path,
            "mode": "RO",
            "source": {"type": "SECRET", "secret": secret(late.data[volume.secret])},
        }
        for volume in container.secret_volumes
    ]
    return mounted + [_external(container, volume) for volume in container.external_volumes]


def driver_of(volume: ExternalVolume) -> str:
    """The Docker volume driver that an external volume belongs to."""
    return volume.options.get(DRIVER_OPTION, "")


def _external(container: Container, volume: ExternalVolume) -> JsonObject:
    """The Docker Engine finds a volume by its name in the place of a path."""
    mounted: JsonObject = {"container_path": volume.container_path, "mode": volume.mode}
    if container.type == "DOCKER":
        return {**mounted, "host_path": volume.name}
    options = {
        name.removeprefix(_PREFIX): value
        for name, value in volume.options.items()
        if name != DRIVER_OPTION
    }
    if volume.size_gib is not None:
        options["size"] = str(volume.size_gib)
    source: JsonObject = {"driver": driver_of(volume), "name": volume.name}
    if options:
        parameters = [{"key": name, "value": value} for name, value in options.items()]
        source["driver_options"] = {"parameter": parameters}
    return {**mounted, "source": {"type": "DOCKER_VOLUME", "docker_volume": source}}
