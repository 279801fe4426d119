"""What the whole of the apps says about one that is put: ids, ports, versions, history."""

import pytest

from framework.core.consistency import check_state
from framework.core.policy import Policy
from framework.domain.app import App, Container, Network, NetworkMode, PortDefinition, PortMapping
from framework.domain.clock import iso
from framework.domain.events import ChangeApps, PutApp
from framework.domain.groups import Group
from framework.domain.instance import Goal
from framework.domain.mesos import TaskState
from framework.domain.records import replace
from framework.domain.replies import Why
from framework.domain.state import Kind
from framework.store.codec import Codec
from tests.unit.core.session import START_MS, WEB, Session, agent, killed, status_of

FEW_PORTS = Policy(local_port_min=100, local_port_max=104)


def with_ports(app_id: str, *ports: int) -> App:
    return replace(WEB, id=app_id, port_definitions=tuple(map(PortDefinition, ports)))


def service_ports(session: Session, app_id: str) -> tuple[int, ...]:
    return session.state.apps[app_id].service_ports


# -- service ports -----------------------------------------------------------------------------


def test_zero_becomes_the_lowest_free_port() -> None:
    session = Session(FEW_PORTS)
    session.put(with_ports("/a", 0, 102, 0), with_ports("/b", 0))
    assert service_ports(session, "/a") == (100, 102, 101)
    assert service_ports(session, "/b") == (103,)


def test_a_changed_app_keeps_the_ports_it_was_given() -> None:
    session = Session(FEW_PORTS)
    session.put(with_ports("/other", 0))
    session.put(with_ports("/a", 0, 0))
    assert service_ports(session, "/a") == (101, 102)
    session.put(replace(with_ports("/a", 0), cmd="better"), force=True)
    assert service_ports(session, "/a") == (101,)
    session.put(with_ports("/a", 101, 0), force=True)
    assert service_ports(session, "/a") == (101, 102), "100 is another's"


def test_a_port_outside_the_range_is_not_kept_for_zero() -> None:
    session = Session(FEW_PORTS)
    session.put(with_ports("/a", 8080))
    session.put(with_ports("/a", 0), force=True)
    assert service_ports(session, "/a") == (100,)


def test_chosen_ports_are_taken_as_they_are_even_twice() -> None:
    session = Session(FEW_PORTS)
    session.put(with_ports("/a", 100))
    session.put(with_ports("/b", 100, 0))
    assert service_ports(session, "/b") == (100, 101)


def test_ports_of_a_removed_app_are_free_again() -> None:
    session = Session(FEW_PORTS)
    session.put(with_ports("/a", 0, 0, 0, 0))
    session.ask(ChangeApps(removes=("/a",), force=True))
    session.put(with_ports("/b", 0))
    assert service_ports(session, "/b") == (100,)


def test_when_none_is_left_the_whole_change_is_refused() -> None:
    session = Session(FEW_PORTS)
    session.put(with_ports("/a", 0, 0))
    refused = session.refused(
        ChangeApps((PutApp(with_ports("/b", 0, 0)), PutApp(with_ports("/c", 0))))
    )
    assert refused.why is Why.PORTS_EXHAUSTED
    assert refused.message == "All ports in the range [100-104) are already in use"


def test_port_mappings_get_service_ports_too() -> None:
    session = Session(FEW_PORTS)
    mappings = (PortMapping(80, 0), PortMapping(81, None, 103))
    bridge = (Network(NetworkMode.BRIDGE),)
    container = Container(port_mappings=mappings)
    session.put(App(id="/a", networks=bridge, container=container))
    assert service_ports(session, "/a") == (100, 103)
    assert session.state.apps["/a"].port_mappings[0].container_port == 80


# -- versions ----------------------------------------------------------------------------------


def test_a_new_app_is_stamped_with_the_moment() -> None:
    session = Session()
    done = session.put(WEB)
    app = session.state.apps["/web"]
    assert done.version == app.version == app.last_scaling_at == app.last_config_change_at
    assert app.version == app.created_at == iso(START_MS)
    assert done.apps == (app,)


def test_a_new_count_is_a_new_version_of_the_same_configuration() -> None:
    session = Session()
    session.put(WEB)
    first = session.state.apps["/web"]
    session.wait(5)
    session.put(replace(WEB, instances=2), force=True)
    app = session.state.apps["/web"]
    assert app.version == app.last_scaling_at == iso(START_MS + 5_000)
    assert app.last_config_change_at == first.version


