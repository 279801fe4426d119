"""The HTTP client of the product: what the command line and the bridge know of the scheduler.

It speaks Marathon's /v2 and our /v3, over several URLs of which one must answer. The outer shape
of answers is checked here, their fields are the caller's to check. Works against Marathon, too.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from typing import TypedDict, Unpack
from urllib.parse import quote

from api.client_answers import object_in, objects_in, texts_in
from api.client_errors import (
    BadAnswerError,
    ChangedError,
    ClientError,
    ConflictError,
    InvalidError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from api.stream import BadFrameError, StreamedEvent, events
from api.transport import (
    DEFAULT_MAX_ANSWER_BYTES,
    DEFAULT_TIMEOUT_SECONDS,
    Credentials,
    JsonObject,
    Page,
    Query,
    Token,
    Transport,
    decoded,
)

__all__ = [
    "DEFAULT_TIMEOUT_SECONDS",
    "DEFAULT_URL",
    "BadAnswerError",
    "ChangedError",
    "Client",
    "ClientError",
    "ConflictError",
    "Credentials",
    "InvalidError",
    "JsonObject",
    "NotFoundError",
    "OutcomeUnknownError",
    "Page",
    "Query",
    "RefusedError",
    "StreamedEvent",
    "Token",
    "UnauthorizedError",
    "UnavailableError",
    "UnreachableError",
]

MAX_SILENCE_SECONDS = 60.0
"""A stream that is silent for longer has ended unnoticed: heartbeats come more often."""
DEFAULT_URL = "http://127.0.0.1:8080"
_BAD_SEGMENTS = frozenset({"", ".", ".."})


class How(TypedDict, total=False):
    """How a change is to be made. ``force``: also if deployments are in the way, which are
    cancelled. ``dry_run``: not at all; the answer is the {steps} that it would take. ``strict``:
    an InvalidError for fields that the scheduler does not know."""

    force: bool
    dry_run: bool
    strict: bool


class Client:
    """Calls to one scheduler behind one or several URLs; may be used by several threads. A URL
    that can not be connected to is passed over, and the one that answered last is asked first. A
    request that went out is repeated elsewhere only if it changes nothing."""

    def __init__(
        self,
        urls: Sequence[str] = (DEFAULT_URL,),
        *,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
        credentials: Credentials | Token | None = None,
        ca_file: str | None = None,
        client_certificate: tuple[str, str] | None = None,
        max_answer_bytes: int = DEFAULT_MAX_ANSWER_BYTES,
        on_warning: Callable[[str], None] | None = None,
    ) -> None:
        """``timeout_seconds`` bounds each attempt as a whole; ``on_warning`` is given each warning
        that comes; ``client_certificate``: its file and that of its key. ValueError if unusable."""
        self._transport = Transport(
            urls,
            timeout_seconds=timeout_seconds,
            credentials=credentials,
            ca_file=ca_file,
            client_certificate=client_certificate,
            max_answer_bytes=max_answer_bytes,
            on_warning=on_warning,
        )
        self.present = self._transport.present  # other credentials, from the next request on

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs, the one to be asked first in front."""
        return self._transport.urls

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    # Apps

    def list_apps(self, *, query: Query | None = None) -> list[JsonObject]:
        """Every app; ``query`` is Marathon's: cmd, id, label, embed."""
        return objects_in(self.get("/v2/apps", query), "apps")

    def get_app(self, app_id: str, *, query: Query | None = None) -> JsonObject:
        """One app with its tasks, counts, deployments and last failure."""
        return object_in(self.get(_app_path(app_id), query), "app")

    def list_apps_to_change(self) -> tuple[list[JsonObject], str]:
        """Every app, and the ETag for ``put_apps``; "" of a scheduler without (Marathon)."""
        page = self.fetch("/v2/apps")
        return objects_in(decoded(page.content), "apps"), page.tag

    def get_app_to_change(self, app_id: str) -> tuple[JsonObject, str]:
        """One app, and its ETag for ``update_app``; "" of a scheduler without (Marathon)."""
        page = self.fetch(_app_path(app_id))
        return object_in(decoded(page.content), "app"), page.tag

    def create_app(self, definition: JsonObject, **how: Unpack[How]) -> JsonObject:
        """The stored app with its ``deployments``. ConflictError if the id is taken."""
        return object_in(self.send("POST", "/v2/apps", definition, _switches(how)))

    def replace_app(self, app_id: str, definition: JsonObject, **how: Unpack[How]) -> JsonObject:
        """Create the app or put this whole definition in its place: {version, deploymentId}."""
        query = {"partialUpdate": "false", **_switches(how)}
        return object_in(self.send("PUT", _app_path(app_id), definition, query))

    def update_app(
        self, app_id: str, change: JsonObject, *, tag: str = "", **how: Unpack[How]
    ) -> JsonObject:
        """Change the given fields of an app that exists: {version, deploymentId}. ``tag``: as it
        was when it was read; ChangedError if its definition is another one now."""
        path = _app_path(app_id)
        return object_in(self._transport.send("PATCH", path, change, _switches(how), tag=tag))

    def put_apps(
        self, definitions: Sequence[JsonObject], *, tag: str = "", **how: Unpack[How]
    ) -> JsonObject:
        """Create these apps or put these whole definitions in their places, all or none of them:
        {version, deploymentId}. ``tag``: as in ``update_app``, of all apps that there are."""
        query = {"partialUpdate": "false", **_switches(how)}
        return object_in(self._transport.send("PUT", "/v2/apps", list(definitions), query, tag=tag))

    def rollback_app(self, app_id: str, version: str, **how: Unpack[How]) -> JsonObject:
        """Put the stored definition of that version in the app's place; as ``update_app``."""
        return self.update_app(app_id, {"version": version}, **how)

    def app_versions(self, app_id: str) -> list[str]:
        """The versions there are definitions of, the newest first."""
        return sorted(texts_in(self.get(_app_path(app_id) + "/versions"), "versions"), reverse=True)

    def app_version(self, app_id: str, version: str) -> JsonObject:
        """The definition that an app had."""
        return object_in(self.get(f"{_app_path(app_id)}/versions/{quote(version, safe='')}"))

    def scale_app(self, app_id: str, instances: int, **how: Unpack[How]) -> JsonObject:
        """Want so many instances: {version, deploymentId}."""
        return self.update_app(app_id, {"instances": instances}, **how)

    def restart_app(self, app_id: str, **how: Unpack[How]) -> JsonObject:
        """Replace every instance by a new one: {version, deploymentId}."""
        path = _app_path(app_id) + "/restart"
        return object_in(self.send("POST", path, None, _switches(how)))

    def delete_app(self, app_id: str, **how: Unpack[How]) -> JsonObject:
        """Remove an app and its tasks: {version, deploymentId}. ``force`` False is sent too:
        left out, Marathon takes it for true."""
        query = {"force": "false", **_switches(how)}
        return object_in(self.send("DELETE", _app_path(app_id), None, query))

    def suspend_app(self, app_id: str, **how: Unpack[How]) -> JsonObject:
        """Run no instance, and remember how many there were: {version, deploymentId}."""
        path = f"/v3/apps{_id_path(app_id)}/suspend"
        return object_in(self.send("POST", path, None, _switches(how)))

    def resume_app(self, app_id: str, **how: Unpack[How]) -> JsonObject:
        """Run as many instances as before it was suspended: {version, deploymentId}."""
        path = f"/v3/apps{_id_path(app_id)}/resume"
        return object_in(self.send("POST", path, None, _switches(how)))

    # Groups; "/" is the root

    def get_group(self, group_id: str = "/", *, query: Query | None = None) -> JsonObject:
        """A group with the groups and apps below it; ``query``: embed."""
        return object_in(self.get(_group_path(group_id), query))

    def update_group(self, group_id: str, change: JsonObject, **how: Unpack[How]) -> JsonObject:
        """Create a group or make it as this says: {version, deploymentId}. Lists of apps and
        groups that are given are whole."""
        return object_in(self.send("PUT", _group_path(group_id), change, _switches(how)))

    def delete_group(self, group_id: str, **how: Unpack[How]) -> JsonObject:
        """Remove a group and all below it: {version, deploymentId}."""
        return object_in(self.send("DELETE", _group_path(group_id), None, _switches(how)))

    def group_versions(self, group_id: str) -> list[str]:
        """The versions that the group can be rolled back to, the newest first."""
        return sorted(texts_in(self.get(_group_path(group_id) + "/versions")), reverse=True)

    # Tasks

    def list_tasks(self, *, query: Query | None = None) -> list[JsonObject]:
        """Every task; ``query``: status=running|staging."""
        return objects_in(self.get("/v2/tasks", query), "tasks")

    def app_tasks(self, app_id: str) -> list[JsonObject]:
        """The tasks of one app."""
        return objects_in(self.get(_app_path(app_id) + "/tasks"), "tasks")

    def kill_tasks(
        self,
        task_ids: Sequence[str],
        *,
        scale: bool = False,
        wipe: bool = False,
        **how: Unpack[How],
    ) -> JsonObject:
        """Kill tasks: {tasks: [those known]}, or with ``scale`` {version, deploymentId}."""
        query = {**_flags(scale=scale, wipe=wipe), **_switches(how)}
        return object_in(self.send("POST", "/v2/tasks/delete", {"ids": list(task_ids)}, query))

    # Waiting, deployments, the scheduler itself

    def queue(self, *, query: Query | None = None) -> list[JsonObject]:
        """What waits for offers, with the numbers of offers refused for each reason."""
        return objects_in(self.get("/v2/queue", query), "queue")

    def explain(self, app_id: str | None = None) -> list[JsonObject]:
        """Why apps wait, in sentences: [{appId, role, waiting, explanation: [text]}]. A
        scheduler without this page (Marathon) explains nothing: an empty list."""
        try:
            answer = self.get("/v3/explain" + (_id_path(app_id) if app_id else ""))
        except RefusedError as error:
            if _is_unknown_page(error):
                return []
            raise
        return objects_in(answer, "waiting")

    def reset_delay(self, app_id: str) -> None:
        """Forget an app's launch back-off."""
        self.send("DELETE", f"/v2/queue{_id_path(app_id)}/delay")

    def list_deployments(self) -> list[JsonObject]:
        """Changes under way, each with what serves so far. A scheduler without that page
        (Marathon) tells only of their steps."""
        try:
            answer = self.get("/v3/deployments")
        except RefusedError as error:
            if not _is_unknown_page(error):
                raise
            answer = self.get("/v2/deployments")
        return objects_in(answer)

    def pause_deployment(self, deployment_id: str) -> None:
        """Replace nothing more until it is resumed."""
        self.send("POST", f"/v3/deployments/{quote(deployment_id, safe='')}/pause")

    def resume_deployment(self, deployment_id: str) -> None:
        """End a pause; canaries are promoted by it."""
        self.send("POST", f"/v3/deployments/{quote(deployment_id, safe='')}/resume")

    def cancel_deployment(self, deployment_id: str, **how: Unpack[How]) -> JsonObject:
        """Take a change back by a new deployment (its {version, deploymentId}), or with
        ``force`` only stop it where it is (an empty object)."""
        path = f"/v2/deployments/{quote(deployment_id, safe='')}"
        return object_in(self.send("DELETE", path, None, _switches(how)) or {})

    def agent_drain(self, agent: str, body: JsonObject | None = None) -> JsonObject:
        """How far the drain of an agent (by id or hostname) is, or with a body begin one:
        {reason, deadlineSeconds}; {agent, since, instances, deadline, reason}."""
        path = f"/v3/agents/{quote(agent, safe='')}/drain"
        return object_in(self.get(path) if body is None else self.send("PUT", path, body))

    def undrain_agent(self, agent: str) -> None:
        """Use an agent again."""
        self.send("DELETE", f"/v3/agents/{quote(agent, safe='')}/drain")

    def list_agents(self) -> list[JsonObject]:
        """Agents with instances of ours: {id, hostname, attributes: {name: text}, region, zone,
        address}. A scheduler without this page (Marathon) tells of none."""
        try:
            answer = self.get("/v3/agents")
        except RefusedError as error:
            if _is_unknown_page(error):
                return []
            raise
        return objects_in(answer)

    def info(self) -> JsonObject:
        """Name, version, framework id, leader and settings."""
        return object_in(self.get("/v2/info"))

    def leader(self) -> str:
        """Where the one that leads answers, as HOST:PORT. NotFoundError if none does."""
        return str(object_in(self.get("/v2/leader")).get("leader", ""))

    def abdicate(self) -> JsonObject:
        """Have the one that leads give up its lead: {message}."""
        return object_in(self.send("DELETE", "/v2/leader"))

    def settings(self) -> JsonObject:
        """Every setting of the scheduler by its name, without credentials."""
        return object_in(self.get("/config"))

    def log_levels(self) -> JsonObject:
        """The level of each logger, by its name."""
        return object_in(self.get("/logging"))

    def set_log_level(
        self, logger: str, level: str, duration_seconds: int | None = None
    ) -> JsonObject:
        """Give a logger a level, for a while or for good: what was asked for."""
        change: JsonObject = {"logger": logger, "level": level}
        if duration_seconds is not None:
            change["durationSeconds"] = duration_seconds
        return object_in(self.send("POST", "/logging", change))

    def metrics(self) -> JsonObject:
        """Marathon's snapshot: {counters: {name: {count}}, gauges: {name: {value}}, ...}."""
        return object_in(self.get("/metrics"))

    def list_orphans(self) -> list[JsonObject]:
        """Tasks that Mesos calls ours and no record knows."""
        return objects_in(self.get("/v3/orphans"), "orphans")

    def adopt_orphan(self, task_id: str, app_id: str) -> list[JsonObject]:
        """Make such a task an instance of an app: the task as it is listed then."""
        path = f"/v3/orphans/{quote(task_id, safe='')}/adopt"
        return objects_in(self.send("POST", path, {"appId": app_id}), "tasks")

    def kill_orphan(self, task_id: str, *, force: bool = False) -> None:
        """Have Mesos kill such a task. ``force``: even while everything is frozen."""
        self.send("DELETE", f"/v3/orphans/{quote(task_id, safe='')}", None, _flags(force=force))

    def list_volumes(self) -> list[JsonObject]:
        """Persistent volumes, also those that no instance uses."""
        return objects_in(self.get("/v3/volumes"), "volumes")

    def get_volume(self, volume_id: str) -> JsonObject:
        """One of them."""
        return object_in(self.get(f"/v3/volumes/{quote(volume_id, safe='')}"))

    def remove_volume(self, volume_id: str, *, forget: bool = False) -> None:
        """Destroy one that no instance uses. ``forget``: only drop its record."""
        path = f"/v3/volumes/{quote(volume_id, safe='')}"
        self.send("DELETE", path, None, _flags(forget=forget))

    def events(
        self,
        *,
        query: Query | None = None,
        after: str = "",
        marathon: bool = False,
        silence_seconds: float = MAX_SILENCE_SECONDS,
        goes_on: Callable[[], bool] | None = None,
    ) -> Generator[StreamedEvent, None, None]:
        """What happens, from now on or from the event ``after`` on, until the connection ends:
        ask again then with the id of the last one. ``query``: event_type, app, label.
        ``marathon``: ask for its events, which have no ids. A stream that was silent for
        ``silence_seconds``, heartbeats too, has ended. ``goes_on`` is asked whenever something
        came, heartbeats too; False ends the stream.

        Raises as ``get`` does, before the first event, and BadAnswerError for a bad one.
        """
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": after} if after else {})}
        path = "/v2/events" if marathon else "/v3/events"
        pieces = self._transport.stream(path, query or {}, headers, silence_seconds, goes_on)
        return _events(pieces)  # closing it closes the connection

    def freezes(self) -> JsonObject:
        """What is frozen: {frozen, reason, since, safeMode, apps: [{id, reason, since}]}."""
        return object_in(self.get("/v3/freeze"))

    def freeze(self, app_ids: Sequence[str] = (), reason: str = "") -> JsonObject:
        """Launch and kill nothing of these apps, or of any; what is frozen then."""
        body: JsonObject = {"reason": reason, **({"apps": list(app_ids)} if app_ids else {})}
        return object_in(self.send("PUT", "/v3/freeze", body))

    def unfreeze(self, app_id: str | None = None) -> JsonObject:
        """End the freeze of an app, or that of everything; what is frozen then."""
        path = "/v3/freeze" if app_id is None else f"/v3/apps{_id_path(app_id)}/freeze"
        return object_in(self.send("DELETE", path))

    def replacements(self) -> JsonObject:
        """Whether lost instances are replaced and how fast: {pace, waiting, since, lost,
        instances, replaced, reason}."""
        return object_in(self.get("/v3/replacements"))

    def pace_replacements(self, pace: str, reason: str = "") -> JsonObject:
        """Replace lost instances not at all (``held``), at a bounded rate (``paced``) or at once
        (``released``); how it is then."""
        return object_in(self.send("PUT", "/v3/replacements", {"pace": pace, "reason": reason}))

    def app_failures(self, app_id: str) -> list[JsonObject]:
        """An app's last failures, the newest first: [{taskId, state, reason, message, host,
        slaveId, timestamp, stagedAt, startedAt, sandbox}]."""
        return objects_in(self.get(f"/v3/apps{_id_path(app_id)}/failures"), "failures")

    def list_alarms(self) -> list[JsonObject]:
        """What an operator should look at, as long as it lasts: [{key, message, since, last}]."""
        return objects_in(self.get("/v3/alarms"), "alarms")

    def list_crashes(self) -> list[JsonObject]:
        """What the decisions crashed on: [{id, kind, subject, crashes, setAside, appId, ...}]."""
        return objects_in(self.get("/v3/crashes"), "crashes")

    def forget_crash(self, crash_id: str) -> None:
        """Have it handled again. NotFoundError if there is no such crash."""
        self.send("DELETE", f"/v3/crashes/{quote(crash_id, safe='')}")

    def teardown_framework(self, *, force: bool = False) -> None:
        """Remove the framework from Mesos: every task of every app dies. ``force``: even while
        something is frozen, which is a ConflictError otherwise."""
        self.send("POST", "/v3/framework/teardown", {}, _flags(force=force))

    # The way there and back

    def fetch(
        self,
        path: str,
        query: Query | None = None,
        *,
        accept: str = "application/json",
        tag: str = "",
    ) -> Page:
        """A page as it came, undecoded. ``tag``: the ETag of an earlier one; if it is still the
        present one, the page comes back ``unchanged`` and empty. Raises as ``send`` does."""
        return self._transport.fetch(path, query, accept=accept, tag=tag)

    def get(self, path: str, query: Query | None = None) -> object:
        """The decoded JSON of a page; asks the next URL when one fails or is unavailable."""
        return self.send("GET", path, None, query)

    def send(
        self,
        method: str,
        path: str,
        body: JsonObject | list[JsonObject] | None = None,
        query: Query | None = None,
    ) -> object:
        """One request, on the first URL that takes it; its decoded answer (None if empty).

        Raises UnreachableError, OutcomeUnknownError, BadAnswerError or RefusedError.
        """
        return self._transport.send(method, path, body, query)


