"""Reading definitions the way the server does, with a regular expression engine at hand."""

import re
from collections.abc import Callable
from typing import Any

from api.definitions import parse_app
from api.faults import Invalid
from api.options import ApiOptions
from constraints import BadPattern
from framework.domain.app import App

OPTIONS = ApiOptions()


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Full match by Python's own engine, enough for patterns that a test wrote."""
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise BadPattern(str(error)) from error
    return lambda text: compiled.fullmatch(text) is not None


def app_of(body: dict[str, Any], options: ApiOptions = OPTIONS) -> App:
    """The app of a definition that must be sound."""
    outcome = parse_app(body, options, compile_pattern)
    assert isinstance(outcome, App), outcome
    return outcome


def faults_of(body: Any, options: ApiOptions = OPTIONS) -> tuple[str, set[tuple[str, str]]]:
    """Message and (path, error) pairs of a definition that must be refused."""
    outcome = parse_app(body, options, compile_pattern)
    assert isinstance(outcome, Invalid), outcome
    return outcome.message, {(fault.path, fault.error) for fault in outcome.faults}
