"""What is told: failures, changes, a success now and then, and every answer of readiness."""

from framework.domain.health import ProbeResult, ProbeTarget, readiness_key
from framework.domain.ids import instance_id, task_id
from framework.health.reports import Reports
from framework.health.schedule import Entry
from tests.unit.health.targets import target

BEGAN_SECONDS = 8_191.3  # sums with it are rounded, as with any time since a machine started


def told(about: ProbeTarget, found: str, every_seconds: float) -> str:
    """``found``: one look a sign, + alive or - not; the signs of those that were told."""
    entry, reports, signs = Entry(about, 0.0, 0.0), Reports(), ""
    for number, sign in enumerate(found):
        entry.due = BEGAN_SECONDS + number * every_seconds
        reports.add(entry, ProbeResult(about.key, number, sign == "+", "" if sign == "+" else "x"))
        report = reports.collect()
        signs += sign if report else "."
    return signs


def test_success_at_most_every_ten_seconds() -> None:
    assert told(target(), "+" * 9, 4) == "+..+..+.."
    assert told(target(), "+" * 25, 1) == "+.........+.........+...."


def test_interval_of_ten_seconds_is_told_each_time_in_spite_of_rounding() -> None:
    assert told(target(), "+" * 50, 10) == "+" * 50
    assert told(target(), "+" * 301, 0.1) == ("+" + "." * 99) * 3 + "+"


def test_every_failure_and_every_change() -> None:
    assert told(target(), "---", 1) == "---"
    assert told(target(), "+++--+++-+", 1) == "+..--+..-+"


def test_readiness_and_kept_answers_are_told_each_time() -> None:
    ready = readiness_key(task_id(instance_id("/shop/web", "0" * 36), 1))
    assert told(target(key=ready), "-+++", 1) == "-+++"
    assert told(target(keep_answer=True), "++++", 1) == "++++"


def test_forgotten_between_look_and_report_is_not_told() -> None:
    reports = Reports()
    entries = [Entry(target(number=number), 0.0, 0.0) for number in range(2)]
    for entry in entries:
        reports.add(entry, ProbeResult(entry.target.key, 1, alive=False, cause="x"))
    entries[0].gone = True
    report = reports.collect()
    assert report is not None
    assert [result.key for result in report.results] == [entries[1].target.key]
    assert reports.collect() is None
