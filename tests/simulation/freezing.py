"""Freezes in a run: asked for at random, ended before it has to converge, and kept to.

While something is frozen before and after a step, no launch and no kill of it may leave, but for
kills that were asked for by force.
"""

from collections.abc import Iterable, Sequence

from framework.core.turn import Step
from framework.domain.actions import Accept, Kill
from framework.domain.events import (
    Asked,
    Command,
    Event,
    FreezeApps,
    KillOrphan,
    KillTasks,
    LiftFreeze,
)
from framework.domain.freezing import EVERYTHING
from framework.domain.ids import parse_task_id, safe_id
from framework.domain.state import State
from framework.domain.volumes import instance_of_operation
from tests.simulation.stage import Stage, Violation


def choose(stage: Stage, view: State) -> Command:
    """Freeze or lift, of everything or of one app."""
    frozen = [*view.freezes]
    if frozen and stage.rng.random() < 0.7:
        return lift(stage.pick(frozen))
    if not view.apps or stage.rng.random() < 0.4:
        return FreezeApps(reason="simulated")
    return FreezeApps((stage.pick([*view.apps]),), "simulated")


def lift(key: str) -> LiftFreeze:
    """The command that ends this freeze."""
    return LiftFreeze(() if key == EVERYTHING else (key,))


class HeldBack:
    """Watches every step for what a freeze should have held back."""

    def __init__(self) -> None:
        self.steps = 0
        self._frozen: set[str] = set()
        self._forced: set[str] = set()  # instance ids and orphans' task ids
        self._apps: dict[str, str] = {}

    def before(self, state: State, events: Sequence[Event]) -> None:
        """A step is about to be taken."""
        commands = [event.command for event in events if isinstance(event, Asked)]
        self._frozen = {*state.freezes}
        self._apps = {one.id: one.app_id for one in state.instances.values()}
        for command in commands:
            if isinstance(command, LiftFreeze):
                self._frozen -= {*(command.app_ids or (EVERYTHING,))}
            elif isinstance(command, KillTasks) and command.force:
                self._forced.update(command.instance_ids)
            elif isinstance(command, KillOrphan):
                self._forced.add(command.task_id)

    def check(self, state: State, decided: Step) -> None:
        """Nothing of what is frozen is launched or killed."""
        frozen = self._frozen & {*state.freezes}
        if not frozen:
            return
        self.steps += 1
        for app_id, task_id in self._moved(state, decided):
            if EVERYTHING in frozen or app_id in frozen or self._named(task_id, frozen):
                raise Violation(f"{task_id} is launched or killed while {frozen} is frozen")

    def _moved(self, state: State, decided: Step) -> Iterable[tuple[str, str]]:
        """(app, task) of launches, of operations, and of kills that nobody forced."""
        for action in decided.actions:
            if isinstance(action, Accept):
                yield from ((launch.app.id, launch.task_id) for launch in action.launches)
                for operation in action.operations:
                    held = state.reservations[instance_of_operation(operation.id)]
                    yield held.app_id, operation.id
            elif isinstance(action, Kill):
                parsed = parse_task_id(action.task_id)
                instance_id = "" if parsed is None else parsed[0]
                if not {instance_id, action.task_id} & self._forced:
                    yield self._apps.get(instance_id, ""), action.task_id

    @staticmethod
    def _named(task_id: str, frozen: set[str]) -> bool:
        return any(task_id.startswith(f"{safe_id(app_id)}.") for app_id in frozen - {EVERYTHING})
