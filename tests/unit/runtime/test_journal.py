"""What is written at a crash: the last events, and no secret among them."""

import json
import stat
from pathlib import Path

from framework.domain.actions import Accept, Launch
from framework.domain.app import (
    App,
    Check,
    Container,
    Docker,
    DockerParameter,
    ExternalVolume,
    Fetch,
    HealthCheck,
    Network,
    NetworkMode,
    PortDefinition,
)
from framework.domain.events import (
    AgentFailed,
    Asked,
    CallNotSent,
    ChangeApps,
    Event,
    KillTasks,
    OffersReceived,
    PutApp,
    ResetDelay,
)
from framework.domain.health import ProbeAnswer, ProbeResult, ProbesReported
from framework.domain.mesos import Agent, Offer
from framework.runtime.journal import Journal

SECRET = "hunter2"
APP = App(
    id="/web",
    cmd=SECRET,
    args=(SECRET,),
    env={"PASSWORD": SECRET},
    labels={"token": SECRET},
    fetch=(Fetch(f"https://me:{SECRET}@host/file"),),
    networks=(Network(NetworkMode.CONTAINER, "net", {"key": SECRET}),),
    container=Container(
        docker=Docker("image", parameters=(DockerParameter("env", f"PASSWORD={SECRET}"),)),
        external_volumes=(ExternalVolume("/data", "vol", options={"dvdi/password": SECRET}),),
    ),
    health_checks=(HealthCheck("COMMAND", command=f"check {SECRET}"),),
    check=Check("command", shell=SECRET, argv=(SECRET,)),
    port_definitions=(PortDefinition(labels={"key": SECRET}),),
)


def written(path: Path, *events: Event) -> str:
    journal = Journal()
    journal.write(5, 6, events)
    journal.dump(path)
    return path.read_text()


def test_secrets_are_left_out_wherever_they_stand(tmp_path: Path) -> None:
    launch = Launch("t", "i", APP, Agent("a1", "host1"), "*", (), (), ())
    answer = ProbeAnswer(200, "text/plain", SECRET)
    text = written(
        tmp_path / "journal",
        Asked(1, ChangeApps((PutApp(APP),))),
        CallNotSent(Accept(("o1",), (launch,), 1.0), "refused"),
        ProbesReported((ProbeResult("key", 1, alive=True, answer=answer),)),
    )
    assert SECRET not in text
    assert "/web" in text
    assert "image" in text


def test_a_line_tells_when_with_which_seed_and_what(tmp_path: Path) -> None:
    text = written(
        tmp_path / "journal", Asked(3, KillTasks(("i",), wipe=True)), Asked(4, ResetDelay("/web"))
    )
    kill = {"instance_ids": ["i"], "scale": False, "wipe": True, "force": False, "dry_run": False}
    assert json.loads(text) == {
        "nowMs": 5,
        "seed": 6,
        "behind": False,
        "events": [
            {"Asked": {"token": 3, "KillTasks": kill}},
            {"Asked": {"token": 4, "ResetDelay": {"app_id": "/web"}}},
        ],
    }


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    written(tmp_path / "journal", AgentFailed("a1"))
    assert stat.S_IMODE((tmp_path / "journal").stat().st_mode) & 0o077 == 0


def kept(path: Path, journal: Journal) -> list[int]:
    """The moments of the steps that are remembered."""
    journal.dump(path)
    return [json.loads(line)["nowMs"] for line in path.read_text().splitlines()]


def test_it_remembers_the_latest_steps_up_to_a_limit(tmp_path: Path) -> None:
    journal = Journal()
    for now_ms in range(25_000):
        journal.write(now_ms, 0, [AgentFailed("a1")])
    remembered = kept(tmp_path / "journal", journal)
    assert remembered[-1] == 24_999
    assert 1_000 <= len(remembered) <= 20_000
    assert remembered == list(range(remembered[0], 25_000))


def test_offers_count_singly_since_they_are_what_is_large(tmp_path: Path) -> None:
    journal = Journal()
    offer = Offer("o", Agent("a1", "host1"), "*", ())
    for now_ms in range(10):
        journal.write(now_ms, 0, [OffersReceived((offer,) * 5_000)])
    assert kept(tmp_path / "journal", journal) == [6, 7, 8, 9]
    journal.write(10, 0, [OffersReceived((offer,) * 20_001)])
    assert kept(tmp_path / "journal", journal) == [10], "the latest is kept whatever its size"
