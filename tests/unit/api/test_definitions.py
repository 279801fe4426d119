"""App definitions: old forms, defaults, and every rule with Marathon's own words."""

from typing import Any

import pytest

from api.definitions import parse_app
from api.faults import INVALID_JSON, NOT_VALID
from api.options import ApiOptions
from framework.domain.app import (
    App,
    Container,
    Docker,
    Fetch,
    KillSelection,
    Network,
    NetworkMode,
    PortDefinition,
    PortMapping,
    UnreachableStrategy,
)
from framework.domain.ids import APP_ID_MAX_BYTES
from tests.unit.api.reading import app_of, compile_pattern, faults_of

WEB = {"id": "/web", "cmd": "serve"}
DOCKER = {"type": "DOCKER", "docker": {"image": "nginx"}}
BRIDGE = Network(mode=NetworkMode.BRIDGE)


def web(**fields: Any) -> dict[str, Any]:
    return {**WEB, **fields}


def test_the_least_definition_gets_marathons_defaults() -> None:
    assert app_of({"id": "web", "cmd": "serve"}) == App(
        id="/web",
        cmd="serve",
        port_definitions=(PortDefinition(name="default"),),
    )


def test_unknown_fields_and_nulls_are_as_if_absent() -> None:
    noisy = web(tasksRunning=3, storeUrls=None, cpus=None, colour="red", version="x")
    assert app_of(noisy) == app_of(WEB)


@pytest.mark.parametrize(
    ("given", "stored"),
    [("a//b/", "/a/b"), ("/a/../b", "/b"), ("//x.y", "/x.y"), ("a", "/a")],
)
def test_ids_are_made_absolute_and_plain(given: str, stored: str) -> None:
    assert app_of(web(id=given)).id == stored


def test_scalars_become_thousandths() -> None:
    app = app_of(web(cpus=0.1, mem=32.5, disk=1, resourceLimits={"cpus": 2, "mem": "unlimited"}))
    assert (app.cpus_millis, app.mem_millis, app.disk_millis) == (100, 32_500, 1_000)
    assert app.resource_limits is not None
    assert (app.resource_limits.cpus_millis, app.resource_limits.mem_millis) == (2_000, -1)


def test_scalars_are_rounded_to_the_nearest_thousandth() -> None:
    """1.001 * 1000 is a little less than 1001 in floating point."""
    assert app_of(web(cpus=1.001)).cpus_millis == 1_001


def test_words_are_read_in_any_case() -> None:
    app = app_of(
        web(
            killSelection="oldest_first",
            constraints=[["rack", "group_by", "3"], ["rack", "GROUP_BY", "3"]],
            portDefinitions=[{"protocol": "TCP,UDP"}],
        )
    )
    assert app.kill_selection is KillSelection.OLDEST_FIRST
    assert app.constraints == (("rack", "GROUP_BY", "3"),)
    assert app.port_definitions[0].protocol == "udp,tcp"


def test_unreachable_strategy_can_be_disabled() -> None:
    assert app_of(web(unreachableStrategy="disabled")).unreachable_strategy == (
        UnreachableStrategy(disabled=True)
    )
    assert app_of(web(unreachableStrategy={"expungeAfterSeconds": 7})).unreachable_strategy == (
        UnreachableStrategy(expunge_after_seconds=7)
    )


def test_dependencies_are_resolved_from_the_app_itself() -> None:
    app = app_of(web(id="/product/service/cat", dependencies=["../../database", "/x"]))
    assert app.dependencies == ("/product/database", "/x")


