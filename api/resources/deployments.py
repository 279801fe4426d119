"""``/v2/deployments`` and ``/v3/deployments``: changes under way; ending and pausing them."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Response

from api.context import Context, Route, deployment_answer, dry_run_answer, flag, json_answer
from api.errors import deployment_unknown
from api.openapi.operation import DRY_RUN, PAGING, boolean, describes
from api.paging import listing
from api.render.deployment import deployment, watched_deployment
from framework.domain.events import CancelDeployment, PauseDeployment, ResumeDeployment
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

    def _list(self, render: Callable[[State, Deployment], dict[str, Any]]) -> Response:
        view = self._context.view
        records = sorted(view.deployments.values(), key=_place)
        return listing("", records, lambda one: render(view, one), _place)


def _place(record: Deployment) -> str:
    return f"{record.started_at_ms:016d},{record.id}"
