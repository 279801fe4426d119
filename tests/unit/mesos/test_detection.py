"""What masters say of themselves in ZooKeeper, who of them leads, and the URL that leads there.

The watching itself is tried in tests/integration/test_mesos_detection.py.
"""

import json
from pathlib import Path

import pytest

from framework.mesos.detection import (
    ZooKeeperMaster,
    candidates,
    detector_for,
    leader_from,
)
from framework.mesos.master import Endpoint
from framework.mesos.options import MesosOptions
from framework.zookeeper.options import ZooKeeperOptions

SECRET_URL = "zk://me:pa55@h1:2181,h2:2181/mesos"


def _info(**fields: object) -> bytes:
    return json.dumps(fields).encode()


ADDRESS = {"hostname": "m1", "ip": "10.0.0.1", "port": 5051}


@pytest.mark.parametrize(
    ("data", "endpoint", "secure"),
    [
        (_info(address=ADDRESS, hostname="old", ip=1, port=1), "10.0.0.1:5051", "m1:5051"),
        (_info(address={"hostname": "m1", "port": 5051}), "m1:5051", "m1:5051"),
        (_info(address={"ip": "10.0.0.1", "port": 1}), "10.0.0.1:1", "10.0.0.1:1"),
        (_info(address={"ip": "::1", "port": 5050}, hostname="m"), "[::1]:5050", "m:5050"),
        (_info(hostname="m1", ip=0x0100A8C0, port=5055), "192.168.0.1:5055", "m1:5055"),
        (_info(hostname="m1", ip=0x0100A8C0), "192.168.0.1:5050", "m1:5050"),
        (_info(hostname="m1", port=5055), "m1:5055", "m1:5055"),
        (_info(address=ADDRESS, id="x", pid="y", new={"a": [1]}), "10.0.0.1:5051", "m1:5051"),
    ],
)
def test_where_a_master_says_it_is(data: bytes, endpoint: str, secure: str) -> None:
    assert str(leader_from(data, tls=False).endpoint) == endpoint
    by_name = leader_from(data, tls=True).endpoint
    assert (str(by_name), by_name.secure) == (secure, True)


def test_a_master_is_known_by_all_its_names() -> None:
    leader = leader_from(_info(address=ADDRESS), tls=False)
    assert leader.names == {Endpoint("m1", 5051), Endpoint("10.0.0.1", 5051)}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x0a\x05bytes",
        b"[]",
        b"null",
        b"[" * 60_000,
        b'{"hostname":"m","port":"5050"}',
        _info(),
        _info(ip=0, port=5050),
        _info(ip=-1, port=5050),
        _info(ip=1 << 32),
        _info(hostname="m", port=0),
        _info(hostname="m", port=70_000),
        _info(hostname="m\r\nX: 1"),
        _info(address={"hostname": "m 1", "port": 1}),
        _info(address={"hostname": "m"}),
        _info(address=5),
        _info(hostname="m", more="x" * 65_536),
    ],
)
def test_what_is_no_master(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        leader_from(data, tls=False)


def test_the_lowest_sequence_leads_and_other_children_are_none() -> None:
    children = [
        "json.info_0000000012",
        "info_0000000001",
        "log_replicas",
        "json.info_0000000009",
        "json.info_",
        "json.info_10000000000",
        "json.info_9999999999",
        "xjson.info_0000000000",
        "json.info_0000000002x",
    ]
    assert candidates(children) == [
        "json.info_0000000009",
        "json.info_0000000012",
        "json.info_9999999999",
        "json.info_10000000000",
    ]
    assert candidates([]) == []


def test_the_detector_of_a_zookeeper_url_knows_nobody_before_it_looks() -> None:
    detector = detector_for(SECRET_URL)
    assert isinstance(detector, ZooKeeperMaster)
    assert detector.leader() is None
    assert detector.leads(Endpoint("whoever"))
    detector.stop()


def test_credentials_are_never_shown() -> None:
    assert str(detector_for(SECRET_URL)) == "zk://h1:2181,h2:2181/mesos"
    assert "pa55" not in repr(MesosOptions(master=SECRET_URL))
    with pytest.raises(ValueError, match="form") as wrong:
        detector_for("zk://pa55@h1/mesos")
    assert "pa55" not in str(wrong.value)


@pytest.mark.parametrize("url", ["zk://h1:2181", "zk://h1:2181/", "zk:///mesos", "zk://h1:x/mesos"])
def test_urls_that_lead_nowhere(url: str) -> None:
    with pytest.raises(ValueError, match=r"zk://|path|server|port"):
        detector_for(url)


def test_a_credentials_file_is_for_urls_without_credentials(tmp_path: Path) -> None:
    """It belongs to our own ensemble; a URL that names somebody needs no file."""
    missing = ZooKeeperOptions(zk_credentials_file=str(tmp_path / "missing"))
    detector_for(SECRET_URL, missing).stop()
    with pytest.raises(OSError, match="missing"):
        detector_for("zk://h1/mesos", missing)
