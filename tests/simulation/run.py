"""One simulated run: a cluster, a client and faults from one seed; then calm, and convergence.

python -m tests.simulation.run SEED      prints what happened, step by step
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from framework.core import identity
from framework.core.policy import Policy
from framework.domain.events import TearDown
from framework.domain.exits import ExitCode
from tests.simulation import convergence, oracle
from tests.simulation.apps import has_disks, random_machine
from tests.simulation.client import Client
from tests.simulation.edging import Balancers
from tests.simulation.faults import Faults
from tests.simulation.mesos import Master
from tests.simulation.process import Process
from tests.simulation.safety import Safety
from tests.simulation.stage import Stage, Violation
from tests.simulation.store import ModelStore
from tests.simulation.telling import short, tell_app

_ROUGH_MS = (60_000, 180_000)
_SETTLED_MS = 400_000
_STRAYS_MS = 90_000
_LOOK_EVERY_MS = 10_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to; equal digests mean equal runs."""

    digest: str
    steps: int
    launches: int
    lives: int
    commands: int


class Run:
    """Holds the parts together and restarts the scheduler when it dies. ``freezes``: the client
    freezes apps and everything, now and then; ``storms``: few lost instances are a storm, and
    sometimes most of the agents leave at once; ``edges``: some load balancers follow;
    ``teardown``: the framework is removed from Mesos once, and the scheduler started again;
    ``shares``: the client divides the traffic of deployments; ``at_hand``: offers are kept."""

    def __init__(
        self,
        seed: int,
        *,
        freezes: bool = False,
        storms: bool = False,
        edges: bool = False,
        teardown: bool = False,
        shares: bool = False,
        at_hand: bool = False,
    ) -> None:
        stage = Stage(seed)
        self.stage = stage
        self.policy = Policy(
            min_revive_offers_interval=stage.pick((100, 1_000)),
            max_launches_per_agent=stage.pick((2, 64)),
            task_launch_reconcile_interval=5_000,
            task_launch_confirm_timeout=stage.pick((20_000, 60_000)),
            task_launch_timeout=stage.pick((20_000, 60_000)),
            kill_retry_timeout=stage.pick((5_000, 30_000)),
            reconciliation_interval=stage.pick((60_000, 600_000)),
            max_tombstones=stage.pick((3, 1_000, 1_000)),
            max_orphans=stage.pick((2, 1_000)),
            zk_max_versions=stage.pick((2, 25)),
            maintenance_lead=stage.pick((5_000, 60_000)),
            unhealthy_kill_patience=stage.pick((5_000, 30_000)),
            health_storm_fewest=stage.pick((3, 10)),
        )
        if storms:
            self.policy = replace(
                self.policy,
                storm_window=stage.pick((5_000, 60_000)),
                storm_replacements_per_second=stage.pick((1, 1, 20)),
                storm_share=20,
                storm_min_instances=stage.pick((1, 2)),
            )
        if at_hand:
            self.policy = replace(self.policy, offers_at_hand=stage.pick((1, 2, 5)))
        self.balancers: Balancers | None = None
        if edges:
            patience = stage.pick((2_000, 10_000))
            self.policy = replace(
                self.policy, drain_timeout=patience, edge_rotation_timeout=patience
            )
            self.balancers = Balancers(stage)
        self.master = Master(stage)
        self.store = ModelStore(stage)
        self.safety = Safety(self.policy)
        self.client = Client(stage, freezes=freezes, storms=storms, shares=shares)
        self.process: Process | None = None
        self.lives = 0
        self.faults = Faults(stage, self.master, self.store, lambda: self.process)
        if storms:
            self.faults.also(self.faults.most_leave)
        if teardown:
            stage.after(stage.between(15_000, 55_000), self._tear_down)
        if has_disks(stage):
            self.faults.also(self.faults.disk_fails)

    def go(self) -> Outcome:
        """Run from start to convergence."""
        stage = self.stage
        for number in range(1, stage.between(3, 6) + 1):
            self.master.register(random_machine(stage, number))
        self._begin_life()
        self.faults.start()
        stage.after(100, self._client_acts)
        if self.balancers is not None:
            stage.after(0, partial(self._edges_act, self.balancers))
        stage.run_until(stage.start_ms + stage.between(*_ROUGH_MS))
        stage.note("calm")
        self.faults.heal()
        self._converge()
        return Outcome(
            stage.digest(),
            self.safety.steps,
            len(self.safety.launched),
            self.lives,
            self.client.answered,
        )

    def _begin_life(self) -> None:
        self.lives += 1
        skew_ms = 0 if self.stage.calm else self.stage.pick((0, 0, -2_000, 2_000, -20_000))
        self.client.check(self.store.durable)
        self.stage.note(f"process: life {self.lives}")
        self.process = Process(
            self.stage,
            self.store,
            self.master,
            self.safety,
            self.policy,
            clock_offset_ms=skew_ms,
            replied=self.client.replied,
            died=self._died,
        )

    def _tear_down(self) -> None:
        """Ask until it is done: a process may die with what it was asked."""
        if self.master.completed:
            return
        if self.process is not None:
            self.client.ask(self.process, TearDown(force=True))
        self.stage.after(5_000, self._tear_down)

    def _died(self, why: str) -> None:
        removed = (f"halt {ExitCode.FRAMEWORK_REMOVED}", "halt 0")
        if why.startswith("halt") and not (self.master.completed and why.startswith(removed)):
            raise Violation(f"the scheduler stopped by itself: {why}")
        if why.startswith(removed[0]):  # it died before it knew; an operator finds the advice
            self.store.durable.apply(identity.forgotten(self.store.durable))
        self.process = None
        self.stage.after(self.stage.between(200, 15_000), self._begin_life)

    def _client_acts(self) -> None:
        if self.stage.calm:
            return
        if self.process is not None:
            self.client.act(self.process)
            self.client.forget(self.process, self.faults.failed_volumes)
        hurry_ms = 500 if self.stage.rng.random() < 0.3 else 9_000
        self.stage.after(self.stage.between(10, hurry_ms), self._client_acts)

    def _edges_act(self, balancers: Balancers) -> None:
        if self.process is not None:
            for command in balancers.commands(self.process.view):
                self.client.ask(self.process, command)
        self.stage.after(balancers.pause_ms(), partial(self._edges_act, balancers))

    def _thaw(self) -> None:
        """Have every freeze end, asking again while there is one."""
        frozen = True
        if self.process is not None and self.process.idle():
            frozen = bool(self.process.view.freezes)
            self.client.thaw(self.process)
        if frozen:
            self.stage.after(1_000, self._thaw)

    def _converge(self) -> None:
        if self.client.freezes:
            self._thaw()
        calm_ms = self.stage.now_ms
        self._until(calm_ms + _SETTLED_MS, convergence.missing)
        patience_ms = self.policy.reconciliation_interval + _STRAYS_MS
        self._until(calm_ms + patience_ms, partial(convergence.strays, safety=self.safety))
        self._until(self.stage.now_ms + _SETTLED_MS, convergence.missing)
        self.client.check(self.store.durable)

    def _until(self, end_ms: int, look: Callable[[Process, Master], list[str]]) -> None:
        """Let time pass until nothing is wrong; it must be so by ``end_ms``."""
        stage = self.stage
        wrong = ["nothing was looked at"]
        while wrong:
            wrong = ["the scheduler is down"]
            if self.process is not None:
                self.client.let_go(self.process)
                self.client.undrain(self.process)
                self.client.let_replace(self.process)
                self.client.forget(self.process, self.faults.failed_volumes)
                wrong = look(self.process, self.master)
            if wrong and stage.now_ms >= end_ms:
                self._describe()
                raise Violation("does not converge: " + "; ".join(wrong))
            if wrong:
                stage.run_until(stage.now_ms + _LOOK_EVERY_MS)

    def _describe(self) -> None:
        """Put into the trace what there is, for whoever has to find out."""
        state = self.store.durable
        for app in state.apps.values():
            self.stage.note(tell_app(app))
            for one in state.instances_of.get(app.id, {}).values():
                place = f"{one.condition} {one.goal} on {one.agent_id} {one.kill_reason}"
                self.stage.note(f"    {short(one.task_id)} {one.version} {place}")
        for machine in self.master.machines.values():
            if machine.connected:
                free = self.master.free(machine.info.id)
                self.stage.note(f"{machine.info.id} {oracle.values_of(machine.info)} free {free}")


def main() -> None:
    """Print one run's trace."""
    run = Run(int(sys.argv[1]))
    note = run.stage.note

    def loud(text: str) -> None:
        note(text)
        print(run.stage.tail[-1])  # noqa: T201 - this is what the command is for

    run.stage.note = loud  # type: ignore[method-assign]  # a louder one
    try:
        print(run.go())  # noqa: T201 - as above
    except Violation as violation:
        sys.exit(f"{type(violation).__name__}: {violation}")


if __name__ == "__main__":
    main()
