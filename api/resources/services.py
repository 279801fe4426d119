"""``/v3/services``: what load balancers need of all apps, in one answer.

It names the state and the epoch of its leader, so that an answer of a leader that is no more, or of
a state restored from a backup, can be told apart; and whether the tasks were compared with Mesos
since, so that nothing is taken out of use for want of knowledge.
"""

from collections.abc import Iterable
from typing import Any

from flask import Response

from api.context import Context, Route, json_answer
from api.openapi.operation import describes
from api.remembered import Seen, remember
from api.render.pieces import Pieces
from api.render.services import service
from framework.domain.app import App
from framework.domain.state import Kind, State

_FORM = frozenset({"service"})


class Services:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._pieces = Pieces()

    def routes(self) -> Iterable[Route]:
        """One."""
        return (Route("GET", "/v3/services", self.show),)

    @describes("ServiceList")
    def show(self) -> Response:
        """Every app with its ports, and where its tasks are reached."""
        remember(Seen.now(self._context.scheduler, frozenset({Kind.HEALTH})))
        view = self._context.view
        deploying = _deploying(view)
        shares = _shares(view)
        apps = sorted(view.apps.values(), key=lambda app: app.id)
        framework = view.framework
        body: dict[str, Any] = {
            "stateId": "" if framework is None else framework.state_id,
            "epoch": 0 if framework is None else framework.epoch,
            "synced": view.connection.synced,
            "services": [self._service(view, app, deploying, shares) for app in apps],
        }
        return json_answer(body)

    def _service(
        self,
        view: State,
        app: App,
        deploying: dict[str, list[str]],
        shares: dict[str, float],
    ) -> Any:
        by, share = deploying.get(app.id, []), shares.get(app.id)
        new_share = _new_share(view, by)
        form = _FORM if share is None and new_share is None else _FORM | {(share, new_share)}
        return self._pieces.of(
            view, app, form, by, lambda: service(app, view, share, new_share, deploying=bool(by))
        )


def _shares(view: State) -> dict[str, float]:
    """By app id; an app that several names divide by has that of the last one."""
    records = sorted(view.shares.values(), key=lambda one: one.since_ms)
    return {app_id: share for one in records for app_id, share in one.shares.items()}


def _new_share(view: State, deployment_ids: list[str]) -> float | None:
    """What the new tasks of an app get, if its deployment says so."""
    records = (view.deployments.get(one) for one in deployment_ids)
    return next((one.share for one in records if one is not None and one.share is not None), None)


def _deploying(view: State) -> dict[str, list[str]]:
    """The deployments that hold each app."""
    found: dict[str, list[str]] = {}
    for deployment in list(view.deployments.values()):
        for app_id in view.plan(deployment).affected:
            found.setdefault(app_id, []).append(deployment.id)
    return found
