"""How to reach ZooKeeper, under Marathon's names where Marathon has them."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from framework.zookeeper.url import ZkUrl, parse_zk_url, without_credentials

_MAX_SECRET_BYTES = 4096


def _help(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooKeeperOptions:
    """``zk`` is where the state lives and the leader is elected; the rest holds for the Mesos
    master in ZooKeeper too. Times are in milliseconds."""

    zk: str = field(
        default="",
        repr=False,  # may hold a password
        metadata=_help(
            "Keep the state in ZooKeeper and elect a leader there: zk://host:port,.../path."
        ),
    )
    zk_credentials_file: str = field(
        default="",
        metadata=_help(
            "A file with user:password for ZooKeeper's digest authentication (rather than in "
            "the URL, which others can see in the list of processes)."
        ),
    )
    zk_session_timeout: int = field(
        default=10_000,
        metadata=_help("How long ZooKeeper waits for a silent leader before another one leads."),
    )
    zk_connection_timeout: int = field(
        default=10_000, metadata=_help("How long the first connection to ZooKeeper may take.")
    )
    zk_backup_folder: str = field(
        default="stayer-state/backups",
        metadata=_help(
            "Where a leader writes a backup before it raises the state to its release's schemas."
        ),
    )
    zk_ca_file: str = field(
        default="",
        metadata=_help("Certificates (PEM) to trust; connects to ZooKeeper by TLS."),
    )
    zk_cert_file: str = field(
        default="", metadata=_help("Our own certificate (PEM) for ZooKeeper, with TLS.")
    )
    zk_key_file: str = field(default="", metadata=_help("The private key (PEM) of zk_cert_file."))
    zk_tls_host_check: bool = field(
        default=True,
        metadata=_help(
            "Accept a ZooKeeper server only if its certificate names the host we connect to. Off,"
            " any certificate of that authority will do."
        ),
    )

    def __post_init__(self) -> None:
        if self.zk_session_timeout <= 0 or self.zk_connection_timeout <= 0:
            raise ValueError("zk_session_timeout and zk_connection_timeout must be above 0")
        if bool(self.zk_cert_file) != bool(self.zk_key_file):
            raise ValueError("zk_cert_file and zk_key_file belong together")
        if self.zk_cert_file and not self.zk_ca_file:
            raise ValueError("zk_cert_file needs zk_ca_file: TLS without a trusted authority")
        if not (self.zk_tls_host_check or self.zk_ca_file):
            raise ValueError("disable_zk_tls_host_check needs zk_ca_file: nothing else uses TLS")

    def settings(self) -> dict[str, object]:
        """All by name, as they may be shown: without credentials."""
        return asdict(self) | {"zk": without_credentials(self.zk)}

    def url(self) -> ZkUrl:
        """Where the state lives. ValueError unless ``zk`` is a URL with a path."""
        url = parse_zk_url(self.zk)
        if not url.path:
            raise ValueError("zk needs a path of its own, as in zk://host:2181/stayer")
        return url

    def credentials(self, url: ZkUrl) -> tuple[str, str] | None:
        """(user, password) of the file, else of the URL, else None. OSError, ValueError; never
        log the result."""
        if not self.zk_credentials_file:
            return (url.user, url.password) if url.user else None
        with Path(self.zk_credentials_file).open("rb") as file:
            data = file.read(_MAX_SECRET_BYTES + 1)
        text = data.decode("utf-8", "replace").rstrip("\r\n")
        user, _, password = text.partition(":")
        if len(data) > _MAX_SECRET_BYTES or "\ufffd" in text or not (user and password):
            raise ValueError(f"{self.zk_credentials_file} must hold user:password")
        return user, password
