"""The files of this tree as the tidy rules see them: a path, a text, and lazily its parsed form.

Rules get values, never the file system, so each can be tried on a made-up bad example.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]

_SKIPPED_FOLDERS = frozenset({"__pycache__", "build", "dist"})
_ROOT_FILES = ("Makefile", "pyproject.toml", ".ci/run", ".gitignore")
_TEXT_SUFFIXES = frozenset(
    {".py", ".md", ".toml", ".json", ".html", ".css", ".js", ".sh", ".txt", ".cfg", ".yaml", ".yml"}
)
_TEXT_FOLDERS = frozenset({"scripts"})


@dataclass(frozen=True)
class Source:
    """One text file; `path` is relative to the root of the tree, with slashes."""

    path: str
    text: str

    @property
    def is_python(self) -> bool:
        """Whether the rules for code apply."""
        return self.path.endswith(".py")

    @property
    def is_test(self) -> bool:
        """Whether the rules for tests apply as well."""
        return self.path.startswith("tests/")

    @cached_property
    def lines(self) -> list[str]:
        """The physical lines, without their ends."""
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed module; a SyntaxError is a finding of its own and fails the run."""
        return ast.parse(self.text, filename=self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """All of the parsed module, walked once for all rules."""
        return list(ast.walk(self.tree))

    @cached_property
    def comments(self) -> list[tuple[int, str]]:
        """(line, text) of each comment."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return [(t.start[0], t.string) for t in tokens if t.type == tokenize.COMMENT]


@dataclass(frozen=True, order=True)
class Finding:
    """A broken rule; printed as editors understand it."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


def read_tree(root: Path = ROOT) -> list[Source]:
    """Every text file of the project, sorted by path; what is hidden, built or installed is not
    the project's."""
    return [
        Source(path.relative_to(root).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted(_files(root))
    ]


def _files(root: Path) -> Iterator[Path]:
    yield from (root / name for name in _ROOT_FILES if (root / name).is_file())
    yield from root.glob("*.md")
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and not folder.name.startswith(".") and not _is_skipped(folder.name):
            yield from (path for path in folder.rglob("*") if _is_text(path, root))


def _is_skipped(name: str) -> bool:
    return name in _SKIPPED_FOLDERS or name.endswith(".egg-info")


def _is_text(path: Path, root: Path) -> bool:
    relative = PurePosixPath(path.relative_to(root).as_posix())
    if not path.is_file() or any(_is_skipped(part) for part in relative.parts):
        return False
    return path.suffix in _TEXT_SUFFIXES or relative.parts[0] in _TEXT_FOLDERS
