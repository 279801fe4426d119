"""Whatever JSON comes as a definition or an update, it is an app or a refusal, never a bug."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.definitions import Update, merge, parse_app, read_update
from api.definitions.rules import DEFINITION_MAX_BYTES
from api.faults import Invalid
from api.options import ApiOptions
from api.render.app import app_object
from api.render.json import encode
from framework.domain.app import App
from tests.unit.api.reading import app_of, compile_pattern

OPTIONS = ApiOptions()
EXISTING = app_of({"id": "/a/b", "cmd": "x", "networks": [{"name": "n"}], "healthChecks": [{}]})

# Known names and words at every level, so that values get past the first rules.
_NAMES = st.sampled_from(
    [
        "id",
        "cmd",
        "args",
        "env",
        "instances",
        "cpus",
        "mem",
        "disk",
        "gpus",
        "resourceLimits",
        "executor",
        "executorResources",
        "constraints",
        "fetch",
        "uris",
        "uri",
        "portDefinitions",
        "ports",
        "port",
        "protocol",
        "name",
        "labels",
        "requirePorts",
        "container",
        "type",
        "docker",
        "image",
        "network",
        "portMappings",
        "containerPort",
        "hostPort",
        "networkNames",
        "parameters",
        "volumes",
        "containerPath",
        "hostPath",
        "persistent",
        "mode",
        "networks",
        "ipAddress",
        "networkName",
        "discovery",
        "number",
        "healthChecks",
        "portIndex",
        "command",
        "value",
        "check",
        "http",
        "tcp",
        "exec",
        "shell",
        "argv",
        "scheme",
        "readinessChecks",
        "portName",
        "dependencies",
        "upgradeStrategy",
        "minimumHealthCapacity",
        "maximumOverCapacity",
        "canary",
        "batchSize",
        "progressDeadlineSeconds",
        "minimumHealthySeconds",
        "countOldInstances",
        "canarySteps",
        "acceptedResourceRoles",
        "role",
        "residency",
        "secrets",
        "killSelection",
        "unreachableStrategy",
        "inactiveAfterSeconds",
        "expungeAfterSeconds",
        "version",
        "linuxInfo",
        "pullConfig",
    ]
)
_WORDS = st.sampled_from(
    [
        "a",
        "/a",
        "../x",
        "*",
        "host",
        "container",
        "container/bridge",
        "HOST",
        "BRIDGE",
        "USER",
        "DOCKER",
        "MESOS",
        "tcp",
        "udp,tcp",
        "HTTP",
        "COMMAND",
        "MESOS_HTTP",
        "UNIQUE",
        "LIKE",
        "GROUP_BY",
        "disabled",
        "unlimited",
        "RW",
        "mesos-bridge",
        "2015-09-30T09:09:17.614Z",
    ]
)
_SCALARS = st.one_of(
    _WORDS,
    st.none(),
    st.booleans(),
    st.integers(-2, 70_000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(_NAMES, inner, max_size=4)
    ),
    max_leaves=12,
)
_BODIES = st.one_of(
    _VALUES,
    st.dictionaries(_NAMES, _VALUES, max_size=6).map(lambda body: {"id": "/a/b", **body}),
    st.dictionaries(_NAMES, _VALUES, max_size=4).map(
        lambda body: {**body, "id": "/a/b", "cmd": "x"}
    ),
)


def _check(outcome: App | Invalid) -> None:
    if isinstance(outcome, Invalid):
        assert outcome.faults
        assert all(path.startswith("/") and error for path, error in outcome.faults)
    else:
        assert len(encode(app_object(outcome))) < 2 * DEFINITION_MAX_BYTES


@given(_BODIES)
def test_as_a_definition(body: Any) -> None:
    _check(parse_app(body, OPTIONS, compile_pattern))


@given(_BODIES)
def test_as_an_update(body: Any) -> None:
    update = read_update(body, OPTIONS)
    if isinstance(update, Update):
        if not update.version:
            _check(merge(EXISTING, update, OPTIONS, compile_pattern))
    else:
        _check(update)
