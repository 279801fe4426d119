"""From what Mesos says of a task to the condition of its instance (behaviour.md, section 4).

Pure tables. A state or reason that they do not know changes nothing.
"""

from framework.domain.instance import Condition
from framework.domain.mesos import TaskState, TaskStatus

_CONDITION = {
    TaskState.STAGING: Condition.STAGING,
    TaskState.STARTING: Condition.STARTING,
    TaskState.RUNNING: Condition.RUNNING,
    TaskState.KILLING: Condition.KILLING,
    TaskState.FINISHED: Condition.FINISHED,
    TaskState.FAILED: Condition.FAILED,
    TaskState.KILLED: Condition.KILLED,
    TaskState.ERROR: Condition.ERROR,
    TaskState.DROPPED: Condition.DROPPED,
    TaskState.UNREACHABLE: Condition.UNREACHABLE,
    TaskState.GONE: Condition.GONE,
    TaskState.GONE_BY_OPERATOR: Condition.GONE,
    TaskState.UNKNOWN: Condition.UNKNOWN,
}
_LOST_BUT_MAY_RETURN = frozenset(
    {
        "REASON_RECONCILIATION",
        "REASON_SLAVE_DISCONNECTED",
        "REASON_AGENT_DISCONNECTED",
        "REASON_SLAVE_REMOVED",
        "REASON_AGENT_REMOVED",
    }
)
_UNKNOWN_TO_MESOS = "Reconciliation: Task is unknown to the"

# The end of these was seen by an executor: such a task never comes back.
PROVEN_ENDS = frozenset({Condition.FINISHED, Condition.FAILED, Condition.KILLED, Condition.ERROR})
# Here an agent or the master is sure that nothing runs. GONE_BY_OPERATOR is only an operator's
# word, UNKNOWN and LOST are no proof of anything.
_PROOFS = frozenset(
    {
        TaskState.FINISHED,
        TaskState.FAILED,
        TaskState.KILLED,
        TaskState.ERROR,
        TaskState.DROPPED,
        TaskState.GONE,
    }
)
_NEVER_RAN_THERE = frozenset({TaskState.DROPPED, TaskState.GONE})  # or the agent has forgotten
ALIVE = frozenset({TaskState.STAGING, TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING})

# Ends that are the doing of agents, masters or operators, not of the app: no back-off, no
# failure of the app.
_NOT_THE_APPS_DOING = frozenset(
    {
        "REASON_AGENT_DISCONNECTED",
        "REASON_AGENT_REMOVED",
        "REASON_AGENT_REMOVED_BY_OPERATOR",
        "REASON_AGENT_RESTARTED",
        "REASON_AGENT_UNKNOWN",
        "REASON_AGENT_DRAINING",
        "REASON_FRAMEWORK_REMOVED",
        "REASON_INVALID_OFFERS",
        "REASON_MASTER_DISCONNECTED",
        "REASON_RECONCILIATION",
        "REASON_SLAVE_DISCONNECTED",
        "REASON_SLAVE_REMOVED",
        "REASON_SLAVE_REMOVED_BY_OPERATOR",
        "REASON_SLAVE_RESTARTED",
        "REASON_SLAVE_UNKNOWN",
        "REASON_SLAVE_DRAINING",
    }
)
_LOSSES = frozenset({Condition.DROPPED, Condition.GONE, Condition.UNKNOWN})
# An agent names GC_ERROR also when it can not give what the task asks for, such as limits: a task
# that every agent drops at once must not be launched ten times a second.
_LAUNCH_ERRORS = (
    "REASON_TASK_INVALID",
    "REASON_TASK_UNAUTHORIZED",
    "REASON_CONTAINER_LAUNCH_",
    "REASON_GC_ERROR",
)


def condition_of(status: TaskStatus) -> Condition:
    """The condition that this status means."""
    if status.state is not TaskState.LOST:
        return _CONDITION[status.state]
    if status.reason == "REASON_TASK_UNKNOWN" or status.message.startswith(_UNKNOWN_TO_MESOS):
        return Condition.UNKNOWN
    if status.reason in _LOST_BUT_MAY_RETURN:
        return Condition.UNREACHABLE
    return Condition.GONE


def is_last_word(status: TaskStatus) -> bool:
    """Whether the task is sure not to run any more and nothing more will be heard of it. An end
    that a reconciliation tells is sure too, but older updates may still be on their way."""
    if status.state not in _PROOFS:
        return False
    told_early = not status.uuid and status.reason == "REASON_RECONCILIATION"
    return not told_early or status.state in _NEVER_RAN_THERE


def is_failure(condition: Condition, reason: str) -> bool:
    """Whether an end counts against the app: it delays the relaunch and shows as its last
    failure. FAILED, ERROR, FINISHED and launch errors do; kills and losses of agents do not."""
    if reason in _NOT_THE_APPS_DOING:
        return False
    if condition in _LOSSES:
        return reason.startswith(_LAUNCH_ERRORS)
    return condition in {Condition.FAILED, Condition.ERROR, Condition.FINISHED}


def may_follow(now: Condition, new: Condition) -> bool:
    """Whether an instance in ``now`` may become ``new`` within one incarnation. Proven ends are
    final; a task given up without proof may turn out to live; nothing goes back to an earlier
    stage of starting."""
    if now in PROVEN_ENDS:
        return False
    order = _STAGES.get(now)
    later = _STAGES.get(new)
    if order is None or later is None:
        return True
    return later >= order


_STAGES = {
    Condition.PROVISIONED: 0,
    Condition.STAGING: 1,
    Condition.STARTING: 2,
    Condition.RUNNING: 3,
    Condition.KILLING: 4,
}
