"""What is done to the processes and connections of a torture, and when: all of it from one seed.

The timetable is made before anything starts, so the same seed gives the same faults at the same
moments after the start, whatever happens in between.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

LEADER = -1
"""The target that is whoever leads when the fault begins (Stayer or ZooKeeper)."""

_CALM_SECONDS = 2.0  # at the beginning
_SHORT_SECONDS = (0.3, 3.0)
_LONG_SECONDS = (3.0, 6.0)  # longer than a session of 2 s lasts


class Kind(Enum):
    """What a fault does to its target for its time; then it is undone."""

    KILL_STAYER = "kill -9 of a Stayer"
    PAUSE_STAYER = "SIGSTOP of a Stayer"
    DIE_IN_SILENCE = "ZooKeeper is silent, then kill -9 of a Stayer that waits for it"
    KILL_ZOOKEEPER = "kill -9 of a ZooKeeper server"
    PAUSE_ZOOKEEPER = "SIGSTOP of a ZooKeeper server"
    CUT = "every connection to a ZooKeeper server reset and refused"
    HALF_OPEN = "connections to a ZooKeeper server stay and carry nothing"
    LOSE_ANSWERS = "a ZooKeeper server is heard, but nobody hears it"
    DELAY = "connections to a ZooKeeper server are slow"
    KILL_MASTER = "kill -9 of the Mesos master"
    KILL_AGENT = "kill -9 of a Mesos agent"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """``target`` is the index of the Stayer, server or agent, or LEADER."""

    at_seconds: float
    for_seconds: float
    kind: Kind
    target: int

    def __str__(self) -> str:
        target = "the leader" if self.target == LEADER else f"number {self.target}"
        return (
            f"{self.at_seconds:7.1f} s for {self.for_seconds:4.1f} s: {self.kind.value}, {target}"
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """How many there are to be struck."""

    stayers: int = 3
    zookeepers: int = 3
    agents: int = 2


PER_90_SECONDS: Mapping[Kind, int] = {
    Kind.KILL_STAYER: 10,
    Kind.PAUSE_STAYER: 3,
    Kind.DIE_IN_SILENCE: 2,
    Kind.KILL_ZOOKEEPER: 5,
    Kind.PAUSE_ZOOKEEPER: 1,
    Kind.CUT: 2,
    Kind.HALF_OPEN: 2,
    Kind.LOSE_ANSWERS: 2,
    Kind.DELAY: 1,
    Kind.KILL_MASTER: 1,
    Kind.KILL_AGENT: 1,
}
_LONG = {Kind.PAUSE_STAYER, Kind.HALF_OPEN}
_ON_STAYERS = {Kind.KILL_STAYER, Kind.PAUSE_STAYER, Kind.DIE_IN_SILENCE}
_LEADER_SHARE = 0.6


def timetable(seed: int, seconds: float, parts: Parts) -> list[Fault]:
    """The faults of a torture of so many seconds, in the order of their beginnings; of each kind
    at least as many as PER_90_SECONDS says, in proportion."""
    chance = random.Random(seed)
    kinds = [
        kind
        for kind, count in PER_90_SECONDS.items()
        if _targets(kind, parts)
        for _ in range(max(1, round(count * seconds / 90)))
    ]
    chance.shuffle(kinds)
    slot = (seconds - _CALM_SECONDS) / len(kinds)
    return [
        _fault(chance, kind, _CALM_SECONDS + (number + chance.random()) * slot, parts)
        for number, kind in enumerate(kinds)
    ]


def _targets(kind: Kind, parts: Parts) -> int:
    if kind is Kind.DIE_IN_SILENCE and not parts.zookeepers:
        return 0
    if kind in _ON_STAYERS:
        return parts.stayers
    if kind is Kind.KILL_MASTER:
        return 1
    return parts.agents if kind is Kind.KILL_AGENT else parts.zookeepers


def _fault(chance: random.Random, kind: Kind, at_seconds: float, parts: Parts) -> Fault:
    low, high = _LONG_SECONDS if kind in _LONG else _SHORT_SECONDS
    has_leader = kind not in {Kind.KILL_MASTER, Kind.KILL_AGENT}
    index = chance.randrange(_targets(kind, parts))
    target = LEADER if has_leader and chance.random() < _LEADER_SHARE else index
    for_seconds = low + (high - low) * chance.random()
    return Fault(round(at_seconds, 2), round(for_seconds, 2), kind, target)
