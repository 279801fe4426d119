"""`stayer group`: what is asked of the API and what people and machines get to see."""

import json
from textwrap import dedent

import pytest

from tests.unit.cli.conftest import Stayer
from tests.unit.cli.scripted_http import Answer, ScriptedServer

VERSION = "2026-11-01T10:00:00.000Z"
DONE = Answer({"version": VERSION, "deploymentId": "d-7"})


def _app(app_id: str, running: int, **more: object) -> dict[str, object]:
    return {"id": app_id, "version": "v1", "instances": 2, "tasksRunning": running, **more}


SHOP = {
    "id": "/shop",
    "version": VERSION,
    "dependencies": ["/base"],
    "apps": [_app("/shop/web", 1, deployments=[{"id": "d-1"}], dependencies=["/shop/db"])],
    "groups": [{"id": "/shop/data", "version": VERSION, "apps": [_app("/shop/data/db", 2)]}],
}
ROOT = {"id": "/", "version": VERSION, "apps": [], "groups": [SHOP]}
STEPS = Answer(
    {
        "steps": [
            {"actions": [{"action": "StartApplication", "app": "/shop/web"}]},
            {"actions": [{"action": "ScaleApplication", "app": "/shop/web"}]},
        ]
    },
    headers={"Stayer-Warning": "no room"},
)


def test_list(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/groups"] = Answer(ROOT)
    assert stayer("group", "list").stdout == dedent(
        f"""\
        GROUP       APPS  RUNNING  DEPENDS ON  VERSION
        /              2      3/4  -           {VERSION}
        /shop          2      3/4  /base       {VERSION}
        /shop/data     1      2/2  -           {VERSION}
        """
    )
    assert json.loads(stayer("group", "list", "--json").stdout) == ROOT
    assert "group.apps.counts" in api.requests[0].query["embed"]


def test_show(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/groups/shop"] = Answer(SHOP)
    assert stayer("group", "show", "shop").stdout == dedent(
        f"""\
        Group       /shop
        Version     {VERSION}
        Depends on  /base
        Groups      /shop/data

        APP            RUNNING  DEPENDS ON  DEPLOYMENT  VERSION
        /shop/data/db      2/2  -           -           v1
        /shop/web          1/2  /shop/db    d-1         v1
        """
    )
    api.script["GET /v2/groups"] = Answer(ROOT)
    assert json.loads(stayer("group", "show", "/", "--json").stdout) == ROOT


def test_apply(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["PUT /v2/groups/shop"] = DONE
    result = stayer("group", "apply", "-", "--force", stdin='{"id": "shop", "apps": []}')
    assert result.stdout == "/shop is applied (deployment d-7)\n"
    assert api.requests[0].body == {"id": "shop", "apps": []}
    assert api.requests[0].query == {"force": ["true"]}
    api.script["PUT /v2/groups"] = DONE
    assert stayer("group", "apply", "-", stdin="{}").exit_code == 0
    assert stayer("group", "apply", "-", stdin='{"id": 3}').exit_code == 2
    assert len(api.requests) == 2


def test_dry_run(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["PUT /v2/groups/shop"] = STEPS
    result = stayer("group", "apply", "-", "--dry-run", stdin='{"id": "/shop"}')
    assert result.stdout == dedent(
        """\
        STEP  ACTION            APP
           1  StartApplication  /shop/web
           2  ScaleApplication  /shop/web

        Nothing is changed yet: this was a dry run.
        """
    )
    assert result.stderr == "Warning: no room\n"
    assert api.requests[0].query == {"dryRun": ["true"]}
    api.script["PUT /v2/groups/shop"] = Answer({"steps": []})
    assert "nothing to do" in stayer("group", "scale", "/shop", "1", "--dry-run").stdout
    shown = stayer("group", "rollback", "/shop", "v", "--dry-run", "--json").stdout
    assert json.loads(shown) == {"steps": []}


@pytest.mark.parametrize(
    ("words", "body", "said"),
    [
        (("scale", "/shop", "1.5"), {"scaleBy": 1.5}, "/shop is scaled by 1.5"),
        (("rollback", "shop", "v1"), {"version": "v1"}, "/shop is rolled back to v1"),
    ],
)
def test_changes_of_one_kind(
    api: ScriptedServer, stayer: Stayer, words: tuple[str, ...], body: object, said: str
) -> None:
    api.script["PUT /v2/groups/shop"] = DONE
    assert stayer("group", *words).stdout == f"{said} (deployment d-7)\n"
    assert api.requests[0].body == body


def test_remove(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["DELETE /v2/groups/shop"] = DONE
    assert stayer("group", "remove", "/shop").stdout == "/shop is removed (deployment d-7)\n"
    api.script["DELETE /v2/groups"] = DONE
    refused = stayer("group", "remove", "/")
    assert refused.exit_code == 2
    assert "--all" in refused.stderr
    assert api.asked() == ["DELETE /v2/groups/shop"]
    assert stayer("group", "remove", "/", "--all").exit_code == 0


def test_versions(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/groups/shop/versions"] = Answer(["v1", "v2"])
    assert stayer("group", "versions", "/shop").stdout == "v2\nv1\n"
    assert json.loads(stayer("group", "versions", "/shop", "--json").stdout) == ["v2", "v1"]


def test_factor_must_be_a_positive_number(api: ScriptedServer, stayer: Stayer) -> None:
    for wrong in ("-1", "many", "nan", "inf"):
        assert stayer("group", "scale", "/shop", "--", wrong).exit_code == 2
    assert api.requests == []
