"""House rules for Python code: sizes, docstrings, names, excuses, and what tests must not do.

Each rule takes one file and yields its findings. They say what would be right, because whoever
reads them has just written the opposite.
"""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache

from tests.tidy.source import Finding, Source

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 500
MAX_TEST_FILE_LINES = 700
MIN_DOCSTRING_WORDS = 4

_VAGUE_MODULES = frozenset({"util", "utils", "helper", "helpers", "manager", "impl", "misc"})
_VAGUE_CLASS = re.compile(r"(Manager|Helper|Impl|Utils?)$")
_SKIPS = frozenset({"skip", "skipif", "skipIf", "skipUnless", "xfail", "importorskip"})
_MOCKS = re.compile(r"^(unittest\.mock|mock|pytest_mock)(\.|$)")
_SLEEPS = frozenset({"time.sleep", "asyncio.sleep"})
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
_EXCUSE = re.compile(
    r"""\#\s* (?P<kind> type:\s*ignore | noqa)
        (?P<codes> \[[^\]]*\] | :\s*[A-Z]+[0-9]+ (?:,\s*[A-Z]+[0-9]+)* )?
        (?P<rest> .*)""",
    re.VERBOSE,
)
_FILE_EXCUSE = re.compile(r"#\s*(ruff:\s*noqa|flake8:\s*noqa|mypy:|pylint:|pragma:\s*no\s*cover)")

Rule = Callable[[Source], Iterator[Finding]]


def short_functions(source: Source) -> Iterator[Finding]:
    """A function fits on a page."""
    for node in source.nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield Finding(
                    source.path,
                    node.lineno,
                    f"{node.name} has {lines} lines; split it by meaning (<= {MAX_FUNCTION_LINES})",
                )


def short_files(source: Source) -> Iterator[Finding]:
    """A file is one subject."""
    limit = MAX_TEST_FILE_LINES if source.is_test else MAX_FILE_LINES
    if len(source.lines) > limit:
        yield Finding(source.path, limit, f"{len(source.lines)} lines; split it (<= {limit})")


def module_docstring(source: Source) -> Iterator[Finding]:
    """Every module says what it is for."""
    docstring = ast.get_docstring(source.tree) or ""
    if len(docstring.split()) < MIN_DOCSTRING_WORDS:
        yield Finding(source.path, 1, "say in a module docstring what this room is for and why")


def telling_names(source: Source) -> Iterator[Finding]:
    """Names say what a thing does, not that it is a thing."""
    for part in source.path.removesuffix(".py").split("/"):
        if part in _VAGUE_MODULES:
            yield Finding(source.path, 1, f"name it for what is in it, not {part!r}")
    for node in source.nodes:
        if isinstance(node, ast.ClassDef) and _VAGUE_CLASS.search(node.name):
            yield Finding(source.path, node.lineno, f"name {node.name} for what it does")


def finished(source: Source) -> Iterator[Finding]:
    """Nothing is left for later in a comment: do it, or say in the docs what is missing."""
    for line, comment in source.comments:
        if _UNFINISHED.search(comment):
            yield Finding(source.path, line, "finish it, or describe the limit in the docs")


def excuses_with_reason(source: Source) -> Iterator[Finding]:
    """A check is silenced for one line, by its code, with the reason beside it."""
    for line, comment in source.comments:
        if _FILE_EXCUSE.search(comment):
            yield Finding(source.path, line, "no checks are switched off for a whole file")
            continue
        for excuse in _EXCUSE.finditer(comment):
            if excuse["codes"] is None:
                yield Finding(source.path, line, f"say which check: {excuse['kind']} with a code")
            elif not re.search(r"[A-Za-z]{2}", excuse["rest"]):
                yield Finding(source.path, line, "say why this check is wrong here")


def no_sleep(source: Source) -> Iterator[Finding]:
    """Tests wait for a condition or an event with a deadline, or move a fake clock."""
    for node, name in _uses(source):
        if name in _SLEEPS:
            yield Finding(source.path, node.lineno, f"no {name} in tests: tests.polling")


def no_skip(source: Source) -> Iterator[Finding]:
    """A test runs, or it is not there."""
    for node, name in _uses(source):
        head, _, last = name.rpartition(".")
        if last in _SKIPS and head.split(".")[0] in {"pytest", "unittest"}:
            yield Finding(source.path, node.lineno, f"no {name}: make it run or remove it")


def no_mock(source: Source) -> Iterator[Finding]:
    """Doubles are small programs that speak the real interface, not recorded expectations."""
    for node, name in _uses(source):
        if _MOCKS.match(name):
            yield Finding(source.path, node.lineno, f"no {name}: write a small fake instead")


@cache
def _uses(source: Source) -> tuple[tuple[ast.stmt | ast.expr, str], ...]:
    """Dotted names that a module imports or reads, with imported names in their full form."""
    found: list[tuple[ast.stmt | ast.expr, str]] = []
    full: dict[str, str] = {}
    for node in source.nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                full[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
                found.append((node, alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                full[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                found.append((node, f"{node.module}.{alias.name}"))
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and (name := _dotted(node)):
            head, _, rest = name.partition(".")
            found.append((node, f"{full.get(head, head)}.{rest}"))
    return tuple(found)


def _dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


RULES: tuple[Rule, ...] = (
    short_functions,
    short_files,
    module_docstring,
    telling_names,
    finished,
    excuses_with_reason,
)
TEST_RULES: tuple[Rule, ...] = (no_sleep, no_skip, no_mock)
