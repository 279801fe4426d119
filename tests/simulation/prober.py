"""The prober in simulated form: looks at what the core wants watched, and reports.

A look finds the task as it really is on its machine. During the rough part of a run some looks
fail; once it is calm every running task answers well.
"""

from collections.abc import Callable, Sequence

from framework.domain.events import Event
from framework.domain.health import ProbeAction, ProbeResult, ProbesReported, Watch, parse_key
from framework.domain.mesos import TaskState
from tests.simulation.mesos import Master
from tests.simulation.stage import Stage

_LOOK_MS = (100, 3_000)
_AGAIN_MS = 2_000
_LATER_MS = (5_000, 40_000)


class Prober:
    """See ``framework.interfaces.Probes``; ``now_ms`` is the process's own clock."""

    def __init__(
        self,
        stage: Stage,
        master: Master,
        submit: Callable[[Event], None],
        now_ms: Callable[[], int],
    ) -> None:
        self.stage = stage
        self.master = master
        self.submit = submit
        self.now_ms = now_ms
        self.closed = False
        self._watched: dict[str, int] = {}  # key -> which watch it is
        self._watches = 0

    def perform(self, actions: Sequence[ProbeAction]) -> None:
        """Look at these from now on, or no more."""
        for action in actions:
            if isinstance(action, Watch):
                self._watches += 1
                self._watched[action.target.key] = self._watches
                self._look_later(action.target.key, self.stage.between(*_LOOK_MS))
            else:
                self._watched.pop(action.key, None)

    def _look_later(self, key: str, delay_ms: int) -> None:
        watch = self._watched[key]

        def look() -> None:
            if self._watched.get(key) == watch and not self.closed:
                self._look(key)

        self.stage.after(delay_ms, look)

    def _look(self, key: str) -> None:
        well = self._is_running(key) and not self.stage.happens(0.3)
        cause = "" if well else "it does not answer"
        self.submit(ProbesReported((ProbeResult(key, self.now_ms(), well, cause),)))
        if not well:
            self._look_later(key, _AGAIN_MS)
        elif not self.stage.calm:
            self._look_later(key, self.stage.between(*_LATER_MS))

    def _is_running(self, key: str) -> bool:
        parsed = parse_key(key)
        assert parsed is not None
        return any(
            task.id == parsed[1]
            and task.state is TaskState.RUNNING
            and (task.app_id not in self.master.sick or parsed[2] is None)
            for machine in self.master.machines.values()
            for task in machine.tasks.values()
        )
