"""``/v3/apps/<id>/failures``: how tasks of an app failed lately, and where their files are."""

from collections.abc import Iterable

from flask import Response

from api.context import Context, Route, json_answer
from api.definitions import absolute
from api.errors import app_unknown
from api.openapi.operation import describes
from api.render.failures import failure_object
from api.render.json import encode_list


class Failures:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """Of one app."""
        return (Route("GET", "/v3/apps/<path:app_id>/failures", self.list_all),)

    @describes("FailureList")
    def list_all(self, app_id: str) -> Response:
        """The last failures of an app, the newest first."""
        view, path = self._context.view, absolute(app_id)
        if path not in view.apps:
            raise app_unknown(path)
        ui = str(self._context.settings.get("mesos_leader_ui_url") or "")
        failures = view.failures_of(path)
        items = (failure_object(one, view, ui) for one in failures)
        return json_answer(encode_list("failures", items))
