"""Ids as paths: making them absolute and plain, and what makes one unfit for an app."""

import re
from collections.abc import Iterator

from framework.domain.ids import APP_ID_MAX_BYTES

_LABEL = r"([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])"
_ELEMENT = re.compile(rf"({_LABEL}\.)*{_LABEL}|\.|\.\.")
_ELEMENT_TEXT = (
    r"^(([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])\.)*"
    r"([a-z0-9]|[a-z0-9][a-z0-9\-]*[a-z0-9])|(\.|\.\.)$"
)
RESERVED = ("restart", "tasks", "versions", ".", "..")


def absolute(path: str, base: str = "/") -> str:
    """The path from the root, without empty, ``.`` and ``..`` elements: ``/a/b``."""
    elements: list[str] = [] if path.startswith("/") else base.strip("/").split("/")
    for element in path.split("/"):
        if element == "..":
            del elements[-1:]
        elif element != ".":
            elements.append(element)
    return "/" + "/".join(element for element in elements if element)


def app_id_errors(app_id: str) -> Iterator[str]:
    """What keeps an absolute path from being an app's id (texts are Marathon's)."""
    elements = [element for element in app_id.split("/") if element]
    if not elements:
        yield "Path must contain at least one path element"
        return
    if not all(_ELEMENT.fullmatch(element) for element in elements):
        yield f"must fully match regular expression '{_ELEMENT_TEXT}'"
    if elements[-1] in RESERVED:
        yield ("must not end with any of the following reserved keywords: " + ", ".join(RESERVED))
    size = len(app_id.encode())
    if size > APP_ID_MAX_BYTES:
        yield (
            f"is {size} bytes long, expected {APP_ID_MAX_BYTES} or less: "
            "Mesos limits the task ids that are made from it"
        )
