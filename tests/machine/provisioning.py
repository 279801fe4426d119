"""What tests do with the provisioning scripts and with what they have set up on machines."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.machine.machine import CHECKOUT, REPOSITORY, Machine
from tests.polling import eventually

WHEELS = "/srv/wheels"
NAME = "app.example"
_STAYER = "/opt/stayer/bin/stayer"
_CREDENTIALS = "/etc/stayer/credentials"
# One process that looks again and again: starting one each time is what costs.
_AWAIT = """
import base64, sys, time, urllib.request
secret = base64.b64encode(open("/etc/stayer/credentials", "rb").readline().strip()).decode()
request = urllib.request.Request(sys.argv[1], headers={"Authorization": f"Basic {secret}"})
deadline = time.monotonic() + 90
found = b""
while sys.argv[2].encode() not in found:
    assert time.monotonic() < deadline, found
    try:
        found = urllib.request.urlopen(request, timeout=10).read()
    except OSError as problem:
        found = str(problem).encode()
        time.sleep(0.1)
print(found.decode())
"""
_ASK = """
import sys, urllib.request
request = urllib.request.Request("http://127.0.0.1/", headers={"Host": sys.argv[1]})
print(urllib.request.urlopen(request, timeout=10).read().decode())
"""


def gather_wheels(folder: Path) -> None:
    """As `make wheels` does."""
    words = [sys.executable, "docker-images/build.py", "--wheels", str(folder)]
    subprocess.run(words, cwd=REPOSITORY, check=True, timeout=300)


def settle(machine: Machine, settings: Mapping[str, str], wheels: Path | None = None) -> None:
    """Give it a cluster.env, and wheels to bring."""
    lines = [f"{name}={value}\n" for name, value in settings.items()]
    if wheels is not None:
        shutil.copytree(wheels, machine.path(WHEELS))
        lines.append(f"WHEELS={WHEELS}\n")
    machine.path("/cluster.env").write_text("# the cluster\n" + "".join(lines))


def provision(
    machine: Machine, steps: Iterable[Sequence[str]], *, inside: bool = True
) -> dict[str, int]:
    """How many changes each script counts; ``inside``, it reaches no other network."""
    counts = {}
    for script, *arguments in steps:
        said = machine.run(f"{CHECKOUT}/vagrant/provision/{script}", *arguments, inside=inside)
        counts[script] = int(said.split()[-2])
        assert said.count(": changed: ") == counts[script], said
    return counts


def await_answer(machine: Machine, path: str, text: str) -> str:
    """Wait until an answer of its Stayer's API has this text."""
    url = f"http://{machine.address}:8080{path}"
    return machine.run("python3", "-c", _AWAIT, url, text, inside=True)


def put_app(machine: Machine, app: Mapping[str, object]) -> None:
    """Say it to the machine's Stayer, by its client there, until it is taken."""
    machine.path("/app.json").write_text(json.dumps(app))
    where = (f"--url=http://{machine.address}:8080", f"--credentials-file={_CREDENTIALS}")
    words = (_STAYER, "app", "add", "--replace", "/app.json", *where)
    eventually(lambda: machine.run(*words, inside=True) or True, "the app is taken")


def start_haproxy(machine: Machine) -> None:
    """As Debian's unit has it with the drop-in; its own configuration is what runs first."""
    machine.run("install", "-d", "-o", "haproxy", "/run/haproxy")
    socket = "/run/haproxy-master.sock,mode,600"
    config = "/etc/haproxy/haproxy.cfg"
    machine.start("haproxy", "-Ws", "-S", socket, "-f", config, log="/var/log/haproxy.log")


def cron_line(machine: Machine) -> str:
    """What cron runs each minute."""
    line = machine.path("/etc/cron.d/stayer-haproxy").read_text().splitlines()[-1]
    return line.split(" root ", 1)[1]


def await_served(
    machine: Machine, wanted: str, deadline_seconds: float = 60.0, *, minutely: str = ""
) -> None:
    """Wait until a client of the edge is told this, with what cron runs before each look if no
    cron does."""

    def look() -> bool:
        if minutely:
            machine.run("sh", "-c", minutely, inside=True)
        said = machine.run("python3", "-c", _ASK, NAME, inside=True).strip()
        assert said == wanted
        return True

    eventually(look, f"the edge answers {wanted!r}", deadline_seconds)


def logs(machine: Machine) -> str:
    """What the services of Stayer said last."""
    found = sorted(machine.path("/var/log").glob("*stayer*.log"))
    return "\n".join(f"{log.name}\n{log.read_text(errors='replace')[-5000:]}" for log in found)
