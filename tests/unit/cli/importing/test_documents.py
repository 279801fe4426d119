"""Apps and groups out of every form in which they are handed around."""

from typing import Any

import pytest

from cli.importing.documents import DocumentError, GroupSettings, merged, read_document
from tests.unit.cli.importing.marathon import DB, JOB, POD, ROOT, WEB, group


def test_the_tree_of_groups() -> None:
    found = read_document(ROOT)
    assert found.apps == {"/job": JOB, "/shop/web": WEB, "/shop/data/db": DB}
    assert found.groups == {
        "/": GroupSettings(),
        "/shop": GroupSettings(("/base",)),
        "/shop/data": GroupSettings(),
    }


@pytest.mark.parametrize("document", [{"apps": [WEB, JOB]}, [WEB, JOB], [{"app": WEB}, JOB]])
def test_lists_of_apps(document: Any) -> None:
    found = read_document(document)
    assert found.apps == {"/shop/web": WEB, "/job": JOB}
    assert found.groups == {}


def test_ids_are_relative_to_the_group_around_them() -> None:
    web = {"id": "web", "cmd": "true"}
    data = {"id": "data", "apps": [{"id": "db"}], "dependencies": ["../base"]}
    found = read_document({"id": "shop", "apps": [web], "groups": [data, {"id": "later"}]})
    assert set(found.apps) == {"/shop/web", "/shop/data/db"}
    assert found.groups["/shop/data"].dependencies == ("/shop/base",)
    assert "/shop/later" in found.groups, "an empty group is a group, not an app"


def test_pods_are_told_apart() -> None:
    assert read_document(group("/", [], pods=[POD])).pods == ("/shop/pod",)
    assert read_document(POD).pods == ("/shop/pod",)


def test_several_documents() -> None:
    both = merged([read_document(WEB), read_document([WEB, JOB])])
    assert set(both.apps) == {"/shop/web", "/job"}
    with pytest.raises(DocumentError, match="two different definitions of /job"):
        merged([read_document(JOB), read_document({**JOB, "cmd": "false"})])
    with pytest.raises(DocumentError, match="two different definitions of /job"):
        read_document([JOB, {**JOB, "cmd": "false"}])


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("text", "no object"),
        ({}, "without an id"),
        ({"id": 3}, "without an id"),
        ({"apps": {}}, "apps of / is no list"),
        ({"groups": [{"id": "a", "apps": [{}]}]}, "in /a there is something without an id"),
        ([None], "no object"),
    ],
)
def test_what_is_no_such_document(document: object, text: str) -> None:
    with pytest.raises(DocumentError, match=text):
        read_document(document)


def test_depth_and_number_have_bounds() -> None:
    deep: dict[str, Any] = {"id": "x", "groups": []}
    for _ in range(100):
        deep = {"id": "x", "groups": [deep]}
    with pytest.raises(DocumentError, match="nested too deeply"):
        read_document(deep)
    with pytest.raises(DocumentError, match="more than 10000 apps"):
        read_document([{"id": f"a{number}"} for number in range(10_001)])