def test_a_new_configuration_is_stamped_as_a_whole() -> None:
    session = Session()
    session.put(WEB)
    session.wait(5)
    session.put(replace(WEB, cmd="better"), force=True)
    app = session.state.apps["/web"]
    stamps = {app.version, app.last_scaling_at, app.last_config_change_at}
    assert stamps == {iso(START_MS + 5_000)}


def test_an_app_is_as_old_as_its_name() -> None:
    session = Session()
    session.put(WEB)
    session.wait(5)
    session.put(replace(WEB, cmd="better"), force=True)
    session.wait(5)
    session.put(replace(WEB, cmd="better", instances=2), force=True)
    assert session.state.apps["/web"].created_at == iso(START_MS)
    other = Session()
    other.put(WEB)
    undated = replace(other.state.apps["/web"], created_at="")
    other.state.apps["/web"] = other.state.versions_of["/web"][undated.version] = undated
    other.wait(5)
    other.put(WEB)
    assert other.state.apps["/web"] == undated
    other.put(replace(WEB, instances=2), force=True)
    assert other.state.apps["/web"].created_at == iso(START_MS)


def test_what_says_nothing_new_changes_nothing() -> None:
    session = Session()
    session.running(WEB, agent(1))
    first = session.state.apps["/web"]
    session.wait(5)
    done = session.put(WEB)
    assert session.state.apps["/web"] is first
    assert session.last.changes == ()
    assert done.apps == (first,)
    assert session.state.deployments == {}


def test_versions_differ_and_grow_whatever_the_clock_does() -> None:
    session = Session()
    seen = []
    for count in range(5):
        session.now_ms -= 10_000
        seen.append(session.put(replace(WEB, instances=count), force=True).version)
    session.restart(seconds_later=-100)
    session.connect()
    seen.append(session.put(replace(WEB, instances=9), force=True).version)
    assert seen == sorted(set(seen))


def test_the_history_is_bounded_and_the_newest_stay() -> None:
    session = Session(Policy(zk_max_versions=3))
    made = [session.put(replace(WEB, instances=n), force=True).version for n in range(6)]
    assert sorted(session.state.versions_of["/web"]) == made[-3:]
    assert session.state.versions_of["/web"][made[-2]].instances == 4


def test_the_definitions_of_a_removed_app_go_with_its_last_mention_in_the_history() -> None:
    session = Session(Policy(zk_max_versions=3))
    session.put(WEB)
    session.ask(ChangeApps(removes=("/web",), force=True))
    for number in range(3):
        assert "/web" in session.state.versions_of, "a revert could still ask for it"
        session.put(replace(WEB, id="/other", instances=number), force=True)
    assert "/web" not in session.state.versions_of


# -- which puts are refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("existing", "put"),
    [("/a/b", "/a"), ("/a/b/c", "/a"), ("/a", "/a/b"), ("/a", "/a/b/c")],
)
def test_an_app_is_no_group(existing: str, put: str) -> None:
    session = Session()
    session.put(replace(WEB, id=existing))
    refused = session.refused(ChangeApps((PutApp(replace(WEB, id=put)),)))
    assert refused.why is Why.INVALID
    assert refused.details == (
        ("/id", "Groups and Applications may not have the same identifier."),
    )


@pytest.mark.parametrize(("existing", "put"), [("/a/b", "/a/c"), ("/ab", "/a"), ("/a", "/ab/c")])
def test_neighbours_are_no_groups(existing: str, put: str) -> None:
    session = Session()
    session.put(replace(WEB, id=existing))
    session.put(replace(WEB, id=put))
    assert set(session.state.apps) == {existing, put}


def test_a_path_is_free_again_when_its_apps_are_gone() -> None:
    session = Session()
    session.put(replace(WEB, id="/a/b"), replace(WEB, id="/a/c"))
    session.ask(ChangeApps(removes=("/a/b",), force=True))
    assert session.refused(ChangeApps((PutApp(replace(WEB, id="/a")),))).why is Why.INVALID
    session.ask(ChangeApps(removes=("/a/c",), force=True))
    assert "/a" in session.state.groups
    session.put(replace(WEB, id="/a"))
    assert set(session.state.groups) == {"/"}, "nothing is an app and a group"


