"""Each operator of the placement language, sentence by sentence, and what a refusal says."""

from collections.abc import Callable, Sequence

import pytest

from cli.patterns import linear_full_match
from constraints import (
    BadPattern,
    Compiled,
    Constraint,
    Counts,
    DynamicCheck,
    Operator,
    StaticCheck,
    compile_constraints,
    parse,
)


def compiled(*raws: Sequence[str]) -> Compiled:
    constraints = []
    for raw in raws:
        constraint = parse(raw, linear_full_match)
        assert isinstance(constraint, Constraint), constraint
        constraints.append(constraint)
    return compile_constraints(constraints, linear_full_match)


def static(*raw: str) -> StaticCheck:
    (check,) = compiled(raw).static
    return check


def dynamic(*raw: str) -> DynamicCheck:
    (check,) = compiled(raw).dynamic
    return check


@pytest.mark.parametrize(
    ("raw", "value", "admitted"),
    [
        (("rack", "CLUSTER", "r1"), "r1", True),
        (("rack", "CLUSTER", "r1"), "r2", False),
        (("rack", "CLUSTER", "r.*"), "r1", False),
        (("rack", "CLUSTER", "1.0"), "1", False),
        (("rack", "CLUSTER", "r1"), None, False),
        (("rack", "LIKE", "r[12]"), "r1", True),
        (("rack", "LIKE", "r[12]"), "r3", False),
        (("rack", "LIKE", "r"), "r1", False),
        (("rack", "LIKE", "1"), "r1", False),
        (("rack", "LIKE", "r|r1"), "r1", True),
        (("rack", "LIKE", ".*"), None, False),
        (("rack", "UNLIKE", "r[12]"), "r1", False),
        (("rack", "UNLIKE", "r[12]"), "r3", True),
        (("rack", "UNLIKE", "r"), "r1", True),
        (("rack", "UNLIKE", ".*"), None, True),
        (("rack", "IS", "r1"), "r1", True),
        (("rack", "IS", "r1"), "R1", False),
        (("rack", "IS", "r1"), None, False),
        (("rack", "IS"), "", True),
        (("rack", "IS"), "r1", False),
        (("rack", "IS"), None, False),
        (("size", "IS", "1.0"), "1", True),
        (("size", "IS", "1"), "1", True),
        (("size", "IS", "1.0005"), "1", True),
        (("size", "IS", "1.001"), "1", False),
        (("size", "IS", "1.00051"), "1.001", True),
        (("size", "IS", "007"), "7", True),
        (("size", "IS", "1."), "1.", True),
        (("size", "IS", ".5"), ".5", True),
        (("size", "IS", "-1.0"), "-1.0", True),
        (("size", "IS", "1.2.0"), "1.2.0", True),
        (("size", "IS", "1e3"), "1e3", True),
        (("size", "IS", "9" * 400), "1", False),
    ],
)
def test_static_operators(raw: tuple[str, ...], value: str | None, admitted: bool) -> None:
    values = {} if value is None else {raw[0]: value}
    assert static(*raw).admits(values) is admitted


@pytest.mark.parametrize(
    ("raw", "placed", "value", "admitted"),
    [
        (("rack", "UNIQUE"), [], "r1", True),
        (("rack", "UNIQUE"), ["r1"], "r1", False),
        (("rack", "UNIQUE"), ["r1"], "r2", True),
        (("rack", "UNIQUE"), [None], "r1", True),
        (("rack", "UNIQUE"), [], None, False),
        (("rack", "CLUSTER"), [], "r1", True),
        (("rack", "CLUSTER"), ["r1"], "r1", True),
        (("rack", "CLUSTER"), ["r1"], "r2", False),
        (("rack", "CLUSTER"), [], None, False),
        (("rack", "CLUSTER"), [None], None, False),
        (("rack", "CLUSTER"), [None], "r1", False),
        (("rack", "CLUSTER"), ["r1", "r2", "r2"], "r2", True),
        (("rack", "CLUSTER"), ["r1", "r2", "r2"], "r1", False),
        (("rack", "CLUSTER"), ["r2", "r1"], "r1", True),
        (("rack", "CLUSTER"), ["r2", "r1"], "r2", False),
        (("rack", "CLUSTER"), [None, "r2"], "r2", True),
        (("rack", "CLUSTER", ""), ["r1"], "r1", True),
        (("rack", "CLUSTER", ""), ["r1"], "r2", False),
        (("rack", "MAX_PER", "2"), [], "r1", True),
        (("rack", "MAX_PER", "2"), ["r1"], "r1", True),
        (("rack", "MAX_PER", "2"), ["r1", "r1"], "r1", False),
        (("rack", "MAX_PER", "2"), ["r1", "r1"], "r2", True),
        (("rack", "MAX_PER", "2"), [None, None], "r1", True),
        (("rack", "MAX_PER", "2"), [], None, False),
        (("rack", "MAX_PER", "0"), [], "r1", False),
        (("rack", "MAX_PER", "-1"), [], "r1", False),
    ],
)
def test_dynamic_operators(
    raw: tuple[str, ...], placed: list[str | None], value: str | None, admitted: bool
) -> None:
    assert dynamic(*raw).admits(value, Counts(placed)) is admitted


