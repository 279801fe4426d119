"""The engine of LIKE and UNLIKE: whole text, linear time, limited memory, quiet."""

import pytest

from cli.patterns import linear_full_match
from constraints import BadPattern

UNBOUNDED = (
    "look-ahead, look-behind and back-references are not supported because they can run for ever"
)


@pytest.mark.parametrize(
    ("pattern", "text", "matched"),
    [
        ("r1", "r1", True),
        ("r1", "r10", False),
        ("r1", "xr1", False),
        ("r|r1", "r1", True),
        (r"r\d{1,2}", "r12", True),
        (r"\w+-[[:alpha:]]+", "rack-a", True),
        ("(?i)RACK", "rack", True),
        ("(?<name>a)", "a", True),
        ("a.b", "a\nb", False),
        ("(?s)a.b", "a\nb", True),
        ("r1", "r1\n", False),
        ("^r1$", "r1", True),
        ("ö+", "öö", True),
        (".", "ö", True),
        (".", "\U0001f600", True),
        (r"\Qa.b\E", "a.b", True),
        (r"\Qa.b\E", "axb", False),
        (".*", "", True),
        (".*", "\ud800", False),
    ],
)
def test_full_match(pattern: str, text: str, matched: bool) -> None:
    assert linear_full_match(pattern)(text) is matched


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (
            "(?!a)b",
            f"invalid perl operator: (?! ({UNBOUNDED})",
        ),
        (
            r"(a)\1",
            rf"invalid escape sequence: \1 ({UNBOUNDED})",
        ),
        (r"\y", r"invalid escape sequence: \y"),
        ("(", "missing ): ("),
        ("[a", "missing ]: [a"),
        ("a++", "bad repetition operator: ++"),
        ("a{2000}", "invalid repetition size: {2000} (a part can be repeated at most 1000 times)"),
        (r"\pL{200}", "pattern too large - compile failed"),
        ("\ud800", "it has half a surrogate pair, which is no character"),
    ],
)
def test_refusals_say_why_and_print_nothing(
    pattern: str, reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadPattern) as refusal:
        linear_full_match(pattern)
    assert refusal.value.reason == reason
    assert capfd.readouterr() == ("", "")


def test_a_pattern_that_explodes_in_other_engines_is_harmless() -> None:
    """A backtracking engine needs some 2**200 steps here: this test would never end."""
    assert not linear_full_match("(a+)+b")("a" * 200)
    assert not linear_full_match("(a|aa)*c")("a" * 10_000)


def test_the_cache_is_bounded() -> None:
    for number in range(2000):
        linear_full_match(f"r{number}")
    limit = linear_full_match.cache_parameters()["maxsize"]
    assert limit is not None
    assert linear_full_match.cache_info().currsize == limit <= 1000
