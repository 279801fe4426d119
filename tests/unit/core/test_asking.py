"""What we ask of Mesos: offers while something waits, silence when nothing does."""

from framework.core.policy import Policy
from framework.domain.actions import Action, Revive, Suppress, UpdateRoles
from framework.domain.app import App, UpgradeStrategy
from framework.domain.events import Disconnected, TimerFired
from framework.domain.instance import Goal
from framework.domain.mesos import TaskState
from framework.domain.records import replace
from tests.unit.core.session import WEB, Session, agent, launches, of_type, status_of

POLICY = Policy(min_revive_offers_interval=100, max_revive_offers_interval=8_000)


def settled(policy: Policy = POLICY) -> Session:
    """Connected with nothing to do, and the last revive long ago."""
    session = Session(policy)
    session.wait(10)
    return session


def moments(session: Session, seconds: float) -> list[float]:
    """When offers are asked for in that time, in seconds from now."""
    begin_ms, until_ms = session.now_ms, session.now_ms + round(seconds * 1000)
    seen = []
    while (wake_at_ms := session.last.wake_at_ms) is not None and wake_at_ms <= until_ms:
        session.now_ms = max(session.now_ms, wake_at_ms)
        decided = session.step(TimerFired())
        seen += [(session.now_ms - begin_ms) / 1000] * len(of_type(decided.actions, Revive))
    session.now_ms = until_ms
    return seen


def asked(actions: tuple[Action, ...]) -> list[Action]:
    """What concerns offers among the actions."""
    return [one for one in actions if isinstance(one, Revive | Suppress | UpdateRoles)]


def test_with_nothing_waiting_a_new_subscription_is_suppressed_at_once() -> None:
    session = Session(POLICY, connected=False)
    session.restart()
    decided = session.connect()
    assert asked(decided.actions)[-1] == Suppress(("*",))
    assert session.wait(100) == []


def test_new_need_asks_at_once_and_satisfied_need_ends_it() -> None:
    session = settled()
    session.put(WEB)
    assert asked(session.last.actions) == [Revive(("*",))]
    decided = session.offer(session.offer_of(agent(1)))
    assert asked(decided.actions) == [Suppress(("*",))]


def test_need_after_need_is_asked_for_once_an_interval() -> None:
    session = settled()
    for number in range(20):
        session.put(replace(WEB, id=f"/app{number}"))
        session.now_ms += 1
    revives = [r for decided in session.steps for r in of_type(decided.actions, Revive)]
    assert len(revives) == 1
    assert moments(session, 0.2) == [0.08], "a revive that was held back follows"


def test_unmet_need_is_asked_for_at_growing_intervals() -> None:
    session = settled()
    session.put(WEB)
    assert moments(session, 32) == [1, 3, 7, 15, 23, 31]


def test_met_need_is_not_asked_for_any_more() -> None:
    session = settled()
    session.put(WEB)
    session.offer(session.offer_of(agent(1)))
    session.status(session.only(), TaskState.RUNNING)
    assert moments(session, 60) == []


def test_new_need_begins_the_intervals_anew() -> None:
    session = settled()
    session.put(WEB)
    session.wait(20)
    session.put(replace(WEB, id="/other"))
    assert of_type(session.last.actions, Revive) == [Revive(("*",))]
    assert moments(session, 8) == [1, 3, 7]


def test_an_app_in_back_off_needs_nothing_until_it_is_over() -> None:
    session = Session(POLICY)
    session.running(replace(WEB, backoff_seconds=10), agent(1))
    session.wait(5)
    session.status(session.only(), TaskState.FAILED)
    assert of_type(session.last.actions, Revive) == []
    assert moments(session, 12) == [10, 11]


def test_roles_are_asked_for_apart() -> None:
    session = settled()
    dev = replace(WEB, id="/dev", role="dev", accepted_resource_roles=("dev",))
    session.put(dev)
    assert asked(session.last.actions) == [UpdateRoles(("*", "dev"), ("*",)), Revive(("dev",))]
    session.wait(1)
    session.put(WEB)
    assert asked(session.last.actions) == [Revive(("*",))]
    decided = session.offer(session.offer_of(agent(1)))
    assert asked(decided.actions) == [Suppress(("*",))]
    decided = session.offer(session.offer_of(agent(1), role="dev"))
    assert asked(decided.actions) == [], "its entries are unreserved, the app takes reserved ones"


def test_all_roles_are_named_to_each_new_subscription() -> None:
    session = settled()
    apps = [App(id=f"/{role}", role=role) for role in ("ops", "dev")]
    session.put(*apps)
    session.step(Disconnected("cut"))
    session.put(App(id="/new", role="new"))
    decided = session.connect()
    assert of_type(decided.actions, UpdateRoles) == [UpdateRoles(("*", "dev", "new", "ops"), ())]
    assert sorted(of_type(decided.actions, Revive), key=str) == [
        Revive(("dev",)),
        Revive(("new",)),
        Revive(("ops",)),
    ]


def test_old_instances_are_wanted_in_their_role_though_no_definition_names_it() -> None:
    old = replace(WEB, role="prod", instances=2, upgrade_strategy=UpgradeStrategy(canary=1))
    session = Session(POLICY)
    session.put(old)
    session.offer(*(session.offer_of(agent(number), role="prod") for number in (1, 2)))
    session.step(*(status_of(one, TaskState.RUNNING) for one in session.instances()))
    session.put(replace(old, role="*", cmd="sleep 2"))
    session.offer(session.offer_of(agent(3)))
    session.status(session.instances()[-1], TaskState.RUNNING)
    (kept,) = (
        one for one in session.instances() if one.goal is Goal.RUNNING and one.role == "prod"
    )
    session.restart()
    session.connect()
    session.status(kept, TaskState.FAILED)
    actions = session.wait(5)
    assert of_type(actions, UpdateRoles)[-1].roles == ("*", "prod")
    assert [one.task_id for one in launches(session.offer(session.offer_of(agent(1), role="prod")))]


def test_disconnected_nothing_is_asked() -> None:
    session = settled()
    session.step(Disconnected("cut"))
    session.put(WEB)
    assert session.last.actions == ()
    assert moments(session, 60) == []
