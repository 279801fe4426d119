"""`stayer queue`: waiting apps, with the scheduler's own sentences or with made-up ones."""

import json
from textwrap import dedent
from typing import Any

from tests.unit.cli.conftest import Stayer
from tests.unit.cli.scripted_http import Answer, ScriptedServer


def _entry(app_id: str, summary: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "app": {"id": app_id},
        "count": 2,
        "role": "*",
        "since": "2026-11-01T10:00:00.000Z",
        "delay": {"timeLeftSeconds": 0, "overdue": True},
        "processedOffersSummary": summary or {},
        **more,
    }


SUMMARY = {
    "processedOffersCount": 9,
    "unusedOffersCount": 9,
    "lastUnusedOfferAt": "T1",
    "rejectSummaryLastOffers": [
        {"reason": "UnfulfilledRole", "declined": 0, "processed": 3},
        {"reason": "UnfulfilledConstraint", "declined": 1, "processed": 3},
        {"reason": "InsufficientCpus", "declined": 2, "processed": 2},
    ],
    "rejectSummaryLaunchAttempt": [
        {"reason": "UnfulfilledRole", "declined": 4, "processed": 9},
        {"reason": "UnfulfilledConstraint", "declined": 1, "processed": 5},
        {"reason": "InsufficientCpus", "declined": 4, "processed": 4},
        {"reason": "InsufficientPorts", "declined": 0, "processed": 0},
    ],
}
TOLD = Answer(
    {"waiting": [{"appId": "/a", "role": "*", "explanation": ["no rack left", "b", "c", "d"]}]}
)


def test_table_on_a_pipe(api: ScriptedServer, stayer: Stayer) -> None:
    slow = _entry("/slow", delay={"timeLeftSeconds": 12, "overdue": False})
    api.script["GET /v2/queue"] = Answer({"queue": [_entry("/a"), slow, _entry("/new")]})
    api.script["GET /v3/explain"] = TOLD
    result = stayer("queue")
    assert result.exit_code == 0
    assert result.stdout == dedent(
        """\
        APP    WAITING  BACK-OFF  WHY
        /a           2         -  no rack left
                                  b
                                  and 2 more: stayer queue /a
        /slow        2      12 s  launches are delayed after failures
        /new         2         -  no offer came yet for this role
        """
    )


def test_reasons_of_a_scheduler_without_sentences(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/queue"] = Answer({"queue": [_entry("/a", SUMMARY)]})
    shown = stayer("queue").stdout
    assert "2 of 3 agents: too few cpus\n" in shown
    assert "1 of 3 agents: a constraint does not allow it\n" in shown
    assert shown.index("cpus") < shown.index("constraint")


def test_whole_story_of_one_app(api: ScriptedServer, stayer: Stayer) -> None:
    unused = {
        "offer": {"hostname": "agent1.local", "agentId": "S0"},
        "reason": ["InsufficientCpus", "SomethingNew"],
        "timestamp": "T1",
    }
    mine = _entry("/shop/a", SUMMARY, lastUnusedOffers=[unused])
    api.script["GET /v2/queue"] = Answer({"queue": [_entry("/other"), mine]})
    told = {"waiting": [{"appId": "/shop/a", "explanation": ["first", "second", "third"]}]}
    api.script["GET /v3/explain/shop/a"] = Answer(told)
    result = stayer("queue", "shop/a")
    assert api.requests[0].query == {"embed": ["lastUnusedOffers"]}
    assert result.stdout == dedent(
        """\
        App          /shop/a
        Waiting      2 since 2026-11-01T10:00:00.000Z
        Role         *
        Back-off     -
        Offers       9 looked at, 9 of them left unused
        Last used    never
        Last unused  T1
        Why          first
                     second
                     third

        REASON                 AGENTS NOW  OFFERS SINCE  MEANING
        UnfulfilledRole            0 of 3        4 of 9  for a role that the app does not accept
        UnfulfilledConstraint      1 of 3        1 of 5  a constraint does not allow it
        InsufficientCpus           2 of 2        4 of 4  too few cpus

        HOST          AGENT  AT  LACKS
        agent1.local  S0     T1  too few cpus, SomethingNew
        """
    )


def test_machines_get_the_queue_with_the_sentences(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/queue"] = Answer({"queue": [_entry("/a")]})
    api.script["GET /v3/explain"] = TOLD
    (entry,) = json.loads(stayer("queue", "--json").stdout)
    assert entry == {**_entry("/a"), "explanation": ["no rack left", "b", "c", "d"]}


def test_nothing_waits(api: ScriptedServer, stayer: Stayer) -> None:
    api.script["GET /v2/queue"] = Answer({"queue": []})
    api.script["GET /v2/apps/a"] = Answer({"app": {"id": "/a"}})
    assert stayer("queue").stdout == "Nothing waits for offers.\n"
    assert stayer("queue", "a").stdout == "/a waits for nothing.\n"
    unknown = stayer("queue", "b")
    assert (unknown.exit_code, unknown.stderr) == (1, "Error: not in the script\n")
