"""Templates make the same TaskInfo as the rules that they are made from, whatever the app."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.domain.actions import Launch, TaskResource
from framework.domain.app import (
    App,
    Container,
    Docker,
    DockerParameter,
    ExecutorResources,
    HealthCheck,
    Network,
    NetworkMode,
    PortDefinition,
    PortMapping,
    SecretVolume,
)
from framework.domain.mesos import Agent, Attribute, OfferResource
from framework.mesos.executor import split
from framework.mesos.late import late_values, wanted
from framework.mesos.task_info import taken_resources, task_info
from framework.mesos.templates import TaskInfoBuilder

NAMES = st.none() | st.sampled_from(["http", "admin-ui", "a_b", "8080"])
TEXTS = st.text(max_size=6)
PORT_NUMBERS = st.integers(min_value=1025, max_value=65_535)
PROTOCOLS = st.sampled_from(["tcp", "udp", "udp,tcp"])
SECRET_VOLUMES = st.sampled_from([(), (SecretVolume("key", "one"),)])
ATTRIBUTES = st.lists(
    st.builds(Attribute, st.sampled_from(["rack", "x y"]), text=TEXTS), max_size=2
).map(tuple)
CHECKS = st.lists(
    st.builds(HealthCheck, protocol=st.sampled_from(["HTTP", "MESOS_TCP"]), port=PORT_NUMBERS),
    max_size=2,
).map(tuple)
DEFINITIONS = st.lists(
    st.builds(PortDefinition, st.just(0) | PORT_NUMBERS, PROTOCOLS, NAMES), max_size=3
).map(tuple)
MAPPINGS = st.lists(
    st.builds(
        PortMapping,
        container_port=st.just(0) | PORT_NUMBERS,
        host_port=st.none() | st.just(0),
        protocol=PROTOCOLS,
        name=NAMES,
    ),
    max_size=3,
).map(tuple)
REFERRING = st.lists(
    TEXTS
    | st.sampled_from(["${PORT0}", "${HOST}", "$${HOST}", "${X}", "${AGENT_ATTRIBUTE_RACK}", "${"]),
    max_size=4,
).map("".join)


class _Secrets:
    """A provider of texts that need escaping."""

    def value(self, source: str) -> bytes:
        return f'{source}"\\\u20ac'.encode()


SECRETS = _Secrets()


@st.composite
def apps(draw: st.DrawFn) -> App:
    mode = draw(st.sampled_from(NetworkMode))
    docker = draw(st.booleans())
    container = Container(
        "DOCKER" if docker else "MESOS",
        Docker("image", parameters=(DockerParameter("x", draw(REFERRING)),)) if docker else None,
        port_mappings=draw(MAPPINGS),
        secret_volumes=() if docker else draw(SECRET_VOLUMES),
    )
    on_host = mode is NetworkMode.HOST
    return App(
        id=draw(st.sampled_from(["/a", "/a/b"])),
        version=draw(st.sampled_from(["1", "2"])),
        cmd=draw(TEXTS),
        env=draw(st.dictionaries(st.sampled_from(["PORT0", "HOST", "X"]), REFERRING)),
        env_secrets=draw(st.dictionaries(st.sampled_from(["X", "P"]), st.just("one"))),
        secrets={"one": "source/1"},
        expand_env=draw(st.booleans()),
        executor=draw(st.sampled_from(["", "//cmd", "/run it"])),
        executor_resources=draw(st.none() | st.builds(ExecutorResources)),
        labels=draw(st.dictionaries(TEXTS, TEXTS, max_size=2)),
        networks=(Network(mode, "net" if mode is NetworkMode.CONTAINER else None),),
        port_definitions=draw(DEFINITIONS) if on_host else (),
        container=draw(st.none() | st.just(container)) if on_host else container,
        health_checks=draw(CHECKS),
    )


@st.composite
def launches(draw: st.DrawFn, app: App) -> Launch:
    declared = app.service_ports
    effective = draw(st.lists(PORT_NUMBERS, min_size=len(declared), max_size=len(declared)))
    needed = len(app.requested_host_ports)
    host = (
        effective
        if app.on_host_network
        else draw(st.lists(PORT_NUMBERS, min_size=needed, max_size=needed))
    )
    millis = draw(st.integers(min_value=1, max_value=10**6))
    return Launch(
        task_id=draw(TEXTS),
        instance_id="i",
        app=app,
        agent=Agent(draw(TEXTS), draw(TEXTS), draw(ATTRIBUTES)),
        role=draw(TEXTS),
        host_ports=tuple(host),
        effective_ports=tuple(effective),
        resources=(TaskResource(OfferResource("cpus"), millis),),
    )


def by_name(info: dict[str, Any]) -> dict[str, Any]:
    """The TaskInfo with its variables as a mapping; a later one of the same name wins."""
    command = info["executor"]["command"] if "executor" in info else info["command"]
    variables = command["environment"]["variables"]
    command["environment"] = {each["name"]: each["value"] for each in variables}
    return info


@given(st.data())
def test_a_template_makes_what_the_rules_make(data: st.DataObject) -> None:
    builder = TaskInfoBuilder(max_templates=2, secrets=SECRETS)
    for app in data.draw(st.lists(apps(), min_size=1, max_size=3)):
        for _ in range(2):
            launch = data.draw(launches(app))
            made = msgspec.json.decode(builder.build(launch))
            own, executors = split(launch)
            plain = task_info(
                own,
                taken_resources(own),
                "",
                "mesos-bridge",
                late_values(wanted(app, secret_variables=False), launch, SECRETS),
                taken_resources(executors) if app.executor_needs else None,
            )
            assert by_name(made) == by_name(msgspec.json.decode(msgspec.json.encode(plain)))


@given(st.data())
def test_other_numbers_of_ports_are_refused(data: st.DataObject) -> None:
    app = data.draw(apps())
    launch = data.draw(launches(app))
    builder = TaskInfoBuilder(secrets=SECRETS)
    builder.build(launch)
    wrong = msgspec.structs.replace(launch, effective_ports=(*launch.effective_ports, 1))
    with pytest.raises(ValueError, match="ports"):
        builder.build(wrong)


def test_templates_are_bounded_in_bytes() -> None:
    builder = TaskInfoBuilder(max_bytes=100_000)
    for number in range(30):
        app = App(id=f"/a{number}", cmd="x" * 20_000)
        launch = Launch("t", "i", app, Agent("a", "h"), "*", (), (), ())
        assert b"x" * 20_000 in bytes(builder.build(launch))
    assert 1 <= builder.templates <= 4
