"""``/v3/alarms``: what an operator should look at, for as long as it lasts."""

from collections.abc import Iterable

from flask import Response

from api.context import Context, Route, warn
from api.openapi.operation import PAGING, describes
from api.paging import listing
from api.render.alarms import alarm_object, alarm_warnings
from framework.domain.alarms import Alarm


def warn_of_alarms(response: Response, context: Context) -> Response:
    """Tell in headers of every answer that alarms stand: clients show them above their lists."""
    if context.view.alarms:
        warn(response, alarm_warnings(context.view))
    return response


class Alarms:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """Only to be read: an alarm ends when its cause does."""
        return (Route("GET", "/v3/alarms", self.list_all),)

    @describes("AlarmList", query=PAGING)
    def list_all(self) -> Response:
        """Alarms that stand, the oldest first."""
        alarms = sorted(self._context.view.alarms.values(), key=_place)
        return listing("alarms", alarms, alarm_object, _place)


def _place(alarm: Alarm) -> str:
    return f"{alarm.since_ms:016d},{alarm.key}"
