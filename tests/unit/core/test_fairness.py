"""A thousand apps deploy at once, and a tenth of them fits nowhere: all others make progress with
each round of offers, and all end."""

from collections import Counter

from framework.core.policy import Policy
from framework.domain.actions import Kill
from framework.domain.app import App, UpgradeStrategy
from framework.domain.events import Event, OffersReceived, TaskStatusReceived
from framework.domain.mesos import Offer, OfferResource, TaskState, TaskStatus
from framework.domain.records import replace
from tests.unit.core.session import PLENTY, WEB, Session, agent, launches, of_type

APPS, EACH = 1_000, 3
AGENTS, ROOM = 50, 12  # so many tasks a round
ROUNDS = -(-APPS * EACH * 9 // (10 * AGENTS * ROOM))  # if none is wasted
STRATEGY = UpgradeStrategy(minimum_health_capacity=0.5, maximum_over_capacity=0)
SMALL = replace(WEB, instances=EACH, mem_millis=1_000, upgrade_strategy=STRATEGY)


def app(number: int, cmd: str = "sleep 1") -> App:
    """Every tenth fits nowhere."""
    nowhere = number % 10 == 0
    return replace(
        SMALL, id=f"/app{number}", cmd=cmd, cpus_millis=10**9 if nowhere else SMALL.cpus_millis
    )


FITTING = [app(number).id for number in range(APPS) if number % 10]
NOWHERE = {app(number).id for number in range(0, APPS, 10)}


class Cluster:
    """Agents with little room. Their tasks start and end as they are told; and once offers are
    asked for, each agent makes one, which is a round."""

    def __init__(self) -> None:
        self.session = Session(Policy(max_running_deployments=APPS))
        self.launched: list[Counter[str]] = []  # by round
        self._answered = 0  # so many of the session's steps

    def until_nothing_fits(self, most_rounds: int) -> None:
        """Round after round; AssertionError when it takes more."""
        self.launched = []
        while self._round():
            assert len(self.launched) <= most_rounds, "there is no end"

    def _round(self) -> bool:
        """Whether it was of use."""
        self.launched.append(Counter())
        self.session.wait(1)
        offers = OffersReceived(tuple(self._offer(number) for number in range(AGENTS)))
        said: list[Event] = [offers, *self._answers()]
        while said:
            self.session.step(*said)
            said = self._answers()
        return bool(self.launched[-1])

    def _answers(self) -> list[Event]:
        """What Mesos says to all that it was told since it was asked last."""
        steps = self.session.steps[self._answered :]
        self._answered += len(steps)
        started = [one for decided in steps for one in launches(decided)]
        self.launched[-1].update(one.app.id for one in started)
        killed = [one for decided in steps for one in of_type(decided.actions, Kill)]
        ran = [_told(one.task_id, one.agent.id, TaskState.RUNNING) for one in started]
        return [*ran, *(_told(one.task_id, one.agent_id, TaskState.KILLED) for one in killed)]

    def _offer(self, number: int) -> Offer:
        room = (
            OfferResource("cpus", ROOM * SMALL.cpus_millis),
            OfferResource("mem", 10**9),
            OfferResource("ports", ranges=PLENTY),
        )
        return replace(self.session.offer_of(agent(number)), resources=room)

    def deploying(self) -> set[str]:
        """Apps with a deployment."""
        return set(self.session.world.deploying)


def _told(task_id: str, agent_id: str, state: TaskState) -> TaskStatusReceived:
    return TaskStatusReceived(TaskStatus(task_id, state, agent_id, "uuid"))


def assert_shared(launched: list[Counter[str]]) -> None:
    """After each round no app is behind an equal share of what was started by more than one."""
    so_far: Counter[str] = Counter()
    for one in launched:
        so_far += one
        share = so_far.total() // len(FITTING)
        assert min(so_far[app_id] for app_id in FITTING) >= min(share, EACH) - 1
    assert so_far == dict.fromkeys(FITTING, EACH)


def test_a_thousand_apps_that_deploy_at_once_get_equal_shares_and_end() -> None:
    cluster = Cluster()
    for number in range(APPS):
        cluster.session.put(app(number))
    assert cluster.deploying() == {*FITTING, *NOWHERE}
    cluster.until_nothing_fits(ROUNDS + 1)
    assert_shared(cluster.launched)
    assert cluster.deploying() == NOWHERE

    for number in range(APPS):  # now as many rolling restarts
        cluster.session.put(app(number, "sleep 2"), force=True)
    assert cluster.deploying() == {*FITTING, *NOWHERE}
    cluster.until_nothing_fits(2 * ROUNDS)
    assert_shared(cluster.launched)
    assert cluster.deploying() == NOWHERE
