"""References to variables in an app's texts: ``${NAME}``, in apps that switch it on.

Expanded are the values of ``env``, ``args`` and the values of docker parameters; never what a
shell reads on the agent, with the same variables at hand: ``cmd``, and the arguments of an executor
of the user's own. Each text is read once from left
to right, and what takes a reference's place is not read again, so the work is linear. Names that
nobody knows stay as they are written; ``$${NAME}`` means ``${NAME}``.
"""

import re
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from framework.domain.app import App, DockerParameter

MAX_REFERENCES = 256
MAX_VALUE_CHARACTERS = 8_192
ATTRIBUTE_PREFIX = "AGENT_ATTRIBUTE_"

_REFERENCE = re.compile(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_.-]*)\}")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """The text with the values of the variables that it names. A value of more than
    ``MAX_VALUE_CHARACTERS`` counts as unknown."""

    def replacement(match: re.Match[str]) -> str:
        escaped, name = match.groups()
        if escaped:
            return match.group()[1:]
        value = variables.get(name)
        return match.group() if value is None or len(value) > MAX_VALUE_CHARACTERS else value

    return _REFERENCE.sub(replacement, text)


def expanded(app: App, variables: Mapping[str, str]) -> App:
    """The app with its references expanded, if it switches that on. Its own variables may be
    referred to as well, as they are written; those of ``variables`` come first, and those that
    hold secrets are unknown: arguments are shown to everybody."""
    if not app.expand_env:
        return app
    known = {**app.env, **variables}
    container = app.container
    if container is not None and container.docker is not None:
        parameters = tuple(
            DockerParameter(one.key, expand(one.value, known))
            for one in container.docker.parameters
        )
        container = replace(container, docker=replace(container.docker, parameters=parameters))
    return replace(
        app,
        env={name: expand(value, known) for name, value in app.env.items()},
        args=app.args if app.has_own_executor else tuple(expand(one, known) for one in app.args),
        container=container,
    )


def references(app: App) -> Iterator[str]:
    """The names that the app's texts refer to, with repetitions; none unless it is switched on."""
    if not app.expand_env:
        return
    for text in _expandable(app):
        for escaped, name in _REFERENCE.findall(text):
            if not escaped:
                yield name


def _expandable(app: App) -> Iterator[str]:
    yield from app.env.values()
    if not app.has_own_executor:
        yield from app.args
    if app.container is not None and app.container.docker is not None:
        for parameter in app.container.docker.parameters:
            yield parameter.value
