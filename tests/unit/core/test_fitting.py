"""What of a change would not fit on the agents that were last seen in offers."""

import pytest

from framework.core.fitting import AGENTS_LOOKED_AT, JUDGEMENTS, MISFITS_TOLD
from framework.core.seen import AGENTS_KEPT, FORGOTTEN_MS, LARGEST_MS, ROLES_KEPT, Seen
from framework.domain.app import App, Container, PersistentVolume
from framework.domain.events import AgentFailed, ChangeApps, DrainAgent, PutApp, RestartApp
from framework.domain.mesos import Offer, OfferResource
from framework.domain.records import replace
from framework.domain.replies import Done, Misfit, Unfit
from tests.unit.core.session import WEB, Session, agent

HUGE = replace(WEB, id="/huge", cpus_millis=1_000_000, instances=2)
KEEPING = Container(type="MESOS", persistent_volumes=(PersistentVolume("data", 5),))
NOTHING_KNOWN = "no offer was seen lately, so nothing is known of what would fit"


def tried(session: Session, *apps: App) -> Done:
    """A dry run of a change of these apps."""
    answer = session.ask(ChangeApps(tuple(map(PutApp, apps)), dry_run=True))
    assert isinstance(answer, Done), answer
    return answer


def offered(number: int, cpus: int, mem: int = 1_000_000, role: str = "*") -> Offer:
    """An offer of so many thousandths."""
    entries = (OfferResource("cpus", cpus), OfferResource("mem", mem))
    return Offer(f"o-{number}-{cpus}-{mem}", agent(number, rack="r1"), role, entries)


def plain(**fields: object) -> App:
    """An app that asks for one cpu and nothing else."""
    return replace(App(id="/plain", cpus_millis=1_000, mem_millis=0), **fields)


def test_nothing_is_known_before_the_first_offer() -> None:
    session = Session()
    done = tried(session, HUGE)
    assert (done.warnings, done.misfits) == ((NOTHING_KNOWN,), ())
    assert tried(session, replace(HUGE, instances=0)).warnings == ()


def test_reasons_are_counted_with_the_nearest_miss() -> None:
    session = Session()
    session.ask(DrainAgent("host3"))
    session.offer(offered(1, 2_000), offered(2, 4_000), offered(3, 4_000))
    done = tried(session, HUGE)
    cpus = "needs 1000 cpus, the most in one offer was 4"
    drained = "the agent is drained, or in or close to its maintenance window"
    message = (
        "/huge: no room for any of 2 instances in the offers last seen of 3 agents, which tell "
        f"what was free then: 2 agents: {cpus}; 1 agent: {drained}"
    )
    reasons = (Unfit("InsufficientCpus", 2, cpus), Unfit("AgentMaintenance", 1, drained))
    assert done.misfits == (Misfit("/huge", 2, 3, 3, reasons, message),)
    assert done.warnings == (message,)


def test_the_change_itself_says_nothing_of_it() -> None:
    session = Session()
    session.offer(offered(1, 2_000))
    done = session.put(HUGE)
    assert (done.warnings, done.misfits) == ((), ())


@pytest.mark.parametrize(
    ("fields", "reason", "words"),
    [
        ({"constraints": (("rack", "IS", "r9"),)}, "UnfulfilledConstraint", "rack r1 is not 'r9'"),
        ({"constraints": (("floor", "UNIQUE"),)}, "UnfulfilledConstraint", "has no floor"),
        ({"gpus": 1}, "InsufficientGpus", "needs 1 gpus, the most in one offer was 0"),
        ({"mem_millis": 2_000_000}, "InsufficientMemory", "needs 2000 mem"),
        ({"container": KEEPING}, "InsufficientDisk", "needs 5 disk"),
    ],
)
def test_each_reason_has_the_words_of_the_queue(
    fields: dict[str, object], reason: str, words: str
) -> None:
    session = Session()
    session.offer(offered(1, 2_000))
    (misfit,) = tried(session, plain(**fields)).misfits
    (unfit,) = misfit.reasons
    assert unfit.reason == reason
    assert words in unfit.message
    assert tried(session, plain()).warnings == ()


def test_what_is_unreserved_would_be_offered_to_any_role() -> None:
    session = Session()
    session.offer(offered(1, 2_000))
    dev = plain(role="dev", accepted_resource_roles=("*", "dev"))
    assert tried(session, dev).warnings == ()
    done = tried(session, replace(dev, cpus_millis=3_000))
    assert done.misfits == ()
    assert "no offer to role dev was seen lately" in done.warnings[0]
    session.offer(offered(1, 1_000, role="dev"))
    assert len(tried(session, replace(dev, cpus_millis=3_000)).misfits) == 1


