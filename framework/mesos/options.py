"""The options of the Mesos adapter, under Marathon's names where Marathon has them."""

import getpass
import socket
from dataclasses import dataclass, field
from pathlib import Path

HTTP_DRIVER = "http"
PYMESOS_DRIVER = "pymesos"
_DRIVERS = (HTTP_DRIVER, PYMESOS_DRIVER)
_MAX_SECRET_BYTES = 4096


def _help(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class MesosOptions:
    """How to reach Mesos and what to say about ourselves. Intervals are in milliseconds,
    ``failover_timeout`` in seconds, as in Marathon."""

    master: str = field(
        default="127.0.0.1:5050",
        repr=False,  # it may hold credentials
        metadata=_help(
            "The Mesos master: host:port, http://host:port, https://host:port, or zk://host:port,"
            "host:port/path to find the leading one in ZooKeeper."
        ),
    )
    mesos_tls: bool = field(
        default=False,
        metadata=_help("Reach the masters found in ZooKeeper by https."),
    )
    mesos_driver: str = field(
        default=HTTP_DRIVER,
        metadata=_help(
            "What carries our calls and the events of Mesos: http (our own), or pymesos (the "
            "library of that name, slower, without TLS; it needs the extra pymesos)."
        ),
    )
    framework_name: str = field(
        default="stayer", metadata=_help("The name under which Mesos lists this framework.")
    )
    failover_timeout: int = field(
        default=604_800,
        metadata=_help("Seconds that Mesos keeps our tasks while we are away (a week)."),
    )
    checkpoint: bool = field(
        default=True,
        metadata=_help(
            "Let tasks survive a restart of their agent. Can not change after the first start."
        ),
    )
    mesos_user: str = field(
        default="",
        metadata=_help("The user that tasks run as by default; empty: who runs the scheduler."),
    )
    mesos_role: str = field(
        default="*", metadata=_help("The role of apps that are in no group with its own role.")
    )
    hostname: str = field(
        default="",
        metadata=_help("The host name we give to Mesos; empty: the name of this machine."),
    )
    webui_url: str = field(
        default="", metadata=_help("The address of our web page, linked by the Mesos UI.")
    )
    mesos_authentication_principal: str = field(
        default="", metadata=_help("The principal to authenticate as; empty: no authentication.")
    )
    mesos_authentication_secret_file: str = field(
        default="", metadata=_help("A file that holds the principal's secret.")
    )
    mesos_heartbeat_interval: int = field(
        default=15_000,
        metadata=_help("Milliseconds between heartbeats where the master does not tell its own."),
    )
    mesos_heartbeat_failure_threshold: int = field(
        default=5,
        metadata=_help("Heartbeat intervals without a sign of life until we connect anew."),
    )
    mesos_ca_file: str = field(
        default="",
        metadata=_help("Certificates (PEM) to trust for an https master; empty: the system's."),
    )
    mesos_bridge_name: str = field(
        default="mesos-bridge",
        metadata=_help("The CNI network of MESOS containers in bridge mode."),
    )
    env_vars_prefix: str = field(
        default="", metadata=_help("Put before the names HOST and PORT... that tasks are given.")
    )
    enable_features: tuple[str, ...] = field(
        default=(),
        metadata=_help(
            "Optional features: gpu_resources (asks Mesos for GPUs), secrets, external_volumes."
        ),
    )
    secrets_dir: str = field(
        default="",
        metadata=_help(
            "Where secrets are, a file each; those not there are looked for in the environment as "
            "STAYER_SECRET_NAME. Turns the feature secrets on."
        ),
    )
    environment_secret: bool = field(
        default=False,
        metadata=_help(
            "Give secret variables to Mesos as such, which needs the isolator environment_secret "
            "on all agents; else they are ordinary variables of the task."
        ),
    )

    def __post_init__(self) -> None:
        if self.mesos_driver not in _DRIVERS:
            raise ValueError(
                f"mesos_driver is one of {', '.join(_DRIVERS)}, not {self.mesos_driver!r}"
            )
        if self.mesos_heartbeat_interval <= 0 or self.mesos_heartbeat_failure_threshold <= 0:
            raise ValueError(
                "mesos_heartbeat_interval and mesos_heartbeat_failure_threshold must be above 0"
            )
        if self.failover_timeout < 0:
            raise ValueError("failover_timeout must not be negative")
        if self.mesos_authentication_secret_file and not self.mesos_authentication_principal:
            raise ValueError(
                "mesos_authentication_secret_file needs mesos_authentication_principal"
            )

    @property
    def user(self) -> str:
        """The user to name in FrameworkInfo, which Mesos wants to be somebody. ValueError."""
        if self.mesos_user:
            return self.mesos_user
        try:
            return getpass.getuser()
        except (KeyError, OSError):
            raise ValueError("this process' user has no name: set mesos_user") from None

    @property
    def host(self) -> str:
        """The host name to give in FrameworkInfo."""
        return self.hostname or socket.gethostname()

    def credentials(self) -> tuple[str, str] | None:
        """(principal, secret) for HTTP Basic, read anew so that a rotated secret is found.
        None without a secret file. Raises OSError or ValueError; never log the result."""
        if not self.mesos_authentication_secret_file:
            return None
        with Path(self.mesos_authentication_secret_file).open("rb") as file:
            data = file.read(_MAX_SECRET_BYTES + 1)
        if len(data) > _MAX_SECRET_BYTES:
            raise ValueError(
                f"{self.mesos_authentication_secret_file} is longer than {_MAX_SECRET_BYTES} bytes"
            )
        return self.mesos_authentication_principal, data.decode("utf-8").rstrip("\r\n")
