"""Judging and reading again and again comes to the same as doing it once, and costs only what
changed.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from haproxy_bridge.guard import GuardOptions, Judge, Memory, Panic, judge
from haproxy_bridge.rendered import Backend, Server
from haproxy_bridge.run import state_file
from haproxy_bridge.run.state_file import Applied, State
from haproxy_bridge.snapshot import App, Snapshot, Verdict
from haproxy_bridge.source import stayer
from tests.unit.haproxy_bridge.made import app, snapshot

HEALTHS = st.lists(st.sampled_from(list(Verdict)), min_size=1, max_size=2)
APP = st.tuples(HEALTHS, st.booleans(), st.booleans())
ANSWERS = st.lists(st.lists(APP, min_size=1, max_size=2), min_size=1, max_size=3)
ORDERS = st.lists(st.integers(0, 2), min_size=4, max_size=9)
OPTIONS = st.builds(
    GuardOptions,
    panic=st.sampled_from(list(Panic)),
    healthy_share=st.sampled_from([0.0, 0.6]),
    min_uptime_seconds=st.sampled_from([0.0, 2.0]),
    max_drop=st.sampled_from([0.5, 1.0]),
)


def apps_of(drawn: list[tuple[list[Verdict], bool, bool]]) -> Snapshot:
    return snapshot(*(made(number, *one) for number, one in enumerate(drawn)))


def made(number: int, healths: list[Verdict], has_checks: bool, drains: bool) -> App:
    whole = app(f"/a{number}", 10_000 + number, len(healths))
    tasks = [replace(task, health=one) for task, one in zip(whole.tasks, healths, strict=True)]
    if drains and tasks:
        tasks[0] = replace(tasks[0], draining=True)
    return replace(whole, tasks=tuple(tasks), has_checks=has_checks)


@given(ANSWERS, ORDERS, OPTIONS)
def test_the_same_comes_of_it(
    drawn: list[list[tuple[list[Verdict], bool, bool]]], order: list[int], options: GuardOptions
) -> None:
    again, one, other = Judge(options), Memory(), Memory()
    answers = [apps_of(each) for each in drawn]
    for number, which in enumerate(order):
        answer = answers[which % len(answers)]
        found = again.judge(answer, one, number * 1000)
        expected = judge(answer, other, options, number * 1000)
        assert found == expected
        one, other = found.memory, expected.memory


def test_time_alone_lets_a_task_serve() -> None:
    again, memory = Judge(GuardOptions(min_uptime_seconds=3)), Memory()
    answer = apps_of([([Verdict.UNKNOWN], False, False)])
    served = []
    for seconds in range(5):
        memory = again.judge(answer, memory, seconds * 1000).memory
        assert memory.rotation is not None
        served.append(len(memory.rotation.apps[0].tasks))
    assert served == [0, 0, 0, 1, 1]


def test_what_served_before_counts() -> None:
    """None is healthy: those serve that did. An answer that comes back meets another past."""
    again, memory = Judge(GuardOptions()), Memory()
    ill, well = apps_of([([Verdict.DOWN], True, False)]), apps_of([([Verdict.UP], True, False)])
    served = []
    for answer in (ill, ill, well, ill):
        memory = again.judge(answer, memory, 0).memory
        assert memory.rotation is not None
        served.append(len(memory.rotation.apps[0].tasks))
    assert served == [0, 0, 1, 1]


def test_an_app_that_did_not_change_is_the_same_record() -> None:
    again, answer, memory = Judge(GuardOptions()), snapshot(app("/a"), app("/b")), Memory()
    for _ in range(2):
        memory = again.judge(answer, memory, 0).memory
    before = memory.rotation
    (a, b) = answer.apps
    memory = again.judge(replace(answer, apps=(a, replace(b, wanted=9))), memory, 0).memory
    assert before is not None
    assert memory.rotation is not None
    assert memory.rotation.apps[0] is before.apps[0]
    assert memory.rotation.apps[1].wanted == 9


@given(ANSWERS, ORDERS)
def test_what_is_remembered_is_encoded_as_in_one_piece(
    drawn: list[list[tuple[list[Verdict], bool, bool]]], order: list[int]
) -> None:
    answers = [apps_of(each) for each in drawn]
    again, state, saver = Judge(GuardOptions()), State(), state_file.Saver(Path("unused"))
    for number, which in enumerate(order):
        memory = again.judge(answers[which % len(answers)], state.memory, number).memory
        server = Server("s", "10.0.0.1", 31_000 + number)
        applied = Applied("x", (Backend("a", (server,)), Backend("b")))
        state = replace(state, memory=memory, applied=applied if number % 2 else None)
        assert saver.encoded(state) == msgspec.json.encode(state)


def page(*ports: int) -> bytes:
    services = [
        {
            "id": f"/a{number}",
            "wanted": 1,
            "ports": [{"servicePort": 10_000 + number}],
            "tasks": [
                {"id": f"t{number}", "host": "h", "endpoints": [{"host": "h", "port": port}]}
            ],
        }
        for number, port in enumerate(ports)
    ]
    return msgspec.json.encode({"stateId": "s", "epoch": 1, "synced": True, "services": services})


_HOSTS = st.sampled_from(["h", "i", "10.0.0.9", ";"])
_SERVICE = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["/a", "/b", "/c", "/d"]),
        "wanted": st.integers(0, 1),
        "ports": st.lists(
            st.fixed_dictionaries({"servicePort": st.sampled_from([0, 80, 70_000])}), max_size=2
        ),
        "tasks": st.lists(
            st.fixed_dictionaries(
                {
                    "id": st.sampled_from(["1", "2"]),
                    "host": _HOSTS,
                    "endpoints": st.lists(
                        st.none()
                        | st.fixed_dictionaries({"host": _HOSTS, "port": st.just(31_000)}),
                        max_size=2,
                    ),
                }
            ),
            max_size=2,
        ),
    }
)
_PAGES = st.lists(
    st.tuples(
        st.lists(_SERVICE, max_size=4, unique_by=lambda one: str(one["id"])),
        st.dictionaries(st.sampled_from(["h", "i"]), st.sampled_from(["10.0.0.1", "10.0.0.2"])),
    ),
    max_size=6,
)


@given(_PAGES)
def test_the_same_is_read_as_the_first_time(
    drawn: list[tuple[list[dict[str, object]], dict[str, str]]],
) -> None:
    known: dict[str, str] = {}

    def addresses(hosts: Mapping[str, str]) -> Mapping[str, str]:
        return {host: known.get(host, host) for host in hosts}

    pages = stayer.Pages(addresses)
    for services, now_known in drawn:
        known.clear()
        known.update(now_known)
        content = msgspec.json.encode(
            {"stateId": "s", "epoch": 1, "synced": True, "services": services}
        )
        first = stayer.snapshot(content, "u", "", addresses)
        assert pages.snapshot(content, "u", "") == first
        for made in first.apps:
            assert all(len(task.endpoints) == len(made.ports) for task in made.tasks)


def test_names_that_are_gone_are_not_looked_up_for_ever() -> None:
    asked: list[set[str]] = []

    def addresses(hosts: Mapping[str, str]) -> Mapping[str, str]:
        asked.append(set(hosts))
        return hosts

    pages = stayer.Pages(addresses)
    for number in range(6):
        task = {"id": "t", "host": f"h{number}", "endpoints": []}
        service = {"id": "/a", "wanted": 1, "tasks": [task]}
        whole = {"stateId": "s", "epoch": 1, "synced": True, "services": [service]}
        pages.snapshot(msgspec.json.encode(whole), "u", "")
    assert max(map(len, asked)) <= 2


def test_a_service_that_reads_the_same_is_the_same_record() -> None:
    known = {"h": "10.0.0.1"}
    pages = stayer.Pages(lambda hosts: {host: known[host] for host in hosts})
    first = pages.snapshot(page(1, 2), "u", "")
    second = pages.snapshot(page(1, 3), "u", "")
    assert second.apps[0] is first.apps[0]
    assert second.apps[1] != first.apps[1]
    known["h"] = "10.0.0.2"  # the name leads elsewhere now
    third = pages.snapshot(page(1, 3), "u", "")
    endpoint = third.apps[0].tasks[0].endpoints[0]
    assert endpoint is not None
    assert endpoint.host == "10.0.0.2"
