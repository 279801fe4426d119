"""Compiled checks on kept counts against an oracle that recounts everything, every time.

The oracle is written from the rules alone, in the most naive way, and shares no code with the room:
agents are plain dictionaries, instances a plain list, scalars whole thousandths.
"""

import re
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from cli.patterns import linear_full_match
from constraints import (
    AttributeValue,
    Constraint,
    Counts,
    Items,
    Ranges,
    Scalar,
    Text,
    agent_values,
    compile_constraints,
    parse,
)

QUICK = settings(deadline=None, database=None, max_examples=150)

Plain = str | int | frozenset[str] | tuple[tuple[int, int], ...]
"""An attribute as the oracle sees it: text, thousandths, set or ranges."""


@dataclass(frozen=True)
class Agent:
    host: str
    region: str | None
    zone: str | None
    attributes: tuple[tuple[str, Plain], ...]

    def values(self) -> dict[str, str]:
        """What the room under test makes of this agent."""
        return agent_values(
            self.host, self.region, self.zone, [(n, _attribute(v)) for n, v in self.attributes]
        )


def _attribute(plain: Plain) -> AttributeValue:
    if isinstance(plain, str):
        return Text(plain)
    if isinstance(plain, int):
        return Scalar(plain / 1000)
    if isinstance(plain, frozenset):
        return Items(tuple(plain))
    return Ranges(plain)


# ---- the oracle ----------------------------------------------------------------------------------


def oracle_value(agent: Agent, field: str) -> str | None:
    special = {
        "hostname": agent.host,
        "@hostname": agent.host,
        "@region": agent.region,
        "@zone": agent.zone,
    }
    if field in special:
        return special[field]
    found = [plain for name, plain in agent.attributes if name == field]
    return None if not found else oracle_text(found[0])


def oracle_text(plain: Plain) -> str:
    if isinstance(plain, str):
        return plain
    if isinstance(plain, int):
        return thousandths_text(plain)
    if isinstance(plain, frozenset):
        return "{" + ",".join(sorted(plain)) + "}"
    by_begin = sorted(plain, key=lambda pair: pair[0])
    return "[" + ",".join(f"{begin}-{end}" for begin, end in by_begin) + "]"


def thousandths_text(number: int) -> str:
    whole, rest = divmod(number, 1000)
    text = f"{whole}.{rest:03}"
    while text.endswith("0"):
        text = text[:-1]
    return text.removesuffix(".")


def oracle_admits(raw: list[str], agent: Agent, instances: list[Agent]) -> bool:
    field, operator, argument = raw[0], raw[1], raw[2] if len(raw) > 2 else ""
    value = oracle_value(agent, field)
    if value is None:
        return operator == "UNLIKE"
    placed = [oracle_value(instance, field) for instance in instances]
    if operator == "LIKE":
        return re.fullmatch(argument, value) is not None
    if operator == "UNLIKE":
        return re.fullmatch(argument, value) is None
    if operator == "IS":
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", argument):
            argument = thousandths_text(round(Fraction(argument) * 1000))
        return value == argument
    if operator == "CLUSTER" and argument:
        return value == argument
    return oracle_admits_beside(operator, argument, value, placed)


def oracle_admits_beside(
    operator: str, argument: str, value: str, placed: list[str | None]
) -> bool:
    """The operators that look at the values of the instances already placed."""
    same = len([other for other in placed if other == value])
    if operator == "UNIQUE":
        return same == 0
    if operator == "MAX_PER":
        return same < int(argument)
    if operator == "CLUSTER":
        sizes = Counter(placed)
        top = [v for v in sizes if sizes[v] == max(sizes.values())]
        named = sorted(v for v in top if v is not None)
        return not placed or named[:1] == [value]
    assert operator == "GROUP_BY"
    if same == 0:
        return True
    groups = [len([other for other in placed if other == v]) for v in set(placed)]
    return len(groups) >= max(0, int(argument or "0")) and same == min(groups)


# ---- random worlds -------------------------------------------------------------------------------

