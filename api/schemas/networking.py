"""Structure of networks, ports and containers, today's forms and the old ones."""

from api.schemas.fields import (
    Anything,
    Choice,
    Flag,
    ListOf,
    MapOf,
    Part,
    Text,
    structure,
    whole,
)

_NETWORK_NAME = r"[a-z0-9]([-a-z0-9_]*[a-z0-9])?"
_PORT_NAME = r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?"
PORT_MAX = 65_535
MAX_PORTS = 256
_MOST_MIB = 1_000_000_000


def protocol() -> Choice:
    """Transport of a port; the reversed pair is read as Marathon writes it."""
    return Choice("tcp", "udp", "udp,tcp", also={"tcp,udp": "udp,tcp"})


def port_name() -> Text:
    """A port's name: letters, digits and inner dashes."""
    return Text(shortest=1, longest=255, pattern=_PORT_NAME)


NETWORK = structure(
    "Network",
    mode=Choice("host", "container/bridge", "container"),
    name=Text(longest=63, pattern=_NETWORK_NAME),
    labels=MapOf(Text()),
)

PORT_DEFINITION = structure(
    "PortDefinition",
    port=whole(least=0, most=PORT_MAX),
    protocol=protocol(),
    name=port_name(),
    labels=MapOf(Text()),
)

PORT_MAPPING = structure(
    "PortMapping",
    containerPort=whole(least=0, most=PORT_MAX),
    hostPort=whole(least=0, most=PORT_MAX),
    servicePort=whole(least=0, most=PORT_MAX),
    protocol=protocol(),
    name=port_name(),
    labels=MapOf(Text()),
    networkNames=ListOf(Text(), longest=16),
)

DOCKER_PARAMETER = structure(
    "DockerParameter", key=Text(required=True, shortest=1), value=Text(required=True)
)

DOCKER = structure(
    "Docker",
    image=Text(required=True, longest=1_024),
    forcePullImage=Flag(),
    privileged=Flag(),
    parameters=ListOf(Part(DOCKER_PARAMETER), longest=256),
    pullConfig=Part(structure("PullConfig", secret=Text(required=True, shortest=1, longest=255))),
    network=Choice("HOST", "BRIDGE", "USER", "NONE"),
    portMappings=ListOf(Part(PORT_MAPPING), longest=MAX_PORTS),
    credential=Anything(),
)

PERSISTENT_VOLUME = structure(
    "PersistentVolume",
    size=whole(required=True, least=1, most=_MOST_MIB),
    type=Choice("root", "path", "mount"),
    maxSize=whole(least=1, most=_MOST_MIB),
    profileName=Text(shortest=1, longest=255),
    constraints=ListOf(ListOf(Text(), longest=16), longest=128),
)

EXTERNAL_VOLUME = structure(
    "ExternalVolume",
    provider=Text(required=True, longest=63),
    name=Text(longest=255),
    size=whole(least=1),
    options=MapOf(Anything()),
    shared=Flag(),
)

VOLUME = structure(
    "Volume",
    containerPath=Text(required=True, longest=4_096),
    hostPath=Text(longest=4_096),
    mode=Choice("RO", "RW"),
    persistent=Part(PERSISTENT_VOLUME),
    external=Part(EXTERNAL_VOLUME),
    secret=Text(shortest=1, longest=255),
)

LINUX_INFO = structure(
    "LinuxInfo",
    seccomp=Part(
        structure("Seccomp", profileName=Text(shortest=1, longest=255), unconfined=Flag())
    ),
    ipcInfo=Part(
        structure(
            "IpcInfo",
            mode=Choice("PRIVATE", "SHARE_PARENT", required=True),
            shmSize=whole(least=0),
        )
    ),
)

CONTAINER = structure(
    "Container",
    type=Choice("DOCKER", "MESOS"),
    docker=Part(DOCKER),
    volumes=ListOf(Part(VOLUME), longest=256),
    portMappings=ListOf(Part(PORT_MAPPING), longest=MAX_PORTS),
    linuxInfo=Part(LINUX_INFO),
)

DISCOVERY_PORT = structure(
    "DiscoveryPort",
    number=whole(required=True, least=0, most=PORT_MAX),
    name=Text(required=True, shortest=1, longest=255),
    protocol=protocol(),
    labels=MapOf(Text()),
)

IP_ADDRESS = structure(
    "IpAddress",
    networkName=Text(longest=63),
    labels=MapOf(Text()),
    groups=ListOf(Text()),
    discovery=Part(structure("Discovery", ports=ListOf(Part(DISCOVERY_PORT), longest=MAX_PORTS))),
)
