"""The outer shape of the scheduler's answers, checked: what is of another shape is no answer."""

from api.client_errors import BadAnswerError
from api.transport import JsonObject


def object_in(answer: object, name: str | None = None) -> JsonObject:
    """The answer, or its member ``name``, as an object; BadAnswerError if it is none."""
    found = _member(answer, name)
    if not isinstance(found, dict):
        raise BadAnswerError(f"the answer is no object{f' with {name!r}' if name else ''}")
    return found


def objects_in(answer: object, name: str | None = None) -> list[JsonObject]:
    """The answer, or its member ``name``, as a list of objects; BadAnswerError if it is none."""
    found = _member(answer, name)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise BadAnswerError(f"the answer is no list{f' of {name!r}' if name else ''}")
    return found


def texts_in(answer: object, name: str | None = None) -> list[str]:
    """The same for a list of texts."""
    found = _member(answer, name)
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise BadAnswerError(f"the answer is no list of texts{f' {name!r}' if name else ''}")
    return found


def _member(answer: object, name: str | None) -> object:
    if name is None:
        return answer
    return answer.get(name) if isinstance(answer, dict) else None
