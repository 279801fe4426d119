"""``/v2/apps``: list, create, show, change, delete, restart, and earlier versions."""

from collections.abc import Iterable

from flask import Response, request

from api.changes import Mode, Wish, change_apps, many_wishes, one_wish, stored_version
from api.context import (
    DEPLOYMENT_HEADER,
    Context,
    Route,
    deployment_answer,
    dry_run_answer,
    flag,
    json_answer,
    json_body,
    location,
    values,
)
from api.definitions import absolute, parse_app
from api.errors import UnprocessableError, app_unknown, group_unknown, invalid
from api.faults import Invalid
from api.openapi.operation import APP_EMBEDS, DRY_RUN, FORCE, PAGING, Many, boolean, describes, text
from api.paging import listing
from api.projection import chosen_fields
from api.remembered import Seen, remember
from api.render.app import app_object
from api.render.appinfo import STATS, AppInfos, Deploying, Embed, app_embeds, created, needed
from api.render.pieces import Pieces
from api.schemas import APP, APP_UPDATE
from api.selectors import SelectorError, parse_selector
from framework.domain.app import App
from framework.domain.events import ChangeApps, PutApp, RestartApp, ResumeApp, SuspendApp
from framework.domain.state import Kind

_LISTED = frozenset({Embed.COUNTS, Embed.DEPLOYMENTS})
_SHOWN = frozenset({Embed.COUNTS, Embed.DEPLOYMENTS, Embed.TASKS, Embed.LAST_TASK_FAILURE})
_OF_CHECKS = frozenset({Embed.TASKS, Embed.READINESS})
_FILTERS = (
    APP_EMBEDS,
    text("cmd", "Only apps whose command contains this."),
    text("id", "Only apps whose id contains this."),
    text("label", "Only apps with such labels: a==b, a!=b, a in (b, c), a notin (b), a."),
)
_CHANGING = (FORCE, DRY_RUN)
_PARTIAL = boolean(
    "partialUpdate", "Keep what the body does not name; else the body is all.", default=True
)


