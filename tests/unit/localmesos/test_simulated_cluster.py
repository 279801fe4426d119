"""The rules of the simulated master in time: filters, beats, retries, delays, failover."""

import pytest

from localmesos.simulated import faults
from tests.unit.localmesos.simulated_cluster import FakeMesos, FakeScheduler, Json, cpus, task


def labels(**values: str) -> Json:
    return {"labels": {"labels": [{"key": key, "value": value} for key, value in values.items()]}}


def test_a_declined_agent_returns_when_its_filter_ends() -> None:
    mesos = FakeMesos(allocation_seconds=1.0)
    scheduler = mesos.subscribe()
    scheduler.decline(scheduler.offers(), 30.0)
    mesos.pass_time(29.9)
    assert scheduler.offers() == []
    mesos.pass_time(1.2)
    assert len(scheduler.offers()) == 1


def test_a_shorter_filter_after_a_longer_one_was_forgotten_counts() -> None:
    mesos = FakeMesos()
    scheduler = mesos.subscribe()
    scheduler.decline(scheduler.offers(), 1000.0)
    mesos.pass_time(1.0)
    scheduler.call("REVIVE")
    scheduler.decline(scheduler.offers(), 5.0)
    mesos.pass_time(6.0)
    assert len(scheduler.offers()) == 1


def test_a_decline_without_filters_refuses_for_five_seconds() -> None:
    mesos = FakeMesos(allocation_seconds=0.5)
    scheduler = mesos.subscribe()
    scheduler.decline(scheduler.offers())
    mesos.pass_time(4.9)
    assert scheduler.offers() == []
    mesos.pass_time(1.0)
    assert len(scheduler.offers()) == 1


def test_no_refusal_means_the_next_beat() -> None:
    mesos = FakeMesos(allocation_seconds=1.0)
    scheduler = mesos.subscribe()
    mesos.pass_time(10.0)
    scheduler.decline(scheduler.offers(), 0.0)
    assert len(scheduler.offers()) == 1, "the last beat was long ago"
    scheduler.decline(scheduler.offers(), 0.0)
    mesos.pass_time(0.9)
    assert scheduler.offers() == []


def test_the_longest_of_several_filters_counts() -> None:
    mesos = FakeMesos(allocation_seconds=0.5)
    scheduler = mesos.subscribe()
    scheduler.accept(scheduler.offers(), [], refuse=60.0)
    scheduler.call("REVIVE")
    (offer,) = scheduler.offers()
    scheduler.accept([offer], [task(offer, "t", "exit 0")], refuse=20.0)
    scheduler.acknowledge_all()
    mesos.pass_time(1.0)
    (whole,) = scheduler.offers()
    assert cpus(whole) == 4.0, "more than the 3 that were refused"
    scheduler.decline([whole], 10.0)
    scheduler.call("REVIVE")
    scheduler.decline(scheduler.offers(), 30.0)
    mesos.pass_time(29.0)
    assert scheduler.offers() == []
    mesos.pass_time(2.0)
    assert len(scheduler.offers()) == 1


def test_a_task_that_ends_brings_an_offer_though_its_rest_was_refused() -> None:
    mesos = FakeMesos()
    scheduler = mesos.subscribe()
    (offer,) = scheduler.offers()
    scheduler.accept([offer], [task(offer, "t")], refuse=1000.0)
    scheduler.acknowledge_all()
    mesos.pass_time(100.0)
    assert scheduler.offers() == []
    mesos.do(faults.EndTask("t"))
    mesos.pass_time(1.0)
    assert [cpus(each) for each in scheduler.offers()] == [4.0]


def test_the_master_learns_of_an_end_only_with_the_update_it_is_sent() -> None:
    mesos = FakeMesos()
    scheduler = mesos.subscribe()
    (offer,) = scheduler.offers()
    scheduler.accept([offer], [task(offer, "t", "exit 0")], refuse=0.0)
    mesos.pass_time(1.0)
    assert [cpus(each) for each in scheduler.offers()] == [3.0]
    (starting,) = scheduler.statuses()
    scheduler.acknowledge(starting)
    mesos.pass_time(1.0)
    assert [cpus(each) for each in scheduler.offers()] == [1.0]


