"""Whatever happened, what the core has counted is what it would count anew from the records.

Random histories of commands, offers, updates, lost connections and crashes are played through
``step``. After each event a second World is built from nothing but the stored changes.
"""

import random
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from cli.patterns import linear_full_match
from framework.core.policy import Policy
from framework.core.world import World
from framework.domain.actions import Accept, Action
from framework.domain.app import (
    App,
    HealthCheck,
    PortDefinition,
    UnreachableStrategy,
    UpgradeStrategy,
)
from framework.domain.events import (
    AdoptOrphan,
    CallNotSent,
    CancelDeployment,
    ChangeApps,
    Command,
    Disconnected,
    KillTasks,
    OffersReceived,
    PauseDeployment,
    PutApp,
    ResetDelay,
    RestartApp,
    ResumeApp,
    ResumeDeployment,
    SuspendApp,
    TaskStatusReceived,
)
from framework.domain.mesos import Agent, Attribute, TaskState, TaskStatus
from framework.domain.records import replace
from framework.domain.state import Kind, State
from tests.unit.core.session import WEB, Session, of_type, status_of

APP_IDS = ("/web", "/prod/web", "/prod/api/v1", "/prod")
CONSTRAINTS: tuple[tuple[tuple[str, ...], ...], ...] = (
    (),
    (),
    (("hostname", "UNIQUE"),),
    (("rack", "GROUP_BY"),),
    (("rack", "GROUP_BY", "2"), ("@zone", "MAX_PER", "3")),
)
STRATEGIES = (
    UnreachableStrategy(),
    UnreachableStrategy(5, 30),
    UnreachableStrategy(disabled=True),
)
UPGRADES = (
    UpgradeStrategy(),
    UpgradeStrategy(1.0, 0.0),
    UpgradeStrategy(0.5, 0.5, canary=1),
    UpgradeStrategy(0.5, 0.0, batch_size=1, progress_deadline_seconds=10),
    UpgradeStrategy(0.5, 1.0, minimum_healthy_seconds=5, count_old_instances=True),
)
POLICY = Policy(
    task_launch_reconcile_interval=5_000,
    task_launch_confirm_timeout=20_000,
    task_launch_timeout=20_000,
    kill_retry_timeout=7_000,
    max_tombstones=3,
    zk_max_versions=2,
)
STATES = [*TaskState, *[TaskState.RUNNING] * 12, *[TaskState.FAILED, TaskState.KILLED] * 2]


def counted(world: World) -> dict[str, object]:
    """Everything that a World keeps beside the records and could count anew."""
    paths = ["/prod", "/prod/api", *APP_IDS]
    return {
        "members": {
            (app_id, slot): sorted(members)
            for app_id, index in world.apps.items()
            for slot, members in index.members.items()
            if members
        },
        "counts": {app_id: index.counts for app_id, index in world.apps.items()},
        "on agents": {app_id: index.on_agent for app_id, index in world.apps.items()},
        "in zones": {app_id: index.on_zone for app_id, index in world.apps.items()},
        "starting": world.staging_on,
        "uses": world.agent_uses,
        "ports": world.ports,
        "groups": [(path, world.paths.below(path)) for path in paths],
        "deploying": world.deploying,
        "plans": world.plans,
        "held": world.held,
    }


def records(state: State) -> dict[tuple[Kind, str], object]:
    """Everything that is stored."""
    return {(change.kind, change.id): change.record for change in state.changes()}


