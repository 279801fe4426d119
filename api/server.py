"""The HTTP server of a process: where it listens, with TLS or without, and whom it lets in.

It serves any WSGI application and may be started before there is a scheduler: with several
processes that application is an ``api.front.Front``, which serves the scheduler's API once this
process leads and forwards to the leader until then.
"""

import logging
from typing import TYPE_CHECKING

from api.access_log import open_access_log
from api.accounting import Accounted
from api.application import create_app
from api.authentication import Authenticated, Authentication
from api.entrance import Entrance
from api.guard import is_loopback, on_loopback_only
from api.listener import Listener
from api.options import ApiOptions
from api.tls import Tls
from constraints import CompilePattern
from framework.interfaces import Leader, Scheduler

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_log = logging.getLogger("stayer.api")
STOP_GRACE_SECONDS = 5.0
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})


class InsecureBindError(ValueError):
    """The API was to listen beyond loopback without anybody having said that this is meant."""


class ApiServer:
    """Serves an application. The ports are bound when ``start`` returns."""

    def __init__(self, application: "WSGIApplication", options: ApiOptions) -> None:
        """InsecureBindError if the options ask for an open door; OSError or ValueError for
        files of credentials or certificates that can not be used."""
        authentication = Authentication(options)
        _check_doors(options, authentication)
        authenticated = Authenticated(application, authentication, open_ping=options.http_open_ping)
        log = open_access_log(options.http_access_log, options.http_access_log_file)
        self.accounted = Accounted(Entrance(authenticated, options), log)
        refused = self.accounted.refused
        self._listeners: list[tuple[str, Listener]] = []
        if not options.disable_http:
            address = options.http_address
            plain = Listener(self.accounted, options, (address, options.http_port), refused=refused)
            self._listeners.append((address, plain))
        if options.https_cert_file is not None:
            tls = Tls(options.https_cert_file, options.https_key_file)
            address = options.secure_address
            bind = (address, options.https_port)
            listener = Listener(self.accounted, options, bind, tls, refused)
            self._listeners.append((address, listener))

    @classmethod
    def alone(
        cls, scheduler: Scheduler, options: ApiOptions, compile_pattern: CompilePattern
    ) -> "ApiServer":
        """The server of a process that has no others beside it: it always leads."""
        return cls(create_app(scheduler, options, compile_pattern), options)

    @property
    def port(self) -> int:
        """The port that others are told: http's if it is served, as in Marathon. The one asked
        for until ``start``."""
        return self._listeners[0][1].port

    @property
    def secure(self) -> bool:
        """Whether ``port`` speaks https."""
        return self._listeners[0][1].tls is not None

    @property
    def https_port(self) -> int | None:
        """The port of https, None without."""
        return next((one.port for _, one in self._listeners if one.tls is not None), None)

    @property
    def url(self) -> str:
        """Where a client on this machine finds the API."""
        address = self._listeners[0][0]
        host = "127.0.0.1" if address in _EVERYWHERE else address
        return f"{'https' if self.secure else 'http'}://{_host_port(host, self.port)}"

    def reached_at(self, hostname: str) -> Leader:
        """How others reach this server, once it is started, if this machine's name is so."""
        return Leader(_host_port(hostname, self.port), self.secure)

    def start(self) -> None:
        """Bind and serve. OSError if a port is taken; then nothing is served."""
        self.accounted.log.start()
        for _, listener in self._listeners:
            try:
                listener.start()
            except OSError:
                self.stop()
                raise

    def stop(self, grace_seconds: float = STOP_GRACE_SECONDS) -> None:
        """Answer what is under way, but not for longer than this; then close. Harmless when not
        started, or repeated."""
        for _, listener in self._listeners:
            listener.stop(grace_seconds)
        self.accounted.log.stop()


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _check_doors(options: ApiOptions, authentication: Authentication) -> None:
    if on_loopback_only(options):
        return
    if not authentication.required and not options.insecure:
        where = next(one for one in options.addresses if not is_loopback(one))
        raise InsecureBindError(
            f"refusing to serve on {where or 'all addresses'}: callers need no credentials, and "
            "whoever reaches the API runs commands on the cluster. Set --http_credentials_file "
            "or --http_tokens_file, use --http_address 127.0.0.1, or say --insecure if the "
            "network is trusted."
        )
    if (
        authentication.required
        and not options.disable_http
        and not is_loopback(options.http_address)
    ):
        _log.warning(
            "credentials cross the network readable for all on the way: serve https only, with "
            "--https_cert_file and --disable_http"
        )
