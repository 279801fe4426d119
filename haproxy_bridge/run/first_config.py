"""The configuration that haproxy is started with before any scheduler was asked: the last one
that was good, else one that serves nothing but its health.
"""

import subprocess
from pathlib import Path

from haproxy_bridge.render import render
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.services.model import Services
from haproxy_bridge.swap import files
from haproxy_bridge.swap.check import CheckError, check

_LIMIT_SECONDS = 60.0


def prepared(options: NodeOptions) -> str:
    """See to it that there is a configuration that haproxy takes; which one, for people, "" if
    it is the present one. OSError, CheckError."""
    path = Path(options.config)
    if files.read(path) is not None and is_good(options.haproxy, path):
        return ""
    for number in range(1, files.GENERATIONS + 1):
        older = files.generation(path, number)
        content = files.read(older)
        if content is not None and is_good(options.haproxy, older):
            files.write_atomically(path, content)
            return f"haproxy starts with {older}: the one after it is not good"
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    least = render(Services(), options.render)
    refusal = check(options.haproxy, path.parent, least)
    if refusal is not None:
        raise CheckError("; ".join(refusal.messages) or "haproxy refuses the least configuration")
    files.install(path, least, new_generation=False)
    return "there is no good configuration yet: haproxy starts with one that serves nothing"


def is_good(program: str, path: Path) -> bool:
    """Whether haproxy takes a file as it lies there. CheckError."""
    try:
        done = subprocess.run(  # noqa: S603 - the operator names the program
            [program, "-c", "-f", str(path)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise CheckError(f"there is no {program}: install haproxy, or name it") from error
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
