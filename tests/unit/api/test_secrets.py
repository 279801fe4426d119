"""Secrets, external volumes and the kernel's settings in a definition: Marathon's rules."""

from typing import Any

import pytest

from api.definitions import parse_app
from api.faults import INVALID_JSON, NOT_VALID
from api.options import ApiOptions
from api.render.app import definition
from framework.domain.app import (
    App,
    Container,
    Docker,
    ExecutorResources,
    ExternalVolume,
    LinuxInfo,
    SecretVolume,
    UpgradeStrategy,
)
from tests.unit.api.reading import app_of, compile_pattern, faults_of

ON = ApiOptions(enable_features=("secrets", "external_volumes"))
SECRETS = {"db": {"source": "prod/db"}}
DVDI = {"provider": "dvdi", "name": "data", "options": {"dvdi/driver": "rexray"}}
OFF = "Feature secrets is not enabled. Enable with --enable_features secrets)"


def web(**fields: Any) -> dict[str, Any]:
    return {"id": "/web", "cmd": "serve", **fields}


def container(*volumes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "MESOS", "volumes": list(volumes), **fields}


def docker(*volumes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return container(*volumes, type="DOCKER", docker={"image": "nginx", **fields})


def external(**fields: Any) -> dict[str, Any]:
    return {"containerPath": "/data", "mode": "RW", "external": {**DVDI, **fields}}


def test_references_are_kept_and_shown_as_references() -> None:
    body = web(
        secrets=SECRETS,
        env={"A": "text", "B": {"secret": "db"}},
        container=container(
            {"containerPath": "key", "secret": "db"},
            docker={"image": "nginx", "pullConfig": {"secret": "db"}},
        ),
    )
    app = app_of(body, ON)
    assert (app.env, app.env_secrets, app.secrets) == (
        {"A": "text"},
        {"B": "db"},
        {"db": "prod/db"},
    )
    assert app.container == Container(
        "MESOS", Docker("nginx", pull_secret="db"), secret_volumes=(SecretVolume("key", "db"),)
    )
    shown = definition(app)
    assert (shown["env"], shown["secrets"]) == (body["env"], body["secrets"])
    assert shown["container"]["docker"]["pullConfig"] == {"secret": "db"}
    assert shown["container"]["volumes"] == [{"containerPath": "key", "secret": "db"}]


def test_a_directory_of_secrets_turns_them_on() -> None:
    assert app_of(web(secrets=SECRETS), ApiOptions(secrets_dir="/x")).secrets


def test_our_own_fields_are_shown_when_they_are_set() -> None:
    assert not {"expandEnv", "secrets", "executorResources"} & set(definition(app_of(web())))
    app = app_of(web(expandEnv=True, executor="/run", executorResources={"cpus": 0.5}))
    assert app.executor_resources == ExecutorResources(500, 32_000, 10_000)
    shown = definition(app)
    assert shown["expandEnv"] is True
    assert shown["executorResources"] == {"cpus": 0.5, "mem": 32, "disk": 10}


def test_the_kernels_settings() -> None:
    linux: dict[str, Any] = {
        "seccomp": {"profileName": "strict"},
        "ipcInfo": {"mode": "PRIVATE", "shmSize": 8},
    }
    app = app_of(web(container=container(linuxInfo=linux)))
    assert app.container is not None
    assert app.container.linux_info == LinuxInfo("strict", False, "PRIVATE", 8)
    linux["seccomp"]["unconfined"] = False
    assert definition(app)["container"]["linuxInfo"] == linux


def test_external_volumes_make_upgrades_one_at_a_time() -> None:
    app = app_of(web(container=container(external(size=5))), ON)
    assert app.container is not None
    assert app.container.external_volumes == (
        ExternalVolume("/data", "data", size_gib=5, options={"dvdi/driver": "rexray"}),
    )
    assert app.upgrade_strategy == UpgradeStrategy(0.5, 0)
    (volume,) = definition(app)["container"]["volumes"]
    assert volume == external(size=5, shared=False)


@pytest.mark.parametrize(
    ("fields", "path", "error"),
    [
        ({"secrets": {"": {"source": "b"}}}, "/secrets", "must not be empty"),
        ({"secrets": {"a": {"source": ""}}}, "/secrets/a/source", "must not be empty"),
        ({"env": {"A": {"secret": "b"}}}, "/env/A", "references an undefined secret"),
        (
            {"container": docker(pullConfig={"secret": "db"}), "secrets": SECRETS},
            "/container/docker/pullConfig",
            "pullConfig is not supported with Docker containerizer",
        ),
        (
            {"container": container(docker={"image": "x", "pullConfig": {"secret": "db"}})},
            "/container/docker/pullConfig",
            "pullConfig.secret must refer to an existing secret",
        ),
        (
            {"container": container({"containerPath": "a", "secret": "db"})},
            "/container/volumes(0)",
            "volume.secret must refer to an existing secret",
        ),
        (
            {"container": docker({"containerPath": "a", "secret": "db"}), "secrets": SECRETS},
            "/container/volumes(0)",
            "secret volumes are not supported with Docker containerizer",
        ),
        (
            {
                "container": container({"containerPath": "a", "secret": "db", "hostPath": "/a"}),
                "secrets": SECRETS,
            },
            "/container/volumes(0)/hostPath",
            "must be empty with a secret",
        ),
        (
            {
                "container": container({"containerPath": "a", "secret": "db", "mode": "RW"}),
                "secrets": SECRETS,
            },
            "/container/volumes(0)/mode",
            "got RW, expected RO",
        ),
        (
            {"container": container(external(provider="nfs"))},
            "/container/volumes(0)/external/provider",
            "is unknown provider",
        ),
        (
            {"container": container(external(provider="csi"))},
            "/container/volumes(0)/external/provider",
            "csi is not supported by this release: name a Docker volume driver, with dvdi",
        ),
        (
            {"container": container(external(name=""))},
            "/container/volumes(0)/external/name",
            "must not be empty",
        ),
        (
            {"container": container(external(options={}))},
            "/container/volumes(0)/external/options/dvdi/driver",
            "not defined",
        ),
        (
            {"container": container(external(options={"dvdi/driver": "a", "dvdi/iops": "0"}))},
            "/container/volumes(0)/external/options/dvdi/iops",
            "must be a natural number",
        ),
        (
            {"container": container(external(options={"dvdi/driver": "a", "dvdi/x": 1}))},
            "/container/volumes(0)/external/options/dvdi/x",
            "must be a text",
        ),
        (
            {"container": docker(external(size=1))},
            "/container/volumes(0)/external/size",
            "must be undefined for Docker containers",
        ),
        (
            {"container": docker(external(options={"dvdi/driver": "a", "dvdi/x": "1"}))},
            "/container/volumes(0)/external/options",
            'must only contain "dvdi/driver"',
        ),
        (
            {"container": container({**external(), "mode": "RO"})},
            "/container/volumes(0)/mode",
            "got RO, expected RW",
        ),
        (
            {"container": container({**external(), "hostPath": "/a"})},
            "/container/volumes(0)/hostPath",
            "must be empty with an external volume",
        ),
        (
            {"container": container(external()), "instances": 2},
            "/instances",
            "Number of instances is limited to 1 when declaring DVDI volumes in app [/web]",
        ),
        (
            {"container": container(external(), {**external(), "containerPath": "/b"})},
            "/container/volumes",
            "Requested DVDI volume 'data' is declared more than once within app /web",
        ),
        (
            {
                "container": container(external()),
                "upgradeStrategy": {"minimumHealthCapacity": 0, "maximumOverCapacity": 0.5},
            },
            "/upgradeStrategy/maximumOverCapacity",
            "got 0.5, expected 0.0",
        ),
        (
            {"container": container(linuxInfo={"seccomp": {}})},
            "/container/linuxInfo/seccomp",
            "Seccomp unconfined must be true when Profile is NOT defined",
        ),
        (
            {
                "container": container(
                    linuxInfo={"seccomp": {"profileName": "a", "unconfined": True}}
                )
            },
            "/container/linuxInfo/seccomp",
            "Seccomp unconfined can NOT be true when Profile is defined",
        ),
        (
            {"container": container(linuxInfo={"ipcInfo": {"mode": "SHARE_PARENT", "shmSize": 1}})},
            "/container/linuxInfo/ipcInfo",
            "ipcInfo shmSize can NOT be set when mode is SHARE_PARENT",
        ),
        (
            {"container": {**docker(), "linuxInfo": {}}},
            "/container/linuxInfo",
            "linuxInfo is not supported with Docker containerizer",
        ),
    ],
)
def test_each_rule_names_its_field(fields: dict[str, Any], path: str, error: str) -> None:
    assert faults_of(web(**fields), ON) == (NOT_VALID, {(path, error)})


@pytest.mark.parametrize(
    ("fields", "faults"),
    [
        ({"secrets": SECRETS}, {("/secrets", OFF)}),
        (
            {"secrets": SECRETS, "env": {"A": {"secret": "db"}}},
            {
                ("/secrets", OFF),
                (
                    "/env",
                    (
                        "use of secret-references in the environment requires the secrets feature "
                        "to be enabled"
                    ),
                ),
            },
        ),
        (
            {"container": container({"containerPath": "a", "secret": "db"})},
            {("/container/volumes(0)", OFF)},
        ),
        (
            {"container": container(docker={"image": "x", "pullConfig": {"secret": "db"}})},
            {("/container/docker/pullConfig", OFF)},
        ),
        (
            {"container": container(external())},
            {
                (
                    "/container/volumes(0)",
                    (
                        "Feature external_volumes is not enabled. "
                        "Enable with --enable_features external_volumes)"
                    ),
                )
            },
        ),
    ],
)
def test_what_is_switched_off(fields: dict[str, Any], faults: set[tuple[str, str]]) -> None:
    assert faults_of(web(**fields)) == (NOT_VALID, faults)


@pytest.mark.parametrize(
    ("fields", "path", "key"),
    [
        ({"secrets": {"a": {}}}, "/secrets/a/source", "error.path.missing"),
        ({"secrets": {"a": "b"}}, "/secrets/a", "error.expected.jsobject"),
        ({"env": {"A": {"secret": 1}}}, "/env/A", "error.expected.jsstring"),
        ({"expandEnv": "yes"}, "/expandEnv", "error.expected.jsboolean"),
        ({"executorResources": {"cpus": 0.01}}, "/executorResources/cpus", "error.min"),
        (
            {"container": container({"containerPath": "a", "secret": {}})},
            "/container/volumes(0)/secret",
            "error.expected.jsstring",
        ),
        (
            {"container": container(linuxInfo={"ipcInfo": {}})},
            "/container/linuxInfo/ipcInfo/mode",
            "error.path.missing",
        ),
        (
            {"container": docker(pullConfig={})},
            "/container/docker/pullConfig/secret",
            "error.path.missing",
        ),
    ],
)
def test_structure(fields: dict[str, Any], path: str, key: str) -> None:
    assert faults_of(web(**fields), ON) == (INVALID_JSON, {(path, key)})


def test_a_definition_as_it_is_shown_is_the_same_app() -> None:
    body = web(
        secrets=SECRETS,
        env={"B": {"secret": "db"}},
        container=container({"containerPath": "key", "secret": "db"}, external(), linuxInfo={}),
    )
    app = app_of(body, ON)
    again = parse_app(definition(app), ON, compile_pattern)
    assert isinstance(again, App)
    assert again == app
