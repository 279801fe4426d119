"""The settings of the simulated Mesos as flags: of its own command, or NAME=VALUE for others."""

import argparse
from collections.abc import Mapping
from typing import NamedTuple, NoReturn

from localmesos.simulated import faults
from localmesos.simulated.chance import Chances
from localmesos.simulated.options import Options
from localmesos.simulated.preload import FRAMEWORK_ID, RESOURCES


class Settings(NamedTuple):
    """How it behaves, and what shall have happened before it serves."""

    options: Options
    at_start: tuple[faults.Fault, ...]


def add_flags(made: argparse.ArgumentParser) -> None:
    """The flags of `Settings`."""
    usual = Options()
    for name, default, meaning in (
        ("start-delay", usual.start_delay_seconds, "seconds from TASK_STARTING to TASK_RUNNING"),
        ("kill-delay", usual.kill_delay_seconds, "seconds from KILL to TASK_KILLED"),
        ("allocation-interval", usual.allocation_seconds, "seconds between offers of what is free"),
        ("failures-per-minute", 0.0, "part of all tasks that fails each minute, as in 0.01"),
        ("losses-per-minute", 0.0, "part of all agents that is lost each minute, for 30 s"),
    ):
        made.add_argument(f"--{name}", type=float, default=default, help=meaning, metavar="N")
    made.add_argument(
        "--starting", choices=("yes", "no"), default="yes", help="whether to send TASK_STARTING"
    )
    made.add_argument("--preload", type=int, default=0, help="so many tasks run from the start")
    made.add_argument("--preload-framework", default=FRAMEWORK_ID, help="the id of who has them")
    made.add_argument("--preload-resources", default=RESOURCES, help="of each of them")


def read(given: argparse.Namespace) -> Settings:
    """From what `add_flags` has added. Raises ValueError."""
    wanted: list[faults.Fault] = []
    if given.preload:
        name, size = given.preload_framework, given.preload_resources
        wanted.append(faults.Preload(given.preload, name, resources=size))
    if given.failures_per_minute or given.losses_per_minute:
        wanted.append(Chances(given.failures_per_minute, given.losses_per_minute))
    options = Options(
        allocation_seconds=given.allocation_interval,
        start_delay_seconds=given.start_delay,
        kill_delay_seconds=given.kill_delay,
        send_starting=given.starting == "yes",
    )
    return Settings(options, tuple(wanted))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(f"the simulated Mesos does not take this: {message}")


def from_flags(flags: Mapping[str, str]) -> Settings:
    """From names with underscores, as the flags of Mesos have them: start_delay=0.5.

    Raises ValueError for a flag that there is not, and for a wrong value.
    """
    made = _Parser(add_help=False, allow_abbrev=False)
    add_flags(made)
    return read(
        made.parse_args([f"--{name.replace('_', '-')}={value}" for name, value in flags.items()])
    )