class TestOldForms:
    def test_uris_become_fetch_and_archives_are_extracted(self) -> None:
        app = app_of(web(uris=["http://h/a.tgz?x=1", "http://h/a.py"]))
        assert app.fetch == (
            Fetch("http://h/a.tgz?x=1", extract=True),
            Fetch("http://h/a.py", extract=False),
        )

    def test_ports_become_port_definitions(self) -> None:
        app = app_of(web(ports=[0, 9000]))
        assert app.port_definitions == (PortDefinition(0), PortDefinition(9000))

    def test_no_ports_stay_no_ports(self) -> None:
        assert app_of(web(ports=[])).port_definitions == ()
        assert app_of(web(portDefinitions=[])).port_definitions == ()

    def test_docker_bridge(self) -> None:
        container = {
            "docker": {
                "image": "nginx",
                "network": "BRIDGE",
                "portMappings": [{"containerPort": 80}],
            }
        }
        app = app_of({"id": "/web", "container": container, "requirePorts": True})
        assert app.networks == (BRIDGE,)
        assert app.container == Container(
            docker=Docker("nginx"), port_mappings=(PortMapping(80, host_port=0),)
        )
        assert app.port_definitions == ()
        assert not app.require_ports

    def test_docker_host_drops_mappings(self) -> None:
        container = {
            "docker": {"image": "x", "network": "HOST", "portMappings": [{"containerPort": 80}]}
        }
        app = app_of({"id": "/web", "container": container})
        assert app.networks == (Network(),)
        assert app.container == Container(docker=Docker("x"))
        assert app.port_definitions == (PortDefinition(name="default"),)

    def test_docker_user_network_takes_the_name_of_ip_address(self) -> None:
        app = app_of(
            {
                "id": "/web",
                "container": {"docker": {"image": "x", "network": "USER"}},
                "ipAddress": {"networkName": "dcos", "labels": {"a": "b"}},
            }
        )
        assert app.networks == (Network(NetworkMode.CONTAINER, "dcos", {"a": "b"}),)

    def test_ip_address_makes_a_mesos_container_with_discovered_ports(self) -> None:
        app = app_of(
            web(
                ipAddress={
                    "networkName": "dcos",
                    "discovery": {"ports": [{"name": "http", "number": 80, "protocol": "tcp"}]},
                }
            )
        )
        assert app.networks == (Network(NetworkMode.CONTAINER, "dcos"),)
        assert app.container == Container(
            type="MESOS", port_mappings=(PortMapping(80, name="http"),)
        )

    def test_the_name_of_the_mesos_bridge_means_bridge(self) -> None:
        assert app_of(web(ipAddress={"networkName": "mesos-bridge"})).networks == (BRIDGE,)

    @pytest.mark.parametrize(
        ("fields", "path", "error"),
        [
            (
                {"uris": ["http://a"], "fetch": [{"uri": "http://a"}]},
                "/uris",
                "may not be set in conjunction with fetch",
            ),
            (
                {"ports": [1], "portDefinitions": [{"port": 2}]},
                "/",
                "cannot specify both ports and port definitions",
            ),
            ({"ports": [7, 7]}, "/", "ports must be unique"),
            (
                {"ipAddress": {}, "networks": [{"mode": "host"}]},
                "/",
                "must not specify both networks and ipAddress",
            ),
            (
                {"ipAddress": {}, "ports": [1]},
                "/",
                "cannot specify both an IP address and port",
            ),
            (
                {
                    "networks": [{"mode": "host"}],
                    "container": {"docker": {"image": "x", "network": "HOST"}},
                },
                "/",
                "must not specify both container.docker.network and networks",
            ),
            (
                {"container": {"docker": {"image": "x", "network": "NONE"}}},
                "/container/docker/network",
                "unsupported docker network type NONE",
            ),
            (
                {"container": {"docker": {"image": "x", "credential": {"principal": "p"}}}},
                "/container/docker/credential",
                "must be empty",
            ),
            (
                {
                    "container": {
                        "docker": {"image": "x", "portMappings": [{}]},
                        "portMappings": [{}],
                    }
                },
                "/container",
                "cannot specify both portMappings and docker.portMappings",
            ),
            (
                {
                    "container": {"type": "MESOS", "portMappings": [{}]},
                    "ipAddress": {"discovery": {"ports": [{"name": "a", "number": 1}]}},
                },
                "/container",
                "container.portMappings and ipAddress.discovery.ports must not both be set",
            ),
            (
                {"container": DOCKER, "ipAddress": {"discovery": {}}},
                "/ipAddress",
                "ipAddress/discovery is not allowed for Docker containers",
            ),
        ],
    )
    def test_may_not_be_mixed(self, fields: dict[str, Any], path: str, error: str) -> None:
        assert faults_of(web(**fields)) == (NOT_VALID, {(path, error)})

    def test_the_same_ports_twice_are_no_contradiction(self) -> None:
        app = app_of(web(ports=[5], portDefinitions=[{"port": 5, "name": "http"}]))
        assert app.port_definitions == (PortDefinition(5, name="http"),)


