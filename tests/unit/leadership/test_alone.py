"""Whoever is alone leads, from the start and without conditions."""

from framework.interfaces import Leader, Leadership
from framework.leadership.alone import AloneLeadership


def test_it_leads_at_once() -> None:
    told: list[str] = []
    alone = AloneLeadership("a:443", secure=True)
    leadership: Leadership = alone
    leadership.start(lambda: told.append("gained"), lambda error: told.append(str(error)))
    assert told == ["gained"]
    alone.serving()
    assert leadership.leader() == Leader("a:443", secure=True)
    leadership.confirm()
    leadership.confirm(1.0)
    leadership.stop()
    leadership.stop()
    assert told == ["gained"]
