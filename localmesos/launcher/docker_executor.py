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
from localmesos.launcher.settings import settings_from

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


def _flags(arguments: Sequence[str]) -> dict[str, str]:
    """Flags of the form --name=value; the many of Mesos' logging are of no interest here."""
    pairs = [argument.lstrip("-").partition("=") for argument in arguments]
    return {name: value for name, _, value in pairs}


def main() -> NoReturn:
    """The program `mesos-docker-executor`."""
    sys.exit(run(sys.argv[1:], os.environ))