class TestNetworks:
    def test_container_networking_without_a_container_makes_one(self) -> None:
        app = app_of(web(networks=[{"mode": "container/bridge"}]))
        assert app.container == Container(
            type="MESOS", port_mappings=(PortMapping(0, host_port=0, name="default"),)
        )

    def test_no_mappings_stay_no_mappings(self) -> None:
        container = {"type": "MESOS", "portMappings": []}
        app = app_of(web(networks=[{"name": "n"}], container=container))
        assert app.container == Container(type="MESOS")

    def test_definitions_beyond_the_mappings_become_mappings(self) -> None:
        app = app_of(web(networks=[{"name": "n"}], portDefinitions=[{"port": 1}, {"port": 2}]))
        assert app.port_mappings == (PortMapping(0, name="default"), PortMapping())
        assert app.port_definitions == ()

    def test_the_default_network_name_is_used(self) -> None:
        options = ApiOptions(default_network_name="net")
        app = app_of(web(networks=[{"mode": "container"}]), options)
        assert app.networks == (Network(NetworkMode.CONTAINER, "net"),)

    @pytest.mark.parametrize(
        ("networks", "path", "error"),
        [
            (
                [{"mode": "host", "name": "x"}],
                "/networks(0)",
                "Host networks may not have names or labels",
            ),
            (
                [{"mode": "container/bridge", "name": "x"}],
                "/networks(0)",
                "Bridge networks may not have names",
            ),
            (
                [{"mode": "container"}],
                "/networks(0)",
                "Network name must be specified when container network is selected.",
            ),
            (
                [{"name": "a"}, {"name": "a"}],
                "/networks",
                "Duplicate networks are not allowed",
            ),
            (
                [{"mode": "container/bridge"}, {"name": "a"}],
                "/networks",
                (
                    "May specify a single host network, single bridge network, "
                    "or else 1-to-n container networks"
                ),
            ),
        ],
    )
    def test_rules(self, networks: list[dict[str, str]], path: str, error: str) -> None:
        assert (path, error) in faults_of(web(networks=networks))[1]

    def test_one_network_only_with_the_docker_engine(self) -> None:
        networks = [{"name": "a"}, {"name": "b"}]
        assert (
            "/",
            "may only specify a single container network when using the Docker container engine",
        ) in faults_of(web(networks=networks, container=DOCKER))[1]

    def test_mappings_and_several_networks(self) -> None:
        container = {
            "type": "MESOS",
            "portMappings": [{"hostPort": 0}, {"networkNames": ["a", "c"]}],
        }
        networks = [{"name": "a"}, {"name": "b"}]
        assert faults_of(web(networks=networks, container=container))[1] == {
            (
                "/container/portMappings(0)",
                (
                    "networkNames must be a single item list when hostPort is specified and "
                    "more than 1 container network is defined"
                ),
            ),
            ("/container/portMappings(1)/networkNames(1)", "is not one of (a,b)"),
        }


