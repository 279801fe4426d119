"""``/v2/deployments`` and ``/v3/deployments``: changes under way; ending and pausing them."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Response

from api.context import (
    Context,
    Route,
    deployment_answer,
    dry_run_answer,
    flag,
    json_answer,
    json_body,
)
from api.errors import deployment_unknown, invalid
from api.faults import Invalid
from api.openapi.operation import DRY_RUN, PAGING, boolean, describes
from api.paging import listing
from api.render.deployment import deployment, watched_deployment
from api.schemas import DEPLOYMENT_SHARE, read
from framework.domain.events import (
    CancelDeployment,
    PauseDeployment,
    ResumeDeployment,
    ShareDeployment,
)
from framework.domain.rollout import Deployment
from framework.domain.state import State


class Deployments:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """Marathon's, and ours."""
        ours = "/v3/deployments/<deployment_id>"
        return (
            Route("GET", "/v2/deployments", self.list_all),
            Route("DELETE", "/v2/deployments/<deployment_id>", self.cancel),
            Route("GET", "/v3/deployments", self.watch_all),
            Route("GET", ours, self.watch),
            Route("DELETE", ours, self.cancel),
            Route("POST", f"{ours}/pause", self.pause),
            Route("POST", f"{ours}/resume", self.resume),
            Route("PUT", f"{ours}/share", self.share),
            Route("DELETE", f"{ours}/share", self.share_by_number),
        )

    @describes("DeploymentArray", query=PAGING)
    def list_all(self) -> Response:
        """Deployments under way, the oldest first."""
        return self._list(deployment)

    @describes("WatchedDeployments", query=PAGING)
    def watch_all(self) -> Response:
        """Deployments under way, the oldest first, each with how far its apps are."""
        return self._list(watched_deployment)

    @describes("WatchedDeployment")
    def watch(self, deployment_id: str) -> Response:
        """One deployment, with how far its apps are."""
        record = self._context.view.deployments.get(deployment_id)
        if record is None:
            raise deployment_unknown(deployment_id)
        return json_answer(watched_deployment(self._context.view, record))

    @describes(
        "DeploymentResult",
        query=(boolean("force", "Only stop it where it is."), DRY_RUN),
        answers={202: ()},
        errors=(403, 409),
    )
    def cancel(self, deployment_id: str) -> Response:
        """Take a deployment back by a new one, or with ``force`` only stop it where it is."""
        force, dry_run = flag("force"), flag("dryRun")
        done = self._context.ask(CancelDeployment(deployment_id, force, dry_run))
        if dry_run:
            return dry_run_answer(done)
        if force:
            return Response(status=202)
        return deployment_answer(done)

    @describes("DeploymentResult", errors=(409,))
    def pause(self, deployment_id: str) -> Response:
        """Replace nothing more for now in this deployment."""
        return deployment_answer(self._context.ask(PauseDeployment(deployment_id)))

    @describes("DeploymentResult", errors=(409,))
    def resume(self, deployment_id: str) -> Response:
        """Go on with a deployment after a pause. After canaries this promotes them."""
        return deployment_answer(self._context.ask(ResumeDeployment(deployment_id)))

    @describes("WatchedDeployment", body=DEPLOYMENT_SHARE, errors=(403,))
    def share(self, deployment_id: str) -> Response:
        """Give the new instances of a paused deployment so many percent of the traffic of its
        apps. Resumed, it divides by the number of tasks again, unless it was all of it."""
        body = read(DEPLOYMENT_SHARE, json_body())
        if isinstance(body, Invalid):
            raise invalid(body)
        self._context.ask(ShareDeployment(deployment_id, float(body["share"])))
        return self.watch(deployment_id)

    @describes(answers={204: ()}, errors=(403, 404))
    def share_by_number(self, deployment_id: str) -> Response:
        """Divide the traffic by the number of tasks again."""
        self._context.ask(ShareDeployment(deployment_id))
        return Response(status=204)

    def _list(self, render: Callable[[State, Deployment], dict[str, Any]]) -> Response:
        view = self._context.view
        records = sorted(view.deployments.values(), key=_place)
        return listing("", records, lambda one: render(view, one), _place)


def _place(record: Deployment) -> str:
    return f"{record.started_at_ms:016d},{record.id}"
