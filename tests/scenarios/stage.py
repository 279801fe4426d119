"""The stage of a scenario: a cluster in words, and the scheduler's decisions in words.

A transcript is a list of commands; below each stands, indented, what the core decided. Instances
are called by their app and a number (``web#1``), agents ``a1``, ``a2``, ...; time is a clock that
only ``wait`` moves. ``pytest --rewrite`` writes the decisions anew; the diff is what to review.
"""

import dataclasses
import itertools
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cli.patterns import linear_full_match
from framework.core.policy import Context, Policy
from framework.core.step import step
from framework.core.turn import Step
from framework.core.world import World
from framework.domain import actions, events, replies
from framework.domain.app import (
    App,
    CanaryStep,
    HealthCheck,
    KillSelection,
    PortDefinition,
    ReadinessCheck,
    UnreachableStrategy,
    UpgradeStrategy,
)
from framework.domain.draining import InverseOffer
from framework.domain.edges import EdgeKind
from framework.domain.health import (
    ProbeAction,
    ProbeResult,
    ProbesReported,
    Watch,
    health_key,
    readiness_key,
)
from framework.domain.ids import parse_task_id, task_id
from framework.domain.instance import Instance
from framework.domain.mesos import Agent, Attribute, Offer, OfferResource, TaskState, TaskStatus
from framework.domain.notices import (
    AlarmCleared,
    AlarmRaised,
    DeploymentEnded,
    DeploymentStarted,
    DeploymentStepped,
    Notice,
    Remarked,
)
from framework.domain.records import replace
from framework.domain.state import Change, Kind, State
from framework.domain.storm import Pace

_START_MS = 1_700_000_000_000
_PAUSE_SECONDS = 0.2  # between commands, so that throttled calls come when they would
_STATES = {
    "staging": TaskState.STAGING,
    "starting": TaskState.STARTING,
    "running": TaskState.RUNNING,
    "killing": TaskState.KILLING,
    "killed": TaskState.KILLED,
    "failed": TaskState.FAILED,
    "finished": TaskState.FINISHED,
    "error": TaskState.ERROR,
    "lost": TaskState.LOST,
    "dropped": TaskState.DROPPED,
    "unreachable": TaskState.UNREACHABLE,
    "gone": TaskState.GONE,
    "unknown": TaskState.UNKNOWN,
}


