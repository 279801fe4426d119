"""Persistent volumes in definitions: defaults, rules, and the forms in which they are shown."""

from typing import Any

import pytest

from api.definitions import merge, read_update
from api.definitions.update import Update
from api.faults import NOT_VALID
from api.options import ApiOptions
from api.render.app import definition
from api.render.instance import task
from framework.domain.app import App, Container, HostVolume, PersistentVolume, Residency
from framework.domain.disks import DiskType
from framework.domain.instance import Instance
from framework.domain.state import Change, Kind, State
from framework.domain.volumes import Reservation, Volume
from tests.unit.api.reading import app_of, compile_pattern, faults_of

Json = dict[str, Any]
OPTIONS = ApiOptions(volume_role="stayer")


PROFILES = (
    "is not supported by this release: disks with a profile are those of storage (CSI) "
    "providers; name the disk by a constraint on its path"
)


def db(*volumes: Json, **fields: Any) -> Json:
    mine = list(volumes) or [volume()]
    return {"id": "/db", "cmd": "x", "container": {"type": "MESOS", "volumes": mine}, **fields}


def volume(path: str = "data", **persistent: Any) -> Json:
    return {"containerPath": path, "mode": "RW", "persistent": {"size": 10, **persistent}}


def test_a_resident_app_has_defaults_of_its_own() -> None:
    app = app_of(db(), OPTIONS)
    assert app.persistent_volumes == (PersistentVolume("data", 10),)
    assert app.role == "stayer"
    assert app.accepted_resource_roles == ("*",)
    assert app.unreachable_strategy.disabled
    strategy = app.upgrade_strategy
    assert (strategy.minimum_health_capacity, strategy.maximum_over_capacity) == (0.5, 0)
    assert app.residency == Residency()


def test_it_is_shown_in_canonical_form_and_read_back_equal() -> None:
    host = {"containerPath": "/a", "hostPath": "/b", "mode": "RO"}
    residency = {"relaunchEscalationTimeoutSeconds": 5, "taskLostBehavior": "WAIT_FOREVER"}
    app = app_of(db(volume(), host, residency=residency), OPTIONS)
    assert app.container == Container(
        type="MESOS",
        volumes=(HostVolume("/a", "/b", "RO"),),
        persistent_volumes=(PersistentVolume("data", 10),),
    )
    shown = definition(app)
    persistent = {"size": 10, "type": "root", "constraints": []}
    expected = {"containerPath": "data", "mode": "RW", "persistent": persistent}
    assert shown["container"]["volumes"] == [host, expected]
    assert shown["residency"] == residency
    assert app_of(shown, OPTIONS) == app


@pytest.mark.parametrize(
    ("volumes", "path", "error"),
    [
        ([volume("a/b")], "/containerPath", 'value must not contain "/"'),
        ([volume("..")], "/containerPath", 'value must not be "." or ".."'),
        ([volume("")], "/containerPath", "must not be empty"),
        ([volume() | {"mode": "RO"}], "/mode", "got RO, expected RW"),
        ([volume() | {"hostPath": "/x"}], "/hostPath", "must be empty with a persistent volume"),
        (
            [volume(maxSize=20)],
            "/persistent/maxSize",
            "Only mount volumes can have maxSize",
        ),
        (
            [volume(constraints=[["path", "LIKE", "/x"]])],
            "/persistent/constraints",
            "Constraints on root volumes are not supported",
        ),
        (
            [volume(type="path", maxSize=20)],
            "/persistent/maxSize",
            "Only mount volumes can have maxSize",
        ),
        (
            [volume(profileName="fast", maxSize=20)],
            "/persistent/profileName",
            PROFILES,
        ),
    ],
)
def test_a_wrong_volume_is_refused_in_its_place(volumes: list[Json], path: str, error: str) -> None:
    refused = (NOT_VALID, {(f"/container/volumes(0){path}", error)})
    assert faults_of(db(*volumes), OPTIONS) == refused


@pytest.mark.parametrize(
    ("constraint", "error"),
    [
        (["path"], "Missing field and operator"),
        (["path", "IS", "x"], "Operator must be one of LIKE, UNLIKE"),
        (["path", "LIKE", "("], "Invalid regular expression"),
        (["path", "UNLIKE", ""], "Invalid regular expression"),
        (["path", "like", "x"], "Operator must be one of LIKE, UNLIKE"),
        (["rack", "LIKE", "x"], "Unsupported constraint rack,LIKE,x"),
    ],
)
def test_constraints_of_a_volume(constraint: list[str], error: str) -> None:
    _, faults = faults_of(db(volume(type="mount", constraints=[constraint])), OPTIONS)
    assert faults == {("/container/volumes(0)/persistent/constraints(0)", error)}


