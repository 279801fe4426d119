"""``/v3/alarms``, the events of alarms, and what else the API says while one stands."""

from flask.testing import FlaskClient

from api.events.catalogue import OURS, happenings
from framework.domain.alarms import Alarm
from framework.domain.notices import AlarmCleared, AlarmRaised
from framework.domain.state import Kind, State
from tests.contract.cluster import NOW, NOW_MS
from tests.unit.api.recorder import Recorder

STORM = Alarm("storm", "viele fehlen…\n", NOW_MS, NOW_MS)
SHOWN = {"key": "storm", "message": "viele fehlen…\n", "since": NOW, "last": NOW}


def test_the_list(client: FlaskClient, scheduler: Recorder) -> None:
    assert client.get("/v3/alarms").get_json() == {"alarms": []}
    scheduler.hold(Kind.ALARM, "storm", STORM)
    older = Alarm("older", "m", NOW_MS - 1, NOW_MS)
    scheduler.hold(Kind.ALARM, "older", older)
    first, second = client.get("/v3/alarms").get_json()["alarms"]
    assert (first["key"], second) == ("older", SHOWN)


def test_every_answer_tells_of_them(client: FlaskClient, scheduler: Recorder) -> None:
    assert "Stayer-Warning" not in client.get("/v2/apps").headers
    scheduler.hold(Kind.ALARM, "storm", STORM)
    assert client.get("/v2/apps").headers.getlist("Stayer-Warning") == ["alarm: viele fehlen??"]
    for number in range(9):
        alarm = Alarm(f"k{number}", "x" * 1_000, NOW_MS + 1, NOW_MS)
        scheduler.hold(Kind.ALARM, alarm.key, alarm)
    told = client.get("/v2/apps").headers.getlist("Stayer-Warning")
    assert len(told) == 6
    assert told[-1] == "and 5 alarms more"
    assert max(map(len, told)) == 300


def test_events() -> None:
    for notice, kind in (
        (AlarmRaised(STORM), "alarm_raised"),
        (AlarmCleared(STORM), "alarm_cleared"),
    ):
        (told,) = happenings(notice, State())
        assert (told.kind, told.apps, told.fields()) == (kind, (), SHOWN)
        assert kind in OURS, "old clients raise on types that they do not know"
