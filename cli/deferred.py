"""Commands that are loaded when they are called: to complete a word or to list what there is, no
scheduler, web server or store has to be imported.

So each has its line of help here as well; a test holds it to the command's own.
"""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

EXTRAS = {
    **dict.fromkeys(
        ("cheroot", "flask", "kazoo", "marshmallow", "prometheus_client", "re2", "werkzeug"),
        "scheduler",
    ),
    **dict.fromkeys(("pypi_simple", "requests"), "local"),
}
"""Of packages that not every installation has, the extra of ours that brings them."""
_LOCAL = frozenset({"local", "mesos"})


class Deferred(NamedTuple):
    """Where a command is found (``module:attribute``), and its line in the list of all."""

    where: str
    help: str


class DeferredCommands(MutableMapping[str, click.Command]):
    """Commands by name, each loaded when it is looked up first."""

    def __init__(self, entries: Mapping[str, Deferred]) -> None:
        self.entries = entries
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            module, _, attribute = self.entries[name].where.partition(":")
            try:
                self._loaded[name] = getattr(import_module(module), attribute)
            except ModuleNotFoundError as error:
                self._loaded[name] = _not_installed(name, error)
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        raise TypeError(f"{name} has to be in the table")

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"{name} stays in the table")

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, name: object) -> bool:
        return name in self.entries


def _not_installed(name: str, error: ModuleNotFoundError) -> click.Command:
    """A command that says what to install. ModuleNotFoundError if that would not help."""
    extra = EXTRAS.get((error.name or "").partition(".")[0])
    if extra is None:
        raise error
    if name in _LOCAL:
        extra = "local"

    def say() -> None:
        raise click.ClickException(
            f"`{name}` needs more of Stayer than is installed here ({error.name}):\n"
            f"  pip install 'stayer[{extra}]'"
        )

    anything = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    return click.Command(name, callback=say, context_settings=anything, add_help_option=False)


class DeferringGroup(click.Group):
    """A group over ``DeferredCommands``, which tells of them without loading any."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return sorted(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click does it."""
        names = self.list_commands(ctx)
        limit = formatter.width - 6 - max(map(len, names))
        rows = [(name, self._placeholder(name).get_short_help_str(limit)) for name in names]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """As click does it."""
        begun = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        commands = [
            CompletionItem(name, help=self._placeholder(name).get_short_help_str())
            for name in begun
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def _placeholder(self, name: str) -> click.Command:
        assert isinstance(self.commands, DeferredCommands)
        return click.Command(name, help=self.commands.entries[name].help)
