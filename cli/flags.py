"""Flags of the scheduler, generated from the options that each part declares beside its code.

A field named ``decline_offer_duration`` becomes ``--decline_offer_duration`` (Marathon's form,
also with hyphens), and the environment variables ``STAYER_DECLINE_OFFER_DURATION`` and
``MARATHON_DECLINE_OFFER_DURATION``. Parts that share a setting declare it under one name.
"""

import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

import click

from api.options import ApiOptions
from framework.core.policy import Policy
from framework.health.options import HealthOptions
from framework.mesos.options import MesosOptions
from framework.zookeeper.options import ZooKeeperOptions

OPTIONS: tuple[tuple[str, type], ...] = (
    ("Mesos", MesosOptions),
    ("ZooKeeper", ZooKeeperOptions),
    ("HTTP and app definitions", ApiOptions),
    ("Decisions", Policy),
    ("Health checks of the scheduler", HealthOptions),
)
_T = TypeVar("_T")
# Marathon reads its flags from MARATHON_*; MARATHON_APP_* is what it gives to tasks.
PREFIXES = ("STAYER_", "MARATHON_")


def every_field() -> dict[str, tuple[str, Any, type]]:
    """Each setting once: name -> (section, dataclass field, type)."""
    found: dict[str, tuple[str, Any, type]] = {}
    for section, options in OPTIONS:
        types = typing.get_type_hints(options)
        for one in fields(options):
            found.setdefault(one.name, (section, one, types[one.name]))
    return found


def with_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command every setting as an option, under the field's name."""
    for name, (_, one, kind) in reversed(every_field().items()):
        command = option_of(name, one, kind)(command)
    return command


def option_of(name: str, one: "Field[Any]", kind: Any) -> Callable[[Any], Any]:
    """One field as an option."""
    hyphens = name.replace("_", "-")
    names = [f"--{name}"] if hyphens == name else [f"--{name}", f"--{hyphens}"]
    shared: dict[str, Any] = {
        "default": default_of(one),
        "envvar": [f"{prefix}{name.upper()}" for prefix in PREFIXES],
        "help": one.metadata["help"],
        "show_default": True,
    }
    if kind is bool:
        if name.startswith("disable_"):
            return click.option(*names, name, is_flag=True, **shared)
        switches = [f"--{name}/--disable_{name}"]
        if hyphens != name:
            switches.append(f"--{hyphens}/--disable-{hyphens}")
        return click.option(*switches, name, **shared)
    if typing.get_origin(kind) is tuple:
        shared["default"] = ",".join(default_of(one))
        return click.option(*names, name, callback=_split, metavar="A,B", **shared)
    if "choices" in one.metadata:
        return click.option(*names, name, type=click.Choice(one.metadata["choices"]), **shared)
    plain = [t for t in typing.get_args(kind) if t is not type(None)] or [kind]
    return click.option(*names, name, type=plain[0], **shared)


def _split(_context: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def default_of(one: "Field[Any]") -> Any:
    """The default of a field, made if it has a factory."""
    if one.default_factory is not MISSING:
        return one.default_factory()
    assert one.default is not MISSING, f"{one.name} needs a default"
    return one.default


def read(options: type[_T], values: Mapping[str, Any]) -> _T:
    """The options of one part from the values of all flags; click.UsageError where they
    contradict each other."""
    names = {one.name for one in fields(options)}  # type: ignore[arg-type]  # a dataclass
    try:
        return options(**{name: value for name, value in values.items() if name in names})
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def markdown_table() -> str:
    """The table of ``docs/flags.md``."""
    lines = []
    last = ""
    for name, (section, one, _) in every_field().items():
        if section != last:
            lines += ["", f"## {section}", "", "| Flag | Default | Meaning |", "|---|---|---|"]
            last = section
        lines.append(f"| `--{name}` | {_shown(default_of(one))} | {one.metadata['help']} |")
    return "\n".join(lines[1:]) + "\n"


def _shown(value: object) -> str:
    if value in (None, "", ()):
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return f"`{','.join(value)}`"
    return f"`{value}`"


@click.command("flags")
def flags() -> None:
    """Print every setting of the scheduler as a Markdown table."""
    click.echo(f"{_PREFACE}\n{markdown_table()}", nl=False)


_PREFACE = """# Settings of the scheduler

`stayer serve` and `stayer local` take these as flags. Each is also read from the environment, as
`STAYER_NAME` or `MARATHON_NAME` in capitals; a flag wins over the environment. A setting that is
on or off is switched by `--name` and `--disable_name`. This page is printed by `stayer flags`.
"""
