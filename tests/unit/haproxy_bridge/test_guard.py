"""The guard: what serves, and when an answer that takes servers away is not believed."""

from msgspec.structs import replace

from haproxy_bridge.guard import GuardOptions, Judged, Memory, Panic, judge
from haproxy_bridge.snapshot import App, Endpoint, Snapshot, Task, Verdict

OPTIONS = GuardOptions()


def task(name: str, health: Verdict = Verdict.UP, **fields: object) -> Task:
    made = Task(name, "h1", (Endpoint("h1", 31000),), health=health)
    return replace(made, **fields)


def app(name: str, *tasks: Task, wanted: int | None = None, has_checks: bool = True) -> App:
    count = len(tasks) if wanted is None else wanted
    return App(name, tasks=tasks, wanted=count, has_checks=has_checks)


def plain(name: str, count: int, wanted: int | None = None) -> App:
    return app(name, *(task(f"{name}.{n}") for n in range(count)), wanted=wanted)


def snapshot(*apps: App, state_id: str = "s", epoch: int = 1, synced: bool = True) -> Snapshot:
    return Snapshot(tuple(apps), state_id=state_id, epoch=epoch, synced=synced)


def marathon(*apps: App) -> Snapshot:
    return snapshot(*apps, state_id="", epoch=0)


def after(*snapshots: Snapshot, options: GuardOptions = OPTIONS, step_ms: int = 60_000) -> Judged:
    """The last of these answers judged, one a minute."""
    memory, now_ms = Memory(), 1_000_000
    for each in snapshots:
        judged = judge(each, memory, options, now_ms)
        memory, now_ms = judged.memory, now_ms + step_ms
    return judged


def names(judged: Judged) -> list[str]:
    assert judged.snapshot is not None, judged.why
    return [one.id for each in judged.snapshot.apps for one in each.tasks]


def test_the_first_answer_is_believed_even_if_it_is_empty() -> None:
    assert names(after(marathon())) == []
    assert names(after(snapshot(plain("/a", 2)))) == ["/a.0", "/a.1"]


def test_an_empty_answer_of_a_marathon_is_held_until_it_came_for_two_minutes() -> None:
    full, empty = marathon(plain("/a", 4)), marathon()
    for count in (1, 2):
        judged = after(full, *[empty] * count)
        assert judged.snapshot is None
        assert judged.why == "4 of 4 servers are gone without a reason"
    assert names(after(full, *[empty] * 3)) == []


def test_quick_repetitions_are_no_proof() -> None:
    full, empty = marathon(plain("/a", 4)), marathon()
    assert after(full, *[empty] * 20, step_ms=1_000).snapshot is None


def test_another_answer_begins_the_hold_anew() -> None:
    full, empty = marathon(plain("/a", 4)), marathon()
    other = marathon(plain("/b", 1))
    assert after(full, empty, empty, other).snapshot is None
    assert after(full, empty, empty, other, other, other).snapshot is not None


def test_half_of_the_servers_may_go_and_more_may_not() -> None:
    full = snapshot(plain("/a", 10))
    assert len(names(after(full, snapshot(plain("/a", 5, wanted=10))))) == 5
    assert after(full, snapshot(plain("/a", 4, wanted=10))).snapshot is None


def test_what_was_scaled_down_or_removed_is_a_reason() -> None:
    full = snapshot(plain("/a", 10), plain("/b", 10))
    assert len(names(after(full, snapshot(plain("/a", 1), plain("/b", 2))))) == 3
    assert names(after(full, snapshot())) == []
    assert after(marathon(*full.apps), marathon()).snapshot is None


def test_what_drained_is_not_missed() -> None:
    tasks = [task(f"/a.{n}") for n in range(5)]
    leaving = [replace(one, draining=True) for one in tasks[1:]]
    full, drains = app("/a", *tasks), app("/a", tasks[0], *leaving, wanted=1)
    gone = app("/a", tasks[0], wanted=1)
    assert names(after(marathon(full), marathon(drains), marathon(gone))) == ["/a.0"]
    all_leave = app("/a", *(replace(one, draining=True) for one in tasks), wanted=5)
    assert names(after(marathon(full), marathon(all_leave), marathon(app("/a", wanted=5)))) == []


def test_a_removal_is_not_believed_of_a_leader_that_is_not_synced() -> None:
    full = snapshot(plain("/a", 2), plain("/b", 1))
    half = snapshot(plain("/a", 1, wanted=2), epoch=2, synced=False)
    assert sorted(names(after(full, half))) == ["/a.0", "/a.1", "/b.0"]


