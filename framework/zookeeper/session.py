"""One session with a ZooKeeper ensemble, shared by whatever stands or falls with it.

kazoo keeps it connected from a thread of its own; that thread calls the listeners, which must
return at once. Nothing is retried unseen: an operation that met a connection loss says so to its
caller, who alone knows whether it may be repeated.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from kazoo.client import KazooClient
from kazoo.exceptions import (
    AuthFailedError,
    InvalidACLError,
    KazooException,
    NoAuthError,
    OperationTimeoutError,
)
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.interfaces import IAsyncResult
from kazoo.protocol.states import KazooState
from kazoo.retry import KazooRetry
from kazoo.security import ACL, CREATOR_ALL_ACL, OPEN_ACL_UNSAFE, Permissions

from framework.domain.exits import ExitCode
from framework.interfaces import StoreUnusableError
from framework.zookeeper import connection
from framework.zookeeper.options import ZooKeeperOptions
from framework.zookeeper.quiet import quiet_log
from framework.zookeeper.sockets import Sockets, tls_context
from framework.zookeeper.url import ZkUrl

_log = logging.getLogger("stayer")
_MAX_RETRY_DELAY_SECONDS = 1.0
_MIN_CONNECT_SECONDS = 0.5
_CLOSE_SECONDS = 5.0
_MAX_ASKED_FOR_MODE = 3
_MAY_CHANGE = Permissions.WRITE | Permissions.CREATE | Permissions.DELETE | Permissions.ADMIN


class NoPermissionError(StoreUnusableError):
    """ZooKeeper lets us connect but not read or write what is ours."""

    exit_code = ExitCode.STORE_READ_ONLY


class Session:
    """Construct, ``start``, use ``client``, ``close``. Paths are below the URL's path, and what
    is created there may be read and written by whoever has our credentials only (by anybody
    where there are none). ``session_seconds`` is the session time-out we ask for; the ensemble
    may grant another (its minSessionTimeout and maxSessionTimeout), which kazoo does not tell."""

    def __init__(self, url: ZkUrl, options: ZooKeeperOptions) -> None:
        """OSError or ValueError if credentials or certificates can not be read."""
        self.url = url
        self._timeout_seconds = options.zk_connection_timeout / 1000
        self.session_seconds = options.zk_session_timeout / 1000
        credentials = options.credentials(url)
        self.acl: list[ACL] = CREATOR_ALL_ACL if credentials else OPEN_ACL_UNSAFE
        tls = _tls(options)
        # kazoo tries one server after the other: two that are silent must not eat up the time
        # in which a third would keep the session alive.
        patience = max(_MIN_CONNECT_SECONDS, self.session_seconds / (2 * len(url.hosts)))
        self._sockets = Sockets(tls, patience)
        self.client = KazooClient(
            hosts=",".join(url.hosts),
            timeout=self.session_seconds,
            handler=self._sockets,
            auth_data=[("digest", ":".join(credentials))] if credentials else None,
            default_acl=self.acl,
            connection_retry=KazooRetry(max_tries=-1, max_delay=_MAX_RETRY_DELAY_SECONDS),
            command_retry=KazooRetry(max_tries=0),
            use_ssl=tls is not None,
            logger=quiet_log(),
        )
        connection.use_in(self.client)

    def path(self, *parts: str) -> str:
        """An absolute path below the URL's."""
        return "/".join((self.url.path, *parts))

    def start(self, *, make_path: bool = True) -> None:
        """Connect in bounded time, and make the URL's path. StoreUnusableError says what to do."""
        deadline = time.monotonic() + self._timeout_seconds
        self.client.start_async().wait(self._timeout_seconds)
        try:
            if not self.client.connected:
                raise StoreUnusableError(self._why_not_connected())
            if self.url.path:
                self._look_at_path(max(deadline - time.monotonic(), 1.0), make_path=make_path)
        except StoreUnusableError:
            self.close()
            raise
        except AuthFailedError as error:
            self.close()
            raise NoPermissionError(f"ZooKeeper at {self.url} refuses our credentials") from error
        except NoAuthError as error:
            self.close()
            raise NoPermissionError(self.no_permission()) from error
        except InvalidACLError as error:
            self.close()
            text = f"ZooKeeper at {self.url} does not accept digest credentials to protect znodes"
            raise NoPermissionError(text) from error
        except KazooException as error:
            self.close()
            text = f"{self.url} can not be used: {type(error).__name__} {error}".rstrip()
            raise StoreUnusableError(text) from error

    def answer(self, asked: IAsyncResult, timeout_seconds: float | None = None) -> Any:
        """What came of an operation that was begun with one of the client's ``..._async``. Waits
        while the connection is away, a session time-out at most unless told otherwise; then
        OperationTimeoutError, and the operation may still be carried out later."""
        wait_seconds = self.session_seconds if timeout_seconds is None else timeout_seconds
        try:
            return asked.get(timeout=wait_seconds)
        except KazooTimeoutError:
            raise OperationTimeoutError(f"no answer within {wait_seconds:g} s") from None

    def listen(self, listener: Callable[[KazooState], None]) -> None:
        """Call ``listener`` with each new state, from kazoo's thread; it must return at once."""
        self.client.add_listener(listener)

    def close(self) -> None:
        """End the session: what was ephemeral goes at once. Harmless when repeated. Not to be
        called from a listener or a watch."""
        # kazoo waits for its thread without end, and that one may be waiting for a name server.
        closing = threading.Thread(target=self._close, name="zookeeper-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_SECONDS)

    def _close(self) -> None:
        with suppress(KazooException):
            self.client.stop()
            self.client.close()

    def _look_at_path(self, timeout_seconds: float, *, make_path: bool) -> None:
        if make_path:
            self.answer(self.client.ensure_path_async(self.url.path), timeout_seconds)
        elif not self.answer(self.client.exists_async(self.url.path), timeout_seconds):
            return
        # Whether a znode exists is told to everybody; its children are not.
        self.answer(self.client.get_children_async(self.url.path), timeout_seconds)
        if self.acl is CREATOR_ALL_ACL and make_path:
            acls, _stat = self.answer(self.client.get_acls_async(self.url.path), timeout_seconds)
            self._warn_of_open(acls)

    def _warn_of_open(self, acls: list[ACL]) -> None:
        if any(acl.id.scheme == "world" and acl.perms & _MAY_CHANGE for acl in acls):
            _log.warning(
                "others may add to and remove from %s: it was made without credentials. Give it"
                " an ACL of its own (setAcl)",
                self.url,
            )

    def no_permission(self) -> str:
        """What to do when ZooKeeper lets us connect but not use what is under the URL."""
        if self.acl is CREATOR_ALL_ACL:
            return (
                f"our credentials do not allow us to use {self.url}: give the user and password"
                " it was made with (--zk_credentials_file), or allow this user there (setAcl)"
            )
        return (
            f"{self.url} is protected: give the user and password it was made with"
            " (--zk_credentials_file)"
        )

    def _why_not_connected(self) -> str:
        failures = dict(self._sockets.failures)
        modes = {
            address: self._sockets.mode_of(address)
            for address in [a for a, text in failures.items() if not text][:_MAX_ASKED_FOR_MODE]
        }
        told = [
            f"{host}:{port}: {_told(failures.get((host, port)), modes.get((host, port), ''))}"
            for host, port in self.client.hosts
        ]
        return (
            f"no ZooKeeper server of {self.url} gave us a session within"
            f" {self._timeout_seconds:g} s ({'; '.join(told)})"
        )


def _told(failure: str | None, mode: str) -> str:
    if failure is None:
        return "its name is not known here, or there was no time to try it"
    if failure:
        return failure
    if mode == "none":
        return "it runs but serves nobody: start a majority of the ensemble's servers"
    if mode == "read-only":
        return "it serves reads only: start a majority of the ensemble's servers"
    return "it accepts connections but gives no session (TLS or not may be wrong)"


def _tls(options: ZooKeeperOptions) -> Any:
    if not options.zk_ca_file:
        return None
    return tls_context(
        options.zk_ca_file,
        options.zk_cert_file,
        options.zk_key_file,
        check_host=options.zk_tls_host_check,
    )
