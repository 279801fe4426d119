"""Label selectors of queries: ``environment==prod, tier in (web, api), !=``... (rest-api.md, 2).

A selector is a list of conditions that must all hold. The reader is hand-written and linear: the
text comes from outside.
"""

from collections.abc import Callable, Mapping
from string import ascii_letters, digits

Selector = Callable[[Mapping[str, str]], bool]
"""Whether an app's labels are selected."""

_WORD = frozenset(ascii_letters + digits + "_.-")
_MAX_CHARS = 4_096


class SelectorError(ValueError):
    """The selector can not be read; the text is Marathon's with the reason."""


def parse_selector(text: str, *, single_equals: bool = False) -> Selector:
    """The selector of a text. ``single_equals``: ``key=value`` is one, too. SelectorError."""
    if len(text) > _MAX_CHARS:
        raise SelectorError(f"Can not parse label selector. Reason: longer than {_MAX_CHARS}")
    reader = _Reader(text, single_equals=single_equals)
    conditions = [_condition(reader)]
    while reader.take(","):
        conditions.append(_condition(reader))
    if not reader.at_end():
        raise reader.error("',' or end of text expected")
    return lambda labels: all(condition(labels) for condition in conditions)


def _condition(reader: "_Reader") -> Selector:
    key = reader.word("key")
    if reader.take_equals():
        return _among(key, {reader.word("value")}, wanted=True)
    if reader.take("!="):
        return _among(key, {reader.word("value")}, wanted=False)
    if reader.take_word("in"):
        return _among(key, _set(reader), wanted=True)
    if reader.take_word("notin"):
        return _among(key, _set(reader), wanted=False)
    return lambda labels: key in labels


def _among(key: str, values: set[str], *, wanted: bool) -> Selector:
    """Also the negative forms ask that the label is there."""
    return lambda labels: key in labels and (labels[key] in values) is wanted


def _set(reader: "_Reader") -> set[str]:
    if not reader.take("("):
        raise reader.error("'(' expected")
    values = {reader.word("value")}
    while reader.take(","):
        values.add(reader.word("value"))
    if not reader.take(")"):
        raise reader.error("')' expected")
    return values


class _Reader:
    """A position in the text; spaces between parts mean nothing."""

    def __init__(self, text: str, *, single_equals: bool) -> None:
        self._text = text
        self._single_equals = single_equals
        self._at = 0

    def at_end(self) -> bool:
        self._skip_spaces()
        return self._at == len(self._text)

    def take(self, symbol: str) -> bool:
        """Go past the symbol if it comes next."""
        self._skip_spaces()
        if not self._text.startswith(symbol, self._at):
            return False
        self._at += len(symbol)
        return True

    def take_equals(self) -> bool:
        """Go past what says that a label has a value."""
        return self.take("==") or (self._single_equals and self.take("="))

    def take_word(self, word: str) -> bool:
        """Go past the whole word if it comes next."""
        self._skip_spaces()
        end = self._at + len(word)
        if not self._text.startswith(word, self._at) or self._text[end : end + 1] in _WORD:
            return False
        self._at = end
        return True

    def word(self, what: str) -> str:
        """A key or value; a backslash takes any next character as it is."""
        self._skip_spaces()
        characters = []
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "\\" and self._at + 1 < len(self._text):
                self._at += 1
                character = self._text[self._at]
            elif character not in _WORD:
                break
            characters.append(character)
            self._at += 1
        if not characters:
            raise self.error(f"{what} expected")
        return "".join(characters)

    def error(self, reason: str) -> SelectorError:
        return SelectorError(
            f"Can not parse label selector {self._text}. "
            f"Reason: {reason} at position {self._at + 1}"
        )

    def _skip_spaces(self) -> None:
        while self._text[self._at : self._at + 1].isspace():
            self._at += 1
