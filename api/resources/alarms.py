"""``/v3/alarms``: what an operator should look at, for as long as it lasts."""

from collections.abc import Iterable

from flask import Response

from api.context import WARNING_HEADER, Context, Route, json_answer
from api.openapi.operation import describes
from api.render.alarms import alarm_object, alarm_warnings
from api.render.json import encode_list


def warn_of_alarms(response: Response, context: Context) -> Response:
    """Tell in headers of every answer that alarms stand: clients show them above their lists."""
    if context.view.alarms:
        for warning in alarm_warnings(context.view):
            text = "".join(one if one.isprintable() else "?" for one in warning)
            response.headers.add(WARNING_HEADER, text.encode("ascii", "replace").decode())
    return response


class Alarms:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """Only to be read: an alarm ends when its cause does."""
        return (Route("GET", "/v3/alarms", self.list_all),)

    @describes("AlarmList")
    def list_all(self) -> Response:
        """Alarms that stand, the oldest first."""
        alarms = list(self._context.view.alarms.values())
        alarms.sort(key=lambda one: (one.since_ms, one.key))
        return json_answer(encode_list("alarms", map(alarm_object, alarms)))