# The truth table of GROUP_BY up to 1.10, worked out by hand from the rule: a value not seen is
# always right; one seen is right if the groups seen are at least n and its own is a smallest.
# Groups are written as the counts of r0, r1, r2; the verdicts are for r0, r1, r2, and r3 (unseen).
GROUP_BY_TABLE = [
    (None, (), "yyyy"),
    (None, (1,), "yyyy"),
    (None, (2,), "yyyy"),
    (None, (1, 1), "yyyy"),
    (None, (2, 1), "nyyy"),
    (None, (1, 2), "ynyy"),
    (None, (2, 2, 1), "nnyy"),
    (None, (3, 2, 1), "nnyy"),
    (None, (1, 0, 1), "yyyy"),
    (0, (2, 1), "nyyy"),
    (-5, (2, 1), "nyyy"),
    (-5, (1,), "yyyy"),
    (1, (), "yyyy"),
    (1, (1,), "yyyy"),
    (1, (2, 1), "nyyy"),
    (2, (), "yyyy"),
    (2, (1,), "nyyy"),
    (2, (5,), "nyyy"),
    (2, (1, 1), "yyyy"),
    (2, (2, 1), "nyyy"),
    (2, (2, 2), "yyyy"),
    (2, (1, 1, 1), "yyyy"),
    (3, (1, 1), "nnyy"),
    (3, (2, 1), "nnyy"),
    (3, (1, 1, 1), "yyyy"),
    (3, (2, 1, 1), "nyyy"),
    (3, (2, 2, 1), "nnyy"),
    (3, (2, 2, 2), "yyyy"),
    (4, (2, 2, 2), "nnny"),
    (2147483647, (1, 1, 1), "nnny"),
]


@pytest.mark.parametrize(("number", "groups", "verdicts"), GROUP_BY_TABLE)
def test_group_by(number: int | None, groups: tuple[int, ...], verdicts: str) -> None:
    raw = ("rack", "GROUP_BY") if number is None else ("rack", "GROUP_BY", str(number))
    check = dynamic(*raw)
    counts = Counts(f"r{i}" for i, count in enumerate(groups) for _ in range(count))
    seen = "".join("y" if check.admits(f"r{i}", counts) else "n" for i in range(4))
    assert seen == verdicts
    assert not check.admits(None, counts)


def test_instances_lacking_the_field_are_a_group_of_their_own() -> None:
    check = dynamic("rack", "GROUP_BY", "2")
    assert check.admits("r0", Counts(["r0", None]))
    assert not check.admits("r0", Counts(["r0", "r0", None]))
    assert not dynamic("rack", "GROUP_BY", "3").admits("r0", Counts(["r0", None]))


@pytest.mark.parametrize(
    ("raw", "value", "text"),
    [
        (("rack", "CLUSTER", "r1"), "r2", "rack CLUSTER r1: rack r2 is not 'r1'"),
        (("rack", "CLUSTER", "r1"), None, "rack CLUSTER r1: the agent has no rack"),
        (
            ("hostname", "LIKE", "a.*"),
            "b1",
            "hostname LIKE a.*: b1 does not match the whole of 'a.*'",
        ),
        (("@zone", "UNLIKE", "z1"), "z1", "@zone UNLIKE z1: zone z1 matches the whole of 'z1'"),
        (("@zone", "LIKE", "z1"), None, "@zone LIKE z1: the agent has no zone"),
        (("size", "IS", "1.0"), "2", "size IS 1.0: size 2 is not '1'"),
        (("size", "IS", "1.0"), None, "size IS 1.0: the agent has no size"),
    ],
)
def test_what_a_static_refusal_says(raw: tuple[str, ...], value: str | None, text: str) -> None:
    values = {} if value is None else {raw[0]: value}
    check = static(*raw)
    assert not check.admits(values)
    assert check.explain(values) == text