def test_a_mount_volume_may_grow_only_upwards() -> None:
    _, faults = faults_of(db(volume(type="mount", maxSize=10)), OPTIONS)
    error = ("/container/volumes(0)/persistent/maxSize", "Max size must be larger than size")
    assert error in faults


def test_volumes_of_other_disks_are_shown_as_they_are_read() -> None:
    constraints = [["path", "LIKE", "/ssd/.*"], ["path", "UNLIKE", ".*old"]]
    whole = volume("whole", type="mount", maxSize=20, constraints=constraints)
    app = app_of(db(whole, volume("part", type="path")), OPTIONS)
    assert app.persistent_volumes == (
        PersistentVolume("whole", 10, DiskType.MOUNT, 20, tuple(map(tuple, constraints))),
        PersistentVolume("part", 10, DiskType.PATH),
    )
    shown = definition(app)
    part = volume("part", type="path", constraints=[])
    assert shown["container"]["volumes"] == [whole, part]
    assert app_of(shown, OPTIONS) == app


def test_two_volumes_need_two_paths() -> None:
    _, faults = faults_of(db(volume(), volume()), OPTIONS)
    assert faults == {("/container/volumes(1)/containerPath", "is the path of another volume, too")}


@pytest.mark.parametrize(
    ("fields", "path", "error"),
    [
        (
            {"acceptedResourceRoles": ["*", "stayer"]},
            "/acceptedResourceRoles",
            'A resident app must have `acceptedResourceRoles = ["*"]`.',
        ),
        (
            {"unreachableStrategy": {"inactiveAfterSeconds": 0, "expungeAfterSeconds": 0}},
            "/unreachableStrategy",
            "unreachableStrategy must be disabled for resident tasks",
        ),
        (
            {"upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": 1}},
            "/upgradeStrategy/maximumOverCapacity",
            "got 1.0, expected 0.0",
        ),
        ({"role": "*"}, "/role", "Resident apps cannot have the role *"),
    ],
)
def test_what_a_resident_app_may_not_ask_for(fields: Json, path: str, error: str) -> None:
    assert faults_of(db(**fields), OPTIONS) == (NOT_VALID, {(path, error)})


def test_without_a_role_to_reserve_for_it_is_refused() -> None:
    refused = (NOT_VALID, {("/role", "Resident apps cannot have the role *")})
    assert faults_of(db(), ApiOptions()) == refused


def test_other_apps_may_not_take_the_role_of_volumes() -> None:
    plain = {"id": "/web", "cmd": "x", "role": "stayer"}
    expected = {("/role", "got stayer, expected one of: [*]")}
    assert faults_of(plain, OPTIONS) == (NOT_VALID, expected)
    assert app_of({"id": "/web", "cmd": "x"}, OPTIONS).role == "*"


def test_residency_is_for_apps_with_volumes() -> None:
    error = ("/residency", "is only for apps with persistent volumes")
    assert faults_of({"id": "/a", "cmd": "x", "residency": {}}) == (NOT_VALID, {error})


def test_a_partial_update_keeps_what_is_resident() -> None:
    app = app_of(db(), OPTIONS)
    update = read_update({"cmd": "y"}, OPTIONS)
    assert isinstance(update, Update)
    merged = merge(app, update, OPTIONS, compile_pattern)
    assert isinstance(merged, App)
    assert merged.cmd == "y"
    assert (merged.role, merged.persistent_volumes) == (app.role, app.persistent_volumes)


def test_a_task_shows_its_volumes() -> None:
    instance = Instance("db.instance-1", "/db", "v")
    made = Volume("db#data#7f", "data", 10_000)
    reservation = Reservation(instance.id, "/db", "a", "h", "r", "f", volumes=(made,))
    view = State()
    view.apply([Change(Kind.RESERVATION, instance.id, reservation)])
    assert task(instance, None, view)["localVolumes"] == [
        {
            "runSpecId": "/db",
            "containerPath": "data",
            "uuid": "7f",
            "persistenceId": "db#data#7f",
        }
    ]
    assert "localVolumes" not in task(instance, None, State())
