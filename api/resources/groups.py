"""``/v2/groups``: show, create, change, roll back, scale and remove groups of apps."""

from collections.abc import Callable, Iterable

from flask import Response

from api.changes import moment
from api.context import (
    Context,
    Route,
    deployment_answer,
    dry_run_answer,
    flag,
    json_answer,
    json_body,
    location,
    name_subject,
    values,
)
from api.definitions import absolute
from api.errors import group_unknown, invalid
from api.faults import Invalid
from api.group_changes import change_tree, create, group_wish, remove, set_role, update
from api.openapi.operation import APP_EMBEDS, DRY_RUN, FORCE, PAGING, describes, several
from api.paging import listing
from api.render.appinfo import AppInfos, app_embeds
from api.render.group import GroupRenderer, group_embeds
from api.render.json import encode_list
from api.schemas import GROUP_ROLE, GROUP_UPDATE, read
from api.trees import ROOT, Tree, earlier, inside, today, versions
from framework.domain.events import ChangeApps

_EMBEDS = several(
    "embed",
    "What to show: only what is named, or without any all groups and apps.",
    *("group.groups", "group.apps", "group.pods", "group.apps.tasks", "group.apps.counts"),
    *("group.apps.deployments", "group.apps.readiness", "group.apps.lastTaskFailure"),
    *("group.apps.failures", "group.apps.taskStats"),
)
_CHANGING = (FORCE, DRY_RUN)
_ERRORS = (403, 404, 409)


class Groups:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """Each for the root and for any other group."""
        handlers: tuple[tuple[str, str, Callable[..., Response]], ...] = (
            ("GET", "", self.show),
            ("POST", "", self.create),
            ("PUT", "", self.put),
            ("PATCH", "", self.patch),
            ("DELETE", "", self.delete),
            ("GET", "/apps", self.list_apps),
            ("GET", "/versions", self.list_versions),
            ("GET", "/versions/<version>", self.show_version),
            ("PUT", "/versions/<version>", self.put_version),
        )
        return tuple(
            Route(method, f"/v2/groups{which}{rest}", handler)
            for method, rest, handler in handlers
            for which in ("", "/<path:group_id>")
        )

    @describes("Group", query=(_EMBEDS,))
    def show(self, group_id: str = ROOT) -> Response:
        """A group with its apps and the groups in it."""
        tree, path = today(self._context.view), absolute(group_id)
        if path not in tree.groups:
            raise group_unknown(path)
        return self._group(tree, path)

    @describes("AppArray", query=(APP_EMBEDS,))
    def list_apps(self, group_id: str = ROOT) -> Response:
        """All apps anywhere in a group."""
        tree, path = today(self._context.view), absolute(group_id)
        if path not in tree.groups:
            raise group_unknown(path)
        infos, embeds = self._infos(), app_embeds(values("embed"))
        members = (tree.apps[key] for key in sorted(tree.apps) if inside(key, path))
        return json_answer(encode_list("", (infos.info(app, embeds) for app in members)))

    @describes("VersionArray", query=PAGING)
    def list_versions(self, group_id: str = ROOT) -> Response:
        """The versions a group had, the newest first."""
        path = absolute(group_id)
        found = versions(self._context.view, path)
        if not found:
            raise group_unknown(path)
        return listing("", found, str, str, newest_first=True)

    @describes("Group", query=(_EMBEDS,), errors=(422,))
    def show_version(self, version: str, group_id: str = ROOT) -> Response:
        """A group as it was in a version."""
        path, wanted = absolute(group_id), moment(version)
        tree = earlier(self._context.view, path, wanted)
        if tree is None:
            raise group_unknown(path, wanted)
        return self._group(tree, path)

    @describes(
        query=_CHANGING, body=GROUP_UPDATE, answers={201: ("DeploymentResult",)}, errors=_ERRORS
    )
    def create(self, group_id: str = ROOT) -> Response:
        """Store a group that does not exist yet."""
        wish = group_wish(absolute(group_id), json_body())
        name_subject(wish.path)
        headers = location("groups", wish.path)
        return self._change(lambda tree: create(self._context, wish, tree), 201, headers)

    @describes("DeploymentResult", query=_CHANGING, body=GROUP_UPDATE, errors=_ERRORS)
    def put(self, group_id: str = ROOT) -> Response:
        """Change a group or create it."""
        wish = group_wish(absolute(group_id), json_body())
        name_subject(wish.path)
        return self._change(lambda tree: update(self._context, wish, tree))

    @describes("DeploymentResult", query=_CHANGING, errors=_ERRORS)
    def put_version(self, version: str, group_id: str = ROOT) -> Response:
        """Go back to a version, as marathon-python asks for it: by the URL alone."""
        wish = group_wish(absolute(group_id), {"version": version})
        return self._change(lambda tree: update(self._context, wish, tree))

    @describes(query=(DRY_RUN,), body=GROUP_ROLE, answers={200: ()}, errors=_ERRORS)
    def patch(self, group_id: str = ROOT) -> Response:
        """Change whether a group's name is the role of its apps. Nothing is deployed, so a try of
        it has no plan to answer either."""
        body, path = read(GROUP_ROLE, json_body()), absolute(group_id)
        if isinstance(body, Invalid):
            raise invalid(body)
        wanted = body.get("enforceRole")
        change_tree(
            self._context,
            lambda tree: set_role(self._context, path, wanted, tree),
            force=False,
            dry_run=flag("dryRun"),
        )
        return Response(status=200)

    @describes("DeploymentResult", query=_CHANGING, errors=_ERRORS)
    def delete(self, group_id: str = ROOT) -> Response:
        """Remove a group with all that is in it."""
        path = absolute(group_id)
        return self._change(lambda tree: remove(self._context, path, tree))

    def _change(
        self,
        make: Callable[[Tree], ChangeApps],
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Response:
        dry_run = flag("dryRun")
        done = change_tree(self._context, make, force=flag("force"), dry_run=dry_run)
        if dry_run:
            return dry_run_answer(done, as_marathon=True)
        return deployment_answer(done, status, headers)

    def _infos(self) -> AppInfos:
        return AppInfos(self._context.view, self._context.now_ms())

    def _group(self, tree: Tree, path: str) -> Response:
        embeds, infos = group_embeds(values("embed")), self._infos()
        renderer = GroupRenderer(tree, embeds, lambda app: infos.info(app, embeds.of_apps))
        return json_answer(renderer.group(path))
