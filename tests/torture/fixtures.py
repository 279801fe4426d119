"""Stayers for tests that end them in bad ways. A conftest imports what its tests need."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.torture.stayers import Stayers, stayers

MakeStayers = Callable[[int, Callable[[int], Sequence[str]]], Stayers]


@pytest.fixture
def make_stayers(tmp_path: Path) -> Iterator[MakeStayers]:
    """So many Stayers, each with the arguments of ``serve`` for its index, not started; they end
    with the test, and what they wrote is shown if it failed."""
    made: list[Stayers] = []

    def make(count: int, arguments: Callable[[int], Sequence[str]]) -> Stayers:
        made.append(stayers(tmp_path / f"stayers-{len(made)}", count, arguments))
        return made[-1]

    yield make
    for each in made:
        each.close()
        for member in each.members:
            print(f"---- {member.url}\n{member.process.output()}")  # noqa: T201 - when it failed
