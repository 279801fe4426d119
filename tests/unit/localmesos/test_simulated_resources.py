"""Resource arithmetic of the simulated Mesos, held against plain sets of numbers."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localmesos.simulated import wire
from localmesos.simulated.events import attributes
from localmesos.simulated.resources import (
    EMPTY,
    Bag,
    Ranges,
    contains,
    from_wire,
    is_empty,
    minus,
    parse_text,
    plus,
    ranges_contain,
    ranges_minus,
    ranges_plus,
    to_text,
    to_view,
    to_wire,
)

NUMBERS = st.frozensets(st.integers(0, 60), max_size=40)


def as_ranges(numbers: frozenset[int]) -> Ranges:
    """The normal form, made the slow way."""
    out: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if out and number == out[-1][1] + 1:
            out[-1] = (out[-1][0], number)
        else:
            out.append((number, number))
    return tuple(out)


@given(NUMBERS, NUMBERS)
def test_ranges_add_up_like_sets(a: frozenset[int], b: frozenset[int]) -> None:
    assert ranges_plus(as_ranges(a), as_ranges(b)) == as_ranges(a | b)


@given(NUMBERS, NUMBERS)
def test_ranges_are_cut_like_sets(a: frozenset[int], b: frozenset[int]) -> None:
    assert ranges_minus(as_ranges(a | b), as_ranges(b)) == as_ranges(a - b)


@given(NUMBERS, NUMBERS)
def test_ranges_contain_like_sets(a: frozenset[int], b: frozenset[int]) -> None:
    assert ranges_contain(as_ranges(a), as_ranges(b)) == (b <= a)
    assert ranges_contain(as_ranges(a | b), as_ranges(b))


def test_what_is_taken_and_given_back_is_as_before() -> None:
    whole = parse_text("cpus:4;mem:4096;ports:[31000-31999];tags:{a,b}")
    part = parse_text("cpus:0.1;mem:4096;ports:[31005-31007, 31010-31010];tags:{b}")
    rest = minus(whole, part)
    assert rest == parse_text("cpus:3.9;ports:[31000-31004,31008-31009,31011-31999];tags:{a}")
    assert plus(rest, part) == whole
    assert contains(whole, part)
    assert not contains(part, whole)
    assert is_empty(minus(part, part))
    assert plus(whole, EMPTY) is whole
    assert plus(EMPTY, whole) is whole


@pytest.mark.parametrize(
    "more", ["cpus:4.001", "gpus:1", "ports:[30999-31000]", "ports:[31999-32000]", "tags:{c}"]
)
def test_nothing_contains_more_than_it_has(more: str) -> None:
    whole = parse_text("cpus:4;ports:[31000-31999];tags:{a,b}")
    assert not contains(whole, parse_text(more))


def test_thousandths_are_exact() -> None:
    tenth, bag = parse_text("cpus:0.1"), EMPTY
    for _ in range(10):
        bag = plus(bag, tenth)
    assert bag == parse_text("cpus:1")


def test_the_wire_form_says_types_and_role_and_is_read_back() -> None:
    bag = parse_text("cpus:0.25;mem:64;ports:[1-2,5-5];tags:{b,a}")
    encoded = to_wire(bag, "web")
    assert msgspec.json.decode(encoded)[:3] == [
        {
            "allocation_info": {"role": "web"},
            "name": "cpus",
            "scalar": {"value": 0.25},
            "type": "SCALAR",
        },
        {
            "allocation_info": {"role": "web"},
            "name": "mem",
            "scalar": {"value": 64.0},
            "type": "SCALAR",
        },
        {
            "allocation_info": {"role": "web"},
            "name": "ports",
            "ranges": {"range": [{"begin": 1, "end": 2}, {"begin": 5, "end": 5}]},
            "type": "RANGES",
        },
    ]
    assert from_wire(msgspec.json.decode(encoded, type=list[wire.Resource])) == bag
    assert b"allocation_info" not in to_wire(bag)


def test_equal_resources_of_many_tasks_share_memory() -> None:
    encoded = to_wire(parse_text("cpus:0.1;mem:32"))
    bags = [from_wire(msgspec.json.decode(encoded, type=list[wire.Resource])) for _ in range(2)]
    assert bags[0].scalars is bags[1].scalars


WRONG: list[dict[str, object]] = [
    {"name": "cpus", "type": "SCALAR", "scalar": {"value": -0.1}},
    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1e13}},
    {"name": "cpus", "type": "SCALAR"},
    {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 2, "end": 1}]}},
    {"name": "disk", "type": "SCALAR", "scalar": {"value": 1}, "disk": {"volume": {}}},
    {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}, "reservations": [{}]},
]


@pytest.mark.parametrize("resource", WRONG)
def test_wrong_resources_are_refused(resource: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=str(resource["name"])):
        from_wire(msgspec.json.decode(msgspec.json.encode([resource]), type=list[wire.Resource]))


@pytest.mark.parametrize("text", ["cpus", "cpus:", ":1", "cpus:x", "cpus(web):1", "ports:[a-b]"])
def test_wrong_resource_flags_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"cannot read|could not convert|invalid literal"):
        parse_text(text)


def test_texts_for_people() -> None:
    bag: Bag = parse_text("cpus:0.1;ports:[1-2,4-4]")
    assert to_text(bag, "*") == "cpus(allocated: *):0.1; ports(allocated: *):[1-2, 4-4]"
    assert to_view(bag) == {"cpus": 0.1, "ports": "[1-2, 4-4]"}


def test_attributes_have_the_type_their_value_shows() -> None:
    assert attributes("rack:r0; level:3.5;odd:[1-3,5-5];tags:{a, b};url:http://x") == [
        {"name": "rack", "text": {"value": "r0"}, "type": "TEXT"},
        {"name": "level", "scalar": {"value": 3.5}, "type": "SCALAR"},
        {
            "name": "odd",
            "ranges": {"range": [{"begin": 1, "end": 3}, {"begin": 5, "end": 5}]},
            "type": "RANGES",
        },
        {"name": "tags", "set": {"item": ("a", "b")}, "type": "SET"},
        {"name": "url", "text": {"value": "http://x"}, "type": "TEXT"},
    ]
    assert attributes("") == []
    assert attributes("x:nan")[0]["type"] == "TEXT"
