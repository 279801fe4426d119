"""The app definition in its canonical form, as it is stored and launched.

Old forms (``uris``, ``ports``, ``container.docker.network``, ...) are translated before a record
is made, so only one form exists inside. Scalars of resources are thousandths
(``cpus_millis=500`` is half a processor; ``mem_millis`` and ``disk_millis`` are MiB/1000).
"""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from framework.domain.disks import DiskType

COMMAND_EXECUTOR = "//cmd"
"""Marathon's name of the executor that Mesos brings."""


class NetworkMode(StrEnum):
    """Marathon's network modes."""

    HOST = "host"
    BRIDGE = "container/bridge"
    CONTAINER = "container"


class KillSelection(StrEnum):
    """Which instances of equal condition go first when an app is scaled down."""

    YOUNGEST_FIRST = "YOUNGEST_FIRST"
    OLDEST_FIRST = "OLDEST_FIRST"


class Network(Struct, frozen=True, gc=False, omit_defaults=True):
    mode: NetworkMode = NetworkMode.HOST
    name: str | None = None
    labels: dict[str, str] = {}


class PortDefinition(Struct, frozen=True, gc=False, omit_defaults=True):
    """A port of an app on the host network; ``port`` is the service port (and, with
    ``require_ports``, the host port). 0 before a service port is assigned."""

    port: int = 0
    protocol: str = "tcp"
    name: str | None = None
    labels: dict[str, str] = {}


class PortMapping(Struct, frozen=True, gc=False, omit_defaults=True):
    """A port of an app on a container network. ``host_port`` None: none allocated; 0: dynamic."""

    container_port: int = 0
    host_port: int | None = None
    service_port: int = 0
    protocol: str = "tcp"
    name: str | None = None
    labels: dict[str, str] = {}
    network_names: tuple[str, ...] = ()


class DockerParameter(Struct, frozen=True, gc=False, omit_defaults=True):
    key: str
    value: str


class Docker(Struct, frozen=True, gc=False, omit_defaults=True):
    """``pull_secret`` names the app's secret with the registry's credentials."""

    image: str
    force_pull_image: bool = False
    privileged: bool = False
    parameters: tuple[DockerParameter, ...] = ()
    pull_secret: str | None = None


class HostVolume(Struct, frozen=True, gc=False, omit_defaults=True):
    container_path: str
    host_path: str
    mode: str = "RW"


class PersistentVolume(Struct, frozen=True, gc=False, omit_defaults=True):
    """A directory of the sandbox that outlives the task, on a disk of the agent. ``size_mib`` is
    reserved of it; a MOUNT disk has at least as much, at most ``max_size_mib``, and is taken as a
    whole. ``constraints`` are on the ``path`` of a PATH or MOUNT disk."""

    container_path: str
    size_mib: int
    type: DiskType = DiskType.ROOT
    max_size_mib: int | None = None
    constraints: tuple[tuple[str, ...], ...] = ()


class SecretVolume(Struct, frozen=True, gc=False, omit_defaults=True):
    """A file that holds one of the app's secrets, which ``secret`` names."""

    container_path: str
    secret: str


class ExternalVolume(Struct, frozen=True, gc=False, omit_defaults=True):
    """A volume of a Docker volume driver, which ``options`` name; ``size_gib`` for drivers that
    create what is not there; ``shared``: other apps may use the same one."""

    container_path: str
    name: str
    mode: str = "RW"
    provider: str = "dvdi"
    size_gib: int | None = None
    options: dict[str, str] = {}
    shared: bool = False


