"""Whether an answer that takes many servers away is to be believed at once.

A control plane that is down, half loaded or restored from an old copy looks like a cluster without
apps. A loss with a reason (apps removed or scaled down, as a scheduler with a known state says) is
none; one without is held until the same answer has come for a while.
"""

import hashlib
from itertools import compress
from operator import is_not

from haproxy_bridge.guard.memory import GuardOptions, Held, Memory
from haproxy_bridge.snapshot import App, Snapshot


def stale(new: Snapshot, memory: Memory) -> str:
    """Why the answer is older than what is known already; "" if it is not."""
    last = memory.rotation
    if last is None or not new.state_id or last.state_id != new.state_id:
        return ""
    if new.epoch < last.epoch:
        return f"the answer is of epoch {new.epoch}, after one of epoch {last.epoch} was seen"
    return ""


def suspicious(new: Snapshot, memory: Memory, options: GuardOptions) -> str:
    """Why the rotation ``new`` should not be believed at once; "" if it may be."""
    last = memory.rotation
    if last is None:
        return ""
    other_state = bool(last.state_id and new.state_id and last.state_id != new.state_id)
    lost = _lost_without_reason(new, last)
    if not other_state and (not lost or _is_little(lost, new, last, options)):
        return ""
    before, after = sum(map(_serving, last.apps)), sum(len(app.tasks) for app in new.apps)
    if other_state and before:
        return f"the scheduler's state is another one ({new.state_id}), with {after} servers"
    if after < before and (after == 0 or lost > before * options.max_drop):
        return f"{lost} of {before} servers are gone without a reason"
    return ""


def _is_little(lost: int, new: Snapshot, last: Snapshot, options: GuardOptions) -> bool:
    """Whether some of the servers of before are enough to see that the loss is a small share: the
    many are counted only in trouble."""
    seen = 0
    for app in last.apps:
        seen += _serving(app)
        if lost <= seen * options.max_drop:
            return any(one.tasks for one in new.apps)
    return False


def _serving(app: App) -> int:
    """Its servers but for those that drain: that they go was said."""
    return sum(not task.draining for task in app.tasks)


def _lost_without_reason(new: Snapshot, last: Snapshot) -> int:
    """How many servers went that nobody asked to go."""
    known = bool(new.state_id) and new.synced
    if len(new.apps) == len(last.apps):
        pairs = list(
            compress(zip(last.apps, new.apps, strict=True), map(is_not, last.apps, new.apps))
        )
        if all(before.id == after.id for before, after in pairs):
            lost = (_lost(before, after, removal_known=known) for before, after in pairs)
            return sum(max(0, one) for one in lost)
    there = {app.id: app for app in new.apps}
    found = 0
    for before in last.apps:
        after = there.get(before.id)
        if after is not before:
            found += max(0, _lost(before, after, removal_known=known))
    return found


def _lost(before: App, after: App | None, *, removal_known: bool) -> int:
    if after is None:
        return 0 if removal_known else _serving(before)
    gone = _serving(before) - len(after.tasks)
    asked = max(0, _serving(before) - after.wanted) if after.wanted < before.wanted else 0
    return gone - asked


def signature_of(snapshot: Snapshot) -> str:
    """Equal for answers that name the same state and tasks."""
    digest = hashlib.sha256(f"{snapshot.state_id}/{snapshot.epoch}".encode())
    for app in snapshot.apps:
        digest.update(f"\n{app.id} {app.wanted}".encode())
        for task_id in sorted(task.id for task in app.tasks):
            digest.update(f" {task_id}".encode())
    return digest.hexdigest()


def held_again(why: str, signature: str, held: Held | None, now_ms: int) -> Held:
    """The hold that what has this ``signature`` begins, or goes on with after ``held``."""
    if held is None or held.signature != signature or now_ms < held.since_ms:
        return Held(why, signature, now_ms)
    return Held(why, signature, held.since_ms, held.runs + 1)


def is_over(held: Held, options: GuardOptions, now_ms: int) -> bool:
    """Whether the same answer has come often enough, for long enough, to be believed."""
    long_enough = now_ms - held.since_ms >= options.hold_seconds * 1000
    return held.runs >= options.hold_runs and long_enough
