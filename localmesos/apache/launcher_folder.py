"""The folder of programs that an agent starts for each container (flag `launcher_dir`).

Apache's egg lacks them; ours are the modules of `localmesos.launcher`. Each program is a line of
shell that starts the present Python interpreter by its absolute path, so neither PATH nor the
virtual environment of a task matters, and a path with spaces works where `#!` would not.
"""

import os
import shlex
import sys
from pathlib import Path

PROGRAMS = {
    "mesos-containerizer": "localmesos.launcher.containerizer",
    "mesos-docker": "localmesos.launcher.docker_cli",
    "mesos-docker-container": "localmesos.launcher.docker_runner",
    "mesos-docker-executor": "localmesos.launcher.docker_executor",
    "mesos-executor": "localmesos.launcher.executor",
    "mesos-fetcher": "localmesos.launcher.fetcher",
}
_WITH_PACKAGES = frozenset({"mesos-docker", "mesos-docker-container"})  # those with the Docker SDK


def write_launcher_folder(folder: Path) -> Path:
    """Write the programs into `folder` (made if needed) and return it, absolute."""
    folder.mkdir(parents=True, exist_ok=True)
    for program, module in PROGRAMS.items():
        packages = program in _WITH_PACKAGES
        command = shlex.join(isolated_python(module, program, packages=packages))
        fresh = folder / f".{program}.fresh"
        fresh.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        fresh.chmod(0o755)
        fresh.rename(folder / program)
    return folder.absolute()


def isolated_python(module: str, program: str, *, packages: bool = False) -> list[str]:
    """The command that runs `main()` of one of our modules, followed by its own arguments.

    Isolated (-I: nothing from the environment or the working directory) and without `site`
    (-S), which halves the start-up; so the module may import the standard library and this
    package only, unless it is started with `packages`.
    """
    root = Path(__file__).parents[2]
    code = (
        f"import sys; sys.path.insert(0, {os.fspath(root)!r}); sys.argv[0] = {program!r}; "
        f"from {module} import main; main()"
    )
    return [sys.executable, "-I" if packages else "-IS", "-c", code]
