"""What may come of a call instead of its answer, and how an error of the API is read.

Few kinds, by what the caller can do about them: nobody was reached, the outcome is unknown, the
answer is none of this API, or the API refused.
"""

from collections.abc import Mapping, Sequence

import msgspec

JSON_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class ClientError(Exception):
    """Whatever kept a call from its answer; the text is fit for people."""


class UnreachableError(ClientError):
    """No URL could be connected to: nothing was sent. ``causes`` maps each URL to why."""

    def __init__(self, causes: Mapping[str, str]) -> None:
        self.causes = dict(causes)
        super().__init__("; ".join(f"{url}: {why}" for url, why in self.causes.items()))


class OutcomeUnknownError(ClientError):
    """The request went out, but its answer did not come: the change may have been made."""


class BadAnswerError(ClientError):
    """The answer is not what this API answers: too large, no JSON, or of another shape."""


class RefusedError(ClientError):
    """The API answered with an error, in Marathon's form.

    ``details`` are (path, error) pairs of bad input; ``deployment_ids`` those in the way.
    """

    def __init__(
        self,
        status: int,
        message: str,
        details: Sequence[tuple[str, str]] = (),
        deployment_ids: Sequence[str] = (),
    ) -> None:
        self.status = status
        self.message = message
        self.details = tuple(details)
        self.deployment_ids = tuple(deployment_ids)
        super().__init__(message)


class InvalidError(RefusedError):
    """400, 422: the input is wrong; ``details`` name each field."""


class UnauthorizedError(RefusedError):
    """401: the API wants (other) credentials."""


class NotFoundError(RefusedError):
    """404: no such app, task, deployment or path."""


class ConflictError(RefusedError):
    """409: it exists already, or ``deployment_ids`` hold it."""


class ChangedError(RefusedError):
    """412: it is not any more what it was when it was read; nothing was done."""


class UnavailableError(RefusedError):
    """502, 503, 504: not ready, no leader, or too busy."""


_ERRORS: dict[int, type[RefusedError]] = {
    400: InvalidError,
    401: UnauthorizedError,
    404: NotFoundError,
    409: ConflictError,
    412: ChangedError,
    422: InvalidError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def refusal(status: int, reason: str, content: bytes) -> RefusedError:
    """The error in the answer, whatever shape it has."""
    try:
        body = msgspec.json.decode(content)
    except JSON_ERRORS:
        body = None
    if not isinstance(body, dict):
        body = {}
    message = body.get("message")
    if not isinstance(message, str):
        message = reason or f"HTTP status {status}"
    deployments = body.get("deployments")
    ids = [
        entry["id"]
        for entry in (deployments if isinstance(deployments, list) else [])
        if isinstance(entry, dict) and isinstance(entry.get("id"), str)
    ]
    return _ERRORS.get(status, RefusedError)(status, message, _details(body.get("details")), ids)


def _details(details: object) -> list[tuple[str, str]]:
    """(path, error) pairs of Marathon's details: a list of {path, errors}, or a plain text."""
    if isinstance(details, str):
        return [("/", details)]
    pairs: list[tuple[str, str]] = []
    for entry in details if isinstance(details, list) else []:
        if isinstance(entry, dict) and isinstance(errors := entry.get("errors"), list):
            pairs.extend((str(entry.get("path", "/")), str(error)) for error in errors)
    return pairs