def test_an_update_is_sent_again_after_ten_twenty_and_forty_seconds() -> None:
    mesos = FakeMesos(heartbeat_seconds=1000.0)
    scheduler = mesos.subscribe()
    (offer,) = scheduler.offers()
    scheduler.accept([offer], [task(offer, "t")], refuse=1000.0)
    (first,) = scheduler.statuses()
    times = []
    for second in range(1, 80):
        mesos.pass_time(1.0)
        if again := scheduler.statuses():
            assert again == [first]
            times.append(second)
    assert times == [11, 31, 71]  # each a moment later than due, to look at many at once
    scheduler.acknowledge(first)
    (second_update,) = scheduler.statuses()
    assert second_update["state"] == "TASK_RUNNING"


def test_an_acknowledged_update_is_not_sent_again() -> None:
    mesos = FakeMesos(heartbeat_seconds=1000.0)
    scheduler = mesos.subscribe()
    (offer,) = scheduler.offers()
    scheduler.accept([offer], [task(offer, "t")], refuse=1000.0)
    assert scheduler.acknowledge_all() == ["TASK_STARTING", "TASK_RUNNING"]
    mesos.pass_time(1000.0)
    assert scheduler.statuses() == []
    assert len(mesos.cluster.retries) == 0


def test_heartbeats_come_at_their_interval() -> None:
    mesos = FakeMesos(heartbeat_seconds=15.0)
    scheduler = mesos.subscribe()
    assert len(scheduler.take("HEARTBEAT")) == 1
    mesos.pass_time(44.0)
    assert len(scheduler.take("HEARTBEAT")) == 2


def test_a_lost_framework_is_removed_after_its_failover_timeout_and_not_before() -> None:
    mesos = FakeMesos()
    first = mesos.subscribe(failover_timeout=60.0)
    (offer,) = first.offers()
    first.accept([offer], [task(offer, "t")], refuse=0.0)
    first.acknowledge_all()
    first.lose_connection()
    mesos.pass_time(59.0)
    second = mesos.subscribe(id={"value": first.framework_id}, failover_timeout=60.0)
    assert second.first[0]["type"] == "SUBSCRIBED"
    mesos.pass_time(1000.0)
    second.call("RECONCILE", reconcile={})
    assert [each["state"] for each in second.statuses()] == ["TASK_RUNNING"]
    second.lose_connection()
    mesos.pass_time(61.0)
    third = mesos.subscribe(id={"value": first.framework_id})
    assert third.first[0]["error"]["message"] == "Framework has been removed"
    other = mesos.subscribe()
    assert [cpus(each) for each in other.offers()] == [4.0], "its task was killed"


def test_each_loss_begins_the_failover_timeout_anew() -> None:
    mesos = FakeMesos()
    first = mesos.subscribe(failover_timeout=60.0)
    first.lose_connection()
    mesos.pass_time(50.0)
    same = {"id": {"value": first.framework_id}, "failover_timeout": 60.0}
    mesos.subscribe(**same).lose_connection()
    mesos.pass_time(50.0)
    assert mesos.subscribe(**same).first[0]["type"] == "SUBSCRIBED"


def test_a_delayed_start_and_a_run_time() -> None:
    mesos = FakeMesos(start_delay_seconds=5.0)
    scheduler = mesos.subscribe()
    (offer,) = scheduler.offers()
    infos = [
        task(offer, "usual"),
        task(offer, "slow", **labels(SIMULATED_START_SECONDS="20")),
        task(offer, "short", "sleep 2; exit 3", **labels(SIMULATED_START_SECONDS="0")),
    ]
    scheduler.accept([offer], infos, refuse=1000.0)
    assert sorted(scheduler.acknowledge_all()) == ["TASK_RUNNING", *["TASK_STARTING"] * 3]
    mesos.pass_time(2.5)
    (failed,) = scheduler.statuses()
    assert (failed["task_id"]["value"], failed["state"]) == ("short", "TASK_FAILED")
    assert failed["message"] == "Command exited with status 3"
    scheduler.acknowledge(failed)
    mesos.pass_time(3.0)
    (running,) = scheduler.statuses()
    assert (running["task_id"]["value"], running["state"]) == ("usual", "TASK_RUNNING")
    scheduler.acknowledge(running)
    mesos.pass_time(15.0)
    (running,) = scheduler.statuses()
    assert (running["task_id"]["value"], running["state"]) == ("slow", "TASK_RUNNING")


