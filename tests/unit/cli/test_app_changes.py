"""`stayer app update`, `versions`, `rollback`, `suspend` and `resume`."""

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Stayer
from tests.unit.cli.scripted_http import Answer, ScriptedServer

DONE = Answer({"version": "v3", "deploymentId": "d-7"})
PATCH = "PATCH /v2/apps/shop/web"
WEB = {
    "id": "/shop/web",
    "version": "v2",
    "env": {"A": "1", "B": {"secret": "s"}},
    "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 1},
    "container": {"type": "MESOS", "docker": {"image": "web:1", "forcePullImage": True}},
}


@pytest.fixture(autouse=True)
def shop(api: ScriptedServer) -> None:
    api.script["GET /v2/apps/shop/web"] = Answer({"app": WEB})
    api.script[PATCH] = DONE


def test_update_from_a_file(api: ScriptedServer, stayer: Stayer, tmp_path: Path) -> None:
    file = tmp_path / "change.json"
    file.write_text('{"cmd": "b"}')
    result = stayer("app", "update", "shop/web", str(file))
    assert result.stdout == "/shop/web is changed (deployment d-7)\n"
    assert stayer("app", "update", "shop/web", "-", stdin='{"cmd": "c"}').exit_code == 0
    assert [request.body for request in api.requests] == [{"cmd": "b"}, {"cmd": "c"}]


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["instances=3", "cpus=0.5"], {"instances": 3, "cpus": 0.5}),
        (["cmd=true", "user=007"], {"cmd": "true", "user": "007"}),
        (["cmd=a=b --c='d e'"], {"cmd": "a=b --c='d e'"}),
        (["killSelection=OLDEST_FIRST"], {"killSelection": "OLDEST_FIRST"}),
        (['constraints=[["rack","UNIQUE"]]'], {"constraints": [["rack", "UNIQUE"]]}),
        (['env={"X":"1"}'], {"env": {"X": "1"}}),
        (["env.C=2", "env.a.b="], {"env": {**WEB["env"], "C": "2", "a.b": ""}}),  # type: ignore[dict-item]  # a mixed literal
        (["labels.tier=1"], {"labels": {"tier": "1"}}),
        (
            ["upgradeStrategy.canary=1"],
            {"upgradeStrategy": {**WEB["upgradeStrategy"], "canary": 1}},  # type: ignore[dict-item]  # a mixed literal
        ),
        (
            ["container.docker.image=web:2"],
            {
                "container": {
                    "type": "MESOS",
                    "docker": {"image": "web:2", "forcePullImage": True},
                }
            },
        ),
    ],
)
def test_update_by_words(
    api: ScriptedServer, stayer: Stayer, words: list[str], body: object
) -> None:
    assert stayer("app", "update", "/shop/web", *words).exit_code == 0
    assert api.requests[-1].body == body
    asks_first = any("." in word.partition("=")[0] for word in words)
    assert len(api.requests) == 1 + asks_first


def test_update_of_what_was_read_carries_its_tag(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/apps/shop/web"] = Answer({"app": WEB}, headers={"ETag": '"e1-c1"'})
    assert stayer("app", "update", "/shop/web", "env.C=2").exit_code == 0
    assert api.requests[-1].headers["If-Match"] == '"e1-c1"'
    for words in (["env.C=2", "--force"], ["instances=2"]):
        assert stayer("app", "update", "/shop/web", *words).exit_code == 0
        assert "If-Match" not in api.requests[-1].headers


def test_update_of_what_was_changed_meanwhile(api: ScriptedServer, stayer: Stayer) -> None:
    api.script[PATCH] = Answer({"message": "Nothing was done. If-Match does not hold"}, 412)
    result = stayer("app", "update", "/shop/web", "env.C=2")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "Error: Nothing is done: somebody else changed it since it was read"
    )
    assert "--force" in result.stderr


@pytest.mark.parametrize("words", [["cmd=b", "other"], ["=b"], ["env.=b"], ["no-such-file"], []])
def test_words_that_mean_nothing(api: ScriptedServer, stayer: Stayer, words: list[str]) -> None:
    assert stayer("app", "update", "/shop/web", *words).exit_code == 2
    assert api.requests == []


def test_dry_run_changes_nothing(api: ScriptedServer, stayer: Stayer) -> None:
    step = {"actions": [{"action": "RestartApplication", "app": "/shop/web"}]}
    api.script[PATCH] = Answer({"steps": [step]}, headers={"Stayer-Warning": "no room"})
    for words in (("update", "/shop/web", "cmd=b"), ("rollback", "/shop/web", "v1")):
        result = stayer("app", *words, "--dry-run")
        assert "   1  RestartApplication  /shop/web\n" in result.stdout
        assert result.stderr == "Warning: no room\n"
        assert api.requests[-1].query == {"dryRun": ["true"]}


def test_warnings_of_a_change(api: ScriptedServer, stayer: Stayer) -> None:
    api.script[PATCH] = Answer(DONE.body, headers={"Stayer-Warning": "no room"})
    assert stayer("app", "update", "/shop/web", "cmd=b").stderr == "Warning: no room\n"


def test_versions_and_rollback(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/apps/shop/web/versions"] = Answer({"versions": ["v1", "v2"]})
    assert stayer("app", "versions", "/shop/web").stdout == "v2  (this one)\nv1\n"
    assert json.loads(stayer("app", "versions", "/shop/web", "--json").stdout) == ["v2", "v1"]
    result = stayer("app", "rollback", "/shop/web", "v1", "--force")
    assert result.stdout == "/shop/web is rolled back to v1 (deployment d-7)\n"
    assert (api.requests[-1].body, api.requests[-1].query) == (
        {"version": "v1"},
        {"force": ["true"]},
    )


@pytest.mark.parametrize(("word", "said"), [("suspend", "suspended"), ("resume", "resumed")])
def test_suspend_and_resume(api: ScriptedServer, stayer: Stayer, word: str, said: str) -> None:
    api.script[f"POST /v3/apps/shop/web/{word}"] = DONE
    assert stayer("app", word, "shop/web").stdout == f"/shop/web is {said} (deployment d-7)\n"
    api.script[f"POST /v3/apps/shop/web/{word}"] = Answer({"message": "App is not suspended."}, 409)
    refused = stayer("app", word, "shop/web")
    assert (refused.exit_code, refused.stderr) == (1, "Error: App is not suspended.\n")