@pytest.mark.parametrize(
    ("raw", "placed", "value", "text"),
    [
        (("hostname", "UNIQUE"), ["a1"], "a1", "hostname UNIQUE: a1 already runs one"),
        (("rack", "UNIQUE"), ["r1"], None, "rack UNIQUE: the agent has no rack"),
        (
            ("rack", "CLUSTER"),
            ["r1"],
            "r2",
            "rack CLUSTER: the app runs on rack r1, not on rack r2",
        ),
        (
            ("rack", "CLUSTER"),
            [None],
            "r2",
            "rack CLUSTER: the app runs on agents without rack, not on rack r2",
        ),
        (("rack", "CLUSTER"), [], None, "rack CLUSTER: the agent has no rack"),
        (
            ("rack", "MAX_PER", "2"),
            ["r1", "r1"],
            "r1",
            "rack MAX_PER 2: rack r1 already has 2 instances",
        ),
        (("rack", "MAX_PER", "2"), [], None, "rack MAX_PER 2: the agent has no rack"),
        (
            ("rack", "GROUP_BY", "3"),
            ["r0", "r0", "r1", "r2"],
            "r0",
            "rack GROUP_BY 3: rack r0 already has 2 instances while the smallest group has 1",
        ),
        (
            ("rack", "GROUP_BY", "3"),
            ["r0", "r1"],
            "r0",
            (
                "rack GROUP_BY 3: rack r0 already has 1 instance, and 2 of 3 groups are in use:"
                " a rack not used yet is needed first"
            ),
        ),
        (("rack", "GROUP_BY"), [], None, "rack GROUP_BY: the agent has no rack"),
    ],
)
def test_what_a_dynamic_refusal_says(
    raw: tuple[str, ...], placed: list[str | None], value: str | None, text: str
) -> None:
    check = dynamic(*raw)
    counts = Counts(placed)
    assert not check.admits(value, counts)
    assert check.explain(value, counts) == text


def test_a_pattern_is_asked_once_for_each_value() -> None:
    asked: list[str] = []

    def compile_counted(pattern: str) -> Callable[[str], bool]:
        matches = linear_full_match(pattern)

        def counted(value: str) -> bool:
            asked.append(value)
            return matches(value)

        return counted

    like = Constraint("rack", Operator.LIKE, "r[0-4].*")
    (check,) = compile_constraints([like], compile_counted).static
    for _ in range(3):
        assert check.admits({"rack": "r1"})
        assert not check.admits({"rack": "r7"})
    assert asked == ["r1", "r7"]


def test_explanations_are_cut_to_a_readable_length() -> None:
    check = static("rack", "CLUSTER", "v" * 1000)
    assert len(check.explain({"rack": "x" * 100_000})) < 400


def test_what_is_static_and_what_is_dynamic() -> None:
    everything = compiled(
        ["hostname", "UNIQUE"],
        ["rack", "CLUSTER", "r1"],
        ["zone", "CLUSTER"],
        ["rack", "GROUP_BY"],
        ["kind", "LIKE", "a"],
        ["kind", "UNLIKE", "b"],
        ["rack", "MAX_PER", "3"],
        ["size", "IS", "1"],
    )
    assert [c.constraint.operator for c in everything.static] == [
        Operator.CLUSTER,
        Operator.LIKE,
        Operator.UNLIKE,
        Operator.IS,
    ]
    assert [(c.field, c.constraint.operator) for c in everything.dynamic] == [
        ("hostname", Operator.UNIQUE),
        ("zone", Operator.CLUSTER),
        ("rack", Operator.GROUP_BY),
        ("rack", Operator.MAX_PER),
    ]
    assert everything.counted_fields == ("hostname", "zone", "rack")
    assert everything.group_by_fields == ("rack",)
    assert not everything.uses_fault_domain


@pytest.mark.parametrize("field", ["@region", "@zone"])
@pytest.mark.parametrize("rest", [("LIKE", "x"), ("GROUP_BY",)])
def test_fault_domain_fields_are_noticed(field: str, rest: tuple[str, ...]) -> None:
    assert compiled(["rack", "UNIQUE"], [field, *rest]).uses_fault_domain


def test_keys_are_equal_exactly_for_equal_meanings() -> None:
    assert static("a", "IS", "1.0").key == static("a", "is", "1").key
    assert static("a", "IS", "1.0") == static("a", "IS", "1")
    assert dynamic("a", "GROUP_BY").key == dynamic("a", "GROUP_BY", "-3").key
    assert dynamic("a", "MAX_PER", "+2").key == dynamic("a", "MAX_PER", "2").key
    different = [
        static("a", "IS", "1").key,
        static("a", "IS", "2").key,
        static("b", "IS", "1").key,
        static("a", "LIKE", "1").key,
        static("a", "UNLIKE", "1").key,
        static("a", "CLUSTER", "1").key,
        static("a' IS '1", "IS", "1").key,
        dynamic("a", "CLUSTER").key,
        dynamic("a", "UNIQUE").key,
        dynamic("a", "MAX_PER", "1").key,
        dynamic("a", "GROUP_BY", "1").key,
        dynamic("a", "GROUP_BY", "2").key,
    ]
    assert len(set(different)) == len(different)


def test_a_stored_pattern_that_the_engine_refuses_is_an_error() -> None:
    with pytest.raises(BadPattern, match="missing"):
        compile_constraints([Constraint("a", Operator.LIKE, "(")], linear_full_match)
