"""Label selectors: what they select, and what can not be read."""

import pytest

from api.selectors import SelectorError, parse_selector

LABELS = {"env": "prod", "tier": "web", "a b": "1", "in": "x"}


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("env", True),
        ("zone", False),
        ("env==prod", True),
        ("env == dev", False),
        ("env!=dev", True),
        ("env!=prod", False),
        ("zone!=a", False),
        ("env in (dev, prod)", True),
        ("env in(dev)", False),
        ("env notin (dev)", True),
        ("env notin (prod,dev)", False),
        ("zone notin (a)", False),
        ("env==prod, tier", True),
        ("env==prod,tier!=web", False),
        (r"a\ b==1", True),
        (" env ", True),
        ("in", True),
        ("in in (x)", True),
        ("inner", False),
    ],
)
def test_what_is_selected(selector: str, selected: bool) -> None:
    assert parse_selector(selector)(LABELS) is selected


@pytest.mark.parametrize(
    ("selector", "reason"),
    [
        ("", "key expected at position 1"),
        ("env==", "value expected at position 6"),
        ("env=prod", "',' or end of text expected at position 4"),
        ("env in prod", "'(' expected at position 8"),
        ("env in ()", "value expected at position 9"),
        ("env in (a", "')' expected at position 10"),
        ("env,", "key expected at position 5"),
        ("env prod", "',' or end of text expected at position 5"),
    ],
)
def test_what_can_not_be_read(selector: str, reason: str) -> None:
    with pytest.raises(SelectorError) as error:
        parse_selector(selector)
    assert str(error.value) == f"Can not parse label selector {selector}. Reason: {reason}"


def test_length_is_limited() -> None:
    with pytest.raises(SelectorError):
        parse_selector("a" * 5_000)
