"""One torture from beginning to end: apps, clients, faults, and then the reckoning."""

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from api.client import Client
from framework.domain.exits import ExitCode
from framework.domain.ids import safe_id
from localmesos.apache.engine import ApacheEngine
from tests.integration.product import definition_of
from tests.polling import eventually
from tests.torture.clients import LABEL, Clients, Register, count_register, label_register
from tests.torture.faults import Kind, Parts, timetable
from tests.torture.killer import Killer
from tests.torture.stayers import Stayers
from tests.torture.verdict import contradictions, converge, doubled_processes
from tests.torture.watching import MesosWatch
from tests.zookeeper.ensemble import Ensemble

Json = dict[str, Any]
GROUP = f"/torture-{os.getpid()}"
_KEPT_COUNT, _ROLLED_COUNT, _COUNTS = 8, 2, (2, 3, 4)
_START_SECONDS = 60.0
# What a Stayer may end with by itself: another leads, or ZooKeeper is away for too long.
_ALLOWED_ENDS = {ExitCode.LEADERSHIP_LOST, ExitCode.STORE_LOST, ExitCode.STORE_UNUSABLE}
_FOREVER = "disabled"  # as an unreachable strategy: no replacement, so nothing may be doubled


@dataclass
class Outcome:
    """What was found, and how much there was to find it in."""

    faults: dict[Kind, int]
    acknowledged: int
    looks: int
    unasked_ends: list[int]
    findings: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        done = ", ".join(f"{count} x {kind.value}" for kind, count in self.faults.items())
        return (
            f"{self.acknowledged} writes acknowledged, {self.looks} looks at Mesos; {done};"
            f" {len(self.unasked_ends)} Stayers ended by themselves, with"
            f" {sorted(set(self.unasked_ends))}; {len(self.findings)} findings"
        )


def torture(
    *, stayers: Stayers, ensemble: Ensemble | None, mesos: ApacheEngine, seed: int, seconds: float
) -> Outcome:
    """Start the Stayers, put the apps, torture all for so long, heal, and look what became of it.
    AssertionError if it does not converge. The caller closes what it gave."""
    print(f"the seed of this torture is {seed}")  # noqa: T201 - shown when the test failed
    parts = Parts(
        stayers=len(stayers.members),
        zookeepers=len(ensemble.servers) if ensemble is not None else 0,
        agents=len(mesos.agent_ids()),
    )
    registers = _registers()
    with ExitStack() as running:
        stayers.start()
        framework_id = _put_apps(stayers, registers)
        ids = [f"{GROUP}/kept", *(register.app_id for register in registers)]
        before = converge(stayers, mesos.url, framework_id, ids)
        kept = {task["id"] for task in before[ids[0]]["tasks"]}
        initial = {each.app_id: each.value(before[each.app_id]) for each in registers}

        watch = MesosWatch(mesos.url, framework_id, {ids[0]: kept})
        running.callback(watch.stop)
        clients = Clients([each.url for each in stayers.members], registers, seed)
        running.callback(clients.stop)
        watch.start()
        clients.start()
        killer = Killer(stayers, ensemble, mesos, _tell)
        killer.run(timetable(seed, seconds, parts), seconds)
        clients.stop()

        try:
            apps = converge(stayers, mesos.url, framework_id, ids)
        except AssertionError:
            _tell(f"before that: {contradictions(clients, registers, initial)}")
            raise
        watch.stop()
        outcome = Outcome(
            dict(killer.done),
            clients.acknowledged,
            watch.looks,
            stayers.unasked_ends(),
            _findings(stayers, clients, registers, apps, initial, watch, kept),
        )
        _tell(str(outcome))
        return outcome


def _registers() -> list[Register]:
    """Many writes that start no task, and fewer that roll out or scale."""
    return [
        *(label_register(f"{GROUP}/idle-{n}", weight=3) for n in range(4)),
        *(label_register(f"{GROUP}/rolled-{n}", weight=0.1) for n in range(3)),
        *(count_register(f"{GROUP}/scaled-{n}", _COUNTS, weight=0.6) for n in range(2)),
    ]


def _definitions(registers: Sequence[Register]) -> list[Json]:
    counts = {"kept": _KEPT_COUNT, "idle": 0, "rolled": _ROLLED_COUNT, "scaled": _COUNTS[0]}
    ids = [f"{GROUP}/kept", *(register.app_id for register in registers)]
    return [
        definition_of(
            app_id,
            instances=counts[app_id.removeprefix(f"{GROUP}/").partition("-")[0]],
            labels={LABEL: "first"},
            unreachableStrategy=_FOREVER,
            backoffSeconds=1,
            maxLaunchDelaySeconds=2,
        )
        for app_id in ids
    ]


def _put_apps(stayers: Stayers, registers: Sequence[Register]) -> str:
    """Create all, at whoever leads, as soon as somebody does; the framework's id."""
    ready = eventually(
        lambda: [member for member in stayers.members if member.leads],
        "a Stayer that leads",
        _START_SECONDS,
    )
    client = Client((ready[0].url,))
    try:
        for definition in _definitions(registers):
            client.create_app(definition)
        return str(client.info()["frameworkId"])
    finally:
        client.close()


def _findings(
    stayers: Stayers,
    clients: Clients,
    registers: Sequence[Register],
    apps: dict[str, Json],
    initial: dict[str, str],
    watch: MesosWatch,
    kept: set[str],
) -> list[str]:
    found = sorted(watch.findings)
    if (now := {task["id"] for task in apps[f"{GROUP}/kept"]["tasks"]}) != kept:
        found.append(f"tasks that nobody changed became others: {sorted(kept ^ now)}")
    for register in registers:
        clients.note_read(register, time.monotonic(), apps[register.app_id])
    for app_id, why in contradictions(clients, registers, initial).items():
        found.append(f"what was told of {app_id} contradicts itself:\n{why}")
    expected = {task["id"] for app in apps.values() for task in app["tasks"]}
    prefixes = [f"{safe_id(app_id)}.instance-" for app_id in apps]
    try:
        eventually(
            lambda: not doubled_processes(expected, prefixes), "the end of all other processes"
        )
    except AssertionError:
        found.append(f"still running: {doubled_processes(expected, prefixes)}")
    found += clients.surprises
    wrong = [code for code in stayers.unasked_ends() if code not in _ALLOWED_ENDS]
    found += [f"a Stayer ended with {code}" for code in wrong]
    return found


_began = time.monotonic()


def _tell(text: str) -> None:
    print(f"[{time.monotonic() - _began:7.1f}] {text}", flush=True)  # noqa: T201 - the record of a failed test
