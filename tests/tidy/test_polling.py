"""The one way in which tests wait for others: it returns what it saw, and gives up with words."""

import pytest

from tests.polling import eventually


def test_returns_the_first_true_value() -> None:
    looks = iter([0, None, "", 7, 8])
    assert eventually(lambda: next(looks), "a number") == 7


def test_gives_up_with_words() -> None:
    with pytest.raises(AssertionError, match="the moon: not within 0 s"):
        eventually(lambda: False, "the moon", deadline_seconds=0)


def test_assertion_means_not_yet() -> None:
    looks = iter([False, True])

    def look() -> bool:
        assert next(looks), "still dark"
        return True

    assert eventually(look, "the moon")


def test_last_assertion_is_shown() -> None:
    def look() -> bool:
        raise AssertionError("still dark")

    with pytest.raises(AssertionError, match="the moon: not within 0 s: still dark"):
        eventually(look, "the moon", deadline_seconds=0)
