"""House rules for every text file: nothing of one machine, links that lead somewhere, and
decisions in their common form.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote

from tests.tidy.source import Finding, Source

# Folders that exist on the machine of one author only. Temporary folders and system paths
# (as in an image or a unit file) are everybody's.
_MACHINE_PATH = re.compile(r"(?<![\w.~:}/*-])/(?:work|home/\w+|Users/\w+|root)(?:/|\b(?!\w))")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?[^)]*\)")
_HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
_DECISION_HEADINGS = ("Context", "Decision", "Consequence")


def no_machine_paths(source: Source) -> Iterator[Finding]:
    """Nothing in the tree knows where one author keeps it."""
    for number, line in enumerate(source.lines, start=1):
        if found := _MACHINE_PATH.search(line):
            yield Finding(source.path, number, f"a path of one machine: {found[0]}")


def decision_headings(source: Source) -> Iterator[Finding]:
    """A decision says what the situation was, what was decided and what follows."""
    path = PurePosixPath(source.path)
    if path.parent != PurePosixPath("docs/decisions") or path.name == "README.md":
        return
    headings = {heading.rstrip("s") for heading in _HEADING.findall(_prose(source.text))}
    for wanted in _DECISION_HEADINGS:
        if wanted not in headings:
            yield Finding(source.path, 1, f"a decision page has a heading {wanted!r}")


def with_folders(paths: Iterable[str]) -> frozenset[str]:
    """The files and the folders that they are in."""
    files = {*paths}
    folders = {parent for path in files for parent in PurePosixPath(path).parents}
    return frozenset(files | {str(folder) for folder in folders})


def links_resolve(
    source: Source, places: frozenset[str], headings: "Headings"
) -> Iterator[Finding]:
    """A relative link leads to a file or folder of `places`, its fragment to a heading there."""
    for number, target in _links(source.text):
        path, _, fragment = target.partition("#")
        full = _resolve(source.path, unquote(path)) if path else source.path
        if full not in places:
            yield Finding(source.path, number, f"the link {target} leads nowhere")
        elif fragment and full.endswith(".md") and fragment not in headings(full):
            yield Finding(source.path, number, f"no heading for the link {target}")


Headings = Callable[[str], set[str]]


def anchors(text: str) -> set[str]:
    """The fragments by which the headings of a page can be linked to, as GitHub makes them."""
    plain = (
        re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(_fenceless(text))
    )
    return {heading.replace(" ", "-") for heading in plain}


def _links(text: str) -> Iterator[tuple[int, str]]:
    prose = _prose(text)
    for link in _LINK.finditer(prose):
        target = link[1]
        if not re.match(r"[a-z][a-z0-9+.-]*:|//", target, re.IGNORECASE):
            yield prose.count("\n", 0, link.start()) + 1, target


def _prose(text: str) -> str:
    return _CODE.sub("", _fenceless(text))


def _fenceless(text: str) -> str:
    return _FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), text)


def _resolve(page: str, target: str) -> str:
    """`target` as seen from `page`, without dot segments; relative to the root of the tree."""
    parts = [] if target.startswith("/") else list(PurePosixPath(page).parent.parts)
    for part in target.split("/"):
        if part == "..":
            if not parts:
                return ".."
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts) or "."