texts = st.sampled_from(["r0", "r1", "r2", "r10", "", "1", "1.001"])
plains: st.SearchStrategy[Plain] = st.one_of(
    texts,
    st.sampled_from([0, 1, 500, 999, 1000, 1001, 1500, 2000, 10_000, 123_456]),
    st.frozensets(st.sampled_from(["a", "b", "c"]), max_size=3),
    st.sampled_from([((5, 7),), ((9, 9), (5, 7)), ()]),
)
agents = st.builds(
    Agent,
    host=st.sampled_from(["a1", "a2", "a3"]),
    region=st.sampled_from([None, "eu", "us"]),
    zone=st.sampled_from([None, "z0", "z1"]),
    attributes=st.lists(
        st.tuples(st.sampled_from(["rack", "size", "hostname", "@zone"]), plains), max_size=4
    ).map(tuple),
)
fields = st.sampled_from(["rack", "rack", "size", "hostname", "@hostname", "@region", "@zone"])
numbers = st.integers(-1, 4).map(str)
patterns = st.sampled_from(["r0", "r[01]", "r", "r.", ".*", "r0|z0|a1", r"\d+", "1.001", ".{2}"])
literals = st.sampled_from(["r0", "1", "1.0", "1.0005", "1.00051", "0.5", "z0", "a1", "", "01.5"])
raws = st.one_of(
    st.tuples(fields, st.just("UNIQUE")),
    st.tuples(fields, st.sampled_from(["CLUSTER", "GROUP_BY", "IS"])),
    st.tuples(fields, st.sampled_from(["CLUSTER", "IS"]), literals),
    st.tuples(fields, st.sampled_from(["GROUP_BY", "MAX_PER"]), numbers),
    st.tuples(fields, st.sampled_from(["LIKE", "UNLIKE"]), patterns),
).map(list)
# A step places an instance on an agent, or removes the one at an index.
steps = st.lists(st.tuples(st.booleans(), st.integers(0, 99)), max_size=25)


def parsed(raw: list[str]) -> Constraint:
    constraint = parse(raw, linear_full_match)
    assert isinstance(constraint, Constraint), constraint
    return constraint


@QUICK
@given(
    st.lists(agents, min_size=1, max_size=5),
    st.lists(raws, min_size=1, max_size=4),
    steps,
)
def test_every_verdict_is_the_oracles(
    cluster: list[Agent], definition: list[list[str]], history: list[tuple[bool, int]]
) -> None:
    compiled = compile_constraints([parsed(raw) for raw in definition], linear_full_match)
    counts = {field: Counts() for field in compiled.counted_fields}
    instances: list[Agent] = []
    values = {agent: agent.values() for agent in cluster}

    def compare() -> None:
        for agent in cluster:
            verdicts = {
                tuple(check.constraint.raw()): check.admits(values[agent])
                for check in compiled.static
            }
            for check in compiled.dynamic:
                verdict = check.admits(values[agent].get(check.field), counts[check.field])
                verdicts[check.constraint.raw()] = verdict
            expected = {tuple(raw): oracle_admits(raw, agent, instances) for raw in definition}
            assert verdicts == expected

    compare()
    for placing, number in history:
        # Placements ask no permission: states that the rules forbid must be judged rightly too.
        if placing or not instances:
            agent = cluster[number % len(cluster)]
            instances.append(agent)
            for field, count in counts.items():
                count.add(values[agent].get(field))
        else:
            agent = instances.pop(number % len(instances))
            for field, count in counts.items():
                count.remove(values[agent].get(field))
        compare()


@QUICK
@given(
    st.lists(agents, min_size=1, max_size=5),
    raws.filter(lambda raw: raw[1] not in ("LIKE", "UNLIKE", "IS")),
    st.lists(st.integers(0, 4), max_size=25),
)
def test_obeying_the_checks_keeps_the_promise(
    cluster: list[Agent], raw: list[str], offers: list[int]
) -> None:
    """Safety, said of the outcome alone: what can never be seen when every check was obeyed."""
    compiled = compile_constraints([parsed(raw)], linear_full_match)
    counts = Counts()
    for number in offers:
        values = cluster[number % len(cluster)].values()
        value = values.get(raw[0])
        if all(check.admits(values) for check in compiled.static) and all(
            check.admits(value, counts) for check in compiled.dynamic
        ):
            counts.add(value)
    sizes = [count for _value, count in counts]
    assert counts.get(None) == 0
    if raw[1] == "UNIQUE":
        assert all(size == 1 for size in sizes)
    elif raw[1] == "CLUSTER":
        assert len(sizes) <= 1
    elif raw[1] == "MAX_PER":
        assert all(size <= int(raw[2]) for size in sizes)
    elif raw[2:] and len(sizes) < int(raw[2]):
        assert all(size == 1 for size in sizes)
