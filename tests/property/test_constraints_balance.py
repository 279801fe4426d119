"""The scale-down choice keeps its promises for any candidates and fields."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from constraints import balanced_victims

QUICK = settings(deadline=None, database=None, max_examples=200)
FIELDS = ("rack", "zone", "host")

agents = st.fixed_dictionaries(
    {},
    optional={
        "rack": st.sampled_from(["r0", "r1", "r2"]),
        "zone": st.sampled_from(["z0", "z1"]),
        "host": st.sampled_from([f"h{i}" for i in range(6)]),
    },
)
many = st.lists(agents, max_size=40)


def named(placed: list[dict[str, str]]) -> list[tuple[str, dict[str, str]]]:
    return [(f"i{index}", values) for index, values in enumerate(placed)]


def sizes(
    candidates: list[tuple[str, dict[str, str]]], field: str, gone: list[str]
) -> Counter[str | None]:
    """Count the groups of a field, those that became empty included."""
    left = Counter({values.get(field): 0 for _name, values in candidates})
    left.update(values.get(field) for name, values in candidates if name not in gone)
    return left


def spread(groups: Counter[str | None]) -> int:
    return max(groups.values(), default=0) - min(groups.values(), default=0)


@QUICK
@given(many, st.lists(st.sampled_from(FIELDS), unique=True), st.integers(0, 45))
def test_no_field_gets_more_uneven(
    placed: list[dict[str, str]], fields: list[str], count: int
) -> None:
    candidates = named(placed)
    victims = balanced_victims(candidates, fields, count)
    assert len(victims) <= count
    assert len(set(victims)) == len(victims)
    assert set(victims) <= {name for name, _values in candidates}
    for field in fields:
        allowed = max(1, spread(sizes(candidates, field, [])))
        for taken in range(len(victims) + 1):
            assert spread(sizes(candidates, field, victims[:taken])) <= allowed


@QUICK
@given(many, st.sampled_from(FIELDS), st.integers(0, 45))
def test_one_field_ends_as_even_as_can_be(
    placed: list[dict[str, str]], field: str, count: int
) -> None:
    candidates = named(placed)
    victims = balanced_victims(candidates, [field], count)
    # The naive way: take from the largest group, as often as asked.
    groups = sizes(candidates, field, [])
    for _ in range(min(count, len(candidates))):
        groups[max(groups, key=lambda value: groups[value])] -= 1
    assert len(victims) == min(count, len(candidates))
    assert sorted(sizes(candidates, field, victims).values()) == sorted(groups.values())


@QUICK
@given(many, st.lists(st.sampled_from(FIELDS), unique=True), st.integers(1, 45))
def test_the_choice_ends_early_only_when_no_candidate_may_go(
    placed: list[dict[str, str]], fields: list[str], count: int
) -> None:
    candidates = named(placed)
    victims = balanced_victims(candidates, fields, count)
    if not fields or len(victims) == count:
        return
    for name, _values in candidates:
        assert name in victims or any(
            spread(sizes(candidates, field, [*victims, name]))
            > max(1, spread(sizes(candidates, field, [])))
            for field in fields
        )


@QUICK
@given(many, st.integers(1, 45))
def test_within_a_group_the_preferred_go_first(placed: list[dict[str, str]], count: int) -> None:
    candidates = named(placed)
    victims = balanced_victims(candidates, ["rack"], count)
    for rack in ("r0", "r1", "r2", None):
        group = [name for name, values in candidates if values.get("rack") == rack]
        gone = [name for name in victims if name in group]
        assert gone == group[: len(gone)]
