"""Counts of one field: sizes, groups, the smallest and the largest group."""

import pytest

from constraints import Counts


def test_empty() -> None:
    counts = Counts()
    assert (counts.total, counts.groups, counts.minimum, list(counts)) == (0, 0, 0, [])
    assert counts.get("r1") == counts["r1"] == counts.get(None) == 0


def test_the_smallest_group_follows_additions_and_removals() -> None:
    counts = Counts()
    seen = []
    for value in ["a", "a", "a", "b", "b", None]:
        counts.add(value)
        seen.append(counts.minimum)
    assert seen == [1, 2, 3, 1, 2, 1]
    seen = []
    for value in [None, "b", "b", "a", "a", "a"]:
        counts.remove(value)
        seen.append(counts.minimum)
    assert seen == [2, 1, 3, 2, 1, 0]
    assert counts == Counts()


def test_sizes_of_several_groups_come_in_the_order_asked_for() -> None:
    counts = Counts(["a", "b", "b", None])
    assert counts.sizes(["b", "c", "a", None]) == [2, 0, 1, 1]


def test_an_emptied_group_is_no_group() -> None:
    counts = Counts(["a", "b", "b", None])
    assert (counts.groups, counts.total) == (3, 4)
    counts.remove("a")
    counts.remove(None)
    assert (counts.groups, counts.total, counts.minimum) == (1, 2, 2)
    assert dict(counts) == {"b": 2}


def test_equality_is_by_content_not_by_history() -> None:
    other = Counts(["b", "a", "b", "c"])
    other.remove("c")
    assert Counts(["a", "b", "b"]) == other
    assert Counts(["a", "b"]) != other
    assert Counts() != {}


@pytest.mark.parametrize(
    ("values", "largest"),
    [
        (["b", "a", "b"], "b"),
        (["b", "a"], "a"),
        ([None, "b"], "b"),
        ([None, None, "b"], None),
        ([None], None),
        (["", None], ""),
    ],
)
def test_largest(values: list[str | None], largest: str | None) -> None:
    assert Counts(values).largest() == largest


@pytest.mark.parametrize("placed", [[], ["b"], [None]])
def test_removing_what_is_not_there_is_a_bug(placed: list[str | None]) -> None:
    counts = Counts(placed)
    with pytest.raises(AssertionError, match="no counted instance has the value 'a'"):
        counts.remove("a")
    assert counts == Counts(placed)


def test_largest_of_nothing_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="no group"):
        Counts().largest()


def test_no_key() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Counts())
