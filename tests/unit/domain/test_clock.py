"""Timestamps in Marathon's form, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.domain.clock import iso, parse_iso


@pytest.mark.parametrize(
    ("moment_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1_443_604_157_614, "2015-09-30T09:09:17.614Z"),
        (1_443_604_157_000, "2015-09-30T09:09:17.000Z"),
        (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
    ],
)
def test_form(moment_ms: int, text: str) -> None:
    assert iso(moment_ms) == text
    assert parse_iso(text) == moment_ms


@given(st.integers(0, 4_102_444_799_999), st.integers(1, 10**10))
def test_later_moments_are_greater_texts(moment_ms: int, more_ms: int) -> None:
    assert iso(moment_ms) < iso(moment_ms + more_ms)
    assert parse_iso(iso(moment_ms)) == moment_ms


def test_other_offsets_are_understood() -> None:
    assert iso(parse_iso("2015-09-30T11:09:17.614+02:00")) == "2015-09-30T09:09:17.614Z"
    assert iso(parse_iso("2015-09-30T09:09:17Z")) == "2015-09-30T09:09:17.000Z"


@pytest.mark.parametrize("text", ["", "yesterday", "2015-09-30T09:09:17", "2015-13-01T00:00:00Z"])
def test_what_is_no_timestamp_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid timestamp provided"):
        parse_iso(text)