@dataclass
class Stage:
    """One scheduler and the agents around it. ``say`` carries out one command."""

    policy: Policy = field(default_factory=Policy)

    def __post_init__(self) -> None:
        self._now_ms = _START_MS
        self._ids = itertools.count(1)
        self._offers = itertools.count(1)
        self._agents: dict[str, Agent] = {}
        self._room: dict[str, tuple[OfferResource, ...]] = {}
        self._windows: dict[str, tuple[int, int | None]] = {}  # announced maintenance
        self._names: dict[str, str] = {}
        self._numbers: dict[str, itertools.count[int]] = {}
        self._stored: list[Change] = []
        self._wake_at_ms: int | None = None
        self.world = World(State(), linear_full_match)

    def say(self, line: str) -> list[str]:
        """Carry out a command; the decisions, a line each."""
        verb, *words = shlex.split(line)
        if verb == "change":
            return self._do_wait([str(_PAUSE_SECONDS)], {}) + self._change(words)
        plain = [word for word in words if "=" not in word]
        settings = dict(word.split("=", 1) for word in words if "=" in word)
        command = getattr(self, f"_do_{verb.replace('-', '_')}")
        meanwhile = [] if verb == "show" else self._do_wait([str(_PAUSE_SECONDS)], {})
        decided: list[str] = command(plain, settings)
        return meanwhile + decided

    # -- what a transcript can say ------------------------------------------------------------

    def _do_agents(self, words: list[str], settings: dict[str, str]) -> list[str]:
        scalars = {"cpus": 4.0, "mem": 4096.0} | {k: float(v) for k, v in settings.items()}
        for number in range(1, int(words[0]) + 1):
            attributes = (
                Attribute("rack", text=f"r{(number - 1) % 3}"),
                Attribute("zone", text=f"z{(number - 1) % 2}"),
            )
            name = f"a{number}"
            self._agents[name] = Agent(name, f"{name}.local", attributes)
            self._room[name] = (
                *(OfferResource(k, round(v * 1000)) for k, v in scalars.items()),
                OfferResource("ports", ranges=((31000, 31099),)),
            )
        return []

    def _do_policy(self, _words: list[str], settings: dict[str, str]) -> list[str]:
        """``policy max_launches_per_agent=2``: a setting of the operator's, in numbers."""
        numbers = {name: int(value) for name, value in settings.items()}
        self.policy = dataclasses.replace(self.policy, **numbers)  # type: ignore[arg-type]  # by name
        return []

    def _do_start(self, _words: list[str], _settings: dict[str, str]) -> list[str]:
        return self._step(events.Started())

    def _do_subscribe(self, _words: list[str], _settings: dict[str, str]) -> list[str]:
        return self._step(events.Subscribed("framework-1", "master:5050"))

    def _do_disconnect(self, _words: list[str], _settings: dict[str, str]) -> list[str]:
        return self._step(events.Disconnected("the connection was cut"))

    def _do_crash(self, _words: list[str], _settings: dict[str, str]) -> list[str]:
        """The process dies after its last step was stored; another starts from the store."""
        state = State()
        state.apply(self._stored)
        self.world = World(state, linear_full_match)
        return self._step(events.Started())

    def _do_offer(self, words: list[str], settings: dict[str, str]) -> list[str]:
        names = list(self._agents) if words == ["all"] else words
        role = settings.get("role", "*")
        offers = tuple(
            Offer(
                f"o{next(self._offers)}",
                self._agents[name],
                role,
                self._room[name],
                *self._windows.get(name, ()),
            )
            for name in names
        )
        return self._step(events.OffersReceived(offers))

    def _do_put(self, words: list[str], settings: dict[str, str]) -> list[str]:
        existing = self.world.state.apps.get(words[0])
        app = _with(existing or _plain_app(words[0]), settings)
        force, dry_run = settings.get("force") == "yes", settings.get("dry") == "yes"
        return self._ask(events.ChangeApps((events.PutApp(app),), force=force, dry_run=dry_run))

    def _change(self, words: list[str]) -> list[str]:
        """``change /db instances=1 + /web instances=2 depends=/db``: several apps at once."""
        puts = []
        while words:
            end = words.index("+") if "+" in words else len(words)
            one, words = words[:end], words[end + 1 :]
            settings = dict(word.split("=", 1) for word in one[1:])
            existing = self.world.state.apps.get(one[0])
            puts.append(events.PutApp(_with(existing or _plain_app(one[0]), settings)))
        return self._ask(events.ChangeApps(tuple(puts)))

    def _do_suspend(self, words: list[str], _settings: dict[str, str]) -> list[str]:
        return self._ask(events.SuspendApp(words[0]))

    def _do_resume(self, words: list[str], _settings: dict[str, str]) -> list[str]:
        return self._ask(events.ResumeApp(words[0]))

    def _do_pause(self, words: list[str], _settings: dict[str, str]) -> list[str]:
        return self._ask(events.PauseDeployment(self._deployment(words[0])))

    def _do_promote(self, words: list[str], _settings: dict[str, str]) -> list[str]:
        return self._ask(events.ResumeDeployment(self._deployment(words[0])))

    def _do_replacements(self, words: list[str], settings: dict[str, str]) -> list[str]:
        """``replacements held reason=...``, ``replacements paced``, ``replacements released``."""
        return self._ask(events.PaceReplacements(Pace(words[0]), settings.get("reason", "")))

    def _do_probe(self, words: list[str], settings: dict[str, str]) -> list[str]:
        """``probe alive web#1 web#2``, ``probe dead web#1 cause=...``, ``probe ready web#1``."""
        results = []
        for name in words[1:]:
            task = self._instance(name).task_id
            key = readiness_key(task) if words[0] == "ready" else health_key(task, 0)
            alive, cause = words[0] != "dead", settings.get("cause", "")
            results.append(ProbeResult(key, self._now_ms, alive, cause))
        return self._step(ProbesReported(tuple(results)))

    def _do_remove(self, words: list[str], settings: dict[str, str]) -> list[str]:
        return self._ask(events.ChangeApps(removes=(words[0],), force=settings == {"force": "yes"}))

    def _do_restart(self, words: list[str], _settings: dict[str, str]) -> list[str]:
        return self._ask(events.RestartApp(words[0]))

    def _do_kill(self, words: list[str], settings: dict[str, str]) -> list[str]:
        ids = tuple(self._instance(name).id for name in words)
        scale, wipe = settings.get("scale") == "yes", settings.get("wipe") == "yes"
        force = settings.get("force") == "yes"
        return self._ask(events.KillTasks(ids, scale=scale, wipe=wipe, force=force))

    def _do_drain(self, words: list[str], settings: dict[str, str]) -> list[str]:
        """``drain a1 deadline=60``."""
        seconds = int(settings.get("deadline", "0"))
        return self._ask(events.DrainAgent(words[0], settings.get("reason", ""), seconds))

    def _do_undrain(self, words: list[str], _settings: dict[str, str]) -> list[str]:
        return self._ask(events.UndrainAgent(words[0]))

    def _do_inverse_offer(self, words: list[str], settings: dict[str, str]) -> list[str]:
        """``inverse-offer a1 in=600 for=3600``: its maintenance begins in so many seconds."""
        from_ms = self._now_ms + int(settings.get("in", "0")) * 1000
        for_ms = int(settings["for"]) * 1000 if "for" in settings else None
        self._windows.update(dict.fromkeys(words, (from_ms, for_ms)))
        offers = tuple(
            InverseOffer(f"i{next(self._offers)}", name, from_ms, for_ms) for name in words
        )
        return self._step(events.InverseOffersReceived(offers))

    def _do_rescind_inverse(self, words: list[str], _settings: dict[str, str]) -> list[str]:
        self._windows.clear()
        return self._step(*(events.InverseOfferRescinded(one) for one in words))

    def _do_edge(self, words: list[str], settings: dict[str, str]) -> list[str]:
        """``edge e1 lease=60``: it renews its lease; ``edge e1 uses=web#2`` says what it uses."""
        if "uses" not in settings:
            lease = int(settings.get("lease", "3600"))
            return self._ask(events.RenewEdge(words[0], EdgeKind.DAEMON, lease))
        used = self._instance(settings["uses"]).task_id
        return self._ask(events.AcknowledgeDrained(words[0], (), (used,)))

    def _do_cancel(self, words: list[str], settings: dict[str, str]) -> list[str]:
        force = settings.get("force") == "yes"
        return self._ask(events.CancelDeployment(self._deployment(words[0]), force=force))

    def _do_status(self, words: list[str], settings: dict[str, str]) -> list[str]:
        """``status running web#1 web#2 healthy=yes reason=R message=M``"""
        statuses = []
        for name in words[1:]:
            instance = self._instance(name)
            status = TaskStatus(
                task_id=settings.get("task") or instance.task_id,
                state=_STATES[words[0]],
                agent_id=instance.agent_id,
                uuid=f"u{next(self._offers)}",
                reason=settings.get("reason", ""),
                message=settings.get("message", ""),
                timestamp_ms=self._now_ms,
                healthy={"yes": True, "no": False}.get(settings.get("healthy", "")),
            )
            statuses.append(events.TaskStatusReceived(status))
        return self._step(*statuses)

    def _do_stranger(self, words: list[str], _settings: dict[str, str]) -> list[str]:
        """``stranger running web#1 a1``: a status of a first incarnation (``web#1.2``: of a
        second; or of any task id) that the records need not know any more."""
        ids = {name: known for known, name in self._names.items()}
        name, _, incarnation = words[1].partition(".")
        named = task_id(ids[name], int(incarnation or 1)) if name in ids else words[1]
        status = TaskStatus(named, _STATES[words[0]], agent_id=words[2], uuid="u")
        return self._step(events.TaskStatusReceived(status))

    def _do_wait(self, words: list[str], _settings: dict[str, str]) -> list[str]:
        """Let time pass, waking the scheduler whenever it asked for it."""
        until_ms = self._now_ms + round(float(words[0].removesuffix("s")) * 1000)
        decided = []
        while self._wake_at_ms is not None and self._wake_at_ms <= until_ms:
            self._now_ms = max(self._now_ms, self._wake_at_ms)
            decided += self._step(events.TimerFired())
        self._now_ms = until_ms
        return decided

    def _do_show(self, words: list[str], _settings: dict[str, str]) -> list[str]:
        """The instances of an app, or why it waits (``show waiting /web``)."""
        state = self.world.state
        if words[0] == "waiting":
            stats = state.launch_stats.get(words[1])
            if stats is None:
                return ["nothing waits"]
            return [f"{stats.waiting} waiting", *stats.explanation]
        if words[0] == "failure":
            failure = state.failures.get(words[1])
            return ["none" if failure is None else f"{failure.state}: {failure.message}"]
        if words[0] == "storm":
            storm = state.storm
            return ["none" if storm is None else f"{storm.pace}: {storm.waiting} wait"]
        found = state.instances_of.get(words[0], {}).values()
        return [self._line(instance) for instance in found] or ["no instances"]

    def _deployment(self, number: str) -> str:
        return sorted(self.world.state.deployments)[int(number) - 1]

    # -- how it is carried out -----------------------------------------------------------------

    def _ask(self, command: events.Command) -> list[str]:
        return self._step(events.Asked(1, command))

    def _step(self, *happened: events.Event) -> list[str]:
        context = Context(
            now_ms=self._now_ms,
            new_id=lambda: f"{next(self._ids):036d}",
            chance=lambda _: 0,
            policy=self.policy,
        )
        decided = step(self.world, happened, context)
        self._stored += decided.changes
        self._wake_at_ms = decided.wake_at_ms
        return list(self._told(decided))

    def _told(self, decided: Step) -> Iterable[str]:
        yield from (_reply_text(reply) for _, reply in decided.replies)
        for change in decided.changes:
            yield from self._change_text(change)
        yield from (f"-> {self._probe_text(probe)}" for probe in decided.probes)
        for action in decided.actions:
            if not isinstance(action, actions.Acknowledge):
                yield f"-> {self._action_text(action)}"
        for notice in decided.notices:
            yield from (self._with_names(text) for text in _notice_text(notice))

    def _change_text(self, change: Change) -> Iterable[str]:
        if change.kind is Kind.INSTANCE:
            gone = change.record is None
            yield f"{self._name(change.id)} gone" if gone else self._line(change.record)
        elif change.kind is Kind.TOMBSTONE and change.record is not None:
            yield f"tombstone for {self._task(change.id)}"
        elif change.kind is Kind.ORPHAN:
            yield f"orphan {change.id} {'listed' if change.record else 'gone'}"

    def _line(self, instance: object) -> str:
        assert isinstance(instance, Instance)
        parts = [self._name(instance.id), instance.condition.value, f"on {instance.agent_id}"]
        if instance.incarnation > 1:
            parts.append(f"incarnation {instance.incarnation}")
        if instance.healthy is not None:
            parts.append("healthy" if instance.healthy else "unhealthy")
        if instance.ready is not None:
            parts.append("ready" if instance.ready else "not ready")
        if instance.goal.value != "Running":
            parts.append("to be stopped")
        elif instance.kill_reason:
            parts.append("to be killed")
        elif instance.mark is not None:
            parts.append("to be replaced first")
        if instance.awaits_edges:
            parts.append("awaits edges")
        if instance.held_back:
            parts.append("held back")
        return " ".join(parts)

    def _probe_text(self, probe: ProbeAction) -> str:
        key = probe.target.key if isinstance(probe, Watch) else probe.key
        task, _, which = key.rpartition("/")
        what = "readiness" if which == "ready" else "health"
        return f"{type(probe).__name__.lower()} {what} of {self._task(task)}"

    def _action_text(self, action: actions.Action) -> str:
        match action:
            case actions.Accept():
                launched = ", ".join(self._task(launch.task_id) for launch in action.launches)
                return f"launch {launched} on {action.launches[0].agent.id}"
            case actions.Decline():
                return f"decline {len(action.offer_ids)} offers for {action.refuse_seconds:g} s"
            case actions.AcceptInverseOffer():
                return f"give back {' '.join(action.offer_ids)}"
            case actions.DeclineInverseOffer():
                return f"keep {' '.join(action.offer_ids)} for {action.refuse_seconds:g} s"
            case actions.Kill():
                return f"kill {self._task(action.task_id)}"
            case actions.Reconcile():
                named = ", ".join(self._task(task) for task, _ in action.tasks)
                return f"reconcile {named or 'all'}"
            case actions.Revive() | actions.Suppress():
                return type(action).__name__.lower()
            case actions.Halt():
                return f"halt with {action.exit_code}: {action.message}"
            case _:
                return type(action).__name__

    def _with_names(self, text: str) -> str:
        for instance_id, name in self._names.items():
            text = text.replace(f"{instance_id}._app.1", name).replace(instance_id, name)
        return text

    def _task(self, task_id: str) -> str:
        parsed = parse_task_id(task_id)
        if parsed is None:
            return task_id
        name = self._name(parsed[0])
        return name if parsed[1] == 1 else f"{name}.{parsed[1]}"

    def _name(self, instance_id: str) -> str:
        if instance_id not in self._names:
            app = instance_id.partition(".instance-")[0]
            numbers = self._numbers.setdefault(app, itertools.count(1))
            self._names[instance_id] = f"{app}#{next(numbers)}"
        return self._names[instance_id]

    def _instance(self, name: str) -> Instance:
        for instance_id, known in self._names.items():
            if known == name and instance_id in self.world.state.instances:
                return self.world.state.instances[instance_id]
        raise AssertionError(f"the transcript speaks of {name}, which is not there")


