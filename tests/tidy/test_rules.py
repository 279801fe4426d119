"""Each house rule finds what it is for, and leaves the nearest right form alone."""

from pathlib import Path

import pytest

from tests.tidy import code_rules, text_rules
from tests.tidy.source import Finding, Source, read_tree

DOC = '"""What this made-up module is for."""\n'
LONG = "def long() -> None:\n" + "    pass\n" * 60
FITS = "def fits() -> None:\n" + "    pass\n" * 59
SKIP = "import pytest\n\n@pytest.mark.%s\ndef test_it() -> None: ...\n"
TODO = "# TO" + "DO: later\n"

BAD = [
    (code_rules.short_functions, LONG),
    (
        code_rules.short_functions,
        "class A:\n" + LONG.replace("\n", "\n    ").replace("def", "    def", 1),
    ),
    (code_rules.short_files, "pass\n" * 701),
    (code_rules.module_docstring, "x = 1\n"),
    (code_rules.module_docstring, '"""."""\n'),
    (code_rules.telling_names, "class OfferManager: ...\n"),
    (code_rules.telling_names, "class StoreImpl: ...\n"),
    (code_rules.telling_names, "class PortHelper: ...\n"),
    (code_rules.finished, TODO),
    (code_rules.excuses_with_reason, "x = 1  # type" + ": ignore\n"),
    (code_rules.excuses_with_reason, "x = 1  # type" + ": ignore[attr-defined]\n"),
    (code_rules.excuses_with_reason, "x = 1  # no" + "qa\n"),
    (code_rules.excuses_with_reason, "x = 1  # no" + "qa: E501\n"),
    (code_rules.excuses_with_reason, "# ruff" + ": noqa\n"),
    (code_rules.excuses_with_reason, "# ruff" + ": noqa: E501 - a reason\n"),
    (code_rules.excuses_with_reason, "# mypy" + ": ignore-errors\n"),
    (code_rules.no_sleep, "import time\ntime.sleep(1)\n"),
    (code_rules.no_sleep, "import time as t\nt.sleep(1)\n"),
    (code_rules.no_sleep, "from time import sleep\nsleep(1)\n"),
    (code_rules.no_sleep, "import asyncio\nasyncio.sleep(1)\n"),
    (code_rules.no_skip, SKIP % "skip"),
    (code_rules.no_skip, SKIP % "skipif(True, reason='x')"),
    (code_rules.no_skip, SKIP % "xfail"),
    (code_rules.no_skip, "import pytest\npytest.skip('x')\n"),
    (code_rules.no_skip, "from pytest import mark\nm = mark.xfail\n"),
    (code_rules.no_skip, "import pytest\nre2 = pytest.importorskip('re2')\n"),
    (code_rules.no_mock, "import unittest.mock\n"),
    (code_rules.no_mock, "from unittest import mock\n"),
    (code_rules.no_mock, "from unittest.mock import MagicMock\n"),
    (text_rules.no_machine_paths, "see " + "/wor" + "k/main/x\n"),
    (text_rules.no_machine_paths, 'p = "' + "/home" + '/ann/x"\n'),
    (text_rules.no_machine_paths, "cd " + "/ro" + "ot\n"),
]

GOOD = [
    (code_rules.short_functions, FITS),
    (code_rules.short_files, "pass\n" * 700),
    (code_rules.module_docstring, DOC),
    (code_rules.telling_names, "class Implementation: ...\nclass ManagerOfNothing: ...\n"),
    (code_rules.finished, 'x = "TO' + 'DO"  # to do what is asked\n'),
    (code_rules.excuses_with_reason, "x = 1  # type" + ": ignore[attr-defined]  # stubs lack it\n"),
    (code_rules.excuses_with_reason, "x = 1  # no" + "qa: E501, S101 - a table of one line each\n"),
    (code_rules.excuses_with_reason, "x = 1  # the type is ignored, no quarrel\n"),
    (code_rules.no_sleep, "import time\ntime.monotonic()\nclock.sleep(3)\n"),
    (code_rules.no_skip, SKIP % "parametrize('x', [1])"),
    (code_rules.no_skip, "iterator.skip(3)\n"),
    (code_rules.no_mock, "import mockery\nfrom tests.fakes import mock_server\n"),
    (text_rules.no_machine_paths, "http://host/work/x /homes /v2/apps//home/x ~/work src/root/x\n"),
    (text_rules.decision_headings, "# A page\n"),
]