def _is_unknown_page(error: RefusedError) -> bool:
    """Whether there is no such page; the last releases of Marathon say so with a 500."""
    return error.status == 404 or (error.status == 500 and error.message == "URI not found")


def _events(pieces: Generator[bytes, None, None]) -> Generator[StreamedEvent, None, None]:
    try:
        with closing(pieces):
            yield from events(pieces)
    except BadFrameError as error:
        raise BadAnswerError(str(error)) from error


def _flags(**flags: bool) -> dict[str, str]:
    return {name: "true" for name, value in flags.items() if value}


def _switches(how: How) -> dict[str, str]:
    given = {"dryRun" if name == "dry_run" else name: value for name, value in how.items()}
    return {name: "true" for name, value in given.items() if value}


def _app_path(app_id: str) -> str:
    return "/v2/apps" + _id_path(app_id)


def _group_path(group_id: str) -> str:
    return "/v2/groups" + (_id_path(group_id) if group_id != "/" else "")


def _id_path(app_id: str) -> str:
    """An app id as the end of a path. ValueError for one that would lead to another page."""
    segments = app_id.strip("/").split("/")
    if not _BAD_SEGMENTS.isdisjoint(segments):
        raise ValueError(f"not an app id: {app_id!r}")
    return "/" + "/".join(quote(segment, safe="") for segment in segments)