class LinuxInfo(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the Linux kernel does for the container. Seccomp: a profile of the agent by its name,
    or no filter (``unconfined``), or whatever the agent does by default. ``ipc_mode``: PRIVATE or
    SHARE_PARENT, with ``shm_size_mib`` of shared memory."""

    seccomp_profile: str | None = None
    seccomp_unconfined: bool = False
    ipc_mode: str | None = None
    shm_size_mib: int | None = None


class Container(Struct, frozen=True, gc=False, omit_defaults=True):
    """``type`` is DOCKER or MESOS. ``port_mappings`` is meant for non-host networks only."""

    type: str = "DOCKER"
    docker: Docker | None = None
    volumes: tuple[HostVolume, ...] = ()
    port_mappings: tuple[PortMapping, ...] = ()
    secret_volumes: tuple[SecretVolume, ...] = ()
    external_volumes: tuple[ExternalVolume, ...] = ()
    linux_info: LinuxInfo | None = None
    persistent_volumes: tuple[PersistentVolume, ...] = ()


class Fetch(Struct, frozen=True, gc=False, omit_defaults=True):
    uri: str
    extract: bool = True
    executable: bool = False
    cache: bool = False
    dest_path: str | None = None


class HealthCheck(Struct, frozen=True, gc=False, omit_defaults=True):
    """``protocol``: HTTP, HTTPS, TCP (run by the scheduler) or COMMAND, MESOS_HTTP, MESOS_HTTPS,
    MESOS_TCP (run by the executor). ``max_consecutive_failures`` 0: never kill."""

    protocol: str = "HTTP"
    path: str | None = None
    port_index: int | None = None
    port: int | None = None
    command: str | None = None
    grace_period_seconds: int = 300
    interval_seconds: int = 60
    timeout_seconds: int = 20
    max_consecutive_failures: int = 3
    delay_seconds: int = 15
    ip_protocol: str = "IPv4"
    ignore_http1xx: bool = False

    @property
    def run_by_executor(self) -> bool:
        """Whether the Mesos executor carries it out (else it is the scheduler's own prober)."""
        return self.protocol == "COMMAND" or self.protocol.startswith("MESOS_")


class Check(Struct, frozen=True, gc=False, omit_defaults=True):
    """A Mesos ``check``: informs, never kills. ``kind``: http, tcp or command."""

    kind: str
    path: str | None = None
    port_index: int | None = None
    port: int | None = None
    shell: str | None = None
    argv: tuple[str, ...] = ()
    interval_seconds: int = 60
    timeout_seconds: int = 20
    delay_seconds: int = 15


class ReadinessCheck(Struct, frozen=True, gc=False, omit_defaults=True):
    name: str = "readinessCheck"
    protocol: str = "HTTP"
    path: str = "/"
    port_name: str = "http-api"
    interval_seconds: int = 30
    timeout_seconds: int = 10
    http_status_codes_for_ready: tuple[int, ...] = (200,)
    preserve_last_response: bool = False


class CanaryStep(Struct, frozen=True, gc=False, omit_defaults=True):
    """Canaries get ``share`` percent of the traffic for so long."""

    share: float
    seconds: int


class UpgradeStrategy(Struct, frozen=True, gc=False, omit_defaults=True):
    """Marathon's two capacities, and what is ours (off unless set). ``canary``: replace this many
    instances, then wait to be promoted, by a person or once all ``canary_steps`` went well.
    ``batch_size``: replace at most this many at a time (0:
    as many as capacity allows). ``progress_deadline_seconds``: without progress for this long the
    change is taken back (0: never). ``minimum_healthy_seconds``: how long a new instance must
    serve before it counts. ``count_old_instances``: constraints count instances of the old
    configuration too."""

    minimum_health_capacity: float = 1.0
    maximum_over_capacity: float = 1.0
    canary: int = 0
    batch_size: int = 0
    progress_deadline_seconds: int = 0
    minimum_healthy_seconds: int = 0
    count_old_instances: bool = False
    canary_steps: tuple[CanaryStep, ...] = ()


class UnreachableStrategy(Struct, frozen=True, gc=False, omit_defaults=True):
    """After ``inactive_after_seconds`` a replacement starts; after ``expunge_after_seconds`` the
    lost one is forgotten. ``disabled``: wait for ever."""

    inactive_after_seconds: int = 0
    expunge_after_seconds: int = 0
    disabled: bool = False


class ResourceLimits(Struct, frozen=True, gc=False, omit_defaults=True):
    """Upper bounds beyond the request; None: not set; a negative number: unlimited."""

    cpus_millis: int | None = None
    mem_millis: int | None = None


class Residency(Struct, frozen=True, gc=False, omit_defaults=True):
    """What Marathon once asked of apps with persistent volumes: without effect, only echoed."""

    relaunch_escalation_timeout_seconds: int = 3600
    task_lost_behavior: str = "WAIT_FOREVER"


class ExecutorResources(Struct, frozen=True, gc=False, omit_defaults=True):
    """What an executor of one's own takes besides its task, in thousandths."""

    cpus_millis: int = 100
    mem_millis: int = 32_000
    disk_millis: int = 10_000


class App(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A long-running application. ``version`` is the time of the accepted change as text.
    ``config`` names the configuration: an instance launched with another one is old, and going
    back to an earlier configuration brings its name back, so that instances which match already
    are kept. ``keep_old``: a change was cancelled in place, old instances stay as they are.
    ``created_at``: the version that it began with, "" if that is not known.
    ``suspended_from``: the count to resume to (0: not suspended). ``secrets``: where the provider
    finds each secret of the app, by name; ``env_secrets``: variables that hold one of them.
    ``expand_env``: see ``framework.domain.expansion``."""

    id: str
    version: str = ""
    created_at: str = ""
    config: str = ""
    keep_old: bool = False
    suspended_from: int = 0
    last_scaling_at: str = ""
    last_config_change_at: str = ""
    cmd: str | None = None
    args: tuple[str, ...] = ()
    user: str | None = None
    env: dict[str, str] = {}
    env_secrets: dict[str, str] = {}
    expand_env: bool = False
    secrets: dict[str, str] = {}
    instances: int = 1
    cpus_millis: int = 1000
    mem_millis: int = 128_000
    disk_millis: int = 0
    gpus: int = 0
    resource_limits: ResourceLimits | None = None
    executor: str = ""
    executor_resources: ExecutorResources | None = None
    constraints: tuple[tuple[str, ...], ...] = ()
    fetch: tuple[Fetch, ...] = ()
    networks: tuple[Network, ...] = (Network(),)
    port_definitions: tuple[PortDefinition, ...] = ()
    require_ports: bool = False
    container: Container | None = None
    backoff_seconds: float = 1
    backoff_factor: float = 1.15
    max_launch_delay_seconds: float = 300
    health_checks: tuple[HealthCheck, ...] = ()
    check: Check | None = None
    readiness_checks: tuple[ReadinessCheck, ...] = ()
    dependencies: tuple[str, ...] = ()
    upgrade_strategy: UpgradeStrategy = UpgradeStrategy()
    labels: dict[str, str] = {}
    accepted_resource_roles: tuple[str, ...] = ("*",)
    role: str = "*"
    task_kill_grace_period_seconds: int | None = None
    kill_selection: KillSelection = KillSelection.YOUNGEST_FIRST
    unreachable_strategy: UnreachableStrategy = UnreachableStrategy()
    tty: bool | None = None
    residency: Residency | None = None

    @property
    def has_own_executor(self) -> bool:
        """Whether its tasks are run by a program of the user instead of Mesos' own executor."""
        return self.executor not in ("", COMMAND_EXECUTOR)

    @property
    def executor_needs(self) -> dict[str, int]:
        """Thousandths of each resource that a task's executor takes besides the task."""
        resources = self.executor_resources
        if resources is None or not self.has_own_executor:
            return {}
        return {
            "cpus": resources.cpus_millis,
            "mem": resources.mem_millis,
            "disk": resources.disk_millis,
        }

    @property
    def on_host_network(self) -> bool:
        """Whether ports are ``port_definitions`` (else the container's ``port_mappings``)."""
        return all(network.mode is NetworkMode.HOST for network in self.networks)

    @property
    def persistent_volumes(self) -> tuple[PersistentVolume, ...]:
        """What each of its instances keeps from task to task. An app with any is resident: its
        instances stay on their agents."""
        return () if self.container is None else self.container.persistent_volumes

    @property
    def port_mappings(self) -> tuple[PortMapping, ...]:
        """The container's port mappings; empty on the host network."""
        if self.container is None or self.on_host_network:
            return ()
        return self.container.port_mappings

    @property
    def service_ports(self) -> tuple[int, ...]:
        """One service port per declared port, in order."""
        if self.on_host_network:
            return tuple(definition.port for definition in self.port_definitions)
        return tuple(mapping.service_port for mapping in self.port_mappings)

    @property
    def requested_host_ports(self) -> tuple[int, ...]:
        """The host ports an instance needs, in order; 0 is any."""
        if not self.on_host_network:
            mappings = self.port_mappings
            return tuple(m.host_port for m in mappings if m.host_port is not None)
        if self.require_ports:
            return tuple(definition.port for definition in self.port_definitions)
        return (0,) * len(self.port_definitions)


def same_configuration(one: App, other: App) -> bool:
    """Whether going from one to the other needs no restart: equal but for the count, the
    server's own stamps, and the order of what has none (constraints, checks, dependencies)."""
    return _configuration(one) == _configuration(other)


def _configuration(app: App) -> App:
    return replace(
        app,
        version="",
        created_at="",
        config="",
        keep_old=False,
        suspended_from=0,
        last_scaling_at="",
        last_config_change_at="",
        instances=0,
        residency=None,
        executor_resources=None,
        constraints=tuple(sorted(app.constraints)),
        dependencies=tuple(sorted(app.dependencies)),
        health_checks=tuple(sorted(app.health_checks, key=repr)),
    )