def test_another_state_is_held() -> None:
    full = snapshot(plain("/a", 2))
    judged = after(full, snapshot(plain("/a", 2), state_id="t"))
    assert judged.snapshot is None
    assert "another one (t)" in judged.why
    assert len(names(after(full, *[snapshot(plain("/a", 2), state_id="t")] * 3))) == 2, "not ever"


def test_an_older_epoch_of_the_same_state_is_never_believed() -> None:
    new, old = snapshot(plain("/a", 2), epoch=5), snapshot(plain("/a", 3), epoch=4)
    assert after(new, *[old] * 10).snapshot is None


def test_force_believes() -> None:
    memory = after(marathon(plain("/a", 4))).memory
    assert names(judge(marathon(), memory, OPTIONS, 2_000_000, force=True)) == []


def test_unknown_health_keeps_the_last_verdict_of_the_same_task() -> None:
    known = snapshot(app("/a", task("/a.0"), task("/a.1", Verdict.DOWN)))
    unsure = snapshot(
        app("/a", *(task(f"/a.{n}", Verdict.UNKNOWN) for n in range(3))),
    )
    assert names(after(known, unsure)) == ["/a.0"]
    again = snapshot(app("/a", task("/a.0", Verdict.DOWN), task("/a.1")))
    assert names(after(known, unsure, again)) == ["/a.1"]


def test_without_checks_what_runs_serves_once_it_ran_long_enough() -> None:
    new = app("/a", task("/a.0", Verdict.UNKNOWN, started_at_ms=990_000), has_checks=False)
    assert names(after(snapshot(new))) == ["/a.0"]
    assert names(after(snapshot(new), options=GuardOptions(min_uptime_seconds=11))) == []
    assert names(after(snapshot(new), options=GuardOptions(min_uptime_seconds=10))) == ["/a.0"]
    later = app("/a", task("/a.0", Verdict.UNKNOWN, started_at_ms=1_000_900), has_checks=False)
    assert names(after(snapshot(later))) == ["/a.0"]  # another machine's clock is ahead


def test_not_ready_never_serves() -> None:
    one = app("/a", task("/a.0", ready=False), task("/a.1", ready=True))
    assert names(after(snapshot(one), options=GuardOptions(panic=Panic.ALL))) == ["/a.1"]


def test_draining_tasks_stay_and_are_marked() -> None:
    judged = after(snapshot(app("/a", task("/a.0", draining=True), task("/a.1"))))
    assert judged.snapshot is not None
    assert [one.draining for one in judged.snapshot.apps[0].tasks] == [True, False]


def test_out_of_reach_stays_only_if_it_served() -> None:
    before = snapshot(app("/a", task("/a.0"), task("/a.1", Verdict.DOWN)))
    away = snapshot(
        app("/a", task("/a.0", reachable=False), task("/a.1", reachable=False), task("/a.2"))
    )
    assert names(after(before, away)) == ["/a.0", "/a.2"]


def test_an_app_without_healthy_tasks_is_served_as_the_operator_says() -> None:
    good = snapshot(app("/a", task("/a.0"), task("/a.1", Verdict.DOWN)))
    sick = snapshot(app("/a", task("/a.0", Verdict.DOWN), task("/a.1", Verdict.DOWN)))
    expected = {Panic.KEEP_LAST: ["/a.0"], Panic.ALL: ["/a.0", "/a.1"], Panic.NONE: []}
    for panic, served in expected.items():
        options = GuardOptions(panic=panic, max_drop=1.0)
        memory = after(good, options=options).memory
        assert names(judge(sick, memory, options, 2_000_000, force=True)) == served


def test_too_few_healthy_ones_are_helped_by_the_others() -> None:
    tasks = [task(f"/a.{n}", Verdict.UP if n == 0 else Verdict.DOWN) for n in range(4)]
    options = GuardOptions(healthy_share=0.3)
    assert len(names(after(snapshot(app("/a", *tasks)), options=options))) == 4
    assert len(names(after(snapshot(app("/a", *tasks))))) == 1


def test_a_hold_leaves_the_memory_of_what_serves() -> None:
    full = marathon(plain("/a", 4))
    held = after(full, marathon())
    assert held.memory.rotation == full
    assert names(judge(full, held.memory, OPTIONS, 2_000_000)) == [f"/a.{n}" for n in range(4)]
    assert judge(full, held.memory, OPTIONS, 2_000_000).memory.held is None
