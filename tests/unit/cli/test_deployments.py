"""`stayer deployment`, and --wait and --watch of the commands that begin one."""

import json
from textwrap import dedent

import pytest

from api.client import Client
from cli.changes import Follow, follow_to_the_end
from cli.following import Change
from tests.unit.cli.conftest import Stayer
from tests.unit.cli.rollouts import ID, VERSION, app, progress, rollout
from tests.unit.cli.scripted_http import Answer, ScriptedServer

LIST = "GET /v3/deployments"
DONE = Answer({"version": VERSION, "deploymentId": ID})
UNDER_WAY = rollout(
    progress("/shop/api", wanted=2, newServing=1, newTotal=1, oldServing=0, oldTotal=1),
    progress("/shop/web", wanted=2, oldServing=2, oldTotal=2),
    deadlineAt="2026-11-02T10:05:00.000Z",
)
MARATHONS = {
    "id": ID,
    "version": VERSION,
    "affectedApps": ["/a", "/b"],
    "steps": [{"actions": [{"action": "ScaleApplication", "app": "/a"}]}],
    "currentStep": 1,
    "totalSteps": 3,
}


def test_list(api: ScriptedServer, stayer: Stayer) -> None:
    back = rollout(paused=True, reverts="d-0")
    api.script[LIST] = [Answer([UNDER_WAY, {**back, "id": "d-2"}]), Answer([])]
    step = "step 1 of 2, RestartApplication /shop/api"
    assert stayer("deployment", "list").stdout == dedent(
        f"""\
        DEPLOYMENT{" " * 28}APPS                 STANDS AT{" " * 58}VERSION
        {ID}  /shop/api /shop/web  {step}{" " * 24}  {VERSION}
        d-2{" " * 35}/shop/api /shop/web  {step}; paused; takes back d-0  {VERSION}
        """
    )
    assert stayer("deployment", "list").stdout == "No deployment is under way.\n"


