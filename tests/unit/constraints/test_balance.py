"""The scale-down choice: largest groups first, preferred candidates first, never lopsided."""

import sys
from collections import Counter
from types import FrameType

from constraints import balanced_victims


def candidates(spec: str, *fields: str) -> list[tuple[str, dict[str, str]]]:
    """Read `a b b-x`: one candidate a word, its values in the order of the fields; `_` is none."""
    result = []
    for index, word in enumerate(spec.split()):
        values = {f: v for f, v in zip(fields, word.split("-"), strict=True) if v != "_"}
        result.append((f"i{index}", values))
    return result


def test_the_largest_group_gives_first() -> None:
    assert balanced_victims(candidates("a b b b c", "rack"), ["rack"], 2) == ["i1", "i2"]


def test_among_equal_groups_the_preferred_candidate_goes() -> None:
    assert balanced_victims(candidates("b a a b", "rack"), ["rack"], 3) == ["i0", "i1", "i2"]
    assert balanced_victims(candidates("a a b b", "rack"), ["rack"], 3) == ["i0", "i2", "i1"]


def test_one_field_always_yields_as_many_as_asked() -> None:
    given = candidates("a a a a b c c", "rack")
    assert len(balanced_victims(given, ["rack"], 5)) == 5
    assert sorted(balanced_victims(given, ["rack"], 7)) == [f"i{i}" for i in range(7)]
    assert sorted(balanced_victims(given, ["rack"], 99)) == [f"i{i}" for i in range(7)]


def test_those_lacking_the_field_are_a_group() -> None:
    assert balanced_victims(candidates("a _ _ _", "rack"), ["rack"], 2) == ["i1", "i2"]


def test_nothing_to_choose() -> None:
    assert balanced_victims([], ["rack"], 3) == []
    assert balanced_victims(candidates("a a", "rack"), [], 1) == []
    assert balanced_victims(candidates("a a", "rack"), ["rack"], 0) == []
    assert balanced_victims(candidates("a a", "rack"), ["rack"], -1) == []


def test_two_fields_at_once() -> None:
    given = candidates("a-x a-y b-x b-y a-x b-y", "rack", "zone")
    victims = balanced_victims(given, ["rack", "zone"], 2)
    assert victims == ["i0", "i3"]


def test_fields_that_contradict_each_other_return_fewer() -> None:
    # Rack a and zone y are the largest, yet no instance is in both: any victim would make either
    # the racks or the zones more uneven than they are allowed to be.
    given = candidates("a-v a-w b-y b-z", "rack", "zone")
    assert len(balanced_victims(given, ["rack", "zone"], 2)) == 2
    lopsided = candidates("a-v a-w b-y c-y", "rack", "zone")
    assert balanced_victims(lopsided, ["rack", "zone"], 2) == []


def test_racks_inside_zones_of_unequal_size_stay_even() -> None:
    # Racks r0 and r2 are in zone x, r1 in y: even racks mean zones of 8 and 4.
    given = candidates(" ".join(["r0-x", "r1-y", "r2-x"] * 4), "rack", "zone")
    victims = balanced_victims(given, ["rack", "zone"], 6)
    left = Counter(values["rack"] for name, values in given if name not in victims)
    assert left == {"r0": 2, "r1": 2, "r2": 2}


def test_ten_thousand_candidates_need_no_quadratic_work() -> None:
    """Count function calls, not time: a choice that looked at all others would make 10**8."""
    # The preferred half is all in zone a, so zone b has to be dug out again and again.
    words = [f"{'ab'[i >= 5000]}-h{i % 2500}" for i in range(10_000)]
    given = candidates(" ".join(words), "zone", "host")
    calls = 0

    def count_call(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    profiler = sys.getprofile()
    sys.setprofile(count_call)
    try:
        victims = balanced_victims(given, ["zone", "host"], 9_000)
    finally:
        sys.setprofile(profiler)
    assert calls < 100 * len(given)
    gone = set(victims)
    assert len(victims) == len(gone) == 9_000
    left = [values for name, values in given if name not in gone]
    assert Counter(values["zone"] for values in left) == {"a": 500, "b": 500}
    assert max(Counter(values["host"] for values in left).values()) == 1
