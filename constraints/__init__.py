"""The placement language: on which agents may the instances of an app run.

Pure: no clock, no chance, no I/O, and no import of ours. Read constraints with `parse`, compile
them once with `compile_constraints`, keep `Counts` of the fields it names, and ask the checks. The
regular expression engine is passed in, so that a pattern from outside can never run for ever.
"""

from constraints.balance import balanced_victims
from constraints.checks import (
    Compiled,
    DynamicCheck,
    StaticCheck,
    compile_constraints,
)
from constraints.counts import Counts
from constraints.language import (
    BadPattern,
    CompilePattern,
    Constraint,
    Operator,
    Problem,
    parse,
)
from constraints.values import AttributeValue, Items, Ranges, Scalar, Text, agent_values

__all__ = [
    "AttributeValue",
    "BadPattern",
    "CompilePattern",
    "Compiled",
    "Constraint",
    "Counts",
    "DynamicCheck",
    "Items",
    "Operator",
    "Problem",
    "Ranges",
    "Scalar",
    "StaticCheck",
    "Text",
    "agent_values",
    "balanced_victims",
    "compile_constraints",
    "parse",
]