class TestChecks:
    @pytest.mark.parametrize("fields", [{}, {"ports": [0, 0]}, {"portDefinitions": [{}, {}]}])
    def test_a_check_without_port_gets_the_first(self, fields: dict[str, Any]) -> None:
        assert app_of(web(**fields, healthChecks=[{}])).health_checks[0].port_index == 0

    def test_a_check_keeps_the_port_it_names(self) -> None:
        check = app_of(web(healthChecks=[{"port": 80}])).health_checks[0]
        assert (check.port, check.port_index) == (80, None)

    def test_a_check_of_an_app_without_ports_has_none(self) -> None:
        assert faults_of(web(ports=[], healthChecks=[{}]))[0] == NOT_VALID

    def test_a_command_check_has_no_port(self) -> None:
        check = {"protocol": "command", "command": {"value": "true"}}
        app = app_of(web(portDefinitions=[{}], healthChecks=[check]))
        assert app.health_checks[0].port_index is None
        assert app.health_checks[0].run_by_executor

    @pytest.mark.parametrize("index", [1, 7])
    def test_the_port_must_exist(self, index: int) -> None:
        assert faults_of(web(healthChecks=[{"portIndex": index}])) == (
            NOT_VALID,
            {
                (
                    "/healthChecks(0)",
                    (
                        "Health check port indices must address an element of the ports array "
                        "or container port mappings."
                    ),
                )
            },
        )

    def test_rules(self) -> None:
        checks = [
            {"protocol": "MESOS_HTTP"},
            {"protocol": "MESOS_TCP", "ipProtocol": "IPv6"},
            {"protocol": "COMMAND", "port": 80},
        ]
        assert faults_of(web(healthChecks=checks))[1] == {
            ("/", "AppDefinition can contain at most one Mesos health check"),
            (
                "/healthChecks(1)",
                (
                    "IPv6 can only be used for container type DOCKER "
                    "and Mesos http/https/tcp health checks"
                ),
            ),
            ("/healthChecks(2)", "command must be defined for protocol COMMAND"),
            (
                "/healthChecks(2)",
                "path, port and portIndex must be undefined for protocol COMMAND",
            ),
        }

    def test_readiness(self) -> None:
        checks = [{"timeoutSeconds": 30}, {"portName": "default"}]
        assert faults_of(web(readinessChecks=checks))[1] == {
            ("/readinessChecks", "got 2, expected 1 or less"),
            ("/readinessChecks(0)/portName", "No port definition reference for portName http-api"),
            ("/readinessChecks(0)/timeoutSeconds", "got 30, expected less than 30"),
        }

    def test_the_mesos_check(self) -> None:
        app = app_of(web(check={"exec": {"command": {"argv": ["a", "b"]}}, "delaySeconds": 1}))
        assert app.check is not None
        assert (app.check.kind, app.check.argv, app.check.delay_seconds) == (
            "command",
            ("a", "b"),
            1,
        )
        assert faults_of(web(check={"tcp": {"portIndex": 3}}, container=DOCKER))[1] == {
            ("/", "AppDefinition must not use 'checks' if using docker"),
            (
                "/check",
                (
                    "check port index must address an element of the ports array "
                    "or container port mappings."
                ),
            ),
        }


class TestRoles:
    def test_defaults(self) -> None:
        app = app_of(WEB, ApiOptions(mesos_role="prod"))
        assert (app.role, app.accepted_resource_roles) == ("prod", ("*", "prod"))

    @pytest.mark.parametrize(
        ("behavior", "roles"), [("any", ("*", "r")), ("unreserved", ("*",)), ("reserved", ("r",))]
    )
    def test_accepted_resource_roles(self, behavior: str, roles: tuple[str, ...]) -> None:
        options = ApiOptions(mesos_role="r", accepted_resource_roles_default_behavior=behavior)
        assert app_of(WEB, options).accepted_resource_roles == roles

    def test_their_order_says_nothing(self) -> None:
        app = app_of(web(id="/dev/web", role="dev", acceptedResourceRoles=["dev", "*"]))
        assert app == app_of(web(id="/dev/web", role="dev"))

    def test_the_top_level_group_is_a_role(self) -> None:
        app = app_of(web(id="/dev/a/b", role="dev"))
        assert (app.role, app.accepted_resource_roles) == ("dev", ("*", "dev"))

    def test_others_are_refused(self) -> None:
        faults = faults_of(web(id="/dev/web", role="-a b", acceptedResourceRoles=["x"]))[1]
        assert faults == {
            ("/role", "got -a b, expected one of: [*, dev]"),
            ("/role", "A role name must not start with a '-'."),
            ("/role", "A role name must not include a space (\\x20) character."),
            (
                "/acceptedResourceRoles",
                "acceptedResourceRoles can only contain * and -a b",
            ),
        }

    def test_an_app_may_keep_the_role_it_has(self) -> None:
        outcome = parse_app(web(role="old"), ApiOptions(), compile_pattern, existing_role="old")
        assert isinstance(outcome, App)

    def test_an_empty_list_of_roles_is_refused(self) -> None:
        assert faults_of(web(acceptedResourceRoles=[]))[1] == {
            ("/acceptedResourceRoles", "must not be empty")
        }


