"""A definition that was accepted, written out and read again is the same app."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.body import decode
from api.definitions import Update, merge, parse_app, read_update
from api.options import ApiOptions
from api.render.app import app_object
from api.render.json import encode
from framework.domain.app import App
from tests.unit.api.reading import compile_pattern

OPTIONS = ApiOptions(enable_features=("secrets", "external_volumes", "gpu_resources"))
_words = st.from_regex(r"[a-z][a-z0-9-]{0,6}[a-z]", fullmatch=True)
_texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=12)
_labels = st.dictionaries(_words, _texts, max_size=2)
_port = st.integers(0, 65_535)


def _part(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=optional)


_definitions = st.lists(_part(port=st.just(0), protocol=st.sampled_from(["tcp", "udp"])))
_mappings = st.lists(
    _part(containerPort=_port, hostPort=_port, servicePort=_port, labels=_labels), max_size=3
)
_images = st.fixed_dictionaries({"image": _words}, optional={"privileged": st.booleans()})
_fetch = st.fixed_dictionaries({"uri": _words}, optional={"extract": st.booleans()})
_volumes = st.lists(
    st.one_of(
        st.fixed_dictionaries({"containerPath": _words, "hostPath": _words}),
        st.fixed_dictionaries({"containerPath": _words, "secret": st.just("one")}),
        st.fixed_dictionaries(
            {
                "containerPath": _words,
                "external": st.fixed_dictionaries(
                    {
                        "provider": st.just("dvdi"),
                        "name": _words,
                        "options": st.just({"dvdi/driver": "rexray", "dvdi/iops": "7"}),
                    },
                    optional={"size": st.integers(1, 9), "shared": st.booleans()},
                ),
            }
        ),
    ),
    max_size=3,
)
_linux = _part(
    seccomp=st.sampled_from([{"profileName": "strict"}, {"unconfined": True}]),
    ipcInfo=st.sampled_from([{"mode": "PRIVATE", "shmSize": 5}, {"mode": "share_parent"}]),
)
_containers = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("MESOS")},
        optional={
            "portMappings": _mappings,
            "volumes": _volumes,
            "linuxInfo": _linux,
            "docker": st.just({"image": "nginx", "pullConfig": {"secret": "one"}}),
        },
    ),
    st.fixed_dictionaries(
        {
            "docker": st.fixed_dictionaries(
                {"image": _words}, optional={"privileged": st.booleans()}
            )
        },
        optional={"portMappings": _mappings},
    ),
)
_networks = st.sampled_from(
    [[], [{"mode": "host"}], [{"mode": "container/bridge"}], [{"name": "net", "labels": {"a": ""}}]]
)
_apps = st.fixed_dictionaries(
    {"id": _words, "cmd": _texts.filter(bool)},
    optional={
        "cpus": st.floats(0.001, 64),
        "mem": st.floats(0, 1e6),
        "instances": st.integers(0, 50),
        "env": st.dictionaries(_words, _texts | st.just({"secret": "one"}), max_size=3),
        "expandEnv": st.booleans(),
        "secrets": st.just({"one": {"source": "prod/one"}}),
        "executor": st.sampled_from(["", "//cmd", "/opt/run"]),
        "executorResources": _part(cpus=st.floats(0.1, 4), disk=st.integers(10, 20)),
        "gpus": st.integers(0, 2),
        "labels": _labels,
        "container": _containers,
        "networks": _networks,
        "portDefinitions": _definitions,
        "requirePorts": st.booleans(),
        "fetch": st.lists(
            st.fixed_dictionaries({"uri": _words}, optional={"extract": st.booleans()})
        ),
        "healthChecks": st.lists(
            _part(protocol=st.just("TCP"), port=_port, gracePeriodSeconds=st.integers(0, 9))
        ),
        "upgradeStrategy": st.fixed_dictionaries(
            {
                "minimumHealthCapacity": st.floats(0, 1),
                "maximumOverCapacity": st.floats(0, 1),
            },
            optional={
                "canary": st.integers(0, 9),
                "batchSize": st.integers(0, 9),
                "progressDeadlineSeconds": st.integers(10, 99),
                "minimumHealthySeconds": st.integers(0, 9),
                "countOldInstances": st.booleans(),
                "canarySteps": st.lists(
                    st.fixed_dictionaries(
                        {"share": st.floats(0, 100), "seconds": st.integers(1, 9)}
                    ),
                    max_size=2,
                ),
            },
        ),
        "unreachableStrategy": st.one_of(
            st.just("disabled"), _part(expungeAfterSeconds=st.integers(0, 99))
        ),
        "backoffFactor": st.floats(1, 5),
        "dependencies": st.lists(_words, max_size=2),
        "resourceLimits": _part(mem=st.just("unlimited")),
        "tty": st.booleans(),
    },
)


@given(_apps)
def test_what_is_shown_can_be_sent_back(body: dict[str, Any]) -> None:
    app = parse_app(body, OPTIONS, compile_pattern)
    if not isinstance(app, App):
        assert app.faults
        return
    shown = decode(encode(app_object(app)))
    assert parse_app(shown, OPTIONS, compile_pattern) == app
    update = read_update(shown, OPTIONS)
    assert isinstance(update, Update)
    assert merge(app, update, OPTIONS, compile_pattern) == app
