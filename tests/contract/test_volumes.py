"""``/v3/volumes``: the inventory, and removing what nobody uses."""

import pytest
from flask.testing import FlaskClient

from framework.domain.disks import DiskType
from framework.domain.events import RemoveVolume
from framework.domain.instance import Condition, Instance
from framework.domain.replies import Refused, Why
from framework.domain.state import Kind
from framework.domain.volumes import (
    OperationKind,
    PendingOperation,
    Reservation,
    ReservationState,
    Volume,
)
from tests.unit.api.recorder import Recorder

INSTANCE = "db.instance-1"
VOLUME = Volume("db#data#7f", "data", 10_500, DiskType.PATH, "/ssd")
KEPT = Reservation(
    INSTANCE,
    "/db",
    "S1",
    "host1",
    "stayer",
    "f",
    ReservationState.READY,
    since_ms=1_767_323_045_678,
    volumes=(VOLUME,),
    pending=(PendingOperation(f"{INSTANCE}.op-1", OperationKind.CREATE),),
)
PATH = "/v3/volumes/db%23data%237f"


def hold(scheduler: Recorder, reservation: Reservation) -> None:
    scheduler.hold(Kind.RESERVATION, reservation.instance_id, reservation)


def test_the_list(client: FlaskClient, scheduler: Recorder) -> None:
    hold(scheduler, KEPT)
    shown = {
        "id": "db#data#7f",
        "appId": "/db",
        "instanceId": INSTANCE,
        "agentId": "S1",
        "host": "host1",
        "role": "stayer",
        "state": "kept",
        "since": "2026-01-02T03:04:05.678Z",
        "containerPath": "data",
        "size": 10.5,
        "type": "path",
        "path": "/ssd",
        "operations": [{"id": f"{INSTANCE}.op-1", "kind": "CREATE"}],
    }
    assert client.get("/v3/volumes").get_json() == {"volumes": [shown]}
    assert client.get(PATH).get_json() == shown
    assert client.get("/v3/volumes/x").status_code == 404


@pytest.mark.parametrize(
    ("condition", "state"), [(Condition.RUNNING, "in use"), (Condition.FAILED, "waiting")]
)
def test_what_its_instance_does_is_told(
    client: FlaskClient, scheduler: Recorder, condition: Condition, state: str
) -> None:
    hold(scheduler, KEPT)
    instance = Instance(INSTANCE, "/db", "v", "S1", condition=condition)
    scheduler.hold(Kind.INSTANCE, INSTANCE, instance)
    assert client.get(PATH).get_json()["state"] == state


def test_an_orphan_without_a_volume_is_shown_by_its_instance(
    client: FlaskClient, scheduler: Recorder
) -> None:
    orphan = Reservation("x.1", "", "S1", "", "r", "f", ReservationState.ORPHAN, why="because")
    hold(scheduler, orphan)
    (shown,) = client.get("/v3/volumes").get_json()["volumes"]
    assert (shown["id"], shown["state"], shown["why"]) == ("x.1", "orphan", "because")
    assert not {"appId", "size", "containerPath"} & shown.keys()


def test_removing(client: FlaskClient, scheduler: Recorder) -> None:
    hold(scheduler, KEPT)
    assert client.delete(PATH).status_code == 202
    assert client.delete(f"{PATH}?forget=true").status_code == 202
    assert scheduler.asked == [RemoveVolume(INSTANCE), RemoveVolume(INSTANCE, forget=True)]
    scheduler.replies.append(Refused(Why.VOLUME_IN_USE, INSTANCE, "it is used"))
    refused = client.delete(PATH)
    assert (refused.status_code, refused.get_json()) == (409, {"message": "it is used"})
    scheduler.replies.append(Refused(Why.VOLUME_UNKNOWN, INSTANCE))
    assert client.delete(PATH).status_code == 404
    assert client.delete("/v3/volumes/x").status_code == 404
