"""mesos-docker-executor: runs one docker task for an agent and reports on it.

The agent starts it for a task whose container is of type DOCKER, under the name that it gives.
What Mesos sees is what the command executor shows it, so that is what this is, with a container
in place of a process.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from localmesos.launcher import log, process
from localmesos.launcher.container_run import ContainerRun, Place
from localmesos.launcher.events import parse_environment
from localmesos.launcher.executor import Executor
from localmesos.launcher.settings import Settings, settings_from

_TRUE = frozenset({"true", "1"})


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the executor with its flags and environment; its exit status."""
    try:
        settings = settings_from(environment)
        flags = _flags(arguments)
        place = place_from(flags)
        # The task gets what its definition and the agent's modules say, and nothing of ours.
        variables = parse_environment(json.loads(flags.get("task_environment", "{}")))
        process.lead_session()
        if settings.checkpoint:
            _be_recoverable(settings, place.sandbox)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as problem:
        log.error(f"Cannot start the executor: {problem}")
        return 1
    return Executor(settings, {}, ContainerRun(place, variables)).run()


def place_from(flags: Mapping[str, str]) -> Place:
    """The place that the flags describe; raises ValueError that names the flag that lacks."""
    needed = ("container", "docker_socket", "sandbox_directory", "mapped_directory", "launcher_dir")
    for name in needed:
        if not flags.get(name):
            raise ValueError(f"the flag --{name} is missing")
    name, address, sandbox, mapped, programs = (flags[each] for each in needed)
    limit_cpus = flags.get("cgroups_enable_cfs", "") in _TRUE
    return Place(name, address.removeprefix("unix://"), sandbox, mapped, programs, limit_cpus)


def _be_recoverable(settings: Settings, sandbox: str) -> None:
    """Leave a note without which an agent that comes back gives this task up. Raises OSError.

    The docker containerizer of Mesos 1.11 recovers only executors of the older API, which are
    known by the file `libprocess.pid` in the agent's records, and takes such a one for alive if
    it can connect to the address in there. The agent's own will do: there it finds nobody to
    greet, waits, and takes this executor when it subscribes again over HTTP.
    """
    work, slaves, rest = sandbox.partition("/slaves/")
    folder = f"{work}/meta{slaves}{rest}/pids"
    if not slaves or not os.path.isdir(f"{work}/meta"):  # noqa: PTH112 - pathlib costs start-up
        return
    os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - as above
    fresh = f"{folder}/.libprocess.pid.fresh"
    host, port = settings.agent
    with open(fresh, "w", encoding="ascii") as file:  # noqa: PTH123 - as above
        file.write(f"executor(1)@{host}:{port}")
    os.replace(fresh, f"{folder}/libprocess.pid")  # noqa: PTH105 - as above


def _flags(arguments: Sequence[str]) -> dict[str, str]:
    """Flags of the form --name=value; the many of Mesos' logging are of no interest here."""
    pairs = [argument.lstrip("-").partition("=") for argument in arguments]
    return {name: value for name, _, value in pairs}


def main() -> NoReturn:
    """The program `mesos-docker-executor`."""
    sys.exit(run(sys.argv[1:], os.environ))
