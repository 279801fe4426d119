"""Parsing, scalar texts and counts, for any input at all."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from cli.patterns import linear_full_match
from constraints import Constraint, Counts, Operator, Problem, Scalar, agent_values, parse

QUICK = settings(deadline=None, database=None, max_examples=200)

fields = st.text(min_size=1, max_size=255)
integers = st.integers(-(2**31), 2**31 - 1).map(str)
literals = st.text("abcXYZ019_/.-", max_size=30)
patterns = st.from_regex(r"[a-z]{1,3}(\[[a-z]{1,3}\]|\(a\|b\)|\.\*|x\+|y\?){0,3}", fullmatch=True)


def constraints(
    operator: Operator, value: st.SearchStrategy[str | None]
) -> st.SearchStrategy[Constraint]:
    return st.builds(Constraint, field=fields, operator=st.just(operator), value=value)


valid = st.one_of(
    constraints(Operator.UNIQUE, st.none()),
    constraints(Operator.CLUSTER, st.none() | st.text(max_size=50)),
    constraints(Operator.GROUP_BY, st.none() | integers),
    constraints(Operator.MAX_PER, integers),
    constraints(Operator.LIKE, patterns),
    constraints(Operator.UNLIKE, patterns),
    constraints(Operator.IS, st.none() | literals),
)


@QUICK
@given(valid, st.sampled_from([str.upper, str.lower, str.title]))
def test_raw_and_parse_are_inverse(constraint: Constraint, spell: Callable[[str], str]) -> None:
    field, operator, *value = constraint.raw()
    assert parse([field, spell(operator), *value], linear_full_match) == constraint


@QUICK
@given(
    st.lists(st.text(max_size=30), max_size=4)
    | st.tuples(
        st.text(max_size=5),
        st.sampled_from([*Operator, "like", "nonsense"]),
        st.text(max_size=30) | st.text("()[]{}*+?|\\^$.a1:<=!,-", max_size=30),
    ).map(list)
)
def test_any_texts_are_a_constraint_or_a_problem(raw: list[str]) -> None:
    outcome = parse(raw, linear_full_match)
    if isinstance(outcome, Problem):
        assert outcome.message
    else:
        assert [outcome.field, *outcome.raw()[2:]] == [raw[0], *raw[2:]]


@QUICK
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_scalars_are_rounded_to_the_even_thousandth(number: float) -> None:
    text = agent_values("h", None, None, [("x", Scalar(number))])["x"]
    thousandths = round(Fraction(Decimal(repr(number))) * 1000)
    assert Fraction(text) * 1000 == thousandths
    assert text == "0" or not text.endswith(("-0", "."))
    assert "." not in text or not text.endswith("0")


@QUICK
@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b", "c", None])), max_size=60))
def test_counts_are_those_of_a_recount(steps: list[tuple[bool, str | None]]) -> None:
    counts = Counts()
    model: Counter[str | None] = Counter()
    for adding, value in steps:
        if adding or not model[value]:
            counts.add(value)
            model[value] += 1
        else:
            counts.remove(value)
            model[value] -= 1
        present = {v: n for v, n in model.items() if n}
        assert dict(counts) == present
        assert counts.total == sum(present.values())
        assert counts.groups == len(present)
        assert counts.minimum == min(present.values(), default=0)
        assert counts == Counts(model.elements())
        if present:
            assert counts[counts.largest()] == max(present.values())
