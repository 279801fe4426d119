"""``/logging``: how much this process writes to its log, for a while or for good."""

from collections.abc import Iterable

from flask import Response

from api.context import Context, Route, json_answer, json_body
from api.errors import UnprocessableError, invalid
from api.faults import Invalid
from api.log_levels import LogLevels, TooManyLoggersError
from api.openapi.operation import describes
from api.schemas import LOGGER_CHANGE, read


class Logging:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._levels = LogLevels()

    def routes(self) -> Iterable[Route]:
        """Look and change."""
        return (Route("GET", "/logging", self.show), Route("POST", "/logging", self.change))

    @describes("Loggers")
    def show(self) -> Response:
        """The level of each logger of this process."""
        return json_answer(self._levels.shown())

    @describes("LoggerChanged", body=LOGGER_CHANGE)
    def change(self) -> Response:
        """Set the level of a logger. The answer is what was asked for."""
        change = read(LOGGER_CHANGE, json_body())
        if isinstance(change, Invalid):
            raise invalid(change)
        try:
            self._levels.change(change["logger"], change["level"], change.get("durationSeconds"))
        except TooManyLoggersError as error:
            raise UnprocessableError(str(error)) from error
        return json_answer({name: value for name, value in change.items() if value is not None})