class History:
    """One random event after the other."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.session = Session(POLICY, chance=self.chance.randrange)
        self.agents = [self._agent(number) for number in range(4)]
        self._seen: list[tuple[str, str]] = []

    def _agent(self, number: int) -> Agent:
        rack = Attribute("rack", text=self.chance.choice(["r0", "r1"]))
        zone = self.chance.choice(["z0", "z1"])
        return Agent(f"a{number}", f"host{number}", (rack,), "home", zone)

    def happen(self) -> None:
        """Whatever chance wants."""
        events: list[Callable[[], object]] = [
            *[self._offers] * 5,
            *[self._update] * 8,
            *[lambda: self.session.ask(self._command())] * 4,
            self._old_task,
            self._describe_agent,
            self._disconnect,
            lambda: self.session.connect("home"),
            lambda: self.session.wait(self.chance.choice([0.1, 1, 6, 25])),
            lambda: self.session.restart(seconds_later=self.chance.choice([-5, 0, 60])),
            self._refuse_launch,
        ]
        self.chance.choice(events)()

    def _offers(self) -> None:
        if not self.session.world.subscribed:
            self.session.connect("home")
        chosen = self.chance.sample(self.agents, self.chance.randint(1, 4))
        self.session.step(OffersReceived(tuple(self.session.offer_of(one) for one in chosen)))

    def _update(self) -> None:
        instances = list(self.session.state.instances.values())
        if instances:
            instance = self.chance.choice(instances)
            self._seen = [*self._seen[-20:], (instance.task_id, instance.agent_id)]
            healthy = self.chance.choice([None, True, False])
            state = self.chance.choice(STATES)
            self.session.step(status_of(instance, state, healthy=healthy))

    def _old_task(self) -> None:
        """A task of which much may have changed since it was seen."""
        stranger = ("prod_web.instance-9._app.1", "a9")
        task_id, agent_id = self.chance.choice([*self._seen, stranger])
        state = self.chance.choice(STATES)
        self.session.step(TaskStatusReceived(TaskStatus(task_id, state, agent_id, uuid="u")))

    def _describe_agent(self) -> None:
        number = self.chance.randrange(4)
        self.agents[number] = self._agent(number)

    def _disconnect(self) -> None:
        self.session.step(Disconnected("cut"))

    def _refuse_launch(self) -> None:
        actions: tuple[Action, ...] = self.session.last.actions
        self.session.step(*(CallNotSent(one, "refused") for one in of_type(actions, Accept)))

    def _app(self) -> App:
        pick = self.chance.choice
        app_id = pick(APP_IDS)
        app = self.session.state.apps.get(app_id) or replace(WEB, id=app_id)
        if self.chance.random() < 0.5:
            return replace(app, instances=self.chance.randint(0, 5))
        return replace(
            app,
            cmd=pick(["one", "two"]),
            constraints=pick(CONSTRAINTS),
            unreachable_strategy=pick(STRATEGIES),
            port_definitions=tuple(map(PortDefinition, pick([(), (0,), (0, 10_001)]))),
            health_checks=pick([(), (HealthCheck("MESOS_TCP", port=1),)]),
            backoff_seconds=pick([0, 1]),
            upgrade_strategy=pick(UPGRADES),
            dependencies=pick([(), (), ("/web",), ("/prod/web",)]),
        )

    def _command(self) -> Command:
        pick, state = self.chance.choice, self.session.state
        force = self.chance.random() < 0.7
        instances = tuple(list(state.instances)[: self.chance.randint(0, 2)])
        deployments = [*state.deployments, "none"]
        orphans = [*state.orphans, "none"]
        commands: list[Command] = [
            *[ChangeApps((PutApp(self._app()),), force=force)] * 4,
            ChangeApps((PutApp(self._app()),), (pick(APP_IDS),), force=force),
            ChangeApps(removes=(pick(APP_IDS),), force=force),
            RestartApp(pick(APP_IDS), force=force),
            KillTasks(instances, scale=pick([True, False]), wipe=pick([True, False]), force=force),
            CancelDeployment(pick(deployments), force=pick([True, False])),
            AdoptOrphan(pick(orphans), pick(APP_IDS)),
            SuspendApp(pick(APP_IDS), force=force),
            ResumeApp(pick(APP_IDS), force=force),
            PauseDeployment(pick(deployments)),
            ResumeDeployment(pick(deployments)),
            ResetDelay(pick(APP_IDS)),
            ChangeApps(
                tuple(PutApp(replace(self._app(), id=app_id)) for app_id in APP_IDS[:3]),
                force=force,
            ),
            ChangeApps(removed_groups=("/prod",) if "/prod" in state.groups else (), force=force),
        ]
        return pick(commands)


@settings(max_examples=settings().max_examples * 3 // 4)
@given(st.integers(0, 2**32))
def test_what_is_counted_is_what_would_be_counted_anew(seed: int) -> None:
    history = History(seed)
    stored, applied = State(), 0
    for _ in range(60):
        history.happen()
        session = history.session
        for decided in session.steps[applied:]:
            stored.apply(decided.changes)
        applied = len(session.steps)
        assert records(stored) == records(session.state)
        assert set(session.state.agents) == set(session.world.agent_uses)
        assert counted(session.world) == counted(World(stored, linear_full_match))
