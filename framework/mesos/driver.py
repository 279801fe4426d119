"""Stays subscribed to the leading master, and carries calls while it is.

Threads: ``mesos-stream`` (here) connects, subscribes, decodes events and hands them to the core;
``mesos-calls`` (see ``call_connection``) writes calls and reads their answers, one such thread per
subscription. Order towards the core: Subscribed; its events; Disconnected; what became of the
calls that were left; only then the next Subscribed. Nothing old is sent again.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from framework.domain.actions import Action, RemoveFramework, Revive, Suppress, UpdateRoles
from framework.domain.events import CallNotSent, Disconnected, Event, FrameworkRefused, Subscribed
from framework.interfaces import LeadershipLostError, Secrets, SubmitEvent
from framework.mesos.backoff import Backoff
from framework.mesos.calls import CallEncoder, FrameworkDescription, subscribe_call
from framework.mesos.counts import DriverCounts
from framework.mesos.decoding import Decoded, decode
from framework.mesos.detection import detector_for
from framework.mesos.http1 import MalformedResponseError
from framework.mesos.master import Endpoint, MasterDetector
from framework.mesos.options import MesosOptions
from framework.mesos.pipeline import Outcomes, not_sent
from framework.mesos.recordio import MalformedStreamError
from framework.mesos.secret_files import SecretFiles
from framework.mesos.subscription import (
    NotSubscribedError,
    RedirectedError,
    SilenceError,
    SubscriptionError,
)
from framework.mesos.templates import TaskInfoBuilder
from framework.mesos.transport import Calls, HttpTransport, Stream, Transport
from framework.mesos.wire import SubscribedBody

MAX_REDIRECTS = 5
_DRAIN_SECONDS = 2.0
_SETTLE_SECONDS = 0.2
_JOIN_SECONDS = 5.0
_MAX_COMPLAINTS = 100
_MALFORMED = (MalformedResponseError, MalformedStreamError)
_OVER = (SubscriptionError, OSError, *_MALFORMED)
_FINAL_REFUSALS = ("failed over", "removed", "completed framework")

log = logging.getLogger(__name__)


class _RefusedError(SubscriptionError):
    """ERROR from the master. ``final``: to subscribe again would be wrong or in vain."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.final = any(text in message.lower() for text in _FINAL_REFUSALS)


@dataclass(slots=True)
class _Roles:
    """What the next subscription asks for: the roles last wanted, suppressed as Mesos has them
    now. A SUPPRESS or REVIVE counts when it is answered, because otherwise the core is told that
    nothing of it happened."""

    roles: tuple[str, ...] = ()
    suppressed: frozenset[str] = frozenset()

    def note(self, action: Action) -> None:
        if isinstance(action, UpdateRoles):
            self.roles, self.suppressed = action.roles, frozenset(action.suppressed)
        elif isinstance(action, Suppress):
            self.suppressed |= set(action.roles or self.roles)
        elif isinstance(action, Revive):
            self.suppressed -= set(action.roles or self.roles)


