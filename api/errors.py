"""Errors and refusals as HTTP answers: the one place that knows which status each becomes.

The bodies are Marathon's, word for word where its clients match on words (rest-api.md, 0.4).
"""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from flask import Response
from werkzeug.exceptions import HTTPException, NotFound

from api.body import BodyError, BodyMissingError
from api.faults import NOT_VALID, Invalid, by_path
from api.render.json import encode
from framework.domain.replies import Refused, Why
from framework.interfaces import CommandTimeoutError, OverloadedError

_log = logging.getLogger("stayer.api")

LOCKED = (
    "App is locked by one or more deployments. Override with the option '?force=true'. "
    "View details at '/v2/deployments/<DEPLOYMENT_ID>'."
)
_TOO_MANY_DEPLOYMENTS = (
    "Max number ({limit}) of running deployments is achieved. Wait for existing deployments to "
    "complete or cancel oneusing force=true parameter. You can increase max deployment number by "
    "using --max_running_deployments parameter but be advised that this can have negative effects "
    "on the performance."
)
_RETRY_AFTER_SECONDS = "1"


class ApiError(Exception):
    """Ends a request with an error body. One subclass per status."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self, message: str, **members: Any) -> None:
        """``members`` stand beside ``message`` in the body: details, deployments."""
        super().__init__(message)
        self.body: dict[str, Any] = {"message": message, **members}


class BadRequestError(ApiError):
    status = HTTPStatus.BAD_REQUEST


class ForbiddenError(ApiError):
    status = HTTPStatus.FORBIDDEN


class NotFoundError(ApiError):
    status = HTTPStatus.NOT_FOUND


class ConflictError(ApiError):
    status = HTTPStatus.CONFLICT


class PreconditionFailedError(ApiError):
    status = HTTPStatus.PRECONDITION_FAILED


class UnsupportedMediaTypeError(ApiError):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class UnprocessableError(ApiError):
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class MethodNotAllowedError(ApiError):
    status = HTTPStatus.METHOD_NOT_ALLOWED


class UnavailableError(ApiError):
    status = HTTPStatus.SERVICE_UNAVAILABLE


def app_unknown(app_id: str, version: str = "") -> NotFoundError:
    """No app of this id, or not in this version."""
    suffix = f" in version {version}" if version else ""
    return NotFoundError(f"App '{app_id}' does not exist{suffix}")


def group_unknown(group_id: str, version: str = "") -> NotFoundError:
    """No group of this id, or not in this version."""
    suffix = f" in version {version}" if version else ""
    return NotFoundError(f"Group '{group_id}' does not exist{suffix}")


def deployment_unknown(deployment_id: str) -> NotFoundError:
    return NotFoundError(_MISSING[Why.DEPLOYMENT_UNKNOWN].format(deployment_id))


def drain_unknown(agent: str) -> NotFoundError:
    return NotFoundError(_MISSING[Why.DRAIN_UNKNOWN].format(agent))


def task_unknown(task_id: str) -> NotFoundError:
    return NotFoundError(f"Task '{task_id}' does not exist")


def invalid(outcome: Invalid) -> UnprocessableError:
    """A body that was read and is not acceptable."""
    return UnprocessableError(outcome.message, details=by_path(outcome.faults))


_MISSING = {
    Why.APP_UNKNOWN: "App '{}' does not exist",
    Why.TASK_UNKNOWN: "Task '{}' does not exist",
    Why.ORPHAN_UNKNOWN: "Task '{}' does not exist",
    Why.DEPLOYMENT_UNKNOWN: "DeploymentPlan {} does not exist",
    Why.GROUP_UNKNOWN: "Group '{}' does not exist",
    Why.VOLUME_UNKNOWN: "Volume '{}' does not exist",
    Why.DRAIN_UNKNOWN: "Agent '{}' is not drained",
    Why.CRASH_UNKNOWN: "Crash '{}' does not exist",
    Why.EDGE_UNKNOWN: "Edge '{}' does not exist",
    Why.SHARES_UNKNOWN: "The traffic of '{}' is not divided by shares",
    Why.NOT_WAITING: "Application {} not found in tasks queue.",
}
_CONFLICTS = {
    Why.APP_EXISTS: "An app with id [{}] already exists.",
    Why.CHANGED_MEANWHILE: "'{}' was changed by others at the same time; please try again.",
    Why.NOT_SUSPENDED: "App '{}' is not suspended.",
}


def refusal(refused: Refused, settings: Mapping[str, object]) -> ApiError:
    """The error that a refused command becomes."""
    why = refused.why
    if why in _MISSING:
        return NotFoundError(_MISSING[why].format(refused.subject))
    if why in _CONFLICTS:
        return ConflictError(_CONFLICTS[why].format(refused.subject))
    if why in {Why.FROZEN, Why.VOLUME_IN_USE}:
        return ConflictError(refused.message)
    if why is Why.LOCKED:
        return _locked(refused.deployment_ids)
    if why is Why.INVALID:
        return _not_valid(refused)
    if why is Why.TOO_MANY_EDGES:
        return ForbiddenError(f"There are too many already to take '{refused.subject}' as well.")
    if why is Why.TOO_MANY_DEPLOYMENTS:
        limit = settings.get("max_running_deployments", 100)
        return ForbiddenError(_TOO_MANY_DEPLOYMENTS.format(limit=limit))
    return ApiError(refused.message)


def _locked(deployment_ids: Sequence[str]) -> ConflictError:
    return ConflictError(LOCKED, deployments=[{"id": one} for one in deployment_ids])


def _not_valid(refused: Refused) -> UnprocessableError:
    message = refused.message or NOT_VALID
    if not refused.details:
        return UnprocessableError(message)
    return UnprocessableError(message, details=by_path(refused.details))


def answer(error: Exception) -> Response:
    """The HTTP answer to anything that a request raised."""
    match error:
        case ApiError():
            return _response(error.status, error.body)
        case BodyMissingError():
            body = {"message": "Please specify data in JSON format", "details": str(error)}
            return _response(HTTPStatus.BAD_REQUEST, body)
        case BodyError():
            body = {"message": "Invalid JSON", "details": str(error)}
            return _response(HTTPStatus.BAD_REQUEST, body)
        case CommandTimeoutError():
            return _response(HTTPStatus.SERVICE_UNAVAILABLE, {"message": str(error)})
        case OverloadedError():
            body = {"message": str(error) or "Too many requests are waiting; try again."}
            response = _response(HTTPStatus.SERVICE_UNAVAILABLE, body)
            response.headers["Retry-After"] = _RETRY_AFTER_SECONDS
            return response
        case HTTPException():
            return _of_http(error)
        case _:
            _log.error("a request failed by a bug", exc_info=error)
            body = {"message": "Internal error; the log of the server has the details."}
            return _response(HTTPStatus.INTERNAL_SERVER_ERROR, body)


def _of_http(error: HTTPException) -> Response:
    """What Flask itself refuses: unknown routes, methods, and bodies that are too large."""
    status = HTTPStatus(error.code or HTTPStatus.INTERNAL_SERVER_ERROR)
    message = "URI not found" if isinstance(error, NotFound) else status.phrase
    response = _response(status, {"message": message})
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _response(status: HTTPStatus, body: dict[str, Any]) -> Response:
    return Response(encode(body), status=status, mimetype="application/json")
