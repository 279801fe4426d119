"""What the agents of a local cluster look like, whichever engine runs them.

One template describes any number of agents: `rack:r{i%3}` gives agent 0 the rack r0, agent 1 the
rack r1 and so on. The words in braces are integer arithmetic on the agent's index and nothing
more, so a template is safe to take from a command line or a file.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

DEFAULT_ATTRIBUTES = "rack:r{i%3};zone:z{i%2}"
DEFAULT_HOSTNAME = "agent{i+1}.local"
SAME_PORTS_RESOURCES = "cpus:4;mem:4096;disk:10000;ports:[31000-31999]"
"""Resources for agents that do not really share a host (the simulated engine)."""

FIRST_PORT = 31000
MAX_AGENTS = 100_000
_EPHEMERAL_PORTS_BEGIN = 32768  # where Linux begins to hand out ports for outgoing connections
_LAST_PORT = 65535
_ROOMY_PORTS, _ENOUGH_PORTS, _LEAST_PORTS = 500, 100, 10
_MAX_TEMPLATE_CHARACTERS = 10_000
_MAX_NUMBER_DIGITS = 9
_MAX_EXPRESSION_TOKENS = 64

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|[^{}]+")
_TOKEN = re.compile(r"\s*(?:(\d+)|(i)|(//|[-+*%()]))\s*")
_OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}
_SUM, _PRODUCT = ("+", "-"), ("*", "//", "%")
_ALLOWED = (
    "braces hold integer arithmetic on the agent's index i (0, 1, 2, ...): numbers, i, + - * // % "
    "and parentheses, as in {i}, {i+1}, {i%3}, {i//2}; write {{ and }} for plain braces"
)


@dataclass(frozen=True, slots=True)
class AgentSpec:
    """One agent as it shall register: texts in the form of Mesos' own flags.

    `attributes` is "rack:r0;zone:z1", `resources` is "cpus:4;mem:4096;ports:[31000-31499]", or a
    JSON list of Resource messages, where disks of their own are to be offered.
    `region` and `zone` are its fault domain; both are given or neither.
    """

    hostname: str
    attributes: str
    resources: str
    region: str | None = None
    zone: str | None = None

    def __post_init__(self) -> None:
        if (self.region is None) != (self.zone is None):
            raise ValueError("a fault domain needs both a region and a zone")


def agent_specs(
    count: int,
    *,
    attributes: str = DEFAULT_ATTRIBUTES,
    resources: str | None = None,
    hostname: str = DEFAULT_HOSTNAME,
    domain_region: str | None = None,
    domain_zone: str | None = None,
    first_port: int = FIRST_PORT,
) -> tuple[AgentSpec, ...]:
    """Describe `count` agents by templates over the agent's index `i`, beginning with 0.

    Without `resources` each agent gets 4 cpus, 4096 MiB of memory, 10000 MiB of disk and a port
    range of its own, because all agents share this host (see `port_ranges`).
    Raises ValueError for a wrong template, a wrong count, or when the ports don't suffice.
    """
    if not 1 <= count <= MAX_AGENTS:
        raise ValueError(f"the number of agents must be between 1 and {MAX_AGENTS}, not {count}")
    if resources is None:
        ranges = port_ranges(count, first_port)
        each_resources = [
            f"cpus:4;mem:4096;disk:10000;ports:[{begin}-{end}]" for begin, end in ranges
        ]
    else:
        each_resources = [expand(resources, i) for i in range(count)]
    return tuple(
        AgentSpec(
            hostname=expand(hostname, i),
            attributes=expand(attributes, i),
            resources=each_resources[i],
            region=None if domain_region is None else expand(domain_region, i),
            zone=None if domain_zone is None else expand(domain_zone, i),
        )
        for i in range(count)
    )


def port_ranges(count: int, first_port: int = FIRST_PORT) -> tuple[tuple[int, int], ...]:
    """Cut the ports from `first_port` up into `count` disjoint ranges (begin, end), both included.

    As long as 100 ports an agent fit below Linux' ephemeral ports (17 agents from 31000 on), the
    ranges stay there, at most 500 ports each, so that no outgoing connection takes a task's port.
    Beyond that they go up to 65535. Raises ValueError below 10 ports an agent.
    """
    if not 1024 <= first_port <= _LAST_PORT:
        raise ValueError(f"the first port must be between 1024 and {_LAST_PORT}, not {first_port}")
    width = min(_ROOMY_PORTS, max(0, _EPHEMERAL_PORTS_BEGIN - first_port) // count)
    if width < _ENOUGH_PORTS:
        width = min(_ENOUGH_PORTS, (_LAST_PORT + 1 - first_port) // count)
    if width < _LEAST_PORTS:
        raise ValueError(
            f"{count} agents on one host would get fewer than {_LEAST_PORTS} ports each between "
            f"{first_port} and {_LAST_PORT}: start fewer agents or give the resources yourself"
        )
    return tuple((begin, begin + width - 1) for begin in _begins(count, first_port, width))


def _begins(count: int, first_port: int, width: int) -> range:
    return range(first_port, first_port + count * width, width)


def expand(template: str, index: int) -> str:
    """Replace each `{expression}` of a template by its value for the agent `index`.

    Raises ValueError that names the wrong part and what is allowed.
    """
    if len(template) > _MAX_TEMPLATE_CHARACTERS:
        raise ValueError(f"a template may have at most {_MAX_TEMPLATE_CHARACTERS} characters")
    return "".join(_pieces(template, index))


def _pieces(template: str, index: int) -> Iterator[str]:
    for match in _PIECE.finditer(template):
        text, expression = match[0], match[1]
        if expression is not None:
            yield str(_evaluate(expression, index))
        elif text in ("{{", "}}"):
            yield text[0]
        elif text in ("{", "}"):
            raise ValueError(f"unmatched {text!r} in the template {template!r}: {_ALLOWED}")
        else:
            yield text


def _evaluate(expression: str, index: int) -> int:
    try:
        tokens = _tokens(expression)
        value = _operation(tokens, index, _SUM)
    except (IndexError, ZeroDivisionError, ValueError) as error:
        raise ValueError(f"cannot understand {{{expression}}}: {_ALLOWED}") from error
    if tokens != [""]:
        raise ValueError(f"cannot understand {{{expression}}}: {_ALLOWED}")
    return value


def _tokens(expression: str) -> list[str]:
    """The tokens of an expression in reverse order, so that pop() takes the next; "" ends them."""
    tokens, position = [], 0
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        if match is None or len(match[0].strip()) > _MAX_NUMBER_DIGITS:
            raise ValueError(expression)
        tokens.append(match[0].strip())
        position = match.end()
    if len(tokens) > _MAX_EXPRESSION_TOKENS:
        raise ValueError(expression)
    return ["", *reversed(tokens)]


def _operation(tokens: list[str], index: int, operators: tuple[str, ...]) -> int:
    """Evaluate sums of products of atoms, from left to right."""

    def operand() -> int:
        return _operation(tokens, index, _PRODUCT) if operators is _SUM else _atom(tokens, index)

    value = operand()
    while tokens[-1] in operators:
        value = _OPERATIONS[tokens.pop()](value, operand())
    return value


def _atom(tokens: list[str], index: int) -> int:
    part = tokens.pop()
    if part == "i":
        return index
    if part == "(":
        value = _operation(tokens, index, _SUM)
        if tokens.pop() != ")":
            raise ValueError(part)
        return value
    return int(part)
