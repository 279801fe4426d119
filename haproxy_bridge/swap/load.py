"""Having haproxy load a new configuration, by its master's socket or by a command."""

import shlex
import subprocess
import time
from pathlib import Path

import urllib3
from msgspec import Struct

from haproxy_bridge.runtime import master
from haproxy_bridge.runtime.master import ReloadError

_LOOK_SECONDS = 0.05


class LoadOptions(Struct, frozen=True, kw_only=True):
    """``master_socket`` is preferred, as it tells whether haproxy took the configuration; else
    ``command`` is run, words as in a shell but without one; with neither nothing is loaded.
    ``probe_url``: what has to answer 2xx afterwards; "" for no look."""

    master_socket: str = ""
    command: str = ""
    probe_url: str = ""
    timeout_seconds: float = 30.0
    probe_seconds: float = 5.0

    @property
    def loads(self) -> bool:
        """Whether anything is loaded at all."""
        return bool(self.master_socket or self.command)


def load(options: LoadOptions) -> None:
    """Returns once haproxy serves the new configuration. ReloadError."""
    if options.master_socket:
        master.reload(Path(options.master_socket), timeout_seconds=options.timeout_seconds)
    elif options.command:
        _run(options)
    if options.probe_url:
        _probe(options)


def _run(options: LoadOptions) -> None:
    words = shlex.split(options.command)
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=options.timeout_seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ReloadError(f"{options.command}: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise ReloadError(f"{options.command} ended with {done.returncode}: {said}")


def _probe(options: LoadOptions) -> None:
    deadline = time.monotonic() + options.probe_seconds
    why = "no answer"
    with urllib3.PoolManager(retries=False, num_pools=1) as pool:
        while time.monotonic() < deadline:
            try:
                answer = pool.request("GET", options.probe_url, timeout=1.0, redirect=False)
            except urllib3.exceptions.HTTPError as error:
                why = str(error)
            else:
                if 200 <= answer.status < 300:
                    return
                why = f"status {answer.status}"
            time.sleep(_LOOK_SECONDS)
    raise ReloadError(f"{options.probe_url} does not answer as it should after the reload: {why}")