@pytest.mark.parametrize("kill_seconds", [0.0, 8.0])
def test_a_task_killed_while_it_starts_never_runs(kill_seconds: float) -> None:
    mesos = FakeMesos(start_delay_seconds=5.0, kill_delay_seconds=kill_seconds)
    scheduler = mesos.subscribe()
    (offer,) = scheduler.offers()
    scheduler.accept([offer], [task(offer, "t")])
    scheduler.kill("t")
    states = scheduler.acknowledge_all()
    mesos.pass_time(9.0)
    states += scheduler.acknowledge_all()
    assert states == ["TASK_STARTING", "TASK_KILLING", "TASK_KILLED"]


def test_a_kill_takes_its_time_and_works_once() -> None:
    mesos = FakeMesos(kill_delay_seconds=3.0)
    scheduler = mesos.subscribe()
    (offer,) = scheduler.offers()
    scheduler.accept([offer], [task(offer, "t")])
    scheduler.acknowledge_all()
    scheduler.kill("t")
    scheduler.kill("t")
    assert scheduler.acknowledge_all() == ["TASK_KILLING"]
    mesos.pass_time(3.0)
    assert scheduler.acknowledge_all() == ["TASK_KILLED"]


def test_a_kill_on_a_disconnected_agent_waits_for_it() -> None:
    mesos = FakeMesos()
    scheduler = mesos.subscribe(checkpoint=True)
    (offer,) = scheduler.offers()
    scheduler.accept([offer], [task(offer, "t")])
    scheduler.acknowledge_all()
    mesos.do(faults.DisconnectAgent(0))
    scheduler.kill("t")
    assert scheduler.acknowledge_all() == []
    mesos.do(faults.ReturnAgent())
    assert scheduler.acknowledge_all() == ["TASK_KILLING", "TASK_KILLED"]


def test_updates_of_an_agent_that_is_away_come_when_it_is_back() -> None:
    mesos = FakeMesos()
    scheduler = mesos.subscribe(checkpoint=True)
    (offer,) = scheduler.offers()
    scheduler.accept([offer], [task(offer, "t")])
    scheduler.acknowledge_all()
    mesos.do(faults.LoseAgent("agent1.local"))
    assert [each["state"] for each in scheduler.statuses()] == ["TASK_UNREACHABLE"]
    mesos.do(faults.EndTask("t", "TASK_FINISHED"))
    mesos.pass_time(100.0)
    assert scheduler.statuses() == []
    mesos.do(faults.ReturnAgent())
    statuses = scheduler.statuses()
    assert [each["state"] for each in statuses] == ["TASK_FINISHED", "TASK_FINISHED"]
    assert ["uuid" in each for each in statuses] == [False, True]


@pytest.mark.parametrize("aware", [True, False])
def test_only_partition_aware_tasks_come_back(aware: bool) -> None:
    mesos = FakeMesos()
    capabilities = [{"type": "MULTI_ROLE"}] + [{"type": "PARTITION_AWARE"}] * aware
    scheduler = mesos.subscribe(checkpoint=True, capabilities=capabilities)
    (offer,) = scheduler.offers()
    scheduler.accept([offer], [task(offer, "t")], refuse=0.0)
    scheduler.acknowledge_all()
    mesos.do(faults.LoseAgent(0))
    (lost,) = scheduler.statuses()
    assert lost["state"] == ("TASK_UNREACHABLE" if aware else "TASK_LOST")
    scheduler.take("OFFERS")
    mesos.do(faults.ReturnAgent(0))
    assert [each["state"] for each in scheduler.statuses()] == ["TASK_RUNNING"] * aware
    assert [cpus(each) for each in scheduler.offers()] == [3.0 if aware else 4.0]


