"""Editions: what changes them and what does not, and commands that are only for one of them."""

import pytest

from framework.core.editions import edition
from framework.domain.events import (
    ANY_EDITION,
    ChangeApps,
    Command,
    FreezeApps,
    OnlyIf,
    PaceReplacements,
    PauseDeployment,
    PutApp,
    RestartApp,
    ShareDeployment,
    SuspendApp,
    Written,
)
from framework.domain.groups import Group
from framework.domain.instance import Orphan
from framework.domain.mesos import TaskState
from framework.domain.records import replace
from framework.domain.replies import Done, Why
from framework.domain.state import Change, Kind, State
from framework.domain.storm import Pace
from tests.unit.core.session import WEB, Session, agent

DB = replace(WEB, id="/shop/db")


def of(session: Session, written: Written, key: str = "") -> str:
    return edition(session.state, written, key)


def test_tasks_and_their_states_leave_the_edition_of_an_app() -> None:
    session = Session()
    session.put(WEB)
    before = of(session, Written.APP, "/web"), of(session, Written.GROUP, "/")
    session.offer(session.offer_of(agent(1)))
    session.status(session.only(), TaskState.RUNNING)
    session.status(session.only(), TaskState.FAILED)
    assert (of(session, Written.APP, "/web"), of(session, Written.GROUP, "/")) == before
    assert all(before)


@pytest.mark.parametrize(
    "change",
    [
        ChangeApps((PutApp(replace(WEB, instances=3)),), force=True),
        ChangeApps((PutApp(replace(WEB, labels={"a": "b"})),), force=True),
        RestartApp("/web", force=True),
        SuspendApp("/web", force=True),
    ],
)
def test_each_change_of_a_definition_makes_another_edition(change: Command) -> None:
    session = Session()
    session.put(WEB)
    before = of(session, Written.APP, "/web"), of(session, Written.GROUP, "/")
    session.ask_step(change)
    after = of(session, Written.APP, "/web"), of(session, Written.GROUP, "/")
    assert not {*before} & {*after}


def test_a_restart_of_the_process_keeps_editions() -> None:
    session = Session()
    session.put(WEB, DB)
    session.ask_step(FreezeApps(("/web",), "why"))
    things = [(Written.APP, "/web"), (Written.GROUP, "/shop"), (Written.FREEZES, "")]
    before = [of(session, *one) for one in things]
    session.restart(seconds_later=60)
    assert [of(session, *one) for one in things] == before


def test_editions_of_two_things_differ_though_they_changed_together() -> None:
    session = Session()
    session.put(WEB, DB)
    known = {of(session, Written.APP, key) for key in ("/web", "/shop/db")}
    known |= {of(session, Written.GROUP, key) for key in ("/", "/shop")}
    assert len(known) == 4


def test_a_group_changes_with_what_is_in_it_only() -> None:
    session = Session()
    session.put(WEB, DB)
    shop, root = of(session, Written.GROUP, "/shop"), of(session, Written.GROUP, "/")
    session.put(replace(WEB, instances=2), force=True)
    assert of(session, Written.GROUP, "/shop") == shop
    assert of(session, Written.GROUP, "/") != root
    session.put(replace(DB, instances=2), force=True)
    assert of(session, Written.GROUP, "/shop") != shop


def test_a_group_without_a_record_is_as_new_as_its_newest_app() -> None:
    state, records = State(), State()
    for number, app_id in ((2, "/a/x"), (1, "/a/b/y")):
        app = replace(WEB, id=app_id, version=f"2026-01-01T00:00:0{number}.000Z")
        state.apply([Change(Kind.APP, app_id, app)])
    for path, version in (("/", 2), ("/a", 2), ("/a/b", 1)):
        group = Group(path, f"2026-01-01T00:00:0{version}.000Z")
        records.apply([Change(Kind.GROUP, path, group)])
    for path in ("/", "/a", "/a/b"):
        assert edition(state, Written.GROUP, path) == edition(records, Written.GROUP, path)
    assert edition(state, Written.GROUP, "/c") == ""
    assert edition(State(), Written.GROUP, "/") != ""