def test_only_apps_that_start_instances_are_judged() -> None:
    session = Session()
    session.running(replace(WEB, instances=2), agent(1), agent(2))
    session.connect()
    session.offer(offered(1, 1, 1))
    assert tried(session, replace(WEB, instances=1)).warnings == ()
    assert tried(session, replace(WEB, instances=3)).misfits[0].instances == 1
    assert tried(session, replace(WEB, instances=2, cmd="new")).misfits[0].instances == 2
    restart = session.ask(RestartApp("/web", dry_run=True))
    assert isinstance(restart, Done)
    assert restart.misfits[0].instances == 2
    removal = session.ask(ChangeApps(removes=("/web",), dry_run=True))
    assert isinstance(removal, Done)
    assert removal.warnings == ()


def test_one_more_is_kept_away_by_those_that_stay_and_an_upgrade_is_not() -> None:
    session = Session()
    app = replace(WEB, instances=2, constraints=(("hostname", "UNIQUE"),))
    session.running(app, agent(1), agent(2))
    (misfit,) = tried(session, replace(app, instances=3)).misfits
    assert misfit.reasons[0].reason == "UnfulfilledConstraint"
    assert "already runs one" in misfit.reasons[0].message
    assert tried(session, replace(app, cmd="new")).warnings == ()


def test_a_larger_offer_counts_for_an_hour_beside_the_last() -> None:
    session = Session()
    session.offer(offered(1, 3_000))
    session.now_ms += 1_000
    session.offer(offered(1, 2_000))
    app = plain(cpus_millis=3_000)
    assert tried(session, app).warnings == ()
    session.now_ms += LARGEST_MS
    (misfit,) = tried(session, app).misfits
    assert "the most in one offer was 2" in misfit.message


def test_agents_are_forgotten() -> None:
    session = Session()
    session.offer(offered(1, 2_000), offered(2, 2_000))
    session.step(AgentFailed("a1"))
    assert tried(session, HUGE).misfits[0].agents_seen == 1
    session.now_ms += FORGOTTEN_MS
    assert tried(session, HUGE).warnings == (NOTHING_KNOWN,)
    session.offer(offered(1, 2_000))
    assert tried(session, HUGE).misfits[0].agents_seen == 1
    session.connect()
    assert tried(session, HUGE).warnings == (NOTHING_KNOWN,)


def test_the_table_is_bounded_and_forgets_the_oldest_first() -> None:
    seen = Seen()
    for number in range(AGENTS_KEPT):
        seen.note(offered(number, 1), 0)
    seen.note(offered(0, 2), 1)
    seen.note(offered(AGENTS_KEPT, 1), 1)
    known, kept = seen.sample(AGENTS_KEPT, 1)
    assert known == AGENTS_KEPT
    ids = [offers[0].agent.id for offers in kept]
    assert ids[-2:] == ["a0", f"a{AGENTS_KEPT}"]
    assert "a1" not in ids
    for number in range(ROLES_KEPT + 1):
        seen.note(offered(7, 1, role=f"role-{number}"), 1)
    _, kept = seen.sample(AGENTS_KEPT, 1)
    assert len(kept[-1]) == ROLES_KEPT


def test_many_agents_are_sampled_and_that_is_said() -> None:
    session = Session()
    known = 2 * AGENTS_LOOKED_AT
    session.offer(*(offered(number, 2_000) for number in range(known)))
    (misfit,) = tried(session, HUGE).misfits
    assert (misfit.agents_looked_at, misfit.agents_seen) == (AGENTS_LOOKED_AT, known)
    assert f"last seen of {AGENTS_LOOKED_AT} of {known} agents" in misfit.message
    assert tried(session, HUGE).misfits == (misfit,)


def test_work_and_answer_are_bounded() -> None:
    session = Session()
    session.offer(*(offered(number, 2_000) for number in range(AGENTS_LOOKED_AT)))
    tellable = JUDGEMENTS // AGENTS_LOOKED_AT
    apps = [replace(HUGE, id=f"/huge-{n}", cpus_millis=10**6 + n) for n in range(2 * tellable)]
    done = tried(session, *apps)
    judged = len(done.misfits)
    assert judged == tellable
    assert "more apps would fit was not tried" in done.warnings[-1]
    alike = [replace(HUGE, id=f"/huge-{number}") for number in range(MISFITS_TOLD + 5)]
    done = tried(session, *alike)
    assert len(done.misfits) == MISFITS_TOLD
    assert done.warnings[-1] == "whether 5 more apps would fit was not tried"