@pytest.mark.parametrize(
    ("fields", "path", "error"),
    [
        ({"id": "/"}, "/id", "Path must contain at least one path element"),
        (
            {"id": "/a/tasks"},
            "/id",
            (
                "must not end with any of the following reserved keywords: "
                "restart, tasks, versions, ., .."
            ),
        ),
        (
            {"args": ["a"]},
            "/",
            "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.",
        ),
        ({"env": {"": "x"}}, "/env", "must not be empty"),
        ({"fetch": [{"uri": "http://a b"}]}, "/fetch(0)/uri", "URI has invalid syntax."),
        ({"fetch": [{"uri": "http://a%zz"}]}, "/fetch(0)/uri", "URI has invalid syntax."),
        ({"container": {}}, "/container/docker", "not defined"),
        (
            {"container": {"docker": {"image": ""}}},
            "/container/docker/image",
            "must not be empty",
        ),
        (
            {
                "container": {
                    "type": "MESOS",
                    "docker": {"image": "x", "parameters": [{"key": "a", "value": "b"}]},
                }
            },
            "/container/docker/parameters",
            "must be empty",
        ),
        (
            {"portDefinitions": [{"name": "a"}, {"name": "a"}]},
            "/portDefinitions",
            "Port names must be unique.",
        ),
        (
            {"portDefinitions": [{"port": 7}, {"port": 7}]},
            "/portDefinitions",
            "Ports must be unique.",
        ),
        (
            {"upgradeStrategy": {"minimumHealthCapacity": 1.2, "maximumOverCapacity": 0}},
            "/upgradeStrategy/minimumHealthCapacity",
            "got 1.2, expected between 0.0 and 1.0",
        ),
        (
            {
                "labels": {"MARATHON_SINGLE_INSTANCE_APP": "true"},
                "instances": 2,
                "upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0},
            },
            "/",
            "Single instance app may only have one instance",
        ),
        (
            {
                "labels": {"MARATHON_SINGLE_INSTANCE_APP": "true"},
                "upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 0},
            },
            "/upgradeStrategy/minimumHealthCapacity",
            "got 1.0, expected 0.0",
        ),
        (
            {"unreachableStrategy": {"inactiveAfterSeconds": 9, "expungeAfterSeconds": 3}},
            "/unreachableStrategy",
            "inactiveAfterSeconds (9) must be less or equal to expungeAfterSeconds, which is 3",
        ),
        (
            {"resourceLimits": {"cpus": 0.5}},
            "/resourceLimits/cpus",
            "resource limit must be greater than or equal to requested resource (1.0)",
        ),
        (
            {"gpus": 1},
            "/",
            "Feature gpu_resources is not enabled. Enable with --enable_features gpu_resources)",
        ),
        (
            {"labels": {"DCOS_MIGRATION_API_VERSION": "v2"}},
            "/",
            (
                "DCOS_PACKAGE_FRAMEWORK_NAME and DCOS_MIGRATION_API_PATH must be defined "
                "when using DCOS_MIGRATION_API_VERSION"
            ),
        ),
        (
            {"constraints": [["a", "UNIQUE"], ["a", "MAX_PER", "x"]]},
            "/constraints(1)",
            "MAX_PER requires an integer value",
        ),
        (
            {"container": {**DOCKER, "volumes": [{"containerPath": "a"}]}},
            "/container/volumes(0)/hostPath",
            "not defined",
        ),
        (
            {"portDefinitions": [{}], "check": {"http": {"scheme": "HTTPS"}}},
            "/check/http/scheme",
            "only HTTP: Mesos has no other checks",
        ),
        ({"env": {"A=B": "x"}}, "/env", "names must not contain '='"),
        (
            {"expandEnv": True, "args": ["${A}" * 257], "cmd": None},
            "/expandEnv",
            "got 257 references to variables, expected 256 or less",
        ),
    ],
)
def test_each_rule_names_its_field(fields: dict[str, Any], path: str, error: str) -> None:
    assert faults_of(web(**fields)) == (NOT_VALID, {(path, error)})


def test_gpus_with_the_feature() -> None:
    options = ApiOptions(enable_features=("gpu_resources",))
    assert app_of(web(gpus=2), options).gpus == 2
    assert faults_of(web(gpus=2, container=DOCKER), options)[1] == {
        ("/", "GPU resources only work with the Mesos containerizer")
    }


