"""Breaking the core on purpose, for as long as a test needs it broken.

A mutant changes the text of one function of ``framework.core``. The new function takes the place
of the old one wherever a module has imported it, and the old one comes back afterwards.
"""

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FunctionType


@contextmanager
def mutated(function: FunctionType, old: str, new: str) -> Iterator[None]:
    """The core with ``old`` replaced by ``new`` in the source of ``function``."""
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(old) == 1, f"{function.__qualname__} has {source.count(old)} times {old!r}"
    scope = sys.modules[function.__module__].__dict__
    made: dict[str, FunctionType] = {}
    code = compile(source.replace(old, new), f"<mutant of {function.__qualname__}>", "exec")
    exec(code, scope, made)
    (mutant,) = made.values()
    places = list(_places(function))
    assert places, f"{function.__qualname__} is nowhere"
    for put in places:
        put(mutant)
    try:
        yield
    finally:
        for put in places:
            put(function)


def _places(function: FunctionType) -> Iterator[Callable[[FunctionType], None]]:
    """Whatever puts another function in each of this one's places: names, methods, tables."""
    modules = [m for name, m in sys.modules.items() if name.startswith("framework.core")]
    for module in modules:
        for name, value in list(vars(module).items()):
            if value is function:
                yield partial(setattr, module, name)
            elif isinstance(value, dict):
                yield from (
                    partial(value.__setitem__, k) for k, v in value.items() if v is function
                )
            elif isinstance(value, type) and value.__module__ == module.__name__:
                members = list(vars(value).items())
                yield from (partial(setattr, value, k) for k, v in members if v is function)
