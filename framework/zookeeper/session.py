"""One session with a ZooKeeper ensemble, shared by whatever stands or falls with it.

kazoo keeps it connected from a thread of its own; that thread calls the listeners, which must
return at once. Nothing is retried unseen: an operation that met a connection loss says so to its
caller, who alone knows whether it may be repeated.
"""

import logging
from collections.abc import Callable

from kazoo.client import KazooClient
from kazoo.exceptions import AuthFailedError, KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import KazooState
from kazoo.retry import KazooRetry
from kazoo.security import ACL, CREATOR_ALL_ACL, OPEN_ACL_UNSAFE

from framework.interfaces import StoreUnusableError
from framework.zookeeper.options import ZooKeeperOptions
from framework.zookeeper.url import ZkUrl

# kazoo writes each request, credentials included, to its log at the levels below.
_log = logging.getLogger("stayer.zookeeper")
_log.setLevel(logging.WARNING)
_MAX_RETRY_DELAY_SECONDS = 1.0


class Session:
    """Construct, ``start``, use ``client``, ``close``. Paths are below the URL's path, and what
    is created there may be read and written by whoever has our credentials only (by anybody
    where there are none)."""

    def __init__(self, url: ZkUrl, options: ZooKeeperOptions) -> None:
        """OSError or ValueError if the credentials' file can not be read."""
        self.url = url
        self._timeout_seconds = options.zk_connection_timeout / 1000
        credentials = options.credentials(url)
        self.acl: list[ACL] = CREATOR_ALL_ACL if credentials else OPEN_ACL_UNSAFE
        self.client = KazooClient(
            hosts=",".join(url.hosts),
            timeout=options.zk_session_timeout / 1000,
            auth_data=[("digest", ":".join(credentials))] if credentials else None,
            default_acl=self.acl,
            connection_retry=KazooRetry(max_tries=-1, max_delay=_MAX_RETRY_DELAY_SECONDS),
            command_retry=KazooRetry(max_tries=0),
            use_ssl=bool(options.zk_ca_file),
            ca=options.zk_ca_file or None,
            certfile=options.zk_cert_file or None,
            keyfile=options.zk_key_file or None,
            logger=_log,
        )

    @property
    def session_seconds(self) -> float:
        """The session time-out that the ensemble granted; what we asked for until connected."""
        granted: int = self.client._session_timeout  # noqa: SLF001 - kazoo shows it nowhere else
        return granted / 1000

    def path(self, *parts: str) -> str:
        """An absolute path below the URL's."""
        return "/".join((self.url.path, *parts))

    def start(self) -> None:
        """Connect, and make the URL's path. StoreUnusableError says what to do."""
        try:
            self.client.start(self._timeout_seconds)
            if self.url.path:
                self.client.ensure_path(self.url.path)
        except KazooTimeoutError as error:
            self.close()
            raise StoreUnusableError(
                f"no ZooKeeper server of {self.url} answered within {self._timeout_seconds:g} s:"
                " check that they run and are reachable from here"
            ) from error
        except AuthFailedError as error:
            self.close()
            raise StoreUnusableError(f"ZooKeeper at {self.url} refuses our credentials") from error
        except KazooException as error:
            self.close()
            raise StoreUnusableError(
                f"{self.url} can not be used: {type(error).__name__}. If it was made with other"
                " credentials, give those (--zk_credentials_file)"
            ) from error

    def listen(self, listener: Callable[[KazooState], None]) -> None:
        """Call ``listener`` with each new state, from kazoo's thread; it must return at once."""
        self.client.add_listener(listener)

    def close(self) -> None:
        """End the session: what was ephemeral goes at once. Harmless when repeated."""
        self.client.stop()
        self.client.close()
