"""Asking haproxy itself whether a configuration is good: the exact bytes, with their maps."""

import re
import subprocess
import tempfile
from pathlib import Path

from msgspec import Struct

from haproxy_bridge.rendered import Rendered

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


def check(haproxy: str, folder: Path, rendered: Rendered) -> Refusal | None:
    """None if haproxy takes it. ``folder`` is where it is to go: whoever may write there may
    write the candidate, and relative names lead to the same places. CheckError, OSError."""
    with tempfile.TemporaryDirectory(prefix=".stayer-candidate-", dir=folder) as place:
        candidate = Path(place) / "haproxy.cfg"
        for name, content in rendered.files.items():
            (Path(place) / name).write_bytes(content)
        candidate.write_bytes(rendered.config)
        candidate.chmod(0o600)
        return _asked(haproxy, candidate)


def _asked(haproxy: str, candidate: Path) -> Refusal | None:
    command = [haproxy, "-c", "-f", str(candidate)]
    try:
        done = subprocess.run(  # noqa: S603 - the operator names the program
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_SECONDS,
            check=False,
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
