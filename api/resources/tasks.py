"""Tasks: ``/v2/tasks``, ``/v2/apps/{id}/tasks``, and killing them."""

from collections.abc import Iterable, Sequence

from flask import Response, request

from api.context import (
    Context,
    Route,
    deployment_answer,
    dry_run_answer,
    flag,
    json_answer,
    json_body,
    prefers_text,
    values,
)
from api.definitions import absolute
from api.errors import BadRequestError, NotFoundError, app_unknown, invalid, task_unknown
from api.faults import Invalid
from api.openapi.operation import (
    DRY_RUN,
    FORCE,
    PAGING,
    PLAIN_TEXT,
    boolean,
    describes,
    several,
    text,
)
from api.paging import listing
from api.render.instance import shown, shown_condition, task
from api.render.json import encode_list
from api.render.text import endpoints_text
from api.resources.apps import apps_of_group, is_wildcard, sorted_apps
from api.schemas import TASK_IDS, read
from framework.domain.app import App
from framework.domain.events import KillTasks
from framework.domain.ids import parse_task_id
from framework.domain.instance import STAGED, Condition, Instance
from framework.domain.replies import Done

_BY_STATUS = {"running": frozenset({Condition.RUNNING}), "staging": STAGED}

_NETWORKS = several("containerNetworks", "For text: only endpoints of these networks.")
_KILLING = (
    boolean("scale", "Do not replace them: the apps have fewer instances from now on."),
    boolean("wipe", "Forget them, and start others elsewhere."),
    FORCE,
    DRY_RUN,
)
_KILLED = ("TaskList", "DeploymentResult")


class Tasks:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """Of all apps, and of one."""
        of_app = "/v2/apps/<path:app_id>/tasks"
        return (
            Route("GET", "/v2/tasks", self.list_all),
            Route("POST", "/v2/tasks/delete", self.kill_many),
            Route("GET", of_app, self.list_of_app),
            Route("DELETE", of_app, self.kill_of_app),
            Route("DELETE", f"{of_app}/<task_id>", self.kill_one),
        )

    @describes(
        "TaskList",
        PLAIN_TEXT,
        query=(
            _NETWORKS,
            several("status", "Only tasks in these states.", "running", "staging"),
            several("status[]", "The same as status."),
            *PAGING,
        ),
    )
    def list_all(self) -> Response:
        """The tasks of all apps, as JSON or as the text that bridges read."""
        apps = sorted_apps(self._context)
        if prefers_text():
            return self._text(apps)
        names = [*values("status"), *values("status[]")]
        chosen = [_BY_STATUS[name] for name in names if name in _BY_STATUS]
        return self._list(apps, frozenset().union(*chosen), service_ports=True)

    @describes("TaskList", PLAIN_TEXT, query=(_NETWORKS, *PAGING))
    def list_of_app(self, app_id: str) -> Response:
        """The tasks of an app, or of the apps of ``group/*``."""
        if is_wildcard(app_id):
            apps = apps_of_group(self._context, app_id)
        else:
            apps = [self._known(absolute(app_id))]
        if prefers_text():
            return self._text(apps)
        return self._list(apps, frozenset(), service_ports=False)

    @describes(
        *_KILLED,
        query=(*_KILLING, text("host", "Only those on this host; * for any.")),
        errors=(400, 409),
    )
    def kill_of_app(self, app_id: str) -> Response:
        """Kill an app's tasks, all or those on one host."""
        _check_modes()
        app = self._known(absolute(app_id))
        instances = self._instances(app)
        if flag("scale") and not instances:
            raise NotFoundError(f"Path '{app.id}' does not exist")
        host = request.args.get("host", "*")
        if host != "*":
            instances = [one for one in instances if self._host(one) == host]
        return self._kill(instances)

    @describes("OneTask", "DeploymentResult", query=_KILLING, errors=(400, 409))
    def kill_one(self, app_id: str, task_id: str) -> Response:
        """Kill one task of an app."""
        _check_modes()
        app = self._known(absolute(app_id))
        found = [one for one in self._instances(app) if one.task_id == task_id]
        if not found:
            raise task_unknown(task_id)
        done = self._ask(found)
        if flag("scale"):
            return _scaled(done)
        killed = done.instances[0] if done.instances else found[0]
        return json_answer({"task": task(killed, app, self._context.view)})

    @describes(*_KILLED, query=_KILLING, body=TASK_IDS, errors=(404, 409))
    def kill_many(self) -> Response:
        """Kill the named tasks of any apps; those that nobody knows are passed over."""
        _check_modes()
        body = read(TASK_IDS, json_body())
        if isinstance(body, Invalid):
            raise invalid(body)
        found = []
        for task_id in body["ids"]:
            instance = self._by_task_id(task_id)
            if instance is not None:
                found.append(instance)
        return self._kill(found)

    def _kill(self, instances: Sequence[Instance]) -> Response:
        if flag("scale"):
            return _scaled(self._ask(instances))
        killed = self._ask(instances).instances if instances else ()
        view = self._context.view
        tasks = (task(one, view.apps.get(one.app_id), view) for one in killed)
        return json_answer(encode_list("tasks", tasks))

    def _ask(self, instances: Sequence[Instance]) -> Done:
        ids = tuple(dict.fromkeys(instance.id for instance in instances))
        how = flag("scale"), flag("wipe"), flag("force"), flag("dryRun")
        return self._context.ask(KillTasks(ids, *how))

    def _by_task_id(self, task_id: str) -> Instance | None:
        parsed = parse_task_id(task_id)
        if parsed is None:
            if not all(task_id.rpartition(".")):
                raise BadRequestError(f"Invalid task id '{task_id}'. [unable to parse]")
            return None  # of the form that Marathon up to 1.3 gave: none of ours
        instance = self._context.view.instances.get(parsed[0])
        return instance if instance is not None and instance.task_id == task_id else None

    def _instances(self, app: App) -> list[Instance]:
        return shown(list(self._context.view.instances_of.get(app.id, {}).values()))

    def _host(self, instance: Instance) -> str:
        agent = self._context.view.agents.get(instance.agent_id)
        return "" if agent is None else agent.hostname

    def _known(self, app_id: str) -> App:
        app = self._context.view.apps.get(app_id)
        if app is None:
            raise app_unknown(app_id)
        return app

    def _list(
        self, apps: Iterable[App], conditions: frozenset[Condition], *, service_ports: bool
    ) -> Response:
        """``conditions``: only these, or all if there are none."""
        view = self._context.view
        found = (
            (app, instance)
            for app in apps
            for instance in sorted(self._instances(app), key=lambda one: one.id)
            if not conditions or shown_condition(instance) in conditions
        )
        return listing(
            "tasks",
            found,
            lambda one: task(one[1], one[0], view, service_ports=service_ports),
            lambda one: f"{one[0].id},{one[1].id}",
        )

    def _text(self, apps: Iterable[App]) -> Response:
        text = endpoints_text(self._context.view, apps, values("containerNetworks"))
        return Response(text, mimetype="text/plain")


def _scaled(done: Done) -> Response:
    return dry_run_answer(done) if flag("dryRun") else deployment_answer(done)


def _check_modes() -> None:
    if flag("scale") and flag("wipe"):
        raise BadRequestError("You cannot use scale and wipe at the same time.")