class Apps:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._pieces = Pieces()
        self._deploying = Deploying()

    def _infos(self, embeds: frozenset[Embed]) -> AppInfos:
        """To render apps of the view as it is now; the answer is remembered if it may be."""
        context = self._context
        if not embeds & STATS:
            unseen = frozenset() if embeds & _OF_CHECKS else frozenset({Kind.HEALTH})
            remember(Seen.now(context.scheduler, unseen))
        return AppInfos(context.view, context.now_ms(), self._pieces, self._deploying)

    def routes(self) -> Iterable[Route]:
        """In no order: Flask prefers the rule with more fixed parts."""
        one = "/v2/apps/<path:app_id>"
        return (
            Route("GET", "/v2/apps", self.list_all),
            Route("POST", "/v2/apps", self.create),
            Route("PUT", "/v2/apps", self.put_many),
            Route("PATCH", "/v2/apps", self.patch_many),
            Route("GET", one, self.show),
            Route("PUT", one, self.put),
            Route("PATCH", one, self.patch),
            Route("DELETE", one, self.delete),
            Route("POST", f"{one}/restart", self.restart),
            Route("POST", "/v3/apps/<path:app_id>/suspend", self.suspend),
            Route("POST", "/v3/apps/<path:app_id>/resume", self.resume),
            Route("GET", f"{one}/versions", self.list_versions),
            Route("GET", f"{one}/versions/<version>", self.show_version),
        )

    @describes("AppList", query=(*_FILTERS, *PAGING))
    def list_all(self) -> Response:
        """Every app that the filters of the query hold of."""
        embeds = _embeds(_LISTED)
        infos = self._infos(embeds)
        chosen = _filtered(sorted_apps(self._context))
        return listing("apps", chosen, lambda app: infos.shown(app, embeds), _app_id)

    @describes(query=_CHANGING, body=APP, answers={201: ("ShownApp",)}, errors=(403, 409))
    def create(self) -> Response:
        """Store an app that does not exist yet."""
        context = self._context
        outcome = parse_app(
            json_body(), context.options, context.compile_pattern, enforces=context.enforces
        )
        if isinstance(outcome, Invalid):
            raise invalid(outcome)
        put = PutApp(outcome, expected_version="")
        dry_run = flag("dryRun")
        done = context.ask(ChangeApps((put,), force=flag("force"), dry_run=dry_run))
        if dry_run:
            return dry_run_answer(done)
        app = done.apps[0] if done.apps else outcome
        headers = {**location("apps", app.id), DEPLOYMENT_HEADER: done.deployment_id}
        return json_answer(created(app, done.deployment_id), 201, headers)

    @describes(
        "DeploymentResult",
        query=(*_CHANGING, _PARTIAL),
        body=Many(APP_UPDATE),
        errors=(403, 404, 409),
    )
    def put_many(self) -> Response:
        """Change or create the apps of an array, all or none."""
        return self._change_many(_put_mode())

    @describes("DeploymentResult", query=_CHANGING, body=Many(APP_UPDATE), errors=(403, 404, 409))
    def patch_many(self) -> Response:
        """Change the apps of an array, all or none; each must exist."""
        return self._change_many(Mode.MERGE)

    @describes("OneApp", "MatchedApps", query=(APP_EMBEDS, *PAGING))
    def show(self, app_id: str) -> Response:
        """One app, or with ``*`` at the end all those of a group."""
        embeds = _embeds(_SHOWN)
        infos = self._infos(embeds)
        if is_wildcard(app_id):
            members = apps_of_group(self._context, app_id)
            return listing("*", members, lambda app: infos.shown(app, embeds), _app_id)
        app = self._known(absolute(app_id))
        return json_answer({"app": infos.shown(app, embeds)})

    @describes(
        "DeploymentResult",
        query=(*_CHANGING, _PARTIAL),
        body=APP_UPDATE,
        answers={201: ("DeploymentResult",)},
        errors=(403, 409),
    )
    def put(self, app_id: str) -> Response:
        """Change an app or create it."""
        mode = _put_mode()
        path = absolute(app_id)
        return self._change([one_wish(path, json_body(), mode, self._context)], mode, path)

    @describes("DeploymentResult", query=_CHANGING, body=APP_UPDATE, errors=(403, 409))
    def patch(self, app_id: str) -> Response:
        """Change an app that exists."""
        path = absolute(app_id)
        self._known(path)
        return self._change([one_wish(path, json_body(), Mode.MERGE, self._context)], Mode.MERGE)

    @describes(
        "DeploymentResult",
        query=(boolean("force", FORCE.description, default=True), DRY_RUN),
        errors=(409,),
    )
    def delete(self, app_id: str) -> Response:
        """Remove an app and its tasks. Unlike elsewhere ``force`` is on unless told otherwise."""
        force, dry_run = flag("force", default=True), flag("dryRun")
        command = ChangeApps(removes=(absolute(app_id),), force=force, dry_run=dry_run)
        return self._answer(command)

    @describes("DeploymentResult", query=_CHANGING, errors=(409,))
    def restart(self, app_id: str) -> Response:
        """Replace every instance of an app."""
        return self._answer(RestartApp(absolute(app_id), flag("force"), flag("dryRun")))

    @describes("DeploymentResult", query=_CHANGING, errors=(409,))
    def suspend(self, app_id: str) -> Response:
        """Scale an app to nothing and remember the count."""
        return self._answer(SuspendApp(absolute(app_id), flag("force"), flag("dryRun")))

    @describes("DeploymentResult", query=_CHANGING, errors=(409,))
    def resume(self, app_id: str) -> Response:
        """Scale an app back to the count from before it was suspended."""
        return self._answer(ResumeApp(absolute(app_id), flag("force"), flag("dryRun")))

    @describes("Versions", query=PAGING)
    def list_versions(self, app_id: str) -> Response:
        """Timestamps of the definitions of an app that are kept, the newest first."""
        app = self._known(absolute(app_id))
        versions = {app.version, *list(self._context.view.versions_of.get(app.id, {}))}
        latest = sorted(versions, reverse=True)
        return listing("versions", latest, str, str, newest_first=True)

    @describes("ShownApp", errors=(422,))
    def show_version(self, app_id: str, version: str) -> Response:
        """The definition of an app as it was in a version."""
        return json_answer(app_object(stored_version(self._context, absolute(app_id), version)))

    def _change_many(self, mode: Mode) -> Response:
        return self._change(many_wishes(json_body(), mode, self._context), mode)

    def _change(self, wishes: list[Wish], mode: Mode, path: str = "") -> Response:
        """``path``: where the app is found if it is a single one and new."""
        dry_run = flag("dryRun")
        outcome = change_apps(self._context, wishes, mode, force=flag("force"), dry_run=dry_run)
        if dry_run:
            return dry_run_answer(outcome.done)
        if path and outcome.created:
            return deployment_answer(outcome.done, 201, location("apps", path))
        return deployment_answer(outcome.done)

    def _answer(self, command: ChangeApps | RestartApp | SuspendApp | ResumeApp) -> Response:
        done = self._context.ask(command)
        return dry_run_answer(done) if command.dry_run else deployment_answer(done)

    def _known(self, app_id: str) -> App:
        app = self._context.view.apps.get(app_id)
        if app is None:
            raise app_unknown(app_id)
        return app


def _put_mode() -> Mode:
    return Mode.MERGE_OR_CREATE if flag("partialUpdate", default=True) else Mode.REPLACE_OR_CREATE


def _app_id(app: App) -> str:
    return app.id


def _embeds(always: frozenset[Embed]) -> frozenset[Embed]:
    """What is shown of each app beyond its definition, as far as the request wants to see it."""
    return needed(app_embeds(values("embed")) | always, chosen_fields())


def is_wildcard(path: str) -> bool:
    """Whether the path means all apps of a group: ``group/*`` or ``*``."""
    return path == "*" or path.endswith("/*")


def sorted_apps(context: Context) -> list[App]:
    """All apps by id."""
    return sorted(context.view.apps.values(), key=lambda app: app.id)


def apps_of_group(context: Context, wildcard: str) -> list[App]:
    """The apps anywhere below the group of ``group/*``."""
    group = absolute(wildcard.removesuffix("*"))
    prefix = group if group == "/" else f"{group}/"
    members = [app for app in sorted_apps(context) if app.id.startswith(prefix)]
    if not members and group != "/" and group not in context.view.groups:
        raise group_unknown(group)
    return members


def _filtered(apps: list[App]) -> list[App]:
    """The apps that the query's ``cmd``, ``id`` and ``label`` hold of."""
    command, app_id = request.args.get("cmd", "").lower(), request.args.get("id", "").lower()
    label = request.args.get("label", "")
    if command:
        apps = [app for app in apps if command in (app.cmd or "").lower()]
    if app_id:
        apps = [app for app in apps if app_id in app.id.lower()]
    if label:
        try:
            selects = parse_selector(label)
        except SelectorError as error:
            raise UnprocessableError(str(error)) from error
        apps = [app for app in apps if selects(app.labels)]
    return apps
