"""Ids: made as Marathon makes them, read back, and never longer than Mesos takes."""

import pytest

from framework.domain.ids import (
    APP_ID_MAX_BYTES,
    MESOS_TASK_ID_MAX_BYTES,
    discovery_name,
    instance_id,
    parse_task_id,
    safe_id,
    task_id,
    top_level_group,
)

UUID = "c7c311a4-b669-11e6-a48f-0ea4f4b1778c"


def test_the_documented_forms() -> None:
    assert safe_id("/prod/web") == "prod_web"
    instance = instance_id("/prod/web", UUID)
    assert instance == f"prod_web.instance-{UUID}"
    assert task_id(instance, 2) == f"prod_web.instance-{UUID}._app.2"


@pytest.mark.parametrize("app_id", ["/web", "/a/b/c", "/a._app.1", "/x.instance-y"])
@pytest.mark.parametrize("incarnation", [1, 2, 999_999_999])
def test_what_is_made_is_read_back(app_id: str, incarnation: int) -> None:
    instance = instance_id(app_id, UUID)
    assert parse_task_id(task_id(instance, incarnation)) == (instance, incarnation)


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "web",
        f"web.instance-{UUID}",
        f"web.instance-{UUID}._app.",
        f"web.instance-{UUID}._app.-1",
        f"web.instance-{UUID}._app.x",
        f"web.instance-{UUID}._app.\u0662",  # a digit, but not of ours
        f"web.instance-{UUID}._app.1234567890",  # longer than any that we make
        f"web.{UUID}._app.1",
        f"web.instance-{UUID}.container.1",
    ],
)
def test_others_are_not_ours(foreign: str) -> None:
    assert parse_task_id(foreign) is None


def test_the_longest_app_id_makes_the_longest_task_id() -> None:
    longest = "/" + "x" * (APP_ID_MAX_BYTES - 1)
    made = task_id(instance_id(longest, UUID), 999_999_999)
    assert len(made.encode()) == MESOS_TASK_ID_MAX_BYTES == 255


@pytest.mark.parametrize(
    ("app_id", "group"), [("/web", None), ("/dev/web", "dev"), ("/dev/a/b", "dev")]
)
def test_top_level_group(app_id: str, group: str | None) -> None:
    assert top_level_group(app_id) == group


@pytest.mark.parametrize(("app_id", "name"), [("/web", "web"), ("/a/b/c", "c.b.a")])
def test_discovery_name(app_id: str, name: str) -> None:
    assert discovery_name(app_id) == name
