"""Traffic moves in steps while the new app is healthy, and goes back when it is not."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from haproxy_bridge.exits import Exit
from haproxy_bridge.shifting import way
from tests.unit.cli.scripted_http import Answer, ScriptedServer, scripted

SHARES = "/v3/shares/web"


def app(app_id: str, *healths: str, group: str = "web") -> dict[str, Any]:
    tasks = [
        {"id": f"{app_id}.{number}", "host": "a1", "endpoints": [], "health": health}
        for number, health in enumerate(healths)
    ]
    labels = {"HAPROXY_DEPLOYMENT_GROUP": group} if group else {}
    return {
        "id": app_id,
        "wanted": len(tasks),
        "labels": labels,
        "tasks": tasks,
        "hasChecks": True,
    }


def services(*apps: dict[str, Any]) -> Answer:
    return Answer({"stateId": "s", "epoch": 1, "synced": True, "services": list(apps)})


HEALTHY = services(app("/web-1", "up", "up"), app("/web-2", "up", "up"))
SICK = services(app("/web-1", "up", "up"), app("/web-2", "up", "down"))
NONE = Answer({"message": "not divided"}, 404)


@pytest.fixture
def api() -> Iterator[ScriptedServer]:
    script = {"GET /v3/services": HEALTHY, f"GET {SHARES}": NONE}
    with scripted(script) as server:
        server.script[f"PUT {SHARES}"] = put
        yield server


def put(handler: BaseHTTPRequestHandler) -> None:
    content = json.dumps({"group": "web", "shares": {}}).encode()
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def shift(api: ScriptedServer, *words: str) -> Result:
    command = ["haproxy", "shift", "/web-1", "web-2", "--interval=0", "--url", api.url, *words]
    return CliRunner().invoke(main, command)


def shares(api: ScriptedServer) -> list[tuple[float, float]]:
    bodies = (one.body["shares"] for one in api.requests if one.method == "PUT")
    return [(body["/web-1"], body["/web-2"]) for body in bodies]


def test_traffic_moves_in_steps(api: ScriptedServer) -> None:
    result = shift(api, "--step", "40%")
    assert result.exit_code == 0, result.output
    assert shares(api) == [(60, 40), (20, 80), (0, 100)]
    assert result.stdout.count("STEP") == 3
    assert "web-2 100% 2" in " ".join(result.stdout.split())


def test_a_move_goes_on_from_where_it_is(api: ScriptedServer) -> None:
    now = {"group": "web", "shares": {"/web-1": 3, "/web-2": 1}}
    api.script[f"GET {SHARES}"] = Answer(now)
    assert shift(api, "--step=10", "--to=50%").exit_code == 0
    assert shares(api) == [(65, 35), (55, 45), (50, 50)]


def test_when_fewer_are_healthy_the_shares_of_before_are_back(api: ScriptedServer) -> None:
    now = {"group": "web", "shares": {"/web-1": 90, "/web-2": 10}}
    api.script[f"GET {SHARES}"] = Answer(now)
    api.script["GET /v3/services"] = [HEALTHY, HEALTHY, SICK]
    result = shift(api, "--step=20")
    assert result.exit_code == 1
    assert "only 1 tasks of /web-2 are healthy" in result.stderr
    assert shares(api) == [(70, 30), (90, 10)]


def test_where_nothing_was_divided_all_goes_back(api: ScriptedServer) -> None:
    api.script["GET /v3/services"] = [HEALTHY, HEALTHY, SICK]
    assert shift(api).exit_code == 1
    assert shares(api) == [(90, 10), (100, 0)]


def test_an_app_without_healthy_tasks_gets_nothing(api: ScriptedServer) -> None:
    api.script["GET /v3/services"] = services(app("/web-1", "up"), app("/web-2", "unknown"))
    assert shift(api).exit_code == 1
    assert shares(api) == []


def test_no_step_is_made_while_nobody_answers(api: ScriptedServer) -> None:
    away = Answer({"message": "loading"}, 503)
    api.script["GET /v3/services"] = [HEALTHY, HEALTHY, away, away, SICK]
    assert shift(api, "--step=50").exit_code == 1
    assert shares(api) == [(50, 50), (100, 0)]


def test_a_check_of_ones_own_is_asked_after_each_step(api: ScriptedServer, tmp_path: Path) -> None:
    told = tmp_path / "told"
    names = "$STAYER_STEP $STAYER_OLD $STAYER_NEW $STAYER_OLD_SHARE $STAYER_NEW_SHARE"
    check = f"""sh -c 'echo {names} >> {told}'"""
    assert shift(api, "--step=60", "--check-command", check).exit_code == 0
    assert shares(api) == [(40, 60), (0, 100)]
    assert told.read_text() == "1 /web-1 /web-2 40 60\n2 /web-1 /web-2 0 100\n"


@pytest.mark.parametrize(
    ("check", "why"),
    [
        ("sh -c 'echo too many errors; exit 3'", "sh ended with 3, saying 'too many errors'"),
        ("/no/such/program", "can not be started"),
        ("sh -c 'exec sleep 600' --check-timeout=0.2", "did not end within 0.2 s"),
    ],
)
def test_what_a_check_refuses_is_taken_back(api: ScriptedServer, check: str, why: str) -> None:
    command, _, more = check.partition(" --")
    words = ["--suspend", "--check-command", command, *([f"--{more}"] if more else [])]
    result = shift(api, "--step=100", *words)
    assert result.exit_code == 1
    assert why in result.stderr
    assert shares(api) == [(0, 100), (100, 0)]
    assert not [one for one in api.asked() if one.startswith("POST")]


def test_a_check_that_is_no_command(api: ScriptedServer) -> None:
    for words in (["--check-command", "sh -c 'x"], ["--check-command= "], ["--undo"]):
        assert shift(api, "--check-command=true", *words).exit_code == Exit.USAGE
    assert shares(api) == []


def test_its_steps_as_json(api: ScriptedServer) -> None:
    api.script["GET /v3/services"] = [HEALTHY, HEALTHY, SICK]
    steps = json.loads(shift(api, "--json").stdout)["steps"]
    assert [(step["oldShare"], step["newShare"]) for step in steps] == [(90, 10)]


def test_undo_gives_it_all_back_at_once(api: ScriptedServer) -> None:
    assert shift(api, "--undo").exit_code == 0
    assert shares(api) == [(100, 0)]


def test_the_old_app_is_suspended_when_it_has_no_traffic(api: ScriptedServer) -> None:
    api.script["POST /v3/apps/web-1/suspend"] = Answer({"version": "v", "deploymentId": "d"})
    result = shift(api, "--step=100", "--suspend")
    assert result.exit_code == 0, result.output
    assert api.asked()[-1] == "POST /v3/apps/web-1/suspend"


@pytest.mark.parametrize(
    ("apps", "why"),
    [
        ((app("/web-1", "up"),), "no app /web-2"),
        ((app("/web-1", "up"), app("/web-2", "up", group="")), "HAPROXY_DEPLOYMENT_GROUP"),
        ((app("/web-1", "up"), app("/web-2", "up", group="x")), "HAPROXY_DEPLOYMENT_GROUP"),
    ],
)
def test_what_can_not_be_moved_is_told(
    api: ScriptedServer, apps: tuple[dict[str, Any], ...], why: str
) -> None:
    api.script["GET /v3/services"] = services(*apps)
    result = shift(api)
    assert (result.exit_code, shares(api)) == (1, [])
    assert why in result.stderr


def test_a_third_app_is_not_forgotten(api: ScriptedServer) -> None:
    now = {"group": "web", "shares": {"/web-1": 50, "/web-3": 50}}
    api.script[f"GET {SHARES}"] = Answer(now)
    assert shift(api).exit_code == 1
    assert shares(api) == []


def test_a_marathon_has_no_shares(api: ScriptedServer) -> None:
    api.script["GET /v3/services"] = Answer({"message": "nothing here"}, 404)
    result = shift(api)
    assert result.exit_code == 1
    assert "this needs Stayer" in result.stderr


@pytest.mark.parametrize("words", [("--step=0",), ("--step=101%",), ("--to=x",)])
def test_wrong_shares_are_wrong_usage(api: ScriptedServer, words: tuple[str, ...]) -> None:
    assert shift(api, *words).exit_code == Exit.USAGE


DEPLOYMENT = "/v3/deployments/d1"


def canaries(new: int, old: int = 4, *, paused: bool = True, share: float | None = None) -> Answer:
    app = {"id": "/web", "wanted": 4, "newServing": new, "oldServing": old}
    told = {"id": "d1", "version": "v2", "paused": paused, "canary": paused, "apps": [app]}
    return Answer(told if share is None else {**told, "share": share})


@pytest.fixture
def deploying(api: ScriptedServer) -> ScriptedServer:
    api.script[f"GET {DEPLOYMENT}"] = canaries(2)
    api.script[f"PUT {DEPLOYMENT}/share"] = Answer({"version": "v2", "deploymentId": "d1"})
    return api


def shift_deployment(api: ScriptedServer, *words: str) -> Result:
    command = ["haproxy", "shift", "--deployment=d1", "--interval=0", "--url", api.url, *words]
    return CliRunner().invoke(main, command)


def given(api: ScriptedServer) -> list[float]:
    return [one.body["share"] for one in api.requests if one.path == f"{DEPLOYMENT}/share"]


def test_new_instances_get_what_they_are_meant_to_carry(deploying: ScriptedServer) -> None:
    result = shift_deployment(deploying, "--step=20%")
    assert result.exit_code == 0, result.output
    assert given(deploying) == [0, 20, 40, 50]
    assert "new version 50% 2" in " ".join(result.stdout.split())
    assert "stayer deployment promote d1" in result.stderr


def test_canaries_that_do_not_serve_yet_get_nothing(deploying: ScriptedServer) -> None:
    starting = [canaries(0, paused=False), canaries(1, paused=False, share=0)]
    deploying.script[f"GET {DEPLOYMENT}"] = [*starting, canaries(2, share=0)]
    result = shift_deployment(deploying, "--step=100", "--to=100")
    assert result.exit_code == 0, result.output
    assert given(deploying) == [0, 100]
    assert "waiting for the canaries: 1 tasks serve" in result.stderr


def test_the_new_version_falls_ill(deploying: ScriptedServer) -> None:
    deploying.script[f"GET {DEPLOYMENT}"] = [canaries(2, share=10), canaries(2), canaries(1)]
    result = shift_deployment(deploying)
    assert result.exit_code == 1
    assert "only 1 tasks of the new version" in result.stderr
    assert given(deploying) == [20, 10]


def test_a_deployment_that_ends_meanwhile_is_told(deploying: ScriptedServer) -> None:
    over = Answer({"message": "no such deployment"}, 404)
    deploying.script[f"GET {DEPLOYMENT}"] = [canaries(2, share=10), canaries(2), over]
    result = shift_deployment(deploying)
    assert result.exit_code == 1
    assert "not under way" in result.stderr
    deploying.script[f"PUT {DEPLOYMENT}/share"] = over
    deploying.script[f"GET {DEPLOYMENT}"] = canaries(2, share=10)
    assert "not under way" in shift_deployment(deploying, "--undo").stderr


def test_undo_of_a_deployment_leaves_it_waiting(deploying: ScriptedServer) -> None:
    result = shift_deployment(deploying, "--undo")
    assert result.exit_code == 0, result.output
    assert given(deploying) == [0]
    assert "stayer deployment revert d1" in result.stderr


def test_at_the_end_it_is_promoted_and_waited_for(deploying: ScriptedServer) -> None:
    deploying.script[f"POST {DEPLOYMENT}/resume"] = Answer({})
    deploying.script["GET /v3/deployments"] = Answer([])
    definition = {"id": "/web", "version": "v2", "instances": 0}
    deploying.script["GET /v2/apps/web"] = Answer({"app": definition})
    result = shift_deployment(deploying, "--step=50", "--promote", "--wait")
    asked = deploying.asked()
    assert asked.index(f"POST {DEPLOYMENT}/resume") > asked.index(f"PUT {DEPLOYMENT}/share")
    assert "GET /v3/deployments" in asked[asked.index(f"POST {DEPLOYMENT}/resume") :], result.output


@pytest.mark.parametrize(
    "words",
    [
        ("/web-1",),
        ("/web-1", "/web-2", "--deployment=d1"),
        (),
        ("/web-1", "/web-2", "--promote"),
        ("/web-1", "/web-2", "--wait"),
        ("/web-1", "/web-2", "--suspend", "--undo"),
        ("/web-1", "/web-2", "--suspend", "--to=50"),
        ("--deployment=d1", "--suspend"),
        ("--deployment=d1", "--promote", "--undo"),
    ],
)
def test_what_does_not_fit_together_is_wrong_usage(
    api: ScriptedServer, words: tuple[str, ...]
) -> None:
    result = CliRunner().invoke(main, ["haproxy", "shift", "--url", api.url, *words])
    assert result.exit_code == Exit.USAGE, result.output
    assert api.requests == []


def test_steps_lead_forth_and_back() -> None:
    assert list(way(0, 50, 100)) == [50, 100]
    assert list(way(80, 30, 10)) == [50, 20, 10]
    assert list(way(100, 10, 100)) == [100]
