"""One turn of the bridge: from an answer of the scheduler to a haproxy that serves it.

The order is: judge, render, have haproxy check, then either change the running haproxy and the
file, or write the file, reload and look. What is remembered changes last.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from haproxy_bridge.exits import Exit
from haproxy_bridge.guard import found, losses
from haproxy_bridge.guard.found import Found
from haproxy_bridge.rendered import Backend, Rendered, Server, digest
from haproxy_bridge.run import quarantine
from haproxy_bridge.run.clusters import Believed, Clusters
from haproxy_bridge.run.config_file import ConfigFile
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.outcome import SETTLED, Outcome
from haproxy_bridge.run.quarantine import RefusedError, Settled
from haproxy_bridge.run.state_file import Applied, State
from haproxy_bridge.runtime import apply, socket, standing
from haproxy_bridge.runtime.maps import Tables
from haproxy_bridge.runtime.master import ReloadError
from haproxy_bridge.runtime.plan import NotAppliedError, Plan
from haproxy_bridge.runtime.socket import Account, SocketError
from haproxy_bridge.snapshot import Snapshot
from haproxy_bridge.source import Heard
from haproxy_bridge.swap import binding, load
from haproxy_bridge.swap.check import CheckError, Refusal, check
from haproxy_bridge.swap.load import LoadOptions

_NOT_OURS = (
    "haproxy has to be told to load its file: neither a master socket nor a reload command is named"
)
Render = Callable[[Snapshot], Rendered]
Load = Callable[[LoadOptions], None]


class How(Struct, frozen=True, kw_only=True):
    """``force``: believe the answer whatever it takes away. ``dry_run``: only say what would be.
    ``may_reload``: if False, what needs a reload waits, and only members change. ``everything``:
    look at all of haproxy and at the file; else what was known of them last is true."""

    force: bool = False
    dry_run: bool = False
    may_reload: bool = True
    everything: bool = True


class Turn:
    """What one turn knows and does. ``state`` and ``rendered`` are what it leaves."""

    def __init__(
        self,
        options: NodeOptions,
        state: State,
        file: ConfigFile,
        clusters: Clusters,
        render: Render,
        now_ms: int,
        how: How,
        load_it: Load = load.load,
    ) -> None:
        self.state = state
        self.rendered: Rendered | None = None
        self._options = options
        self._file = file
        self._clusters = clusters
        self._render = render
        self._now_ms = now_ms
        self._how = how
        self._load_it = load_it
        self._socket = Path(options.render.socket)
        self._notes: list[str] = []
        self._kept: dict[str, str] = {}
        self._tables = Tables() if state.applied is None else state.applied.tables

    def take(self, heard: Sequence[Heard]) -> Outcome:
        """Bring file and haproxy to what the clusters say, or say why not. OSError for a fault of
        this machine."""
        there = self._there()
        believed = self._clusters.believed(
            heard, self.state, self._now_ms, force=self._how.force, there=there
        )
        if believed.snapshot is None:
            self.state = believed.remembered_in(self.state)
            return Outcome(exit=believed.exit, why=believed.why)
        self._kept = believed.kept
        try:
            settled = quarantine.settled(
                believed.snapshot,
                self.state.good,
                self._render,
                self._checked,
                trusted=self._is_trusted,
                refused={} if self._how.everything else self.state.refused,
            )
        except RefusedError as error:
            return Outcome(exit=Exit.REFUSED, why=str(error))
        except CheckError as error:
            return Outcome(exit=Exit.INTERNAL, why=str(error))
        if why := self._held(settled.rendered, there):
            return Outcome(exit=Exit.HELD, why=why)
        if self._how.dry_run:
            return self._would_be(settled)
        return self._put_in_place(settled, believed)

    def _there(self) -> Found:
        """The servers in the file, if nothing is remembered of how they came there. OSError."""
        return found.servers(self._file.content()) if self.state.applied is None else frozenset()

    def _held(self, wanted: Rendered, there: Found) -> str:
        """Why a first configuration is not to replace the one that is there yet; "" if it may."""
        options = self._options.guard
        if self._how.force or not there:
            return ""
        why = found.suspicious(wanted.config, there, options)
        if not why:
            return ""
        signature = digest(repr(sorted(found.servers(wanted.config))))
        held = losses.held_again(why, signature, self.state.held, self._now_ms)
        if losses.is_over(held, options, self._now_ms):
            return ""
        self.state = replace(self.state, held=held)
        return why

    def _checked(self, rendered: Rendered) -> Refusal | None:
        refusal = check(self._options.haproxy, self._file.folder, rendered, self._reader())
        return refusal or binding.refusal(rendered, self._file.content())

    def _reader(self) -> Account | None:
        """As whom haproxy, which runs, reads configurations."""
        master_socket = self._options.load.master_socket
        paths = (*([Path(master_socket)] if master_socket else ()), self._socket)
        return next((found for path in paths if (found := socket.listener(path))), None)

    def _is_trusted(self, rendered: Rendered) -> bool:
        """Nothing is new but servers of forms that haproxy took before."""
        applied = self.state.applied
        known = applied is not None and (applied.structure, applied.maps) == (
            rendered.structure,
            rendered.maps,
        )
        return known or not self._options.validate

    def _changed_backends(self, wanted: Rendered) -> Collection[str] | None:
        """Those to look at; None for all."""
        applied = self.state.applied
        if self._how.everything or applied is None:
            return None
        before = {backend.name: backend for backend in applied.backends}
        others = [one for one in wanted.backends if before.get(one.name) is not one]
        return frozenset(one.name for one in others if before.get(one.name) != one)

    def _plan(self, wanted: Rendered, only: Collection[str] | None, *, routes: bool = True) -> Plan:
        applied = self.state.applied
        before = None if applied is None else applied.rendered()
        known = applied.tables if applied is not None and routes else None
        try:
            return apply.planned(self._socket, before, wanted, only, known)
        except SocketError as error:
            return Plan(reload=str(error))

    def _would_be(self, settled: Settled) -> Outcome:
        plan = self._plan(settled.rendered, None)
        before = self._file.content()
        changed = before != settled.rendered.config or plan.changes or bool(plan.removals)
        return self._told(settled, plan, before, changed=changed, reloaded=False)

    def _put_in_place(self, settled: Settled, believed: Believed) -> Outcome:
        rendered = settled.rendered
        only = self._changed_backends(rendered)
        plan = self._plan(rendered, only)
        self._remember(plan.seen)
        before = self._file.content() if self._how.everything else b""
        same_file = self._file.holds(rendered, anew=self._how.everything)
        if same_file and (self._is_what_runs(plan) or self._waits_for_others(plan)):
            self._sweep(plan)
            self._believe(settled, believed)
            told = self._told(settled, plan, before, changed=False, reloaded=False)
            return replace(told, awaits_reload=bool(plan.reload))
        if plan.reload and not self._how.may_reload:
            return self._postponed(settled, plan.reload)
        reloaded = awaits_reload = False
        if why := plan.reload or self._not_changed(plan, rendered, only):
            if not self._how.may_reload:
                return self._postponed(settled, why)
            plan = replace(plan, reload=why)
        try:
            if plan.reload:
                reloaded = self._load(rendered)
                awaits_reload = not reloaded
            elif not same_file:
                self._write(rendered)
        except ReloadError as error:
            return Outcome(exit=Exit.NOT_RELOADED, why=self._taken_back(str(error)))
        self._believe(settled, believed)
        told = self._told(settled, plan, before, changed=True, reloaded=reloaded)
        return replace(told, awaits_reload=awaits_reload)

    def _is_what_runs(self, plan: Plan) -> bool:
        return self.state.applied is not None and not (plan.reload or plan.changes)

    def _waits_for_others(self, plan: Plan) -> bool:
        """Only a reload helps, and that is not ours: it was said when the file was written."""
        return bool(plan.reload) and not self._options.load.loads

    def _sweep(self, plan: Plan) -> None:
        """Delete servers that had sessions when they were stopped, if those have ended."""
        if plan.removals:
            with suppress(SocketError):
                socket.tell(self._socket, plan.removals)

    def _not_changed(self, plan: Plan, rendered: Rendered, only: Collection[str] | None) -> str:
        """Why commands did not do it, and a reload has to; "" if they did."""
        try:
            self._remember(apply.apply(self._socket, plan, rendered, only))
        except (NotAppliedError, SocketError) as error:
            return str(error) or "haproxy did not take the change"
        return ""

    def _remember(self, tables: Tables | None) -> None:
        """The maps that haproxy's worker has now; None if nobody looked."""
        if tables is not None:
            self._tables = tables

    def _write(self, rendered: Rendered) -> None:
        """What haproxy has already. Other routes are worth a generation, and are written at once:
        a haproxy that starts anew has them. OSError."""
        applied = self.state.applied
        if applied is not None and applied.maps == rendered.maps:
            self._file.change(rendered)
        else:
            self._file.replace(rendered)
            self._file.proven()

    def _postponed(self, settled: Settled, why: str) -> Outcome:
        """A reload has to wait; what only changes members of what is loaded does not."""
        applied = self.state.applied
        plan = Plan() if applied is None else self._change_members(applied, settled.rendered)
        told = self._told(settled, plan, b"", changed=plan.changes, reloaded=False)
        return replace(told, postponed=True, why=why, after=b"")

    def _change_members(self, applied: Applied, wanted: Rendered) -> Plan:
        new = {backend.name: backend for backend in wanted.backends}
        members = tuple(_nearest(old, new.get(old.name)) for old in applied.backends)
        meanwhile = replace(applied.rendered(), backends=members)
        only = self._changed_backends(meanwhile)
        plan = self._plan(meanwhile, only, routes=False)
        if plan.reload or self._not_changed(plan, meanwhile, only):
            return Plan()
        self.state = replace(self.state, applied=replace(applied, backends=members))
        return plan

    def _load(self, rendered: Rendered) -> bool:
        """Write it and have it loaded; whether that is ours to do. ReloadError, OSError."""
        self._file.replace(rendered)
        self._tables = Tables()
        if not self._options.load.loads:
            self._notes.append(_NOT_OURS)
            self._file.proven()  # as far as anybody here will ever know
            return False
        before = standing.seen(self._socket)
        self._load_it(self._options.load)
        self._file.proven()
        different = apply.loaded(self._socket, rendered)
        self._tables = apply.tables(self._socket, before.pid) if rendered.maps else Tables()
        standing.passed_on(self._socket, before, rendered)
        if different:
            self._notes.append(f"after the reload haproxy is not as its file says: {different}")
        return True

    def _taken_back(self, why: str) -> str:
        """The configuration before is put back and loaded; the text says how that went."""
        if not self._file.restore():
            return f"{why}; there is no configuration before to go back to"
        try:
            self._load_it(replace(self._options.load, probe_url=""))
        except ReloadError as error:
            return f"{why}; the configuration before is back, but: {error}"
        return f"{why}; the configuration before is back"

    def _believe(self, settled: Settled, believed: Believed) -> None:
        rendered = self.rendered = settled.rendered
        applied = Applied(rendered.structure, rendered.backends, rendered.maps, self._tables)
        state = believed.remembered_in(self.state)
        self.state = replace(
            state, applied=applied, good=settled.good, refused=settled.refused, held=None
        )

    def _told(
        self, settled: Settled, plan: Plan, before: bytes, *, changed: bool, reloaded: bool
    ) -> Outcome:
        problems = settled.problems
        partial = any(problem.keeps_out for problem in problems)
        whole = Exit.PARTIAL if partial else Exit.OK
        return Outcome(
            exit=Exit.CLUSTER if self._kept else whole,
            kept=self._kept,
            why=plan.reload if changed else "",
            changed=changed,
            reloaded=reloaded,
            rerouted=bool(plan.exchanges) and not plan.reload,
            added=plan.added,
            modified=plan.changed,
            removed=plan.removed,
            problems=problems,
            notes=tuple(self._notes),
            before=before,
            after=settled.rendered.config if self._how.everything else b"",
            services=len(settled.rendered.backends),
            servers=sum(len(backend.servers) for backend in settled.rendered.backends),
        )


