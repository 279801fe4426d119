"""The whole tree keeps the house rules (`make check` and `make test` both run this)."""

from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath

import pytest

from tests.tidy import code_rules, text_rules
from tests.tidy.source import ROOT, Finding, Source, read_tree


@cache
def _tree() -> tuple[Source, ...]:
    return tuple(read_tree())


def _all_paths() -> list[str]:
    """What a link may lead to: every file of the project, text or not."""
    hidden = (".git/", ".venv/")
    files = (path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file())
    return [path for path in files if not path.startswith(hidden) and "__pycache__" not in path]


def _expect_none(findings: Iterator[Finding]) -> None:
    if listed := "\n".join(str(finding) for finding in sorted(findings)):
        pytest.fail(listed, pytrace=False)


def test_tree_is_found() -> None:
    paths = {source.path for source in _tree()}
    assert {"Makefile", "tests/tidy/test_tree.py", "constraints/__init__.py"} <= paths


@pytest.mark.parametrize("rule", code_rules.RULES, ids=lambda rule: rule.__name__)
def test_code(rule: code_rules.Rule) -> None:
    findings = (f for source in _tree() if source.is_python for f in rule(source))
    _expect_none(findings)


@pytest.mark.parametrize("rule", code_rules.TEST_RULES, ids=lambda rule: rule.__name__)
def test_tests(rule: code_rules.Rule) -> None:
    tests = (source for source in _tree() if source.is_python and source.is_test)
    findings = (f for source in tests for f in rule(source))
    _expect_none(findings)


@pytest.mark.parametrize(
    "rule",
    [text_rules.no_machine_paths, text_rules.decision_headings],
    ids=lambda rule: rule.__name__,
)
def test_texts(rule: code_rules.Rule) -> None:
    findings = (f for source in _tree() for f in rule(source))
    _expect_none(findings)


def test_links() -> None:
    pages = {s.path: s for s in _tree() if PurePosixPath(s.path).suffix == ".md"}
    places = text_rules.with_folders(_all_paths())

    def headings(path: str) -> set[str]:
        return text_rules.anchors(pages[path].text) if path in pages else set()

    findings = (
        f for page in pages.values() for f in text_rules.links_resolve(page, places, headings)
    )
    _expect_none(findings)