def _plain_app(app_id: str) -> App:
    return App(id=app_id, cmd="sleep 1", cpus_millis=100, mem_millis=32_000, port_definitions=())


_SETTINGS: dict[str, Callable[[str], tuple[str, object]]] = {
    "instances": lambda value: ("instances", int(value)),
    "cmd": lambda value: ("cmd", value),
    "cpus": lambda value: ("cpus_millis", round(float(value) * 1000)),
    "ports": lambda value: ("port_definitions", (PortDefinition(name="http"),) * int(value)),
    "checked": lambda value: ("health_checks", (_check(value),)),
    "readiness": lambda _: ("readiness_checks", (ReadinessCheck(port_name="http"),)),
    "depends": lambda value: ("dependencies", tuple(value.split(","))),
    "constraint": lambda value: ("constraints", (tuple(value.split(":")),)),
    "upgrade": lambda value: ("upgrade_strategy", _upgrade(value)),
    "unreachable": lambda value: ("unreachable_strategy", _unreachable(value)),
    "backoff": lambda value: ("backoff_seconds", float(value)),
    "kill": lambda value: ("kill_selection", KillSelection(value)),
    "port": lambda value: ("port_definitions", (PortDefinition(int(value), name="http"),)),
    "require": lambda value: ("require_ports", value == "yes"),
    "role": lambda value: ("role", value),
}


