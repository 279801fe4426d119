"""An app's last failures, for ``/v3/apps/<id>/failures``."""

from typing import Any
from urllib.parse import quote

from api.render.instance import failure
from framework.domain.clock import iso
from framework.domain.instance import TaskFailure
from framework.domain.state import State


def failure_object(record: TaskFailure, view: State, mesos_ui: str) -> dict[str, Any]:
    """A failure as in ``lastTaskFailure``, with the reason, the times of the task, and where its
    files can be looked at."""
    fields = {**failure(record), "instanceId": record.instance_id, "reason": record.reason}
    if record.staged_at_ms:
        fields["stagedAt"] = iso(record.staged_at_ms)
    if record.started_at_ms:
        fields["startedAt"] = iso(record.started_at_ms)
    sandbox = _sandbox(record, view, mesos_ui)
    return {**fields, "sandbox": sandbox} if sandbox else fields


def _sandbox(record: TaskFailure, view: State, mesos_ui: str) -> str:
    """The page of Mesos' own UI that leads to the sandbox, for as long as the agent keeps it.
    ``mesos_ui``: where that is (--mesos_leader_ui_url; empty: the leading master). An executor
    has the id of its task, as those that Mesos brings along."""
    framework, master = view.framework, view.connection.master
    ui = mesos_ui or (f"http://{master}" if master else "")
    if framework is None or not ui or not record.agent_id:
        return ""
    path = (record.agent_id, framework.framework_id, record.task_id)
    agent_id, framework_id, task_id = (quote(part, safe="") for part in path)
    place = f"agents/{agent_id}/frameworks/{framework_id}/executors/{task_id}/browse"
    return f"{ui.rstrip('/')}/#/{place}"
