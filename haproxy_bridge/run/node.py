"""One run on a node: from the scheduler's answer to a haproxy that serves it.

The order is: ask, judge, render, have haproxy check, then either change the running haproxy and
write the file, or write the file, reload and look. What is remembered is stored last, so that a run
that dies leaves no more than work to be done again.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from api.client import ClientError
from haproxy_bridge.exits import Exit
from haproxy_bridge.guard import Judged, judge
from haproxy_bridge.render import render
from haproxy_bridge.rendered import Rendered
from haproxy_bridge.run import quarantine, state_file
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.outcome import Outcome
from haproxy_bridge.run.quarantine import RefusedError, Settled
from haproxy_bridge.run.state_file import Applied, State
from haproxy_bridge.runtime import apply, socket
from haproxy_bridge.runtime.apply import NotAppliedError
from haproxy_bridge.runtime.master import ReloadError
from haproxy_bridge.runtime.plan import Plan
from haproxy_bridge.runtime.socket import SocketError
from haproxy_bridge.services import build
from haproxy_bridge.snapshot import Snapshot
from haproxy_bridge.source import Reader, Unchanged
from haproxy_bridge.swap import files, load, lock
from haproxy_bridge.swap.check import CheckError, Refusal, check


def wall_ms() -> int:
    """Milliseconds of the wall clock, which run after run shares."""
    return time.time_ns() // 1_000_000


class Node:
    """The bridge of one node. Each run reads and stores what is remembered, under the lock."""

    def __init__(
        self, reader: Reader, options: NodeOptions, now_ms: Callable[[], int] = wall_ms
    ) -> None:
        self._reader = reader
        self._options = options
        self._now_ms = now_ms
        self._config = Path(options.config)
        self._state = Path(options.state)

    def run(self, *, force: bool = False, dry_run: bool = False) -> Outcome:
        """One run. ``force``: believe the answer whatever it takes away. ``dry_run``: only say
        what would be. What goes wrong is in the outcome; OSError for a fault of this machine."""
        try:
            self._state.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            with lock.held(self._state.with_suffix(".lock"), self._options.lock_seconds):
                return self._run(force=force, dry_run=dry_run)
        except lock.LockedError as error:
            return Outcome(exit=Exit.LOCKED, why=str(error))

    def _run(self, *, force: bool, dry_run: bool) -> Outcome:
        state, note = state_file.load(self._state)
        run = _Run(self._options, state, self._now_ms())
        outcome = self._outcome(run, force=force, dry_run=dry_run)
        if note:
            outcome = replace(outcome, notes=(note, *outcome.notes))
        if not dry_run:
            state_file.save(self._state, run.remembered(outcome))
        return outcome

    def _outcome(self, run: "_Run", *, force: bool, dry_run: bool) -> Outcome:
        try:
            answer = self._reader.read()
        except ClientError as error:
            return Outcome(exit=Exit.UNREACHABLE, why=str(error))
        assert not isinstance(answer, Unchanged), "asked without a tag"
        judged = judge(answer, run.state.memory, self._options.guard, run.now_ms, force=force)
        if judged.snapshot is None:
            run.held(judged)
            return Outcome(exit=Exit.HELD, why=judged.why)
        try:
            settled = run.settled(judged.snapshot)
        except RefusedError as error:
            return Outcome(exit=Exit.REFUSED, why=str(error))
        except CheckError as error:
            return Outcome(exit=Exit.INTERNAL, why=str(error))
        if dry_run:
            return run.would_be(settled)
        return run.put_in_place(settled, judged)


class _Run:
    """What one run knows and does."""

    def __init__(self, options: NodeOptions, state: State, now_ms: int) -> None:
        self.state = state
        self.now_ms = now_ms
        self._options = options
        self._config = Path(options.config)
        self._socket = Path(options.render.socket)

    def held(self, judged: Judged) -> None:
        """Remember how long an answer was not believed."""
        self.state = replace(self.state, memory=judged.memory)

    def settled(self, snapshot: Snapshot) -> Settled:
        """What haproxy takes of it. RefusedError, CheckError."""
        return quarantine.settled(
            snapshot, self.state.good, self._rendered, self._checked, trusted=self._is_trusted
        )

    def _rendered(self, snapshot: Snapshot) -> Rendered:
        services = build(snapshot, self._options.services, self._options.seed)
        return render(services, self._options.render)

    def _checked(self, rendered: Rendered) -> Refusal | None:
        return check(self._options.haproxy, self._config.parent, rendered)

    def _is_trusted(self, rendered: Rendered) -> bool:
        """Nothing is new but servers of forms that haproxy took before."""
        applied = self.state.applied
        known = applied is not None and applied.structure == rendered.structure
        return known or not self._options.validate

    def _plan(self, rendered: Rendered) -> Plan:
        before = None if self.state.applied is None else self.state.applied.rendered()
        try:
            return apply.planned(self._socket, before, rendered)
        except SocketError as error:
            return Plan(reload=str(error))

    def would_be(self, settled: Settled) -> Outcome:
        """What putting it in place would do."""
        plan = self._plan(settled.rendered)
        before = files.read(self._config) or b""
        changed = before != settled.rendered.config or bool(plan.commands or plan.removals)
        return self._told(settled, plan, before, changed=changed, reloaded=False)

    def put_in_place(self, settled: Settled, judged: Judged) -> Outcome:
        """Bring file and haproxy to it."""
        rendered = settled.rendered
        plan = self._plan(rendered)
        before = files.read(self._config) or b""
        same_file = before == rendered.config
        if same_file and self._is_what_runs(plan):
            self._sweep(plan)
            self._believe(settled, judged)
            return self._told(settled, plan, before, changed=False, reloaded=False)
        reloaded = False
        try:
            if plan.reload or not self._changed_at_run_time(plan, rendered):
                self._load(rendered)
                reloaded = True
            elif not same_file:
                files.install(self._config, rendered, new_generation=False)
        except ReloadError as error:
            return Outcome(exit=Exit.NOT_RELOADED, why=self._taken_back(str(error)))
        self._believe(settled, judged)
        return self._told(settled, plan, before, changed=True, reloaded=reloaded)

    def _is_what_runs(self, plan: Plan) -> bool:
        return self.state.applied is not None and not (plan.reload or plan.commands)

    def _sweep(self, plan: Plan) -> None:
        """Delete servers that had sessions when they were stopped, if those have ended."""
        if plan.removals:
            with suppress(SocketError):
                socket.tell(self._socket, plan.removals)

    def _changed_at_run_time(self, plan: Plan, rendered: Rendered) -> bool:
        """Whether commands did it; if they did not, a reload will."""
        try:
            apply.apply(self._socket, plan, rendered)
        except (NotAppliedError, SocketError):
            return False
        return True

    def _load(self, rendered: Rendered) -> None:
        files.install(self._config, rendered, new_generation=True)
        load.load(self._options.load)

    def _taken_back(self, why: str) -> str:
        """The configuration before is put back and loaded; the text says how that went."""
        if not files.restore(self._config):
            return f"{why}; there is no configuration before to go back to"
        try:
            load.load(replace(self._options.load, probe_url=""))
        except ReloadError as error:
            return f"{why}; the configuration before is back, but: {error}"
        return f"{why}; the configuration before is back"

    def _believe(self, settled: Settled, judged: Judged) -> None:
        rendered = settled.rendered
        applied = Applied(rendered.structure, rendered.backends, rendered.stanzas)
        self.state = replace(self.state, memory=judged.memory, applied=applied, good=settled.good)

    def _told(
        self, settled: Settled, plan: Plan, before: bytes, *, changed: bool, reloaded: bool
    ) -> Outcome:
        problems = settled.problems
        partial = any(problem.keeps_out for problem in problems)
        return Outcome(
            exit=Exit.PARTIAL if partial else Exit.OK,
            why=plan.reload if changed else "",
            changed=changed,
            reloaded=reloaded,
            added=plan.added,
            modified=plan.changed,
            removed=plan.removed,
            problems=problems,
            before=before,
            after=settled.rendered.config,
            services=len(settled.rendered.backends),
            servers=sum(len(backend.servers) for backend in settled.rendered.backends),
        )

    def remembered(self, outcome: Outcome) -> State:
        """What the next run is to know."""
        kept = outcome.exit not in {Exit.OK, Exit.PARTIAL}
        state = replace(self.state, last_run_ms=self.now_ms, failure=outcome.why if kept else "")
        if kept:
            return state
        return replace(
            state,
            problems=outcome.problems,
            last_success_ms=self.now_ms,
            last_change_ms=self.now_ms if outcome.changed else state.last_change_ms,
            last_reload_ms=self.now_ms if outcome.reloaded else state.last_reload_ms,
            changes=state.changes + outcome.changed,
            reloads=state.reloads + outcome.reloaded,
        )
