"""Traffic moves in steps while the new app is healthy, and goes back when it is not."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from haproxy_bridge.exits import Exit
from haproxy_bridge.shifting import ShiftOptions, way
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
        ((app("/web-1", "up"),), "no app web-2"),
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


def test_steps_lead_forth_and_back() -> None:
    assert list(way(0, ShiftOptions(step=50))) == [50, 100]
    assert list(way(80, ShiftOptions(step=30, target=10))) == [50, 20, 10]
    assert list(way(100, ShiftOptions())) == [100]
