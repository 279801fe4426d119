"""``/v2/deployments``: changes under way, and taking one back."""

from collections.abc import Iterable

from flask import Response

from api.context import Context, Route, deployment_answer, flag, json_answer
from api.render.deployment import deployment
from api.render.json import encode_list
from framework.domain.events import CancelDeployment


class Deployments:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """Marathon's."""
        return (
            Route("GET", "/v2/deployments", self.list_all),
            Route("DELETE", "/v2/deployments/<deployment_id>", self.cancel),
        )

    def list_all(self) -> Response:
        """The oldest first."""
        records = list(self._context.view.deployments.values())
        records.sort(key=lambda record: (record.started_at_ms, record.id))
        return json_answer(
            encode_list("", (deployment(self._context.view, one) for one in records))
        )

    def cancel(self, deployment_id: str) -> Response:
        """Start the way back as a new deployment, or with ``force`` only stop where it is."""
        force = flag("force")
        done = self._context.ask(CancelDeployment(deployment_id, force))
        if force:
            return Response(status=202)
        return deployment_answer(done)
