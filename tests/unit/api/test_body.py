"""JSON from outside: what is read, and every way it is refused."""

import pytest

from api.body import (
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_STRING_CHARS,
    BodyError,
    BodyMissingError,
    decode,
)


def test_plain_json_is_read() -> None:
    assert decode(b'{"a":[1,-2.5,true,null,"\xc3\xa4"]}') == {"a": [1, -2.5, True, None, "ä"]}


@pytest.mark.parametrize("body", [b"", b"  \n"])
def test_an_absent_body_is_told_apart(body: bytes) -> None:
    with pytest.raises(BodyMissingError):
        decode(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a"', "Expecting ':' delimiter"),
        (b'{"a":1,"b":2,"a":3}', "The key 'a' is repeated"),
        (b'{"x":{"a":1,"a":1}}', "The key 'a' is repeated"),
        (b'{"\\ud800":1,"\\ud800":2}', r"The key '\?' is repeated"),
        (b"NaN", "NaN is not a JSON value"),
        (b"[-Infinity]", "-Infinity is not a JSON value"),
        (b"1e999", "too large"),
        (b"-1e400", "too large"),
        (b'{"cpus":1' + b"0" * 400 + b".0}", "too large"),
        (b"1" + b"0" * 10_000, "more than 18 digits"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"{}\x00", "Extra data"),
        (b"{'a':1}", "double quotes"),
        (b'{"a":1,}', "Illegal trailing comma|double quotes"),
        (b'"\xed\xa0\x80"', "Byte 1 is not valid UTF-8"),
        (b'"\xc0\xaf"', "Byte 1 is not valid UTF-8"),
        ('{"id":"/a"}'.encode("utf-16"), "Byte 0 is not valid UTF-8"),
        (b"1" * 19, "more than 18 digits"),
        (b"-" + b"1" * 5000, "more than 18 digits"),
        (b"\xff{}", "Byte 0 is not valid UTF-8"),
        (b'"\\ud800"', "surrogate"),
        (b'{"\\udc00":1}', "surrogate"),
        (b'"a\\u0000b"', "NUL"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nested more than"),
        (b"[" * 100_000, "nested more than"),
        (b'"' + b"a" * (MAX_STRING_CHARS + 1) + b'"', "A text has more than"),
        (b"[" + b"0," * MAX_ITEMS + b"0]", "more than 10000 items"),
    ],
)
def test_what_is_ambiguous_or_without_end_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(BodyError, match=reason):
        decode(body)


def test_the_limits_themselves_are_allowed() -> None:
    deep = decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert isinstance(deep, list)
    assert len(decode(b"[" + b"0," * (MAX_ITEMS - 1) + b"0]")) == MAX_ITEMS
    assert decode(b"1" * 18) == int("1" * 18)