def test_what_is_not_there_has_no_edition_and_an_empty_list_has_one() -> None:
    session = Session()
    for written in (Written.APP, Written.GROUP, Written.DEPLOYMENT):
        assert of(session, written, "/nothing") == ""
    for written in (Written.FREEZES, Written.ORPHANS, Written.CRASHES, Written.PACE):
        assert of(session, written) != ""


def test_lists_and_the_pace_change_with_what_is_written_there() -> None:
    session = Session()
    freezes, pace, orphans = (
        of(session, one) for one in (Written.FREEZES, Written.PACE, Written.ORPHANS)
    )
    session.ask_step(FreezeApps((), "maintenance"))
    frozen = of(session, Written.FREEZES)
    session.ask_step(FreezeApps((), "another reason"))
    assert len({freezes, frozen, of(session, Written.FREEZES)}) == 3
    session.ask_step(PaceReplacements(Pace.HELD))
    assert of(session, Written.PACE) != pace
    orphan = Orphan("t", "a", "TASK_RUNNING", 1)
    session.state.apply([Change(Kind.ORPHAN, "t", orphan)])
    listed = of(session, Written.ORPHANS)
    session.state.apply([Change(Kind.ORPHAN, "t", replace(orphan, state="TASK_LOST"))])
    assert (of(session, Written.ORPHANS), listed != orphans) == (listed, True)


def test_a_deployment_changes_when_it_waits() -> None:
    session = Session()
    done = session.put(WEB)
    before = of(session, Written.DEPLOYMENT, done.deployment_id)
    session.ask_step(PauseDeployment(done.deployment_id))
    after = of(session, Written.DEPLOYMENT, done.deployment_id)
    assert before
    assert before != after != ""
    session.ask_step(ShareDeployment(done.deployment_id, 5.0))
    assert of(session, Written.DEPLOYMENT, done.deployment_id) not in {before, after}


def test_a_command_for_the_present_edition_is_carried_out() -> None:
    session = Session()
    session.put(WEB)
    now = of(session, Written.APP, "/web")
    restart = RestartApp("/web", force=True)
    for matches, none in ((("x", now), None), ((ANY_EDITION,), None), (None, ("x",))):
        present = of(session, Written.APP, "/web")
        listed = tuple(present if one == now else one for one in matches) if matches else None
        session.ask_step(OnlyIf(restart, Written.APP, "/web", listed, none))
        assert of(session, Written.APP, "/web") != present


def test_a_command_for_another_edition_changes_nothing_and_tells_the_present_one() -> None:
    session = Session()
    session.put(WEB)
    now = of(session, Written.APP, "/web")
    restart = RestartApp("/web", force=True)
    for matches, none in (
        (("x",), None),
        ((), None),
        (None, (now,)),
        (None, ("*",)),
        ((now,), ("*",)),
    ):
        refused = session.refused(OnlyIf(restart, Written.APP, "/web", matches, none))
        assert (refused.why, refused.subject, refused.message) == (Why.OTHER_EDITION, "/web", now)


def test_what_is_not_there_matches_nothing() -> None:
    session = Session()
    create = ChangeApps((PutApp(WEB),))
    for matches in (("x",), (ANY_EDITION,), ("",)):
        refused = session.refused(OnlyIf(create, Written.APP, "/web", matches))
        assert (refused.why, refused.message) == (Why.OTHER_EDITION, "")
    answer = session.ask(OnlyIf(create, Written.APP, "/web", None, (ANY_EDITION,)))
    assert isinstance(answer, Done)
    assert session.refused(OnlyIf(create, Written.APP, "/web", None, (ANY_EDITION,)))


def test_groups_come_after_what_is_in_them_and_the_root_comes_last() -> None:
    """Whoever has read a group's new version finds all that is in it as new."""
    session = Session()
    session.put(DB)
    changed = [
        change.id
        for change in session.ask_step(
            ChangeApps(
                (PutApp(replace(DB, instances=2)), PutApp(replace(WEB, id="/shop/a/x"))),
                force=True,
            )
        ).changes
        if change.kind in (Kind.APP, Kind.GROUP)
    ]
    assert changed == ["/shop/db", "/shop/a/x", "/shop/a", "/shop", "/"]
