"""The simulation notices when the core is wrong: each of these mistakes is caught within a few
seeds, by the rule that is there for it. Mistakes that need rarer luck are in ``test_found`` and in
the tests of the core's own rooms."""

from dataclasses import dataclass
from types import FunctionType

import pytest

from framework.core import (
    choosing,
    commands,
    definitions,
    deployments,
    disks,
    draining,
    edges,
    index,
    kills,
    launches,
    moving,
    orphans,
    placing,
    reconciling,
    replacements,
    retiring,
    rotation,
    sizing,
    starting,
    statuses,
    storms,
    turn,
    volumes,
)
from framework.core.index import AppIndex
from tests.simulation.mutation import mutated
from tests.simulation.run import Run

_MOST_SEEDS = 60


@dataclass(frozen=True)
class Mutant:
    """A mistake: a text of a function, and what stands there instead; ``storms``: it shows when
    many instances are lost at once; ``edges``: when load balancers follow.
    ``first``: the seed to begin with, for what few seeds lead to, or late."""

    name: str
    function: object
    old: str
    new: str
    storms: bool = False
    edges: bool = False
    first: int = 0


MUTANTS = [
    Mutant(
        "canaries are not waited for",
        sizing.share_of,
        "max(canary, there)",
        "None",
        first=20,
    ),
    Mutant(
        "an old instance beside canaries is judged by the new constraints",
        AppIndex.counts_for,
        "self.old_counts.get(app.config, {})",
        "self.counts",
    ),
    Mutant(
        "apps of later steps are changed at once",
        deployments._step_done,
        "return False",
        "break",
    ),
    Mutant(
        "a deployment that is taken back is not ended",
        deployments.end,
        "turn.put(Kind.DEPLOYMENT, deployment.id, None)",
        "turn.world.state.put(Kind.DEPLOYMENT, deployment.id, None)",
    ),
    Mutant(
        "a pause is only noted",
        sizing.share_of,
        "if not paused and",
        "if",
        first=48,
    ),
    Mutant(
        "what an app was before is not brought back",
        commands.revert,
        "puts.append(PutApp(earlier))",
        "puts.append(PutApp(state.apps[app_id]))",
        first=7,
    ),
    Mutant(
        "no tombstone for what was given up",
        turn.Turn.remove_instance,
        "if lost:",
        "if False:",
    ),
    Mutant(
        "orphans are killed",
        orphans.stranger,
        "_list(turn, status)",
        "kill_given_up(turn, status)",
    ),
    Mutant(
        "placing does not count what it just placed",
        AppIndex._counted_as,
        "new.condition in _NOT_COUNTED:",
        "not new.started_at_ms:",
    ),
    Mutant(
        "constraints are not looked at",
        choosing.Chooser._refused,
        "crowded_out(turn, self.request, rest) is not None",
        "False",
    ),
    Mutant(
        "an end is taken twice",
        statuses._ended,
        "turn.put_instance(ended)",
        "turn.put_instance(ended); turn.world.instance_changed(None, ended)",
    ),
    Mutant(
        "a kill is not sent again",
        kills.retry,
        "send_kill(turn, task_id, instance.agent_id)",
        "pass",
    ),
    Mutant(
        "kills are not sent again to a new subscription",
        kills.resend,
        "send_kill(turn, instance.task_id, instance.agent_id)",
        "turn.world.deadlines.clear('kill retry', instance.task_id)",
        first=1,
    ),
    Mutant(
        "a launch without its record",
        starting.start,
        "turn.put_instance(instance)",
        "turn.world.state.put('instance', instance.id, instance)",
    ),
    Mutant(
        "unused offers are kept",
        placing._answer,
        "declined.append(rest.offer.id)",
        "pass",
    ),
    Mutant(
        "more old instances are stopped than may be",
        sizing.size,
        "spare = max(0, serving - surplus - minimum)",
        "spare = serving",
    ),
    Mutant(
        "instances on their way out are not counted in an upgrade",
        sizing.size,
        "most - there - leaving",
        "most - there",
    ),
    Mutant(
        "a marked instance is stopped before another one serves in its place",
        sizing._replaced,
        "keep = max(0, new - in_place)",
        "keep = max(0, new - have.current)",
        first=20,
    ),
    Mutant(
        "more than one beside marked instances",
        sizing.size,
        "beside = min(missing, room)",
        "beside = missing",
        first=56,
    ),
    Mutant(
        "an unhealthy instance is killed at once",
        moving.mark_unhealthy,
        "turn.policy.unhealthy_kill_patience",
        "1",
        first=14,
    ),
    Mutant(
        "that one was killed for its health is forgotten when it starts again",
        starting.start,
        "before.awaited_since_ms if before else 0",
        "0",
        first=65,
    ),
    Mutant(
        "an update is not acknowledged",
        statuses.received,
        "if status.uuid:",
        "if status.uuid and status.state != 'TASK_KILLED':",
    ),
    Mutant(
        "the agent's record is dropped while an instance is there",
        turn.Turn._agent_left,
        "agent_id not in self.world.agent_uses",
        "True",
    ),
    Mutant(
        "tasks stuck in starting are left alone",
        launches.check,
        'kills.kill(turn, instance, f"{OVERDUE}: {state} for more than {seconds:g} s")',
        "str(seconds) + state",
        first=45,
    ),
    Mutant(
        "scaling down stops one too many",
        sizing._stop_surplus,
        "choose_victims(turn, app, candidates, count)",
        "choose_victims(turn, app, candidates, count + 1)",
    ),
    Mutant(
        "nobody is asked about silent tasks",
        reconciling.begin,
        "turn.actions.append(Reconcile())",
        "reconciliation.pending.clear()",
        first=26,
    ),
    Mutant(
        "a removed app stays stored",
        definitions.removed_app,
        "turn.put(Kind.APP, app_id, None)",
        "turn.world.state.put(Kind.APP, app_id, None)",
    ),
    Mutant(
        "a kill by id is only answered",
        commands._kill_tasks,
        'kill(turn, instance, _on_request(turn, instance, "killed"), planned=True)',
        "pass",
    ),
    Mutant(
        "nobody waits in a storm",
        storms.may_replace,
        "return False",
        "return True",
        storms=True,
        first=30,
    ),
    Mutant(
        "nobody's turn ever comes",
        storms.next_turns,
        "if instance is not None and",
        "if instance is None and",
        storms=True,
        first=25,
    ),
    Mutant(
        "a storm has no end",
        replacements._over,
        "return True",
        "return False",
        storms=True,
    ),
    Mutant(
        "few are many",
        storms.is_storm,
        "number * 100 >",
        "number * 1000 <",
        storms=True,
    ),
    Mutant(
        "planned kills wait for nobody",
        retiring.until_ms,
        "max(own_ms, turn.policy.drain_timeout)",
        "own_ms",
        edges=True,
    ),
    Mutant(
        "the word of one edge is enough",
        edges._look,
        "turn.world.draining[task_id].issuperset(live(turn, EdgeKind.DAEMON))",
        "turn.world.draining[task_id]",
        edges=True,
    ),
    Mutant(
        "old ones leave for what no edge uses yet",
        index._counts,
        "not instance.awaits_edges",
        "True",
        edges=True,
    ),
    Mutant(
        "one edge that uses it is enough",
        rotation._look,
        ".issuperset(retiring.live(turn, EdgeKind.DAEMON))",
        "",
        edges=True,
    ),
    Mutant(
        "an edge that left is waited for",
        rotation.edge_left,
        "_look(turn, instance)",
        "pass",
        edges=True,
        first=47,
    ),
    Mutant(
        "the time for edges begins before it serves",
        rotation.watch_touched,
        "if not _serves(turn, instance):",
        "if False:",
        edges=True,
    ),
    Mutant(
        "an edge that leaves was the last one",
        edges._forget,
        "_look(turn, task_id)",
        "turn.world.draining[task_id].update(live(turn, EdgeKind.DAEMON)); _look(turn, task_id)",
        edges=True,
        first=22,
    ),
    Mutant(
        "a new process or subscription does not wait for what drains",
        kills.resend,
        "if instance.draining_until_ms > turn.now_ms:",
        "if False:",
        edges=True,
        first=14,
    ),
    Mutant(
        "a drained agent is used",
        moving.leaving,
        "if drained is not None:",
        "if False:",
    ),
    Mutant(
        "what runs on a drained agent is left alone",
        draining.drain,
        "_look_again(turn, command.agent)",
        "_set_deadlines(turn, command.agent)",
    ),
    Mutant(
        "the deadline of a drain is only noted",
        draining._end_all,
        'kills.kill(turn, instance, "the time to drain its agent is over")',
        "pass",
        first=27,
    ),
    Mutant(
        "a part of what is reserved is enough to start on",
        volumes._relaunch_on,
        "entries is None or not _complete(reservation, entries)",
        "entries is None",
        first=5,
    ),
    Mutant(
        "a part of what is reserved is given back",
        volumes._give_back,
        "if not _complete(reservation, entries, without_volumes=True):",
        "if False:",
        first=25,
    ),
    Mutant(
        "the record of a volume goes with its instance",
        turn.Turn.remove_instance,
        "held is not None and held.state is ReservationState.LOST",
        "held is not None",
        first=1,
    ),
    Mutant(
        "a part of a disk that is to be had as a whole",
        disks.DiskNeed.takes,
        "left if self.type is DiskType.MOUNT else self.least_millis",
        "self.least_millis",
        first=3,
    ),
    Mutant(
        "volumes go to any disk",
        disks.DiskNeed.suits,
        'all(check.admits({"path": source.root}) for check in self.checks)',
        "True",
        first=15,
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mistake_is_caught(mutant: Mutant) -> None:
    assert isinstance(mutant.function, FunctionType)
    with mutated(mutant.function, mutant.old, mutant.new):
        for seed in range(mutant.first, mutant.first + _MOST_SEEDS):
            try:
                Run(seed, storms=mutant.storms, edges=mutant.edges).go()
            except Exception:  # noqa: BLE001 - a Violation or a crash of the core: it was caught
                return
    raise AssertionError(f"{_MOST_SEEDS} seeds did not notice: {mutant.name}")
