"""``/v2/deployments`` and ``/v3/deployments``: changes under way; ending and pausing them."""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Response

from api.context import Context, Route, deployment_answer, flag, json_answer
from api.errors import deployment_unknown
from api.render.deployment import deployment, watched_deployment
from api.render.json import encode_list
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

    def list_all(self) -> Response:
        """The oldest first."""
        return self._list(deployment)

    def watch_all(self) -> Response:
        """The oldest first, each with how far its apps are."""
        return self._list(watched_deployment)

    def watch(self, deployment_id: str) -> Response:
        """One, with how far its apps are."""
        record = self._context.view.deployments.get(deployment_id)
        if record is None:
            raise deployment_unknown(deployment_id)
        return json_answer(watched_deployment(self._context.view, record))

    def cancel(self, deployment_id: str) -> Response:
        """Start the way back as a new deployment, or with ``force`` only stop where it is."""
        force = flag("force")
        done = self._context.ask(CancelDeployment(deployment_id, force))
        if force:
            return Response(status=202)
        return deployment_answer(done)

    def pause(self, deployment_id: str) -> Response:
        """Replace nothing more for now."""
        return deployment_answer(self._context.ask(PauseDeployment(deployment_id)))

    def resume(self, deployment_id: str) -> Response:
        """Go on after a pause; after canaries this promotes them."""
        return deployment_answer(self._context.ask(ResumeDeployment(deployment_id)))

    def _list(self, render: Callable[[State, Deployment], dict[str, Any]]) -> Response:
        view = self._context.view
        records = list(view.deployments.values())
        records.sort(key=lambda record: (record.started_at_ms, record.id))
        return json_answer(encode_list("", (render(view, one) for one in records)))
