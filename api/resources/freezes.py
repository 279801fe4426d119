"""``/v3/freeze`` and ``/v3/crashes``: what nothing is launched or killed of, and what is set aside
because the scheduler's decisions crashed on it."""

from collections.abc import Iterable

from flask import Response, request

from api.context import Context, Route, json_answer, json_body, warn
from api.definitions import absolute
from api.errors import invalid
from api.faults import NOT_VALID, Fault, Invalid
from api.openapi.operation import PAGING, describes
from api.paging import listing
from api.render.freeze import crash_object, freeze_object, freeze_warning
from api.schemas import APP_FREEZE, FREEZE, read
from framework.domain.crashes import Crash
from framework.domain.events import ForgetCrash, FreezeApps, LiftFreeze


def _safe_mode(context: Context) -> bool:
    return context.settings.get("safe_mode") is True


def warn_of_freezes(response: Response, context: Context) -> Response:
    """Tell in a header of every answer that something is frozen: who looks at lists or changes an
    app should know why nothing happens."""
    warning = freeze_warning(context.view, safe_mode=_safe_mode(context))
    if warning:
        warn(response, [warning])
    return response


class Freezes:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """Of everything and of named apps, of one app, and crashes."""
        of_app = "/v3/apps/<path:app_id>/freeze"
        return (
            Route("GET", "/v3/freeze", self.show),
            Route("PUT", "/v3/freeze", self.freeze),
            Route("DELETE", "/v3/freeze", self.lift),
            Route("PUT", of_app, self.freeze_app),
            Route("DELETE", of_app, self.lift_app),
            Route("GET", "/v3/crashes", self.list_crashes),
            Route("DELETE", "/v3/crashes/<crash_id>", self.forget_crash),
        )

    @describes("FreezeState")
    def show(self) -> Response:
        """What is frozen, by whom and why."""
        return json_answer(freeze_object(self._context.view, safe_mode=_safe_mode(self._context)))

    @describes("FreezeState", body=FREEZE, bare=True, errors=(404,))
    def freeze(self) -> Response:
        """Launch and kill nothing of the named apps, or of any."""
        body = read(FREEZE, json_body() if request.get_data() else {})
        if isinstance(body, Invalid):
            raise invalid(body)
        if body.get("apps") == []:
            raise invalid(Invalid(NOT_VALID, (Fault("/apps", "must name an app, or be left out"),)))
        app_ids = tuple(dict.fromkeys(absolute(one) for one in body.get("apps", ())))
        return self._freeze(FreezeApps(app_ids, body.get("reason", "")))

    @describes("FreezeState")
    def lift(self) -> Response:
        """End the freeze of everything; apps that are frozen by themselves stay so."""
        return self._freeze(LiftFreeze())

    @describes("FreezeState", body=APP_FREEZE, bare=True)
    def freeze_app(self, app_id: str) -> Response:
        """Launch and kill nothing of this app."""
        body = read(APP_FREEZE, json_body() if request.get_data() else {})
        if isinstance(body, Invalid):
            raise invalid(body)
        return self._freeze(FreezeApps((absolute(app_id),), body.get("reason", "")))

    @describes("FreezeState")
    def lift_app(self, app_id: str) -> Response:
        """End an app's own freeze, and handle again what was set aside of it."""
        return self._freeze(LiftFreeze((absolute(app_id),)))

    @describes("CrashList", query=PAGING)
    def list_crashes(self) -> Response:
        """Crashes of the decisions, the latest first."""
        latest = sorted(self._context.view.crashes.values(), key=_place, reverse=True)
        return listing("crashes", latest, crash_object, _place, newest_first=True)

    @describes(answers={204: ()})
    def forget_crash(self, crash_id: str) -> Response:
        """Handle again what was set aside after a crash."""
        self._context.ask(ForgetCrash(crash_id))
        return Response(status=204)

    def _freeze(self, command: FreezeApps | LiftFreeze) -> Response:
        self._context.ask(command)
        return self.show()


def _place(crash: Crash) -> str:
    """One that happens again is new again."""
    return f"{crash.last_ms:016d},{crash.id}"
