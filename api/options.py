"""What an operator can set about the API; the command line makes its flags from these fields.

Names are Marathon's wherever Marathon has the flag, so that an existing start script keeps working.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """Settings of the HTTP server and of what it accepts as an app definition."""

    http_address: str = field(
        default="127.0.0.1",
        metadata={"help": "address to listen on; one beyond loopback also needs --insecure"},
    )
    http_port: int = field(
        default=8080, metadata={"help": "port to listen on; 0 takes any free one"}
    )
    insecure: bool = field(
        default=False,
        metadata={"help": "serve beyond loopback although callers are not authenticated"},
    )
    http_compression: bool = field(
        default=True, metadata={"help": "compress large answers for clients that accept gzip"}
    )
    http_threads: int = field(
        default=16, metadata={"help": "requests served at the same time; others wait"}
    )
    http_max_waiting_connections: int = field(
        default=256, metadata={"help": "connections that may wait for a thread; others are refused"}
    )
    http_request_timeout: int = field(
        default=30, metadata={"help": "seconds a client may stay silent within a request"}
    )
    http_max_header_bytes: int = field(
        default=65_536, metadata={"help": "bytes of the request line and headers together"}
    )
    http_max_body_bytes: int = field(
        default=8 * 1024 * 1024, metadata={"help": "bytes of a request body"}
    )
    group_manager_request_timeout: int = field(
        default=10_000,
        metadata={"help": "milliseconds a change may take to become durable before 503"},
    )
    mesos_role: str = field(
        default="*", metadata={"help": "role of apps that name none, and of apps in no group"}
    )
    default_network_name: str | None = field(
        default=None, metadata={"help": "network of apps that ask for a container network unnamed"}
    )
    mesos_bridge_name: str = field(
        default="mesos-bridge",
        metadata={"help": "old ipAddress.networkName that means bridge networking"},
    )
    accepted_resource_roles_default_behavior: str = field(
        default="any",
        metadata={
            "help": "resources of apps without acceptedResourceRoles: any, unreserved or reserved",
            "choices": ("any", "unreserved", "reserved"),
        },
    )
    enable_features: tuple[str, ...] = field(
        default=(), metadata={"help": "features to turn on: gpu_resources"}
    )

    @property
    def command_timeout_seconds(self) -> float:
        """How long a request waits for its change to become durable."""
        return self.group_manager_request_timeout / 1000