def test_an_id_whose_task_id_mesos_would_refuse() -> None:
    longest = "/" + "a" * (APP_ID_MAX_BYTES - 1)
    assert app_of(web(id=longest)).id == longest
    message, faults = faults_of(web(id=longest + "a"))
    assert message == NOT_VALID
    assert [path for path, _ in faults] == ["/id"]


def test_a_definition_too_large_to_store_is_refused() -> None:
    labels = {f"label-{number}": "x" * 60_000 for number in range(9)}
    message, faults = faults_of(web(labels=labels))
    assert message == NOT_VALID
    assert {path for path, _ in faults} == {"/"}


def test_several_mistakes_are_told_at_once() -> None:
    assert faults_of({"id": "/a/restart", "instances": 0, "role": "x"})[1] == {
        (
            "/id",
            (
                "must not end with any of the following reserved keywords: "
                "restart, tasks, versions, ., .."
            ),
        ),
        (
            "/",
            "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.",
        ),
        ("/role", "got x, expected one of: [*, a]"),
    }


@pytest.mark.parametrize(
    ("fields", "path", "key"),
    [
        ({"id": None}, "/id", "error.path.missing"),
        ({"id": 5}, "/id", "error.expected.jsstring"),
        ({"id": ""}, "/id", "error.minLength"),
        ({"id": "/Web"}, "/id", "error.pattern"),
        ({"id": "/a_b"}, "/id", "error.pattern"),
        ({"id": "/a-"}, "/id", "error.pattern"),
        ({"id": "/web\n"}, "/id", "error.pattern"),
        ({"cmd": ""}, "/cmd", "error.minLength"),
        ({"cmd": "x" * 65_537}, "/cmd", "error.maxLength"),
        ({"instances": -1}, "/instances", "error.min"),
        ({"instances": 10**9}, "/instances", "error.max"),
        ({"instances": 1.5}, "/instances", "error.expected.int"),
        ({"instances": True}, "/instances", "error.expected.jsnumber"),
        ({"instances": "1"}, "/instances", "error.expected.jsnumber"),
        ({"cpus": 0.0001}, "/cpus", "error.min"),
        ({"mem": 1e300}, "/mem", "error.max"),
        ({"backoffFactor": 0.5}, "/backoffFactor", "error.min"),
        ({"requirePorts": 1}, "/requirePorts", "error.expected.jsboolean"),
        ({"ports": 80}, "/ports", "error.expected.jsarray"),
        ({"ports": [80, 65_536]}, "/ports(1)", "error.max"),
        ({"env": []}, "/env", "error.expected.jsobject"),
        ({"env": {"A": 1}}, "/env/A", "error.expected.jsstring"),
        ({"env": {"A": None}}, "/env/A", "error.path.missing"),
        ({"labels": {"a": {}}}, "/labels/a", "error.expected.jsstring"),
        ({"labels": {f"k{n}": "" for n in range(1_025)}}, "/labels", "error.maxLength"),
        ({"constraints": [["a", 1]]}, "/constraints(0)(1)", "error.expected.jsstring"),
        ({"killSelection": "ANY"}, "/killSelection", "error.unknown.enum.literal"),
        (
            {"upgradeStrategy": {"minimumHealthCapacity": 1}},
            "/upgradeStrategy/maximumOverCapacity",
            "error.path.missing",
        ),
        ({"unreachableStrategy": "off"}, "/unreachableStrategy", "error.expected.jsobject"),
        ({"container": {"docker": {}}}, "/container/docker/image", "error.path.missing"),
        (
            {"container": {"portMappings": [{}, {"name": 1}]}},
            "/container/portMappings(1)/name",
            "error.expected.jsstring",
        ),
        ({"executor": "a//b"}, "/executor", "error.pattern"),
        ({"dependencies": ["A"]}, "/dependencies(0)", "error.pattern"),
        ({"resourceLimits": {"cpus": "all"}}, "/resourceLimits/cpus", "error.expected.jsnumber"),
    ],
)
def test_structure(fields: dict[str, Any], path: str, key: str) -> None:
    assert faults_of(web(**fields)) == (INVALID_JSON, {(path, key)})


@pytest.mark.parametrize("body", [[], "x", 1, None])
def test_a_definition_is_an_object(body: Any) -> None:
    assert faults_of(body)[0] == INVALID_JSON
    assert {path for path, _ in faults_of(body)[1]} == {"/"}
