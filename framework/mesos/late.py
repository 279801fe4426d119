"""What is known only when a task is launched, besides ids, ports and resources: the attributes of
its agent that its texts refer to, and the values of its secrets.

Secrets are asked for here, go into the bytes of the call, and are kept nowhere.
"""

import base64
import re
from collections.abc import Mapping
from typing import NamedTuple

from framework.core.index import values_of
from framework.domain.actions import Launch
from framework.domain.app import App
from framework.domain.expansion import ATTRIBUTE_PREFIX, MAX_VALUE_CHARACTERS, references
from framework.domain.mesos import Agent
from framework.interfaces import Secrets, SecretUnavailableError

_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_]+")
_FAULT_DOMAIN = {"@region": "AGENT_REGION", "@zone": "AGENT_ZONE"}


class Late(NamedTuple):
    """Texts by name: variables that describe the agent; secrets as text, and as base64 of their
    bytes. Names of secrets are those that the app gives them."""

    agent: Mapping[str, str] = {}
    texts: Mapping[str, str] = {}
    data: Mapping[str, str] = {}


def wanted(app: App, *, secret_variables: bool) -> Late:
    """The names that the app's tasks need, each for itself. ``secret_variables``: variables with
    secrets are given to Mesos as such, and not as text."""
    agent = {name for name in references(app) if name.startswith("AGENT_")}
    in_variables, in_files = set(app.env_secrets.values()), _secrets_of_container(app)
    texts = set() if secret_variables else in_variables
    data = in_files | in_variables if secret_variables else in_files
    return Late(*({name: name for name in sorted(names)} for names in (agent, texts, data)))


def _secrets_of_container(app: App) -> set[str]:
    container = app.container
    if container is None:
        return set()
    names = {volume.secret for volume in container.secret_volumes}
    if container.docker is not None and container.docker.pull_secret is not None:
        names.add(container.docker.pull_secret)
    return names


def late_values(names: Late, launch: Launch, secrets: Secrets) -> Late:
    """The values for this launch. ValueError if a secret can not be had; nothing may be launched
    then. References to attributes that the agent does not have stay as they are written."""
    known = _agent_variables(launch.agent) if names.agent else {}
    return Late(
        {name: known.get(name, f"${{{name}}}") for name in names.agent},
        {name: _text(name, _value(name, launch.app, secrets)) for name in names.texts},
        {name: base64.b64encode(_value(name, launch.app, secrets)).decode() for name in names.data},
    )


def _agent_variables(agent: Agent) -> dict[str, str]:
    variables: dict[str, str] = {}
    for field, value in values_of(agent).items():
        name = _FAULT_DOMAIN.get(field, "")
        if not name and not field.startswith("@") and field != "hostname":
            name = ATTRIBUTE_PREFIX + _NOT_IN_A_NAME.sub("_", field).upper()
        if name and len(value) <= MAX_VALUE_CHARACTERS:
            variables.setdefault(name, value)
    return variables


def _value(name: str, app: App, secrets: Secrets) -> bytes:
    source = app.secrets.get(name)
    if source is None:
        raise ValueError(f"the secret {name} is not among the secrets of {app.id}")
    try:
        return secrets.value(source)
    except SecretUnavailableError as error:
        raise ValueError(f"the secret {name} (source {source}) can not be had: {error}") from None


def _text(name: str, value: bytes) -> str:
    """A variable's value. Editors end files with a line break, which is not meant."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ValueError(f"the secret {name} is no text, so no variable can hold it")
    return text.removesuffix("\n").removesuffix("\r")