def test_shares_are_fair_between_frameworks_and_roles() -> None:
    mesos = FakeMesos(count=12)
    first = mesos.subscribe()
    first.decline(first.offers(), 0.0)
    second = mesos.subscribe(roles=["one", "two"])
    mesos.pass_time(1.0)
    assert len(first.offers()) == 4
    roles = [each["allocation_info"]["role"] for each in second.offers()]
    assert sorted(roles) == ["one"] * 4 + ["two"] * 4


def test_too_small_a_rest_is_not_offered() -> None:
    mesos = FakeMesos(resources="cpus:1;disk:100")
    scheduler = mesos.subscribe()
    (offer,) = scheduler.offers()
    scheduler.accept([offer], [task(offer, "t", cpus=0.995)], refuse=0.0)
    mesos.pass_time(1.0)
    assert scheduler.offers() == []


def test_a_group_is_launched_whole_or_not_at_all() -> None:
    mesos = FakeMesos()
    scheduler = mesos.subscribe()
    (offer,) = scheduler.offers()

    def launch(offer_id: object, *sizes: float) -> None:
        tasks = [task(offer, f"t{number}", cpus=size) for number, size in enumerate(sizes)]
        group = {"executor": {"executor_id": {"value": "e"}}, "task_group": {"tasks": tasks}}
        operation = {"type": "LAUNCH_GROUP", "launch_group": group}
        filters = {"refuse_seconds": 0}
        accept = {"offer_ids": [offer_id], "operations": [operation], "filters": filters}
        scheduler.call("ACCEPT", accept=accept)

    launch(offer["id"], 2.0, 2.5)
    statuses = scheduler.statuses()
    assert [each["state"] for each in statuses] == ["TASK_ERROR"] * 2
    assert {each["reason"] for each in statuses} == {"REASON_TASK_GROUP_INVALID"}
    mesos.pass_time(1.0)
    (offer,) = scheduler.offers()
    launch(offer["id"], 2.0, 2.0)
    assert sorted(scheduler.acknowledge_all()) == ["TASK_RUNNING"] * 2 + ["TASK_STARTING"] * 2


def test_an_operation_with_an_id_that_is_not_supported_is_answered() -> None:
    mesos = FakeMesos()
    scheduler = mesos.subscribe()
    (offer,) = scheduler.offers()
    operations = [{"type": "RESERVE", "id": {"value": "op"}}, {"type": "RESERVE"}]
    scheduler.call("ACCEPT", accept={"offer_ids": [offer["id"]], "operations": operations})
    (event,) = scheduler.take("UPDATE_OPERATION_STATUS")
    status = event["update_operation_status"]["status"]
    assert (status["operation_id"]["value"], status["state"]) == ("op", "OPERATION_ERROR")


def test_forgotten_frameworks_and_tasks_are_bounded() -> None:
    mesos = FakeMesos(max_completed=3)
    scheduler = mesos.subscribe()
    for number in range(5):
        (offer,) = scheduler.offers()
        scheduler.accept([offer], [task(offer, f"t{number}", "exit 0")], refuse=0.0)
        scheduler.acknowledge_all()
        mesos.pass_time(1.0)
        scheduler.decline(scheduler.offers(), 0.0)
        mesos.pass_time(1.0)
    framework = mesos.cluster.frameworks[scheduler.framework_id]
    assert [each[0] for each in framework.completed] == ["t2", "t3", "t4"]
    for _ in range(5):
        mesos.subscribe().lose_connection()
    assert len(mesos.cluster.removed) == 3