@pytest.mark.parametrize(
    ("exists", "expected", "why"),
    [
        (True, "", Why.APP_EXISTS),
        (True, "2000-01-01T00:00:00.000Z", Why.CHANGED_MEANWHILE),
        (False, "2000-01-01T00:00:00.000Z", Why.APP_UNKNOWN),
        (True, iso(START_MS), None),
        (True, None, None),
        (False, "", None),
        (False, None, None),
    ],
)
def test_expected_version(
    exists: bool,
    expected: str | None,
    why: Why | None,
) -> None:
    session = Session()
    if exists:
        session.put(WEB)
    command = ChangeApps((PutApp(replace(WEB, cmd="new"), expected),), force=True)
    if why is None:
        session.ask(command)
        assert session.state.apps["/web"].cmd == "new"
    else:
        assert session.refused(command).why is why


def test_one_bad_put_refuses_all() -> None:
    session = Session()
    session.put(WEB)
    puts = (PutApp(replace(WEB, id="/new")), PutApp(replace(WEB, cmd="x"), ""))
    assert session.refused(ChangeApps(puts)).why is Why.APP_EXISTS
    removes = ChangeApps((PutApp(replace(WEB, id="/new")),), removes=("/web", "/none"))
    assert session.refused(removes).why is Why.APP_UNKNOWN


def test_removing_stops_every_instance_and_forgets_all_about_the_app() -> None:
    session = Session()
    both = session.running(replace(WEB, instances=2), agent(1))
    session.ask(ChangeApps(removes=("/web",)))
    assert sorted(killed(session.last)) == sorted(one.task_id for one in both)
    assert "/web" not in session.state.apps
    assert all(one.goal is Goal.DECOMMISSIONED for one in session.instances())
    session.step(*(status_of(one, TaskState.KILLED) for one in session.instances()))
    assert session.instances() == []
    assert session.world.apps == {}


# -- the history of the tree -------------------------------------------------------------------


def test_a_change_of_any_number_of_apps_is_kept_in_records_of_bounded_size() -> None:
    session = Session(Policy(zk_max_versions=2))
    apps = [replace(WEB, id=f"/group/{'long-' * 30}{n}", instances=0) for n in range(1_500)]
    first = session.put(*apps).version
    session.wait(1)
    second = session.put(*(replace(app, cmd="sleep 2") for app in apps)).version
    codec = Codec()
    parts = [one for one in session.last.changes if one.kind is Kind.TREE_CHANGE]
    assert len(parts) > 1
    assert all(codec.encode(one) for one in session.last.changes)
    kept = session.state.tree_changes.values()
    parts_kept = [one.apps_before for one in kept if one.version == second]
    before = {key: was for part in parts_kept for key, was in part.items()}
    assert before == {app.id: first for app in apps}
    assert not [one for one in check_state(session.state) if one.wrong]


def test_of_a_change_that_is_forgotten_every_part_goes() -> None:
    session = Session(Policy(zk_max_versions=2))
    session.put(*(replace(WEB, id=f"/{'long-' * 30}{n}", instances=0) for n in range(800)))
    for instances in (2, 3):
        assert len({one.version for one in session.state.tree_changes.values()}) == instances - 1
        session.wait(1)
        session.put(replace(WEB, instances=instances), force=True)
    assert len(session.state.tree_changes) == 2


def test_a_group_that_could_not_be_stored_is_refused() -> None:
    session = Session()
    many = Group("/a", "", tuple(f"/{'long-' * 30}{n}" for n in range(2_000)))
    assert session.refused(ChangeApps(groups=(many,))).details[0][0] == "/dependencies"


def test_a_clock_that_went_back_makes_no_change_older_than_one_of_groups_only() -> None:
    session = Session()
    session.put(WEB)
    session.wait(5)
    session.ask_step(ChangeApps(groups=(Group("/a", ""),)))
    session.restart(seconds_later=-4)
    session.ask_step(ChangeApps(groups=(Group("/b", ""),)))
    assert session.state.groups["/b"].version == max(session.state.tree_changes)
    assert session.state.groups["/a"].version < session.state.groups["/b"].version