def _nearest(old: Backend, new: Backend | None) -> Backend:
    """The new members as far as they fit into the backend that is loaded: who leaves or drains does
    so, and one with options that no member has there comes with the reload. Where nobody would
    serve until then, all stay."""
    if new is None or not (old.dynamic and new.dynamic):
        return old
    known = {server.options for server in old.servers}
    # One at the same place is the same, though it is to have another name or other options.
    there = {(server.address, server.port): server for server in old.servers}
    members: dict[str, Server] = {}
    for server in new.servers:
        loaded = there.get((server.address, server.port))
        if loaded is not None:
            members[loaded.name] = replace(server, name=loaded.name, options=loaded.options)
        elif server.options in known:
            members.setdefault(server.name, server)
    if any(map(_serves, new.servers)) and not any(map(_serves, members.values())):
        return old
    return replace(old, servers=tuple(members.values()), maxconn=new.maxconn)


def _serves(server: Server) -> bool:
    return server.weight > 0 and not server.draining


def remembered(state: State, outcome: Outcome, now_ms: int) -> State:
    """What the next turn is to know."""
    state = replace(state, last_run_ms=now_ms)
    if outcome.postponed and state.failure:
        return state  # members changed, but what failed did not come right
    kept = outcome.exit not in SETTLED
    state = replace(state, failure=outcome.why if kept else "")
    if kept:
        failed = outcome.exit is Exit.NOT_RELOADED
        return replace(state, failed_reloads=state.failed_reloads + failed)
    return replace(
        state,
        kept=outcome.kept,
        problems=outcome.problems,
        last_success_ms=now_ms,
        last_change_ms=now_ms if outcome.changed else state.last_change_ms,
        last_reload_ms=now_ms if outcome.reloaded else state.last_reload_ms,
        changes=state.changes + outcome.changed,
        route_changes=state.route_changes + outcome.rerouted,
        reloads=state.reloads + outcome.reloaded,
    )
