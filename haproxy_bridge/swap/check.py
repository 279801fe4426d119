"""Asking haproxy itself whether a configuration is good: the exact bytes, with their maps, as the
user who is to read them.
"""

import os
import pwd
import re
import subprocess
import tempfile
from pathlib import Path

from msgspec import Struct

from haproxy_bridge.rendered import Rendered
from haproxy_bridge.runtime.socket import Account
from haproxy_bridge.swap.files import give_like

_LINE = re.compile(r"\[[^\]\[]*:(\d+)\]")
_ALERT = re.compile(r"\[ALERT\] *\(\d+\) : (?:config : )?(?!Error\(s\) found|Fatal errors)(.*)")
_LIMIT_SECONDS = 60.0
_MAX_SHOWN = 20


class CheckError(Exception):
    """haproxy could not be asked: it is not there, or does not end."""


class Refusal(Struct, frozen=True):
    """What haproxy has against a configuration: its lines, and what it says of each."""

    lines: tuple[int, ...]
    messages: tuple[str, ...]


def check(
    haproxy: str, folder: Path, rendered: Rendered, reader: Account | None = None
) -> Refusal | None:
    """None if haproxy takes it. ``folder`` is where it is to go: whoever may write there may
    write the candidate, and relative names lead to the same places. ``reader``: as whom haproxy
    reads configurations, if that is known; root asks as that one. CheckError, OSError."""
    with tempfile.TemporaryDirectory(prefix=".stayer-candidate-", dir=folder) as place:
        candidate = Path(place) / "haproxy.cfg"
        for name, content in rendered.files.items():
            (Path(place) / name).write_bytes(content)
        candidate.touch(0o600)
        candidate.write_bytes(rendered.config)
        if reader is None or os.geteuid() != 0 or reader.uid == 0:
            return _asked(haproxy, candidate)
        _open_as_it_will_be(folder, candidate)
        try:
            return _asked(haproxy, candidate, reader)
        except PermissionError:  # root that may not become another one, as in our unit
            return _asked(haproxy, candidate)


def _open_as_it_will_be(folder: Path, candidate: Path) -> None:
    """To those who may read it in the folder, and to nobody else."""
    like = folder / candidate.name
    candidate.chmod(0o640)
    give_like(like if like.exists() else folder, candidate)
    give_like(folder, candidate.parent)
    candidate.parent.chmod(folder.stat().st_mode & 0o755)
    for path in candidate.parent.iterdir():
        if path != candidate:
            path.chmod(0o644)
            give_like(folder, path)


def _asked(haproxy: str, candidate: Path, reader: Account | None = None) -> Refusal | None:
    command = [haproxy, "-c", "-f", str(candidate)]
    try:
        done = subprocess.run(  # noqa: S603 - the operator names the program
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_SECONDS,
            check=False,
            user=reader.uid if reader else None,
            group=reader.gid if reader else None,
            extra_groups=_groups(reader) if reader else None,
        )
    except FileNotFoundError as error:
        raise CheckError(f"there is no {haproxy}: install haproxy, or name it") from error
    except subprocess.TimeoutExpired as error:
        raise CheckError(f"{haproxy} -c did not end within {_LIMIT_SECONDS:g} s") from error
    if done.returncode == 0:
        return None
    said = done.stderr.decode("utf-8", "replace").replace(str(candidate), "haproxy.cfg")
    alerts = [found[1] for line in said.splitlines() if (found := _ALERT.match(line))]
    numbers = {int(found) for alert in alerts for found in _LINE.findall(alert)}
    return Refusal(tuple(sorted(numbers)), tuple(alerts[:_MAX_SHOWN]))


def _groups(reader: Account) -> list[int]:
    """All groups of the user; those of a user without a name are not known."""
    try:
        return os.getgrouplist(pwd.getpwuid(reader.uid).pw_name, reader.gid)
    except KeyError:
        return [reader.gid]