def test_list_of_a_marathon(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/deployments"] = Answer([MARATHONS])
    assert stayer("deployment", "list").stdout == dedent(
        f"""\
        DEPLOYMENT                            APPS   STANDS AT                         VERSION
        {ID}  /a /b  step 1 of 3, ScaleApplication /a  {VERSION}
        """
    )
    assert json.loads(stayer("deployment", "list", "--json").stdout) == [MARATHONS]


def test_show(api: ScriptedServer, stayer: Stayer) -> None:
    api.script[LIST] = Answer([UNDER_WAY])
    result = stayer("deployment", "show", ID)
    assert result.stdout == dedent(
        f"""\
        Deployment  {ID}
        Version     {VERSION}
        Stands at   step 1 of 2, RestartApplication /shop/api
        Started     2026-11-02T10:00:00.000Z
        Progress    2026-11-02T10:00:30.000Z
        Taken back  at 2026-11-02T10:05:00.000Z without progress

        STEP  ACTION              APP
           1  RestartApplication  /shop/api  under way
           2  RestartApplication  /shop/web

        APP        INSTANCES  NEW     OLD  STOPPING  AWAITS
        /shop/api  █░         1/2  0 of 1         0  1 to start, 1 old to replace
        /shop/web  ░░         0/2       2         0  step 2
        """
    )
    assert json.loads(stayer("deployment", "show", ID, "--json").stdout) == UNDER_WAY


@pytest.mark.parametrize("words", [("show",), ("show", "--json"), ("watch",), ("promote",)])
def test_one_that_is_over(api: ScriptedServer, stayer: Stayer, words: tuple[str, ...]) -> None:
    api.script[LIST] = Answer([])
    result = stayer("deployment", words[0], "d-9", *words[1:])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "No deployment d-9 is under way" in result.stderr


def test_pause_and_resume(api: ScriptedServer, stayer: Stayer) -> None:
    for word in ("pause", "resume"):
        api.script[f"POST /v3/deployments/d-1/{word}"] = DONE
        assert stayer("deployment", word, "d-1").exit_code == 0
    assert api.asked() == ["POST /v3/deployments/d-1/pause", "POST /v3/deployments/d-1/resume"]


def test_promote_only_canaries_that_wait(api: ScriptedServer, stayer: Stayer) -> None:
    api.script[LIST] = Answer([rollout(paused=True)])
    api.script[f"POST /v3/deployments/{ID}/resume"] = DONE
    refused = stayer("deployment", "promote", ID)
    assert refused.exit_code == 1
    assert "no canaries" in refused.stderr
    assert api.asked() == [LIST]
    api.script[LIST] = Answer([rollout(paused=True, canary=True)])
    assert stayer("deployment", "promote", ID).stdout == f"{ID} is promoted and goes on\n"
    assert api.asked()[-1] == f"POST /v3/deployments/{ID}/resume"


def test_taken_back_or_stopped(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["DELETE /v2/deployments/d-1"] = Answer({"version": "v", "deploymentId": "d-2"})
    for word in ("cancel", "revert"):
        back = stayer("deployment", word, "d-1")
        assert back.stdout == "d-1 is being taken back (deployment d-2)\n"
    api.script["DELETE /v2/deployments/d-1"] = Answer(b"", 202)
    stopped = stayer("deployment", "cancel", "d-1", "--force")
    assert stopped.stdout == "d-1 is stopped where it was\n"
    assert [request.query for request in api.requests] == [{}, {}, {"force": ["true"]}]


def _all_is_well(api: ScriptedServer) -> None:
    for name in ("api", "web"):
        api.script[f"GET /v2/apps/shop/{name}"] = Answer({"app": app(f"/shop/{name}")})


def test_watch_on_a_pipe(api: ScriptedServer, stayer: Stayer) -> None:
    _all_is_well(api)
    api.script[LIST] = [Answer([UNDER_WAY]), Answer([UNDER_WAY]), Answer([])]
    result = stayer("deployment", "watch", ID)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == dedent(
        f"""\
        Deployment {ID}: step 1 of 2, RestartApplication /shop/api
        /shop/api: 1 of 2 serve, 0 old ones serve (1 to start, 1 old to replace)
        The deployment is done.
        """
    )


def test_watch_tells_that_it_was_taken_back(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["PATCH /v2/apps/shop/web"] = DONE
    api.script[LIST] = [Answer([UNDER_WAY]), Answer([{"id": "d-2", "reverts": ID}])]
    result = stayer("app", "update", "/shop/web", "cmd=b", "--watch")
    assert result.exit_code == 1
    assert "The deployment is done" not in result.stdout
    assert result.stderr == (
        f"Error: Deployment {ID} is over and not done: it is being taken back by deployment d-2.\n"
    )


def test_wait_tells_steps_aside(api: ScriptedServer, stayer: Stayer) -> None:
    _all_is_well(api)
    api.script["PATCH /v2/apps/shop/web"] = DONE
    api.script[LIST] = [Answer([UNDER_WAY]), Answer([])]
    result = stayer("app", "scale", "/shop/web", "5", "--wait")
    assert result.exit_code == 0
    assert result.stdout.endswith("The deployment is done.\n")
    step = "step 1 of 2, RestartApplication /shop/api"
    assert result.stderr == f"Deployment {ID}: {step}\n"


def test_machines_get_the_answer_and_nothing_else(api: ScriptedServer, stayer: Stayer) -> None:
    _all_is_well(api)
    api.script["PATCH /v2/apps/shop/web"] = DONE
    api.script[LIST] = [Answer([UNDER_WAY]), Answer([])]
    result = stayer("app", "scale", "/shop/web", "5", "--watch", "--json")
    assert json.loads(result.stdout) == DONE.body
    assert "/shop/api: 1 of 2 serve" in result.stderr


def test_wait_gives_up_and_says_where_to_look(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["PATCH /v2/apps/shop/web"] = DONE
    api.script[LIST] = Answer([UNDER_WAY])
    result = stayer("app", "scale", "/shop/web", "5", "--wait", "--wait-timeout", "0")
    assert result.exit_code == 1
    assert "stayer queue" in result.stderr


def test_watch_on_a_terminal(
    api: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    _all_is_well(api)
    second = rollout(*UNDER_WAY["apps"], step=2)
    api.script[LIST] = [Answer([UNDER_WAY]), Answer([second]), Answer([])]
    client = Client([api.url])
    follow_to_the_end(client, Change(ID, VERSION), Follow(watch=True), aside=False)
    client.close()
    shown = capsys.readouterr().out
    first, redrawn, then = "step 1 of 2", "\x1b[1A", "step 2 of 2"
    assert shown.index(first) < shown.index(redrawn) < shown.index(then)
    assert shown.endswith("The deployment is done.\n")
