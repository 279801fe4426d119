"""``/v3/services``: what load balancers need of all apps, in one answer.

It names the state and the epoch of its leader, so that an answer of a leader that is no more, or of
a state restored from a backup, can be told apart; and whether the tasks were compared with Mesos
since, so that nothing is taken out of use for want of knowledge.
"""

from collections.abc import Iterable
from typing import Any

from flask import Response, request

from api.context import Context, Route, json_answer
from api.openapi.operation import describes, text
from api.remembered import Seen, remember
from api.service_log import ServiceLog
from framework.domain.state import Kind

_SINCE = text(
    "since",
    "The `version` of an earlier answer: only services that are otherwise since then, and in `gone`"
    " the ids of those that are no more. An answer without `since` is whole all the same: that "
    "version is of another leader, or too old.",
)


class Services:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._log = ServiceLog()

    def routes(self) -> Iterable[Route]:
        """One."""
        return (Route("GET", "/v3/services", self.show),)

    @describes("ServiceList", query=(_SINCE,))
    def show(self) -> Response:
        """Every app with its ports, and where its tasks are reached."""
        remember(Seen.now(self._context.scheduler, frozenset({Kind.HEALTH})))
        view = self._context.view
        framework = view.framework
        epoch = 0 if framework is None else framework.epoch
        body: dict[str, Any] = {
            "stateId": "" if framework is None else framework.state_id,
            "epoch": epoch,
            "synced": view.connection.synced,
        }
        told = self._log.told(view, epoch, request.args.get("since", ""))
        if told.version:
            body |= {"version": told.version, "digest": told.digest}
        if told.since:
            body |= {"since": told.since, "gone": told.gone}
        return json_answer({**body, "services": told.services})