def _ids(case: object) -> str:
    return str(getattr(case, "__name__", ""))


def _found(rule: code_rules.Rule, text: str, path: str = "tests/made_up.py") -> list[Finding]:
    return list(rule(Source(path, text)))


@pytest.mark.parametrize(("rule", "text"), BAD, ids=_ids)
def test_rule_finds_the_bad_form(rule: code_rules.Rule, text: str) -> None:
    assert _found(rule, text)


@pytest.mark.parametrize(("rule", "text"), GOOD, ids=_ids)
def test_rule_leaves_the_right_form(rule: code_rules.Rule, text: str) -> None:
    assert _found(rule, text) == []


def test_source_files_are_shorter_than_test_files() -> None:
    text = "pass\n" * 501
    assert _found(code_rules.short_files, text, "api/made_up.py")
    assert not _found(code_rules.short_files, text, "tests/made_up.py")


@pytest.mark.parametrize("path", ["api/utils.py", "framework/helpers/x.py", "cli/manager.py"])
def test_vague_module_names_are_found(path: str) -> None:
    assert _found(code_rules.telling_names, DOC, path)


@pytest.mark.parametrize("missing", ["Context", "Decision", "Consequence"])
def test_decision_without_a_heading_is_found(missing: str) -> None:
    wanted = ("Context", "Decision", "Consequence")
    page = "# Title\n" + "".join(f"\n## {name}\n" for name in wanted if name != missing)
    (finding,) = _found(text_rules.decision_headings, page, "docs/decisions/0001-x.md")
    assert missing in finding.message
    complete = page + f"\n## {missing}s\n"
    assert not _found(text_rules.decision_headings, complete, "docs/decisions/0001-x.md")


PAGES = {
    "README.md": "[a](docs/a.md) [b](docs/a.md#two-words) [c](#here) [d](docs)\n# Here\n",
    "docs/a.md": "# Two *words*\n[up](../README.md#here) [web](https://mesos.apache.org/x)\n",
}


def _links(pages: dict[str, str]) -> list[str]:
    return [
        finding.message
        for path, text in pages.items()
        for finding in text_rules.links_resolve(
            Source(path, text),
            text_rules.with_folders(pages),
            lambda target: text_rules.anchors(pages[target]),
        )
    ]


def test_links_that_resolve() -> None:
    assert _links(PAGES) == []


@pytest.mark.parametrize(
    "text", ["[x](gone.md)", "[x](../out.md)", "[x](docs/a.md#gone)", "![p](docs/gone.svg)"]
)
def test_links_that_lead_nowhere(text: str) -> None:
    assert len(_links({**PAGES, "README.md": f"# Here\n{text}\n"})) == 1


def test_links_in_code_are_no_links() -> None:
    page = "# Here\n`[x](gone.md)`\n```\n[x](gone.md)\n```\n"
    assert _links({**PAGES, "README.md": page}) == []


def test_findings_name_file_and_line() -> None:
    (finding,) = _found(code_rules.no_sleep, "import time\n\ntime.sleep(1)\n")
    assert str(finding).startswith("tests/made_up.py:3: ")


def test_reading_a_tree_leaves_out_what_is_built(tmp_path: Path) -> None:
    for name in [
        "a/x.py",
        "a/__pycache__/x.py",
        ".venv/x.py",
        "build/x.py",
        "scripts/run",
        "a/b.png",
    ]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    assert [source.path for source in read_tree(tmp_path)] == ["a/x.py", "scripts/run"]
