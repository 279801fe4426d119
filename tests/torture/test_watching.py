"""What counts as doubled, and what as the same."""

from framework.domain.ids import instance_id, task_id
from tests.integration.product import MesosTask
from tests.torture.watching import doubled, strangers

_A = instance_id("/group/web", "1c7d5c0e-3fbc-4a1d-9f4e-0d5a7c1b2a10")
_B = instance_id("/group/web", "1c7d5c0e-3fbc-4a1d-9f4e-0d5a7c1b2a11")


def _task(instance: str, incarnation: int) -> MesosTask:
    return MesosTask(task_id(instance, incarnation), "agent", "TASK_RUNNING")


def test_each_instance_once() -> None:
    assert doubled([_task(_A, 1), _task(_B, 7)]) == set()
    (finding,) = doubled([_task(_A, 1), _task(_B, 7), _task(_A, 2)])
    assert _A in finding


def test_new_tasks_of_an_app_that_keeps_its_own() -> None:
    tasks = [_task(_A, 1), _task(_B, 1), _task("group_web2.instance-x", 3)]
    kept = {task.id for task in tasks[:2]}
    assert strangers(tasks, "/group/web", kept) == set()
    assert strangers(tasks[:1], "/group/web", kept) == set()
    (finding,) = strangers([*tasks, _task(_A, 2)], "/group/web", kept)
    assert task_id(_A, 2) in finding
