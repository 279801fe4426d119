"""Reading raw constraints: every refusal starts with Marathon's own text."""

import pytest

from cli.patterns import linear_full_match
from constraints import Constraint, Operator, Problem, parse

OPERATORS = (
    "operator must be one of the following UNIQUE, CLUSTER, GROUP_BY, LIKE, MAX_PER, UNLIKE or IS"
)
IS_ONLY = (
    "IS only supports Mesos text and float values"
    " (see http://mesos.apache.org/documentation/latest/attributes-resources/)"
)
GROUP_BY = "GROUP BY must define an integer value or else no value at all"
LIKE = "LIKE and UNLIKE require a non-empty, regular expression value"


@pytest.mark.parametrize(
    ("raw", "operator", "value"),
    [
        (["hostname", "UNIQUE"], Operator.UNIQUE, None),
        (["rack", "CLUSTER", "r1"], Operator.CLUSTER, "r1"),
        (["rack", "CLUSTER"], Operator.CLUSTER, None),
        (["rack", "GROUP_BY"], Operator.GROUP_BY, None),
        (["rack", "GROUP_BY", "3"], Operator.GROUP_BY, "3"),
        (["rack", "GROUP_BY", "-1"], Operator.GROUP_BY, "-1"),
        (["rack", "GROUP_BY", "+2147483647"], Operator.GROUP_BY, "+2147483647"),
        (["rack", "LIKE", "r[12]"], Operator.LIKE, "r[12]"),
        (["rack", "UNLIKE", "r[12]"], Operator.UNLIKE, "r[12]"),
        (["rack", "MAX_PER", "2"], Operator.MAX_PER, "2"),
        (["size", "IS", "1.5"], Operator.IS, "1.5"),
        (["size", "IS", "a/b_c-d.e"], Operator.IS, "a/b_c-d.e"),
        (["size", "IS"], Operator.IS, None),
        (["@zone", "group_by", "3"], Operator.GROUP_BY, "3"),
        (["@zone", "Max_Per", "3"], Operator.MAX_PER, "3"),
    ],
)
def test_good_constraints(raw: list[str], operator: Operator, value: str | None) -> None:
    assert parse(raw, linear_full_match) == Constraint(raw[0], operator, value)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ([], "Each constraint must have either 2 or 3 fields"),
        (["hostname"], "Each constraint must have either 2 or 3 fields"),
        (["a", "IS", "b", "c"], "Each constraint must have either 2 or 3 fields"),
        (["", "UNIQUE"], "illegal constraint specification: the field is empty"),
        (["rack", "EQUALS", "r1"], OPERATORS),
        (["rack", ""], OPERATORS),
        (["rack", "GROUPBY"], f"{OPERATORS} (did you mean GROUP_BY?)"),
        (["rack", "group by", "2"], f"{OPERATORS} (did you mean GROUP_BY?)"),
        (["rack", "UNLIK", "x"], f"{OPERATORS} (did you mean UNLIKE?)"),
        (["hostname", "UNIQUE", "x"], "UNIQUE does not accept a value"),
        (["hostname", "UNIQUE", ""], "UNIQUE does not accept a value"),
        (["rack", "GROUP_BY", "three"], GROUP_BY),
        (["rack", "GROUP_BY", "inf"], GROUP_BY),
        (["rack", "GROUP_BY", ""], GROUP_BY),
        (["rack", "GROUP_BY", " 3"], GROUP_BY),
        (["rack", "GROUP_BY", "1_000"], GROUP_BY),
        (["rack", "GROUP_BY", "2.0"], GROUP_BY),
        (["rack", "GROUP_BY", "2147483648"], GROUP_BY),
        (["rack", "MAX_PER"], "MAX_PER requires an integer value"),
        (["rack", "MAX_PER", "many"], "MAX_PER requires an integer value"),
        (["rack", "MAX_PER", "+-3"], "MAX_PER requires an integer value"),
        (["rack", "LIKE"], LIKE),
        (["rack", "LIKE", ""], LIKE),
        (["rack", "UNLIKE"], LIKE),
        (["rack", "LIKE", "("], "is not a valid regular expression: missing ): ("),
        (["rack", "IS", "{a}"], IS_ONLY),
        (["rack", "IS", "[1-2]"], IS_ONLY),
        (["rack", "IS", "two words"], IS_ONLY),
        (["rack", "IS", "ö"], IS_ONLY),
    ],
)
def test_bad_constraints(raw: list[str], message: str) -> None:
    assert parse(raw, linear_full_match) == Problem(message)


@pytest.mark.parametrize("operator", ["LIKE", "UNLIKE"])
@pytest.mark.parametrize("pattern", ["(?=a)b", "(?<!a)b", r"(a+)\1"])
def test_patterns_that_could_run_for_ever(operator: str, pattern: str) -> None:
    problem = parse(["rack", operator, pattern], linear_full_match)
    assert isinstance(problem, Problem)
    assert problem.message.startswith("is not a valid regular expression: ")
    assert "can run for ever" in problem.message


def test_limits() -> None:
    assert parse(["f" * 255, "IS", "v" * 1024], linear_full_match) == Constraint(
        "f" * 255, Operator.IS, "v" * 1024
    )
    assert parse(["f" * 256, "UNIQUE"], linear_full_match) == Problem(
        "illegal constraint specification: the field has 256 characters, at most 255 are allowed"
    )
    assert parse(["f", "CLUSTER", "v" * 1025], linear_full_match) == Problem(
        "illegal constraint specification: the value has 1025 characters, at most 1024 are allowed"
    )
    endless = parse(["f", "x" * 10_000_000], linear_full_match)
    assert endless == Problem(OPERATORS)
