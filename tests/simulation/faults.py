"""What goes wrong: agents, masters, connections, the store, the scheduler itself.

Each run mixes its own kinds of faults, so that some runs are rough in one way only.
"""

from collections.abc import Callable
from functools import partial

from framework.domain.actions import TaskResource
from framework.domain.ids import instance_id, safe_id, task_id
from framework.domain.mesos import Attribute, OfferResource
from framework.domain.records import replace
from tests.simulation import reserving
from tests.simulation.apps import APP_IDS, random_machine
from tests.simulation.bundles import Bundle, used_by
from tests.simulation.holdings import Holding
from tests.simulation.machines import Machine, Task
from tests.simulation.mesos import Known, Master
from tests.simulation.process import Doom, Process
from tests.simulation.stage import Stage
from tests.simulation.store import ModelStore


class Faults:
    """Breaks something now and then. ``process`` gives the life that is running, if one is."""

    def __init__(
        self,
        stage: Stage,
        master: Master,
        store: ModelStore,
        process: Callable[[], Process | None],
    ) -> None:
        self.stage = stage
        self.master = master
        self.store = store
        self._process = process
        self.failed_volumes: set[str] = set()  # persistence ids
        kinds: tuple[Callable[[], None], ...] = (
            self.agent_blinks,
            self.agent_leaves,
            self.agent_reboots,
            self.agent_gone,
            self.agent_joins,
            self.master_fails,
            self.connection_breaks,
            self.partition,
            self.rescind,
            self.crash,
            self.store_trouble,
            self.foreign_task,
            self.sickness,
            self.maintenance,
            self.agent_drains,
        )
        self._kinds = [kind for kind in kinds if stage.rng.random() < 0.55]
        self._pause_ms = stage.pick((4_000, 8_000, 20_000))

    def also(self, kind: Callable[[], None]) -> None:
        """One kind more, and often."""
        self._kinds += [kind] * (1 + len(self._kinds) // 4)

    def start(self) -> None:
        """Begin to break things."""
        if self._kinds:
            self.stage.after(self.stage.between(500, self._pause_ms), self._strike)

    def _strike(self) -> None:
        if self.stage.calm:
            return
        kind = self.stage.pick(self._kinds)
        self.stage.note(f"fault: {kind.__name__}")
        kind()
        self.stage.after(self.stage.between(500, self._pause_ms), self._strike)

    def _a_connected_machine(self) -> Machine | None:
        there = [m for m in self.master.machines.values() if m.connected]
        return self.stage.pick(there) if there else None

    def _leave(self, machine: Machine, away_ms: int) -> None:
        if self.master.up:
            self.master.lose_contact(machine.info.id)
        machine.connected = False
        self.stage.after(away_ms, lambda: self._return(machine))

    def _return(self, machine: Machine) -> None:
        if machine.connected or not machine.alive:
            return
        if not self.master.up:
            self.stage.after(self.stage.between(500, 3_000), lambda: self._return(machine))
            return
        self.stage.note(f"agent {machine.info.id} registers")
        self.master.register(machine)

    def agent_blinks(self) -> None:
        """Gone for less than the ping time-out; perhaps it comes back with another attribute."""
        machine = self._a_connected_machine()
        if machine is None:
            return
        self._leave(machine, self.stage.between(200, 10_000))
        if self.stage.happens(0.5):
            names = {attribute.name for attribute in machine.info.attributes}
            name = "note" if "rack" in names else "rack"
            new = Attribute(name, text=f"r{self.stage.between(0, 2)}")
            old = tuple(a for a in machine.info.attributes if a.name != name)
            machine.info = replace(machine.info, attributes=(*old, new))

    def agent_leaves(self) -> None:
        """Gone for long, while its tasks live on."""
        machine = self._a_connected_machine()
        if machine is not None:
            self._leave(machine, self.stage.between(16_000, 120_000))

    def disk_fails(self) -> None:
        """What an agent holds for an instance without a task is there no more: somebody put an
        empty disk in its place."""
        idle = [
            (machine, holding)
            for machine in self.master.machines.values()
            for holding in machine.total.held()
            if machine.connected and holding.volumes and not self._is_used(machine, holding)
        ]
        if not idle:
            return
        machine, holding = self.stage.pick(idle)
        exchanged = machine.total - Bundle({}, holdings=frozenset({holding}))
        machine.total = exchanged + reserving.plain(holding)
        self.master.ledger.totals[machine.info.id] = machine.total
        self.master.rescind(machine.info.id)
        self.failed_volumes |= {one.persistence_id for one in holding.volumes}

    def _is_used(self, machine: Machine, holding: Holding) -> bool:
        """Whether a task has it, or something is to be done with it."""
        master, owner = self.master, holding.owner
        tasks = [*machine.tasks.values(), *(known.task for known in master.known.values())]
        operations = [*machine.operations, *master.ledger.known]
        return (
            machine.info.id not in master.registered
            or machine.total.held() != master.ledger.totals[machine.info.id].held()
            or any(owner == one.owner for task in tasks for one in task.needs.holdings)
            or any(one.startswith(f"{owner[1]}.op-") for one in operations)
        )

    def most_leave(self) -> None:
        """A part of the network is cut off, for long enough to be noticed; some machines reboot
        meanwhile."""
        away_ms = self.stage.between(16_000, 60_000)
        for machine in list(self.master.machines.values()):
            if machine.connected and self.stage.rng.random() < 0.7:
                self._leave(machine, away_ms + self.stage.between(0, 5_000))
                if self.stage.rng.random() < 0.2:
                    machine.reboot()

    def agent_reboots(self) -> None:
        """Its tasks die with it, silently."""
        machine = self._a_connected_machine()
        if machine is not None:
            self._leave(machine, self.stage.between(2_000, 60_000))
            machine.reboot()

    def agent_gone(self) -> None:
        """Marked gone by an operator; a new machine takes its place."""
        ids = [*self.master.registered, *self.master.unreachable]
        if len(ids) > 2 and self.master.up:
            self.master.mark_gone(self.stage.pick(ids))
            self.stage.after(self.stage.between(1_000, 20_000), self.agent_joins)

    def agent_joins(self) -> None:
        """A new machine."""
        if self.master.up and len(self.master.machines) < 12:
            self.master.register(random_machine(self.stage, len(self.master.machines) + 1))

    def master_fails(self) -> None:
        """The leading master dies; agents find its successor one after the other."""
        if not self.master.up:
            return
        self.master.fail()
        self.stage.after(self.stage.between(5, 500), lambda: self._cut("the master died"))
        self.stage.after(self.stage.between(500, 8_000), self._new_master)

    def _new_master(self) -> None:
        self.master.lead()
        self.stage.note("a new master leads")
        for machine in self.master.machines.values():
            late_ms = 60_000 if self.stage.happens(0.15) else 8_000
            self.stage.after(self.stage.between(50, late_ms), partial(self._return, machine))

    def _cut(self, why: str) -> None:
        process = self._process()
        if process is not None:
            process.driver.cut(why)

    def connection_breaks(self) -> None:
        """The stream from the master is cut."""
        self._cut("reset by peer")

    def partition(self) -> None:
        """Nothing passes between scheduler and master for a while."""
        process = self._process()
        if process is not None:
            process.driver.partition(self.stage.between(1_000, 20_000))

    def rescind(self) -> None:
        """Offers of an agent are taken back."""
        machine = self._a_connected_machine()
        if machine is not None and self.master.up:
            self.master.rescind(machine.info.id)

    def crash(self) -> None:
        """The scheduler dies at some point of its next steps, or at once."""
        process = self._process()
        if process is None:
            return
        if self.stage.rng.random() < 0.2:
            process.crash("killed")
        else:
            process.doom = self.stage.pick(tuple(Doom))

    def store_trouble(self) -> None:
        """The store is slow for a while, or fails once."""
        if self.stage.rng.random() < 0.3:
            self.store.failing = True
            return
        self.store.slow_ms = self.stage.pick((50, 500, 4_000))
        self.stage.after(self.stage.between(2_000, 15_000), self._store_well)

    def _store_well(self) -> None:
        self.store.slow_ms = 0

    def sickness(self) -> None:
        """An app answers no check of ours for a while, or none does: then the fault is ours."""
        sick = set(APP_IDS) if self.stage.rng.random() < 0.3 else {self.stage.pick(APP_IDS)}
        self.master.sick |= sick
        self.stage.after(self.stage.between(5_000, 60_000), lambda: self._recover(sick))

    def maintenance(self) -> None:
        """Maintenance of an agent is announced, and called off or over some time later."""
        machine = self._a_connected_machine()
        if machine is None or not self.master.up:
            return
        agent_id = machine.info.id
        in_ms, for_ms = self.stage.between(0, 30_000), self.stage.between(1_000, 60_000)
        self.master.schedule(agent_id, (self.stage.now_ms + in_ms, for_ms))
        over_ms = self.stage.pick((2_000, in_ms + for_ms))
        self.stage.after(over_ms, lambda: self.master.schedule(agent_id, None))

    def agent_drains(self) -> None:
        """An operator has Mesos drain an agent, and puts it to use again later."""
        machine = self._a_connected_machine()
        if machine is None or machine.info.id not in self.master.registered:
            return
        agent_id = machine.info.id
        self.master.drain(agent_id)
        back_ms = self.stage.between(5_000, 60_000)
        self.stage.after(back_ms, lambda: self.master.draining.discard(agent_id))

    def _recover(self, sick: set[str]) -> None:
        self.master.sick -= sick

    def foreign_task(self) -> None:
        """A task of our framework that no record knows of."""
        machine = self._a_connected_machine()
        if machine is None or machine.info.id not in self.master.registered:
            return
        name = instance_id("/foreign", self.stage.new_id())
        if self.stage.happens(0.5):
            name = instance_id(self.stage.pick(APP_IDS), self.stage.new_id())
        entry = OfferResource(name="cpus", millis=100)
        needs = used_by([TaskResource(entry, millis=100)])
        if not self.master.free(machine.info.id).contains(needs):
            return
        task = Task(
            task_id(name, 1),
            safe_id(name),
            "",
            "ok",
            checked=True,
            needs=needs,
            agent_id=machine.info.id,
            foreign=True,
        )
        self.master.rescind(machine.info.id)
        self.master.known[task.id] = Known(task, task.state)
        machine.run(task)

    def heal(self) -> None:
        """No more faults; all that can come back does."""
        self.stage.calm = True
        self.master.sick.clear()
        self.master.draining.clear()
        for agent_id in list(self.master.maintenance):
            self.master.schedule(agent_id, None)
        self.store.slow_ms = 0
        self.store.failing = False
        if not self.master.up:
            self.stage.after(500, self.heal)
            return
        for machine in list(self.master.machines.values()):
            self._return(machine)
        process = self._process()
        if process is not None:
            process.doom = None
