"""Constraints compiled to checks, which say yes or no and can explain a no.

A static check looks at the agent alone, so its verdict holds as long as the agent's attributes do.
A dynamic check also looks at where the app's counted instances are. Numbers, patterns and texts are
prepared once, here; a check itself only compares.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as member
from functools import lru_cache

from constraints.counts import Counts
from constraints.language import CompilePattern, Constraint, Operator, shown, whole_number
from constraints.values import AT_HOSTNAME, FAULT_DOMAIN_FIELDS, HOSTNAME, scalar_text

_VALUES_KEPT = 4_096


@dataclass(frozen=True, slots=True)
class StaticCheck:
    """A condition on the agent alone.

    Equal keys mean equal verdicts. `admits` takes the agent's values; `explain` says why it
    refuses the values given (it means nothing for values it admits).
    """

    key: str
    constraint: Constraint = member(compare=False)
    admits: Callable[[Mapping[str, str]], bool] = member(compare=False, repr=False)
    explain: Callable[[Mapping[str, str]], str] = member(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class DynamicCheck:
    """A condition on the agent's value of `field` (None: it lacks it) and the app's counts of it.

    Equal keys mean equal verdicts on equal counts. `explain` as for a static check.
    """

    key: str
    field: str = member(compare=False)
    constraint: Constraint = member(compare=False)
    admits: Callable[[str | None, Counts], bool] = member(compare=False, repr=False)
    explain: Callable[[str | None, Counts], str] = member(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Compiled:
    """All constraints of one app version; an agent must pass every check.

    `counted_fields` are the fields to keep `Counts` of, `group_by_fields` those of them whose
    balance a scale-down keeps. With `uses_fault_domain` agents of any region are to be considered.
    """

    static: tuple[StaticCheck, ...]
    dynamic: tuple[DynamicCheck, ...]
    counted_fields: tuple[str, ...]
    group_by_fields: tuple[str, ...]
    uses_fault_domain: bool


def compile_constraints(
    constraints: Iterable[Constraint], compile_pattern: CompilePattern
) -> Compiled:
    """Compile constraints that `parse` has accepted; raises `BadPattern` as the engine does."""
    everything = tuple(constraints)
    static: list[StaticCheck] = []
    dynamic: list[DynamicCheck] = []
    for constraint in everything:
        match constraint.operator:
            case Operator.LIKE | Operator.UNLIKE:
                static.append(_like(constraint, compile_pattern))
            case Operator.IS:
                static.append(_equal(constraint, _is_text(constraint.value or "")))
            case Operator.CLUSTER if constraint.value:
                static.append(_equal(constraint, constraint.value))
            case Operator.CLUSTER:
                dynamic.append(_cluster(constraint))
            case Operator.UNIQUE:
                dynamic.append(_unique(constraint))
            case Operator.MAX_PER:
                dynamic.append(_max_per(constraint))
            case Operator.GROUP_BY:
                dynamic.append(_group_by(constraint))
    return Compiled(
        static=tuple(static),
        dynamic=tuple(dynamic),
        counted_fields=tuple(dict.fromkeys(check.field for check in dynamic)),
        group_by_fields=tuple(
            dict.fromkeys(c.field for c in everything if c.operator is Operator.GROUP_BY)
        ),
        uses_fault_domain=any(c.field in FAULT_DOMAIN_FIELDS for c in everything),
    )


def _key(constraint: Constraint, meaning: str | int | None) -> str:
    # repr quotes and escapes, so no two different constraints share a key.
    return f"{constraint.field!r} {constraint.operator.value} {meaning!r}"


def _equal(constraint: Constraint, wanted: str) -> StaticCheck:
    """IS, and CLUSTER with a value: the agent's value is exactly this text."""
    name = constraint.field

    def admits(values: Mapping[str, str]) -> bool:
        return values.get(name) == wanted

    def explain(values: Mapping[str, str]) -> str:
        value = values.get(name)
        if value is None:
            return _lacks(constraint)
        return f"{constraint}: {_place(name, value)} is not {shown(wanted)!r}"

    return StaticCheck(_key(constraint, wanted), constraint, admits, explain)