def _check(value: str) -> HealthCheck:
    """``yes``: carried out by the executor; ``http``: by the scheduler."""
    protocol = "HTTP" if value == "http" else "MESOS_TCP"
    return HealthCheck(protocol, port_index=0, grace_period_seconds=10, interval_seconds=5)


def _upgrade(value: str) -> UpgradeStrategy:
    """``1.0/0.0``, and what is ours behind a comma: ``1.0/0.0,canary:1,canary_steps:10@60+50@30``
    (so many percent for so many seconds)."""
    capacities, *extras = value.split(",")
    least, over = map(float, capacities.split("/"))
    ours = {name: _upgrade_field(given) for name, given in (one.split(":") for one in extras)}
    return replace(UpgradeStrategy(least, over), **ours)


def _upgrade_field(given: str) -> int | tuple[CanaryStep, ...]:
    if "@" not in given:
        return int(given)
    pairs = (step.split("@") for step in given.split("+"))
    return tuple(CanaryStep(float(share), int(seconds)) for share, seconds in pairs)


def _unreachable(value: str) -> UnreachableStrategy:
    if value == "disabled":
        return UnreachableStrategy(disabled=True)
    inactive, expunge = value.split("/")
    return UnreachableStrategy(int(inactive), int(expunge))


def _with(app: App, settings: dict[str, str]) -> App:
    """Change what a ``put`` names: instances, cmd, cpus, health, constraints, upgrade, ..."""
    named = {name: value for name, value in settings.items() if name not in {"force", "dry"}}
    return replace(app, **dict(_SETTINGS[name](value) for name, value in named.items()))


def _reply_text(reply: replies.Reply) -> str:
    if isinstance(reply, replies.Done):
        return " ".join(["accepted", *(f"(warning: {text})" for text in reply.warnings)])
    return f"refused: {reply.why.value}"


def _notice_text(notice: Notice) -> Iterable[str]:
    if isinstance(notice, DeploymentStarted):
        steps = [" and ".join(f"{a.action.value} {a.app_id}" for a in s) for s in notice.plan.steps]
        yield f"deployment began: {', then '.join(steps)}"
    elif isinstance(notice, DeploymentEnded):
        yield f"deployment {notice.failure or 'succeeded'}"
    elif isinstance(notice, DeploymentStepped):
        yield f"deployment: step {notice.deployment.current_step} began"
    elif isinstance(notice, Remarked):
        yield f"{notice.level}: {notice.message}"
    elif isinstance(notice, AlarmRaised):
        yield f"alarm {notice.alarm.key}: {notice.alarm.message}"
    elif isinstance(notice, AlarmCleared):
        yield f"alarm {notice.alarm.key} is over"
