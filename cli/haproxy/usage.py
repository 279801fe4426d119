"""The command line of `stayer haproxy`, where it is not click's own.

A wrong command line ends with 64 (EX_USAGE): click's 2 is what --detailed-exitcode tells changes
by. And ``@FILE`` stands for the words of a file, so that cron and systemd start the same thing.
"""

import shlex
from pathlib import Path
from typing import Any

import click

from cli.output import visible
from haproxy_bridge.exits import Exit

_MAX_FILE_BYTES = 64 * 1024


class EdgeGroup(click.Group):
    """A group of commands with both."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """As click's; wrong usage ends with 64."""
        try:
            return super().make_context(info_name, expanded(args), parent, **extra)
        except click.UsageError as error:
            raise _as_64(error) from None

    def invoke(self, ctx: click.Context) -> Any:
        """As click's; wrong usage ends with 64."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            raise _as_64(error) from None


def _as_64(error: click.UsageError) -> click.UsageError:
    vars(error)["exit_code"] = int(Exit.USAGE)  # the class has it, for the whole process
    return error


def expanded(words: list[str]) -> list[str]:
    """The words with those of files in place of each ``@FILE``; lines of a file are read as a
    shell reads words, with comments but nothing else. click.UsageError."""
    found: list[str] = []
    for word in words:
        if word.startswith("@") and len(word) > 1:
            found.extend(words_in(Path(word[1:])))
        else:
            found.append(word)
    return found


def words_in(path: Path) -> list[str]:
    """The words of a file. click.UsageError."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
        if len(content) > _MAX_FILE_BYTES:
            raise ValueError(f"more than {_MAX_FILE_BYTES} bytes")
        return shlex.split(content.decode(), comments=True)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise click.UsageError(visible(f"{path}: {why}")) from error