def _like(constraint: Constraint, compile_pattern: CompilePattern) -> StaticCheck:
    """LIKE and UNLIKE; an agent without the field is UNLIKE everything."""
    name = constraint.field
    pattern = constraint.value or ""
    # Agents share values and are offered again and again.
    matches = lru_cache(maxsize=_VALUES_KEPT)(compile_pattern(pattern))
    like = constraint.operator is Operator.LIKE

    def admits(values: Mapping[str, str]) -> bool:
        value = values.get(name)
        return not like if value is None else matches(value) is like

    def explain(values: Mapping[str, str]) -> str:
        value = values.get(name)
        if value is None:
            return _lacks(constraint)
        verb = "does not match" if like else "matches"
        return f"{constraint}: {_place(name, value)} {verb} the whole of {shown(pattern)!r}"

    return StaticCheck(_key(constraint, pattern), constraint, admits, explain)


def _unique(constraint: Constraint) -> DynamicCheck:
    def admits(value: str | None, counts: Counts) -> bool:
        return value is not None and not counts.get(value)

    def explain(value: str | None, _counts: Counts) -> str:
        if value is None:
            return _lacks(constraint)
        return f"{constraint}: {_place(constraint.field, value)} already runs one"

    return DynamicCheck(_key(constraint, None), constraint.field, constraint, admits, explain)


def _cluster(constraint: Constraint) -> DynamicCheck:
    """CLUSTER without a value: where the first instances went, all others go.

    Marathon asks for the value of the first counted instance. Should instances ever differ (an
    agent's attribute was changed), the largest group is home: the same after a restart, whatever
    order the instances are in.
    """

    def admits(value: str | None, counts: Counts) -> bool:
        if value is None:
            return False
        if counts.groups <= 1:
            return not counts.total or counts.get(value) > 0
        return counts.largest() == value

    def explain(value: str | None, counts: Counts) -> str:
        if value is None:
            return _lacks(constraint)
        home = counts.largest() if counts.total else None
        where = _place(constraint.field, home) if home else f"agents without {constraint.field}"
        return f"{constraint}: the app runs on {where}, not on {_place(constraint.field, value)}"

    return DynamicCheck(_key(constraint, None), constraint.field, constraint, admits, explain)


def _max_per(constraint: Constraint) -> DynamicCheck:
    limit = _number(constraint)

    def admits(value: str | None, counts: Counts) -> bool:
        return value is not None and counts.get(value) < limit

    def explain(value: str | None, counts: Counts) -> str:
        if value is None:
            return _lacks(constraint)
        has = _instances(counts.get(value))
        return f"{constraint}: {_place(constraint.field, value)} already has {has}"

    return DynamicCheck(_key(constraint, limit), constraint.field, constraint, admits, explain)


def _group_by(constraint: Constraint) -> DynamicCheck:
    """GROUP_BY by the rule of Marathon up to 1.10.

    A new value is always right; a value in use is right when enough groups are in use and it is
    one of the smallest.
    """
    wanted = 0 if constraint.value is None else max(0, _number(constraint))

    def admits(value: str | None, counts: Counts) -> bool:
        if value is None:
            return False
        count = counts.get(value)
        return not count or (counts.groups >= wanted and count == counts.minimum)

    def explain(value: str | None, counts: Counts) -> str:
        if value is None:
            return _lacks(constraint)
        has = f"{_place(constraint.field, value)} already has {_instances(counts.get(value))}"
        if counts.groups < wanted:
            return (
                f"{constraint}: {has}, and {counts.groups} of {wanted} groups are in use:"
                f" a {_noun(constraint.field)} not used yet is needed first"
            )
        return f"{constraint}: {has} while the smallest group has {counts.minimum}"

    return DynamicCheck(_key(constraint, wanted), constraint.field, constraint, admits, explain)


def _number(constraint: Constraint) -> int:
    number = whole_number(constraint.value or "")
    assert number is not None, f"{constraint} has not been through parse"
    return number


def _is_text(text: str) -> str:
    """IS compares numbers by the text a SCALAR attribute gets: 1.0 and 1.0005 both mean 1."""
    whole, point, decimals = text.partition(".")
    number = whole.isascii() and whole.isdigit()
    if point:
        number = number and decimals.isascii() and decimals.isdigit()
    return scalar_text(float(text)) if number else text


def _noun(name: str) -> str:
    return shown(name.removeprefix("@"))


def _place(name: str, value: str) -> str:
    """Name a place as people do: a host by its name alone, others as `rack r0`."""
    if name in (HOSTNAME, AT_HOSTNAME):
        return shown(value)
    return f"{_noun(name)} {shown(value)}"


def _lacks(constraint: Constraint) -> str:
    return f"{constraint}: the agent has no {_noun(constraint.field)}"


def _instances(count: int) -> str:
    return "1 instance" if count == 1 else f"{count} instances"