class HttpDriver:
    """``framework.interfaces.Mesos`` over the v1 scheduler HTTP API. ``counts`` are its metrics.

    ``confirm`` is called before each SUBSCRIBE, because Mesos takes any: it may wait, and raises
    LeadershipLostError when this process may not displace another. Then ``on_lost`` is told,
    once, and there is no further attempt. Both are called by the stream's thread. ``secrets``
    says the values of apps' secrets; None: the built-in provider. ``transport`` carries the bytes;
    None: our own.

    ``stop`` waits up to two seconds for calls on their way (a TEARDOWN, acknowledgements), and
    after it no event is submitted. ValueError or OSError from the constructor if ``options``
    can not be used (the master's address, the secret's file).
    """

    def __init__(
        self,
        options: MesosOptions,
        *,
        detector: MasterDetector | None = None,
        confirm: Callable[[], None] = lambda: None,
        on_lost: Callable[[LeadershipLostError], None] = lambda _lost: None,
        secrets: Secrets | None = None,
        transport: Transport | None = None,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts = DriverCounts()
        self._options = options
        self._detector = detector or detector_for(options.master, tls=options.mesos_tls)
        self._confirm = confirm
        self._on_lost = on_lost
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._transport = transport or HttpTransport(options, clock)
        self._framework = FrameworkDescription(options, options.user, options.host)
        self._builder = TaskInfoBuilder(
            options.env_vars_prefix,
            options.mesos_bridge_name,
            principal=options.mesos_authentication_principal or "",
            secrets=secrets or SecretFiles(options.secrets_dir),
            secret_variables=options.environment_secret,
        )
        self._framework_id = ""
        self._submit: SubmitEvent | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._awake = threading.Event()  # another master leads, or we stop: do not wait longer
        self._leaving = False  # we asked to be removed, so what follows is no surprise
        self._lock = threading.Lock()  # of what perform and stop share with the stream's thread
        self._roles = _Roles()
        self._calls: Calls | None = None
        self._stream: Stream | None = None
        self._complaints: set[str] = set()
        self._decoded: list[Event] = []  # of the records read last, until they are handed over

    def start(self, submit: SubmitEvent, framework_id: str, roles: Sequence[str]) -> None:
        """See ``Mesos.start``; once only."""
        assert self._thread is None, "a driver is started once"
        self._submit = submit
        self._framework_id = framework_id
        self._roles.roles = tuple(roles)
        self._thread = threading.Thread(target=self._run, name="mesos-stream", daemon=True)
        self._detector.start(self._leader_changed)
        self._thread.start()

    def perform(self, actions: Sequence[Action]) -> None:
        """See ``Mesos.perform``."""
        with self._lock:
            calls = self._calls
            for action in actions:
                if isinstance(action, UpdateRoles):  # asked for again with each subscription
                    self._roles.note(action)
                self._leaving |= isinstance(action, RemoveFramework)
            left = actions if calls is None else calls.perform(actions)
        if left:
            why = "not subscribed" if calls is None else "the calls to Mesos can not keep up"
            self._report(not_sent(left, why))

    def stop(self) -> None:
        """See ``Mesos.stop``; harmless when repeated."""
        self._stopping.set()
        self._awake.set()
        with self._lock:
            calls, stream = self._calls, self._stream
        if calls is not None:
            calls.finish(_DRAIN_SECONDS, send=True)
        if stream is not None:
            stream.interrupt()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)
        self._detector.stop()

    def _leader_changed(self) -> None:
        """Leave a master that does not lead any more, rather than wait for its silence; the
        detector's thread."""
        self._awake.set()
        with self._lock:
            stream = self._stream
        if stream is not None and not self._detector.leads(stream.endpoint):
            stream.interrupt(f"{self._detector.leader()} leads now")

    # Everything below runs in the stream's thread, but for _report.

    def _run(self) -> None:
        failures = redirects = 0
        leader: Endpoint | None = None  # where the last master sent us
        while self._goes_on():
            before = self.counts.subscriptions
            try:
                self._subscribe_at(leader or self._detector.leader())
            except RedirectedError as redirect:
                redirects += 1
                if redirects <= MAX_REDIRECTS:
                    leader = None if self._awake.is_set() else redirect.leader
                    continue
                log.warning("masters redirect in a circle; last to %s", redirect.leader)
            except LeadershipLostError as lost:
                self._on_lost(lost)
                return
            except _RefusedError as refused:
                if refused.final:
                    level = logging.INFO if self._leaving else logging.CRITICAL
                    log.log(level, "Mesos refuses us for good: %s", refused)
                    return
            except _OVER as error:
                if self.counts.subscriptions == before and not self._stopping.is_set():
                    level = logging.WARNING if failures else logging.INFO  # it may pass at once
                    log.log(level, "no subscription: %s", _sentence(error))
            leader, redirects = None, 0
            failures = 1 if self.counts.subscriptions > before else failures + 1
            if self._awake.wait(self._backoff.delay_seconds(failures)):
                failures = 0

    def _goes_on(self) -> bool:
        """Whether to try again; what woke us before is dealt with by trying."""
        self._awake.clear()
        return not self._stopping.is_set()

    def _subscribe_at(self, endpoint: Endpoint | None) -> None:
        """Subscribe there and follow the stream to its end, which always is an exception."""
        if endpoint is None:
            raise NotSubscribedError(f"no leading master is known ({self._detector})")
        try:
            stream = self._transport.open(endpoint)
        except (OSError, ValueError) as error:
            raise NotSubscribedError(f"{endpoint}: {_sentence(error)}") from None
        try:
            with self._lock:
                self._stream = stream
                roles, suppressed = self._roles.roles, self._roles.suppressed & {*self._roles.roles}
            self._confirm()
            self._look_up_again(endpoint)
            body = subscribe_call(self._framework, self._framework_id, roles, suppressed)
            stream.subscribe(body)
            self._follow(stream)
        except NotSubscribedError as error:
            if error.refused:
                self._hand_over(FrameworkRefused(str(error)))
            raise
        finally:
            with self._lock:
                self._stream = None
            stream.close()

    def _look_up_again(self, endpoint: Endpoint) -> None:
        """What would have shut the socket may have come before there was one."""
        if self._stopping.is_set():
            raise NotSubscribedError("the driver stops")
        if self._awake.is_set() and not self._detector.leads(endpoint):
            raise NotSubscribedError(f"{self._detector.leader()} leads now")

    def _follow(self, stream: Stream) -> None:
        silence_seconds = self._silence_seconds(self._options.mesos_heartbeat_interval / 1000)
        error: Exception | None = None
        try:
            while not self._stopping.is_set():
                for record in stream.records(silence_seconds):
                    decoded = decode(record)
                    self._count(decoded)
                    if decoded.subscribed is not None:
                        interval = decoded.subscribed.heartbeat_interval_seconds
                        if interval:
                            silence_seconds = self._silence_seconds(interval)
                        self._subscribed(decoded.subscribed, stream)
                    self._pass_on(decoded)
                self._hand_over_decoded()
        except _OVER as why:
            error = why
            raise
        finally:
            self._hand_over_decoded()
            self._unsubscribed(error)

    def _silence_seconds(self, interval_seconds: float) -> float:
        return interval_seconds * self._options.mesos_heartbeat_failure_threshold

    def _subscribed(self, body: SubscribedBody, stream: Stream) -> None:
        if self._calls is not None:
            return  # a second SUBSCRIBED on one stream says nothing new
        self._framework_id = body.framework_id.value
        encoder = CallEncoder(self._framework, self._framework_id, self._builder)
        endpoint = stream.endpoint
        calls = stream.calls(encoder.encode, self._report)
        calls.start()
        with self._lock:
            self._calls = calls
            self._leaving = False
        self.counts.subscriptions += 1
        log.info("subscribed at %s as %s", endpoint, self._framework_id)
        domain = body.master_info.domain
        fault_domain = domain.fault_domain if domain is not None else None
        region = fault_domain.region.name if fault_domain is not None else None
        self._hand_over(Subscribed(self._framework_id, str(endpoint), region))

    def _unsubscribed(self, error: Exception | None) -> None:
        self.counts.malformed_streams += isinstance(error, _MALFORMED)
        with self._lock:
            calls, self._calls = self._calls, None
        if calls is None:
            return
        broken, left = calls.finish(_SETTLE_SECONDS, send=False)
        why = broken or _sentence(error)
        self.counts.disconnections += 1
        self.counts.silences += isinstance(error, SilenceError) and not broken
        expected = self._leaving or self._stopping.is_set()
        level = logging.INFO if expected else logging.WARNING
        log.log(level, "disconnected from Mesos: %s", "we left" if expected else why)
        self._hand_over(Disconnected(why))
        self._report(left)

    def _pass_on(self, decoded: Decoded) -> None:
        for event in decoded.events:
            self.counts.count_event(event)
            self._decoded.append(event)
            if isinstance(event, FrameworkRefused):
                raise _RefusedError(event.message)
        if decoded.answers:
            self.perform(decoded.answers)

    def _hand_over_decoded(self) -> None:
        """All that came with one read: what each hand-over costs, a batch of them does."""
        events, self._decoded = self._decoded, []
        if events:
            self._hand_over(*events)

    def _count(self, decoded: Decoded) -> None:
        known = decoded.type if not decoded.unknown or decoded.type == "UPDATE" else "unknown"
        self.counts.events[known or "unreadable"] += 1
        if not decoded.problems:
            return
        if decoded.unknown:
            self.counts.unknown += 1
        else:
            self.counts.malformed += len(decoded.problems)
        self._complain(decoded.type, decoded.problems)

    def _complain(self, event_type: str, problems: Iterable[str]) -> None:
        """Log each kind of problem once, and only so many kinds."""
        for problem in problems:
            if problem not in self._complaints and len(self._complaints) < _MAX_COMPLAINTS:
                self._complaints.add(problem)
                log.warning("an event %s of Mesos is not understood: %s", event_type, problem)

    def _hand_over(self, *events: Event) -> None:
        if not self._stopping.is_set():
            assert self._submit is not None, "events come after start"
            self._submit(*events)

    def _report(self, outcomes: Outcomes) -> None:
        """Count what became of calls and tell the core of those that failed; any thread."""
        self.counts.count_calls(outcomes.results)
        if outcomes.role_changes:
            with self._lock:
                for action in outcomes.role_changes:
                    self._roles.note(action)
        for event in outcomes.events:
            if isinstance(event, CallNotSent) and event.why[:1] == "4":
                log.warning("Mesos refuses a call: %s", event.why)
            self._hand_over(event)


def _sentence(error: Exception | None) -> str:
    return str(error) or type(error).__name__ if error is not None else "the driver stops"
