"""A client that asks for random changes and remembers what it was promised.

An acknowledged command must stand in the durable state from then on, whatever crashes. One whose
answer was lost may have been carried out or not; then what it would have changed is let go.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from framework.domain.app import App, same_configuration
from framework.domain.events import (
    AdoptOrphan,
    CancelDeployment,
    ChangeApps,
    Command,
    DrainAgent,
    KillOrphan,
    KillTasks,
    PaceReplacements,
    PauseDeployment,
    PutApp,
    RemoveVolume,
    ResetDelay,
    RestartApp,
    ResumeApp,
    ResumeDeployment,
    SuspendApp,
    UndrainAgent,
)
from framework.domain.ids import safe_id
from framework.domain.instance import Goal, Instance
from framework.domain.records import replace
from framework.domain.replies import Done, Refused, Reply, Why
from framework.domain.state import State
from framework.domain.storm import Pace
from framework.domain.volumes import ReservationState
from tests.simulation import freezing, sharing, storming
from tests.simulation.apps import APP_IDS, changed, random_app
from tests.simulation.oracle import WAITS, unreachable
from tests.simulation.process import Process
from tests.simulation.stage import Stage, Violation


@dataclass(frozen=True, slots=True)
class _Promise:
    """An app as it was acknowledged last; ``removed``: that one is gone."""

    app: App
    removed: bool = False


_FREEZES = 0.15  # of what is asked, in runs with freezes
_PACES = 0.1  # the same, in runs with storms
_VOLUMES = 0.04  # the same, in runs with volumes


class Client:
    """Asks whatever process is there; ``freezes``: for freezes too; ``storms``: for other paces
    of replacements too; ``shares``: for parts of the traffic too; with every other seed, for apps
    with volumes."""

    def __init__(
        self, stage: Stage, *, freezes: bool = False, storms: bool = False, shares: bool = False
    ) -> None:
        self.volumes = stage.seed % 2 == 1
        self.stage = stage
        self.freezes = freezes
        self.storms = storms
        self.shares = shares
        self.answered = 0
        self.refused = 0
        self._forgotten: tuple[Process | None, dict[str, str]] = (None, {})  # volume -> instance
        self._token = 0
        self._open: dict[int, Command] = {}
        self._may_remove: dict[int, set[str]] = {}
        self._promised: dict[str, _Promise] = {}
        self._known: dict[tuple[str, str], App] = {}  # every definition that was acknowledged
        self._cancels: dict[int, dict[str, str]] = {}  # what each would bring back
        self._killed: dict[str, tuple[Instance, bool]] = {}

    def act(self, process: Process) -> None:
        """Ask for one random thing."""
        view = process.view
        if self.freezes and self.stage.rng.random() < _FREEZES:
            self.ask(process, freezing.choose(self.stage, view))
            return
        if self.storms and self.stage.rng.random() < _PACES:
            self.ask(process, storming.choose(self.stage))
            return
        if self.volumes and view.reservations and self.stage.rng.random() < _VOLUMES:
            self.ask(process, RemoveVolume(self.stage.pick([*view.reservations])))
            return
        if self.shares and self.stage.rng.random() < sharing.OFTEN:
            command = sharing.choose(self.stage, view)
        else:
            command = self._choose(view)
        if command is not None:
            self.ask(process, command)

    def thaw(self, process: Process) -> None:
        """Ask for the end of every freeze."""
        for key in [*process.view.freezes]:
            self.ask(process, freezing.lift(key))

    def ask(self, process: Process, command: Command) -> None:
        """Ask for this one thing."""
        view = process.view
        self._token += 1
        self._open[self._token] = command
        self._may_remove[self._token] = _removes(command, view)
        if isinstance(command, CancelDeployment) and not command.force:
            deployment = view.deployments[command.deployment_id]
            self._cancels[self._token] = view.plan(deployment).before
        if isinstance(command, AdoptOrphan):
            self._killed.pop(command.task_id.rpartition("._app.")[0], None)  # wanted again
        process.ask(self._token, command)

    def _choose(self, view: State) -> Command | None:
        stage = self.stage
        chance = stage.rng.random()
        if not view.apps or chance < 0.25:
            return self._put(view, new=True)
        options: tuple[tuple[float, Callable[[State], Command | None]], ...] = (
            (0.42, self._scale),
            (0.54, self._put),
            (0.60, lambda v: RestartApp(stage.pick([*v.apps]), force=self._often())),
            (0.65, self._remove),
            (0.79, self._kill),
            (0.85, self._cancel),
            (0.89, self._pause),
            (0.93, self._sleep),
            (0.94, lambda v: ResetDelay(stage.pick([*v.apps]))),
            (0.97, self._drain),
            (1.00, self._orphan),
        )
        return next(make for limit, make in options if chance < limit)(view)

    def _often(self) -> bool:
        return self.stage.rng.random() < 0.6

    def _put(self, view: State, *, new: bool = False) -> Command:
        stage = self.stage
        app_id = stage.pick(APP_IDS) if new or stage.rng.random() < 0.95 else "/dev"
        existing = view.apps.get(app_id)
        app = random_app(stage, app_id, volumes=self.volumes)
        if existing is not None and existing.persistent_volumes:
            app = changed(stage, existing)
        elif existing is not None and stage.rng.random() < 0.5:
            app = replace(existing, cmd=app.cmd, cpus_millis=app.cpus_millis, version="")
        if existing is not None and existing.role != app.role:
            app = replace(app, role=existing.role)
        version = existing.version if existing and stage.rng.random() < 0.2 else None
        puts = [PutApp(app, version)]
        if stage.rng.random() < 0.25:
            other = stage.pick([one for one in APP_IDS if one != app_id])
            puts.append(PutApp(random_app(stage, other, volumes=self.volumes)))
        dry_run = stage.rng.random() < 0.05
        return ChangeApps(tuple(puts), force=self._often(), dry_run=dry_run)

    def _scale(self, view: State) -> Command:
        app = view.apps[self.stage.pick([*view.apps])]
        count = self.stage.pick((0, 1, 2, 3, 4, 5, 7))
        return ChangeApps((PutApp(replace(app, instances=count)),), force=self._often())

    def _remove(self, view: State) -> Command:
        if self.stage.rng.random() < 0.2 and any(one.startswith("/dev/") for one in view.apps):
            return ChangeApps(removed_groups=("/dev",), force=self._often())
        return ChangeApps(removes=(self.stage.pick([*view.apps]),), force=self._often())

    def _kill(self, view: State) -> Command | None:
        stage = self.stage
        if not view.instances:
            return None
        lost = [one.id for one in view.instances.values() if unreachable(one)]
        pool = lost if lost and self._often() else [*view.instances]
        ids = tuple(stage.pick(pool) for _ in range(stage.pick((1, 1, 1, 2))))
        how = stage.rng.random()
        return KillTasks(ids, scale=how < 0.3, wipe=0.3 < how < 0.6, force=self._often())

    def _cancel(self, view: State) -> Command | None:
        if not view.deployments:
            return None
        deployment_id = self.stage.pick([*view.deployments])
        return CancelDeployment(deployment_id, force=self._often())

    def _pause(self, view: State) -> Command | None:
        if not view.deployments:
            return None
        deployment_id = self.stage.pick([*view.deployments])
        if view.deployments[deployment_id].paused:
            return ResumeDeployment(deployment_id)
        return PauseDeployment(deployment_id)

    def _sleep(self, view: State) -> Command:
        app = view.apps[self.stage.pick([*view.apps])]
        if app.suspended_from:
            return ResumeApp(app.id, force=self._often())
        return SuspendApp(app.id, force=self._often())

    def _drain(self, view: State) -> Command | None:
        if view.drains and self._often():
            return UndrainAgent(self.stage.pick([*view.drains]))
        if not view.agents:
            return None
        agent = self.stage.pick([*view.agents.values()])
        name = self.stage.pick((agent.id, agent.hostname))
        return DrainAgent(name, "simulated", self.stage.pick((0, 0, 5, 60)))

    def undrain(self, process: Process) -> None:
        """Ask for the end of every drain."""
        for name in process.view.drains:
            self.ask(process, UndrainAgent(name))

    def let_go(self, process: Process) -> None:
        """Resume every deployment that waits for a person."""
        for deployment in process.view.deployments.values():
            if deployment.paused:
                self.ask(process, ResumeDeployment(deployment.id))

    def let_replace(self, process: Process) -> None:
        """End a hold of replacements; a storm ends by itself."""
        storm = process.view.storm
        if storm is not None and storm.pace is Pace.HELD:
            self.ask(process, PaceReplacements(Pace.PACED))

    def forget(self, process: Process, failed: Collection[str]) -> None:
        """Ask that records of what is on no disk any more are dropped: once, since what is made in
        its place has the same instance, and of a new process again. Orphans are given back."""
        if self._forgotten[0] is not process:
            self._forgotten = (process, {})
        for held in process.view.reservations.values():
            if held.state is ReservationState.ORPHAN:
                self.ask(process, RemoveVolume(held.instance_id))
            gone = held.volumes[0].persistence_id if held.volumes else ""
            if gone in failed and gone not in self._forgotten[1]:
                self._forgotten[1][gone] = held.instance_id
                self.ask(process, RemoveVolume(held.instance_id, forget=True))

    def _ask_again(self, instance_id: str) -> None:
        asked = self._forgotten[1]
        for volume in [one for one, owner in asked.items() if owner == instance_id]:
            del asked[volume]

    def _orphan(self, view: State) -> Command | None:
        if not view.orphans or not view.apps:
            return None
        task_id = self.stage.pick([*view.orphans])
        owners = [app_id for app_id in view.apps if task_id.startswith(f"{safe_id(app_id)}.")]
        if self.stage.rng.random() < 0.3:
            return KillOrphan(task_id)
        return AdoptOrphan(task_id, self.stage.pick(owners or [*view.apps]))

    def replied(self, token: int, reply: Reply) -> None:
        """An answer came: a promise, or a reason."""
        command = self._open.pop(token)
        removable = self._may_remove.pop(token)
        self.stage.note(f"  reply {token}: {_told(reply)}")
        self.answered += 1
        if isinstance(reply, Refused):
            self.refused += 1
            if isinstance(command, RemoveVolume):
                self._ask_again(command.instance_id)
            if reply.why is Why.TOO_MANY_DEPLOYMENTS:
                raise Violation("too many deployments: some of them never end")
            return
        forced_end = isinstance(command, CancelDeployment) and command.force
        if reply.version and not forced_end:
            for app_id in removable & self._promised.keys():
                self._promised[app_id] = _Promise(self._promised[app_id].app, removed=True)
        for app in reply.apps:
            self._grows(app)
            self._promised[app.id] = _Promise(app)
            self._known[(app.id, app.version)] = app
            # What was asked earlier no longer removes it; what was asked later still may.
            for earlier in [others for other, others in self._may_remove.items() if other < token]:
                earlier.discard(app.id)
        self._taken_back(self._cancels.pop(token, {}), reply)
        if isinstance(command, KillTasks):
            for instance in reply.instances:
                self._killed[instance.id] = (instance, command.scale or command.wipe)

    def _grows(self, app: App) -> None:
        promise = self._promised.get(app.id)
        if promise is not None and not promise.removed and app.version < promise.app.version:
            raise Violation(f"{app.id}: version {app.version} after {promise.app.version}")

    def _taken_back(self, before: dict[str, str], reply: Done) -> None:
        """A cancelled deployment's apps are as they were before it."""
        now = {app.id: app for app in reply.apps}
        for app_id, version in before.items():
            earlier = self._known.get((app_id, version))
            if earlier is None:
                continue
            app = now.get(app_id)
            if app is None or app.instances != earlier.instances:
                raise Violation(f"{app_id}: the cancelled deployment is not taken back")
            if not same_configuration(app, earlier):
                raise Violation(f"{app_id}: another definition came back than was there")

    def check(self, state: State) -> None:
        """All that was promised stands in the durable state."""
        unsure = {app_id for ids in self._may_remove.values() for app_id in ids}
        for app_id, promise in self._promised.items():
            app = state.apps.get(app_id)
            if promise.removed:
                if app == promise.app:
                    raise Violation(f"{app_id} was removed and is stored again")
            elif app is None:
                if app_id not in unsure:
                    raise Violation(f"{app_id} was acknowledged and is not stored")
            elif app.version < promise.app.version:
                raise Violation(f"{app_id} fell back to {app.version} from {promise.app.version}")
            elif app.version == promise.app.version and not _same(promise.app, app):
                raise Violation(f"{app_id} is not what was acknowledged")
        for instance, forgotten in self._killed.values():
            self._check_kill(state, instance, forgotten=forgotten)

    @staticmethod
    def _check_kill(state: State, killed: Instance, *, forgotten: bool) -> None:
        now = state.instances.get(killed.id)
        if now is None or now.incarnation > killed.incarnation or now.condition in WAITS:
            return
        if forgotten and now.goal is Goal.RUNNING:
            raise Violation(f"{killed.id} was given up on request and is still wanted")
        if not now.kill_reason:
            raise Violation(f"{killed.id} was killed on request and nobody kills it")


def _removes(command: Command, view: State) -> set[str]:
    """The apps that may be gone after it."""
    if isinstance(command, ChangeApps):
        inside = {a for a in view.apps for g in command.removed_groups if a.startswith(f"{g}/")}
        return {*command.removes, *inside}
    if isinstance(command, CancelDeployment) and not command.force:
        before = view.plan(view.deployments[command.deployment_id]).before
        return {app_id for app_id, version in before.items() if not version}
    return set()


def _same(promised: App, stored: App) -> bool:
    """A cancelled upgrade marks the definition and leaves it otherwise as it is."""
    return replace(promised, keep_old=False) == replace(stored, keep_old=False)


def _told(reply: Reply) -> str:
    if isinstance(reply, Refused):
        return f"refused, {reply.why} {reply.subject} {reply.message}"
    return f"done {reply.version}"
