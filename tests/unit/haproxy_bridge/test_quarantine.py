"""One app among many that haproxy refuses: how often haproxy is asked, and what all others get.

haproxy is stood in for by its verdict alone: a word that it does not know, and the line of it.
"""

from collections.abc import Callable, Iterable

import pytest
from msgspec.structs import replace

from haproxy_bridge.render import RenderOptions, render
from haproxy_bridge.rendered import Rendered, Trouble
from haproxy_bridge.run import quarantine
from haproxy_bridge.run.quarantine import RefusedError, Settled
from haproxy_bridge.run.state_file import Good
from haproxy_bridge.services import Policy, ServiceOptions, build
from haproxy_bridge.snapshot import App, Snapshot
from haproxy_bridge.swap.check import Refusal
from tests.unit.haproxy_bridge.made import app, snapshot

OPTIONS = ServiceOptions(policy=Policy(templates=True))
APPS = 300
BAD = "  nonsense here"


def apps(bad: Iterable[int] = (), tasks: int = 1) -> list[App]:
    marked = set(bad)
    return [
        app(
            f"/a{number:03}",
            10_000 + number,
            tasks,
            VHOST=f"h{number}.example",
            **({"BACKEND_HTTP_OPTIONS": BAD} if number in marked else {}),
        )
        for number in range(APPS)
    ]


class Haproxy:
    """``names_lines``: whether it says where what it refuses stands."""

    def __init__(self, *, names_lines: bool) -> None:
        self.asked = 0
        self._names_lines = names_lines

    def __call__(self, rendered: Rendered) -> Refusal | None:
        self.asked += 1
        lines = rendered.config.decode().splitlines()
        found = [number for number, line in enumerate(lines, 1) if "nonsense" in line]
        if not found:
            return None
        return Refusal(tuple(found) if self._names_lines else (), ("unknown keyword 'nonsense'",))


def made(whole: Snapshot) -> Rendered:
    return render(build(whole, OPTIONS), RenderOptions(log=""))


def settled(
    now: list[App], before: list[App], haproxy: Callable[[Rendered], Refusal | None]
) -> Settled:
    good = {one.id: Good(one.labels, one.ports) for one in before}
    return quarantine.settled(snapshot(*now), good, made, haproxy)


@pytest.mark.parametrize(("names_lines", "most"), [(True, 2), (False, 14)])
@pytest.mark.parametrize("known", [True, False])
def test_one_of_many_takes_few_looks(names_lines: bool, most: int, known: bool) -> None:
    haproxy = Haproxy(names_lines=names_lines)
    found = settled(apps(bad=[137], tasks=2), apps() if known else [], haproxy)
    assert haproxy.asked <= most
    (problem,) = found.problems
    assert (problem.trouble, problem.app_id) == (Trouble.REFUSED, "/a137")
    servers = {one.name: len(one.servers) for one in found.rendered.backends}
    assert len(servers) == (APPS if known else APPS - 1), "what it last was good as stays"
    assert set(servers.values()) == {2}, "of all the tasks are those of now"
    assert ("/a137" in found.good) is known
    assert b"nonsense" not in found.rendered.config


def test_several_bad_ones_are_found_in_one_look_where_lines_are_named() -> None:
    haproxy = Haproxy(names_lines=True)
    found = settled(apps(bad=range(0, 60, 6)), [], haproxy)
    assert haproxy.asked == 2
    assert len(found.rendered.backends) == APPS - 10


@pytest.mark.parametrize("known", [True, False])
def test_what_was_refused_is_not_asked_again_where_all_else_is_trusted(known: bool) -> None:
    haproxy = Haproxy(names_lines=False)
    first = settled(apps(bad=[137]), apps() if known else [], haproxy)
    haproxy.asked = 0
    assert list(first.refused) == ["/a137"]

    def again(*now: App) -> Settled:
        return quarantine.settled(
            snapshot(*now),
            first.good,
            made,
            haproxy,
            trusted=lambda rendered: rendered.structure == first.rendered.structure,
            refused=first.refused,
        )

    found = again(*apps(bad=[137], tasks=2))
    assert haproxy.asked == 0
    assert (found.problems, found.refused) == (first.problems, first.refused)
    assert {len(one.servers) for one in found.rendered.backends} == {2}
    again(*apps(bad=[137, 138]))
    assert haproxy.asked > 2, "another one is bad, too"
    haproxy.asked = 0
    found = again(*apps())
    assert (found.problems, found.refused) == ((), {})
    assert haproxy.asked == (0 if known else 1)


def test_what_stays_bad_without_any_app_is_refused() -> None:
    def never(_: Rendered) -> Refusal:
        return Refusal((), ("cannot open the certificate",))

    with pytest.raises(RefusedError, match="cannot open the certificate"):
        settled(apps()[:3], [], never)


def test_labels_that_are_not_understood_stay_as_they_last_were_unasked() -> None:
    before = app("/a", 10_000, VHOST="a.example", MAXCONN="5")
    now = app("/a", 10_000, VHOST="a.example", MAXCONN="many")
    haproxy = Haproxy(names_lines=True)
    found = settled([now], [before], haproxy)
    assert haproxy.asked == 1
    assert found.good["/a"].labels == before.labels
    assert [one.trouble for one in found.problems] == [Trouble.INVALID]


def test_old_workers_end_and_states_of_servers_are_taken_from_nobodys_file() -> None:
    config = made(snapshot(replace(app("/a"), wanted=1))).config.decode()
    assert "hard-stop-after" in config
    assert "server-state" not in config
