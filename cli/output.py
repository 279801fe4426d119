"""How the commands print: tables for people, JSON for machines, the same on a pipe.

Texts come from tasks and other machines, so nothing of them reaches the terminal as markup or
control sequence. On a pipe nothing is coloured, folded or cut off. What draws is loaded when
there is something to draw: a shell that completes a word waits for none of it.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_UNLIMITED_COLUMNS = 1_000_000


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; numbers go to the ``right``."""

    title: str
    right: bool = False


def visible(text: str) -> str:
    """The text with each control character replaced, line ends kept."""
    return "".join(c if c == "\n" or c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def make_table(columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> "Table":
    """Rows as a table without lines; cells too long for the terminal are folded, never cut."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        justify = "right" if column.right else "left"
        table.add_column(column.title, justify=justify, overflow="fold")  # type: ignore[arg-type]  # rich wants the literal
    for row in rows:
        table.add_row(*(_cell(cell) for cell in row))
    return table


def _cell(cell: object) -> "Text":
    """A cell; only a Text, which is our own making, keeps its colours."""
    from rich.text import Text

    return cell if isinstance(cell, Text) else Text(visible(str(cell)), overflow="fold")


def print_table(columns: Sequence[Column], rows: Sequence[Sequence[object]]) -> None:
    """Print rows to standard output."""
    print_renderable(make_table(columns, rows))


def print_pairs(pairs: Sequence[tuple[str, object]]) -> None:
    """Print facts one below the other, those without a value left out."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        if (text := visible(str(value))) not in {"", "None"}:
            table.add_row(name, Text(text))
    print_renderable(table)


def print_renderable(table: "Table") -> None:
    """Print to the terminal in its width, or to a pipe in the table's own."""
    from rich.console import Console

    console = Console(file=sys.stdout)
    if console.is_terminal:
        console.print(table)
    else:
        sys.stdout.write(as_plain_text(table))


def as_plain_text(table: "Table") -> str:
    """The table as lines without colour and without spaces at their ends."""
    from rich.console import Console

    written = StringIO()
    Console(file=written, width=_UNLIMITED_COLUMNS, color_system=None).print(table)
    return "".join(f"{line.rstrip()}\n" for line in written.getvalue().splitlines())


def print_json(value: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Print a line for people."""
    sys.stdout.write(visible(text) + "\n")


def say_aside(text: str) -> None:
    """Print a line that is not the result (progress, a hint) to standard error."""
    sys.stderr.write(visible(text) + "\n")


def number(value: float) -> str:
    """A number without needless digits: 4, 0.1, 1.25."""
    return f"{value:.3f}".rstrip("0").rstrip(".")
