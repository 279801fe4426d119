"""What an operator can set about the API; the command line makes its flags from these fields.

Names are Marathon's wherever Marathon has the flag, so that an existing start script keeps working.
"""

from dataclasses import dataclass, field, fields

_SECRETS = frozenset({"http_credentials"})
_MAX_REALM_CHARACTERS = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """Settings of the HTTP server and of what it accepts as an app definition."""

    volume_role: str = field(
        default="",
        metadata={
            "help": "role of apps with persistent volumes that name none, where it would be *: "
            "Mesos reserves nothing for that"
        },
    )
    http_address: str = field(
        default="127.0.0.1",
        metadata={
            "help": "address to listen on; beyond loopback only with credentials, or --insecure"
        },
    )
    http_port: int = field(
        default=8080, metadata={"help": "port to listen on; 0 takes any free one"}
    )
    insecure: bool = field(
        default=False,
        metadata={"help": "serve beyond loopback although callers are not authenticated"},
    )
    disable_http: bool = field(
        default=False, metadata={"help": "serve https only; needs --https_cert_file"}
    )
    https_cert_file: str | None = field(
        default=None,
        metadata={"help": "certificate chain (PEM) to serve https with; read anew when it changes"},
    )
    https_key_file: str | None = field(
        default=None,
        metadata={"help": "private key (PEM, without passphrase); else it is in the chain's file"},
    )
    https_address: str | None = field(
        default=None, metadata={"help": "address to serve https on; else that of http"}
    )
    https_port: int = field(
        default=8443, metadata={"help": "port to serve https on; 0 takes any free one"}
    )
    http_credentials: str | None = field(
        default=None,
        repr=False,
        metadata={
            "help": "user:password that callers have to give; others on this machine may see it "
            "in the list of processes, so rather use --http_credentials_file"
        },
    )
    http_credentials_file: str | None = field(
        default=None,
        metadata={
            "help": "file with a user:password in each line, any of which callers have to give; "
            "read anew when it changes"
        },
    )
    http_tokens_file: str | None = field(
        default=None,
        metadata={
            "help": "file with a token in each line; callers may give one instead of a password, "
            "as Authorization: token=TOKEN or Bearer TOKEN; read anew when it changes"
        },
    )
    http_realm: str = field(
        default="Mesosphere", metadata={"help": "realm that callers are told with 401"}
    )
    http_open_ping: bool = field(
        default=False, metadata={"help": "answer /ping without credentials, for load balancers"}
    )
    mesos_leader_ui_url: str | None = field(
        default=None,
        metadata={
            "help": "where people reach the UI of Mesos, for links to sandboxes; else the master"
        },
    )
    http_compression: bool = field(
        default=True, metadata={"help": "compress large answers for clients that accept gzip"}
    )
    http_prefix: str = field(
        default="/service/marathon",
        metadata={"help": "path below which all is served as well, as by the router of DC/OS"},
    )
    http_max_concurrent_requests: int = field(
        default=0,
        metadata={"help": "requests at the same time beyond which others get 503; 0: no limit"},
    )
    access_control_allow_origin: tuple[str, ...] = field(
        default=(), metadata={"help": "sites whose pages may read answers in a browser; * for all"}
    )
    http_access_log: str = field(
        default="changes",
        metadata={
            "help": "requests that are logged: all; changes, and what was refused or failed, and "
            "event streams; or off",
            "choices": ("all", "changes", "off"),
        },
    )
    http_access_log_file: str | None = field(
        default=None,
        metadata={
            "help": "file that the access log is appended to, as lines of JSON, and which may "
            "be moved away at any time; else it stands among the other lines of the log"
        },
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
    event_stream_max_outstanding_messages: int = field(
        default=1024,
        metadata={"help": "events that a reader of a stream may be behind before it is closed"},
    )
    event_stream_max_readers: int = field(
        default=2_000, metadata={"help": "event streams open at the same time; others get 503"}
    )
    group_manager_request_timeout: int = field(
        default=10_000,
        metadata={"help": "milliseconds a change may take to become durable before 503"},
    )
    leader_proxy_connection_timeout: int = field(
        default=5_000, metadata={"help": "milliseconds a standby tries to connect to the leader"}
    )
    leader_proxy_read_timeout: int = field(
        default=10_000,
        metadata={"help": "milliseconds the leader may take to answer what a standby forwards"},
    )
    leader_proxy_max_open_connections: int = field(
        default=64, metadata={"help": "connections of a standby to the leader at the same time"}
    )
    leader_proxy_ssl_ignore_hostname: bool = field(
        default=False,
        metadata={"help": "accept a certificate of the leader that is for another host name"},
    )
    leader_proxy_ca_file: str | None = field(
        default=None,
        metadata={"help": "certificates (PEM) to trust for a leader on https; else the system's"},
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
        default=(),
        metadata={"help": "features to turn on: gpu_resources, secrets, external_volumes"},
    )
    secrets_dir: str = field(
        default="", metadata={"help": "directory of secrets; turns the feature secrets on"}
    )

    def __post_init__(self) -> None:
        """ValueError for what contradicts itself; never with a password in its text."""
        if self.https_cert_file is None and (self.disable_http or self.https_key_file):
            raise ValueError("disable_http and https_key_file need https_cert_file")
        self._check_texts()
        if self.http_max_concurrent_requests < 0:
            raise ValueError("http_max_concurrent_requests must not be below 0")
        for name in (
            "http_threads",
            "event_stream_max_outstanding_messages",
            "event_stream_max_readers",
            "leader_proxy_connection_timeout",
            "leader_proxy_read_timeout",
            "leader_proxy_max_open_connections",
        ):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")

    def _check_texts(self) -> None:
        realm = self.http_realm
        if not _is_plain(realm) or set(realm) & set('"\\'):
            raise ValueError("http_realm takes printable ASCII without quotes and backslashes")
        if len(realm) > _MAX_REALM_CHARACTERS:
            raise ValueError(f"http_realm takes at most {_MAX_REALM_CHARACTERS} characters")
        if self.http_prefix and not self.http_prefix.startswith("/"):
            raise ValueError("http_prefix begins with a slash")
        if not all(map(_is_plain, self.access_control_allow_origin)):
            raise ValueError("access_control_allow_origin takes origins: http://host:port, or *")

    def has_feature(self, name: str) -> bool:
        """Whether a feature is on: it was asked for, or what it needs was set."""
        return name in self.enable_features or (name == "secrets" and bool(self.secrets_dir))

    def settings(self) -> dict[str, object]:
        """Every setting by its name, without passwords: what may be shown."""
        return {
            one.name: getattr(self, one.name) for one in fields(self) if one.name not in _SECRETS
        }

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where it is to be listened."""
        found = () if self.disable_http else (self.http_address,)
        return found if self.https_cert_file is None else (*found, self.secure_address)

    @property
    def secure_address(self) -> str:
        """Where https is to be served, if it is."""
        return self.http_address if self.https_address is None else self.https_address

    @property
    def command_timeout_seconds(self) -> float:
        """How long a request waits for its change to become durable."""
        return self.group_manager_request_timeout / 1000


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()
