"""Variables in an app's texts: what is put in their place, and what is left as it is written."""

from typing import Any

import msgspec
import pytest

from framework.domain.actions import Launch
from framework.domain.app import (
    App,
    Container,
    Docker,
    DockerParameter,
    PortDefinition,
)
from framework.domain.expansion import expand
from framework.domain.mesos import Agent, Attribute
from framework.domain.records import replace
from framework.mesos.templates import TaskInfoBuilder
from tests.unit.mesos.launches import TASK_ID, a_launch, an_app, on_host

AGENT = Agent(
    "agent-2",
    "host2.example",
    (Attribute("rack", text='r"1'), Attribute("disk speed", scalar=1.5)),
    region="eu",
    zone="eu-1",
)


def task_info(app: App, *host_ports: int, agent: Agent = AGENT) -> dict[str, Any]:
    """The second TaskInfo of a builder, so that nothing of the first is left in it."""
    builder = TaskInfoBuilder()
    launch = a_launch(app, host_ports)
    builder.build(launch)
    found: dict[str, Any] = msgspec.json.decode(builder.build(_on(launch, agent)))
    return found


def _on(launch: Launch, agent: Agent) -> Launch:
    return replace(launch, agent=agent)


def variables(info: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in info["command"]["environment"]["variables"]}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${HOST}:${PORT0}/${MESOS_TASK_ID}", f"host2.example:31001/{TASK_ID}"),
        ("${PORT_HTTP}${PORTS}", "3100131001,31002"),
        ("${AGENT_ATTRIBUTE_RACK} ${AGENT_ATTRIBUTE_DISK_SPEED}", 'r"1 1.5'),
        ("${AGENT_REGION}/${AGENT_ZONE}", "eu/eu-1"),
        ("${OWN}", "${HOST}"),
        ("$${HOST} $$${HOST}", "${HOST} $${HOST}"),
        ("${NOBODY} ${AGENT_ATTRIBUTE_GPU} ${AGENT_HOME}", None),
        ("$HOST ${HOST ${} ${1} ${HOST:-x}", None),
    ],
)
def test_values_of_env_and_arguments(text: str, expanded: str | None) -> None:
    ports = (PortDefinition(name="http"), PortDefinition())
    env = {"TEXT": text, "OWN": "${HOST}"}
    app = on_host(*ports, cmd=None, args=("run", text), env=env, expand_env=True)
    info = task_info(app, 31_001, 31_002)
    wanted = text if expanded is None else expanded
    assert variables(info)["TEXT"] == wanted
    assert info["command"]["arguments"] == ["run", wanted]
    plain = task_info(replace(app, expand_env=False), 31_001, 31_002)
    assert variables(plain)["TEXT"] == text
    assert plain["command"]["arguments"] == ["run", text]


def test_parameters_of_docker() -> None:
    image = Docker("nginx", parameters=(DockerParameter("hostname", "web-${HOST}"),))
    app = an_app(container=Container("DOCKER", image), expand_env=True)
    parameters = task_info(app)["container"]["docker"]["parameters"]
    assert parameters[0] == {"key": "hostname", "value": "web-host2.example"}


def test_what_a_shell_reads_is_left_to_it() -> None:
    assert task_info(an_app(cmd="echo ${HOST}", expand_env=True))["command"]["value"] == (
        "echo ${HOST}"
    )
    app = an_app(cmd=None, args=("${HOST}",), executor="/run", expand_env=True)
    command = task_info(app)["executor"]["command"]["value"]
    assert command == "chmod ug+rx /run && exec /run '${HOST}'"


def test_values_come_from_the_launchs_own_agent() -> None:
    app = an_app(env={"A": "${AGENT_ATTRIBUTE_RACK}"}, expand_env=True)
    bare = Agent("agent-3", "host3.example")
    assert variables(task_info(app))["A"] == 'r"1'
    assert variables(task_info(app, agent=bare))["A"] == "${AGENT_ATTRIBUTE_RACK}"


def test_it_is_one_pass_and_bounded() -> None:
    assert expand("${A}", {"A": "${B}", "B": "x"}) == "${B}"
    assert expand("${A}", {"A": "x" * 8_192}) == "x" * 8_192
    assert expand("${A}", {"A": "x" * 8_193}) == "${A}"
