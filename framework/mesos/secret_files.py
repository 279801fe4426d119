"""The built-in provider of secrets: files in a directory, and the environment of this process.

Read anew for each launch, so that a rotated secret is found, and kept nowhere.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from framework.interfaces import SecretUnavailableError

VARIABLE_PREFIX = "STAYER_SECRET_"
MAX_SECRET_BYTES = 64 * 1024

_ELEMENT = re.compile(r"[A-Za-z0-9_.-]{1,255}")
_NOT_IN_A_NAME = re.compile(r"[^A-Z0-9]+")


class SecretFiles:
    """``framework.interfaces.Secrets``. ``directory`` empty: the environment only."""

    def __init__(self, directory: str = "", environment: Mapping[str, str] = os.environ) -> None:
        self._directory = Path(directory) if directory else None
        self._environment = environment

    def value(self, source: str) -> bytes:
        """See ``Secrets.value``. A source is a path below the directory; links in it may lead to
        files in the directory and not out of it."""
        elements = [element for element in source.split("/") if element]
        if not elements or not all(map(_is_plain, elements)):
            raise SecretUnavailableError(
                "its source is no path of letters, digits, '_', '.' and '-'"
            )
        if self._directory is not None and (found := self._read(self._directory, elements)):
            return found
        variable = VARIABLE_PREFIX + _NOT_IN_A_NAME.sub("_", "_".join(elements).upper())
        text = self._environment.get(variable)
        if text:
            return text.encode()
        where = "no such file" if self._directory is not None else "no directory is set"
        raise SecretUnavailableError(f"{where}, and no variable {variable}")

    def _read(self, directory: Path, elements: list[str]) -> bytes:
        """The file's content; nothing if there is no such file."""
        try:
            path = directory.joinpath(*elements).resolve(strict=True)
            if not path.is_relative_to(directory.resolve()):
                raise SecretUnavailableError("its file is outside of the directory of secrets")
            with path.open("rb") as file:
                data = file.read(MAX_SECRET_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            return b""
        except (OSError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "a circle of links"
            raise SecretUnavailableError(f"its file can not be read: {reason}") from None
        if len(data) > MAX_SECRET_BYTES:
            raise SecretUnavailableError(f"it is longer than {MAX_SECRET_BYTES} bytes")
        if not data:
            raise SecretUnavailableError("its file is empty")
        return data


def _is_plain(element: str) -> bool:
    return element not in (".", "..") and _ELEMENT.fullmatch(element) is not None
