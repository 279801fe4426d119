"""What waits: ``/v2/queue`` as Marathon has it, and our explanations of it on ``/v3``."""

from collections.abc import Iterable
from typing import Any

from flask import Response

from api.context import Context, Route, json_answer, values
from api.definitions import absolute
from api.errors import NotFoundError, app_unknown
from api.openapi.operation import PAGING, describes, several
from api.paging import listing
from api.render.queue import queue_item, waiting_object
from framework.domain.app import App
from framework.domain.events import ResetDelay
from framework.domain.instance import Condition
from framework.domain.replies import Refused, Why
from framework.domain.rollout import Delay, LaunchStats

_Pair = tuple[LaunchStats, App]


class Queue:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """Marathon's, and the operator's view of one app or of all."""
        return (
            Route("GET", "/v2/queue", self.list_all),
            Route("DELETE", "/v2/queue/<path:app_id>/delay", self.reset_delay),
            Route("GET", "/v3/apps/<path:app_id>/waiting", self.waiting),
            Route("GET", "/v3/explain", self.explain_all),
            Route("GET", "/v3/explain/<path:app_id>", self.explain),
        )

    @describes(
        "Queue",
        query=(several("embed", "What to show as well.", "lastUnusedOffers"), *PAGING),
    )
    def list_all(self) -> Response:
        """One item for each app that wants instances it does not have."""
        now_ms = self._context.now_ms()
        unused_offers = "lastUnusedOffers" in values("embed")

        def item(one: _Pair) -> dict[str, Any]:
            stats, app = one
            return queue_item(
                app,
                stats,
                self._delay(app),
                provisioned=self._provisioned(app),
                now_ms=now_ms,
                unused_offers=unused_offers,
            )

        return listing("queue", self._waiting(), item, _place)

    @describes(answers={204: ()})
    def reset_delay(self, app_id: str) -> Response:
        """Forget the back-off of an app that waits."""
        path = absolute(app_id)
        reply = self._context.reply_to(ResetDelay(path))
        if isinstance(reply, Refused) and reply.why in (Why.APP_UNKNOWN, Why.NOT_WAITING):
            raise NotFoundError(f"Application {path} not found in tasks queue.")
        return Response(status=204)

    @describes("Waiting")
    def waiting(self, app_id: str) -> Response:
        """Why an app waits: what was offered, what each offer lacked, in sentences."""
        return json_answer(self._explained(absolute(app_id)))

    @describes("WaitingList", query=PAGING)
    def explain_all(self) -> Response:
        """Why apps wait: of all that do."""
        now_ms = self._context.now_ms()

        def item(one: _Pair) -> dict[str, Any]:
            stats, app = one
            return waiting_object(app, stats, self._delay(app), now_ms)

        return listing("waiting", self._waiting(), item, _place)

    @describes("WaitingList")
    def explain(self, app_id: str) -> Response:
        """Why one app waits, in the form of the list of all."""
        return json_answer({"waiting": [self._explained(absolute(app_id))]})

    def _explained(self, app_id: str) -> dict[str, object]:
        view = self._context.view
        app = view.apps.get(app_id)
        if app is None:
            raise app_unknown(app_id)
        stats = view.launch_stats.get(app_id)
        return waiting_object(app, stats, self._delay(app), self._context.now_ms())

    def _waiting(self) -> list[_Pair]:
        """By app id; an app may have gone since the table was copied."""
        view = self._context.view
        everything = sorted(view.launch_stats.values(), key=lambda stats: stats.app_id)
        pairs = ((stats, view.apps.get(stats.app_id)) for stats in everything)
        return [(stats, app) for stats, app in pairs if app is not None]

    def _delay(self, app: App) -> Delay | None:
        """The app's back-off, if it is one of its present configuration."""
        delay = self._context.view.delays.get(app.id)
        return delay if delay is not None and delay.config == app.last_config_change_at else None

    def _provisioned(self, app: App) -> int:
        instances = list(self._context.view.instances_of.get(app.id, {}).values())
        return sum(one.condition is Condition.PROVISIONED for one in instances)


def _place(one: _Pair) -> str:
    return one[0].app_id