def test_a_new_agent_is_offered_at_once() -> None:
    mesos = FakeMesos()
    scheduler: FakeScheduler = mesos.subscribe()
    scheduler.offers()
    fault = faults.AddAgent("new.local", "rack:r9", "cpus:1;mem:64", "eu", "eu-1")
    added = mesos.do(fault)
    (offer,) = scheduler.offers()
    assert offer["agent_id"]["value"] == added["agent_id"]
    assert offer["domain"] == {"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "eu-1"}}}


def test_rescinded_offers_are_void_and_made_anew() -> None:
    mesos = FakeMesos(count=2)
    scheduler = mesos.subscribe()
    held = scheduler.offers()
    mesos.do(faults.RescindOffers(0))
    (rescind,) = scheduler.take("RESCIND")
    first = next(offer for offer in held if offer["hostname"] == "agent1.local")
    assert rescind["rescind"]["offer_id"] == first["id"]
    scheduler.accept([first], [task(first, "t")])
    assert [each["state"] for each in scheduler.statuses()] == ["TASK_DROPPED"]
    mesos.pass_time(1.0)
    assert [each["hostname"] for each in scheduler.offers()] == ["agent1.local"]


def test_tasks_that_ran_before_their_framework_came_are_its_own() -> None:
    mesos = FakeMesos(2, "cpus:4;ports:[1-9]")
    mesos.do(faults.AddTasks("old", 0, {"a": "cpus:1;ports:[2-2]", "b": "cpus:0.5;ports:[9-9]"}))
    mesos.do(faults.AddTasks("old", "agent2.local", {"c": "cpus:4"}))
    scheduler = mesos.subscribe(id={"value": "old"}, user="me", failover_timeout=60.0)
    assert scheduler.framework_id == "old"
    free = {offer["hostname"]: offer for offer in scheduler.offers()}
    assert list(free) == ["agent1.local"]
    assert cpus(free["agent1.local"]) == 2.5
    held = [each["ranges"]["range"] for each in free["agent1.local"]["resources"][1:]]
    assert held == [[{"begin": 1, "end": 1}, {"begin": 3, "end": 8}]]
    scheduler.call("RECONCILE", reconcile={"tasks": []})
    answers = {each["task_id"]["value"]: each for each in scheduler.statuses()}
    assert {(task_id, each["state"]) for task_id, each in answers.items()} == {
        ("a", "TASK_RUNNING"),
        ("b", "TASK_RUNNING"),
        ("c", "TASK_RUNNING"),
    }
    assert answers["a"]["agent_id"] == free["agent1.local"]["agent_id"]
    scheduler.kill("a")
    assert scheduler.acknowledge_all() == ["TASK_KILLING", "TASK_KILLED"]
    scheduler.decline(list(free.values()), 0.0)
    mesos.pass_time(1.0)
    assert sum(cpus(offer) for offer in scheduler.offers()) == 3.5


def test_tasks_that_can_not_run_all_do_not_run_at_all() -> None:
    mesos = FakeMesos(1, "cpus:4;ports:[1-9]")
    with pytest.raises(ValueError, match=r"no room on agent1\.local for 'b'"):
        mesos.do(faults.AddTasks("old", 0, {"a": "ports:[2-2]", "b": "ports:[2-2]"}))
    mesos.do(faults.AddTasks("old", 0, {"a": "ports:[2-2]"}))
    with pytest.raises(ValueError, match="a task 'a' already"):
        mesos.do(faults.AddTasks("old", 0, {"b": "cpus:1", "a": "cpus:1"}))
    assert mesos.do(faults.Stats())["tasks"] == 1
    (offer,) = mesos.subscribe(id={"value": "old"}).offers()
    assert cpus(offer) == 4.0


WRONG_FAULTS: list[faults.Fault] = [
    faults.LoseAgent("nobody"),
    faults.LoseAgent(7),
    faults.EndTask("nobody"),
    faults.DropStreams("nobody"),
    faults.RefuseCalls(307),
    faults.AddAgent("x", resources="cpus"),
    faults.AddTasks("", 0, {"t": "cpus:1"}),
    faults.AddTasks("x", 0, {"t": "cpus"}),
    faults.AddTasks("x", 7, {"t": "cpus:1"}),
]


@pytest.mark.parametrize("fault", WRONG_FAULTS)
def test_a_fault_that_cannot_be_says_so(fault: faults.Fault) -> None:
    with pytest.raises(ValueError, match=r"no agent|no task|no framework|needs a|cannot read"):
        FakeMesos().do(fault)
