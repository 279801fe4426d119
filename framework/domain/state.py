"""State: every record, in plain dicts, moved by ``apply`` and by nothing else.

The same class serves the single writer (ahead of the store), the published view (behind it)
and the load at start, so each of them can be rebuilt from the changes. A change is a key and
the whole record, or None for "no more"; applying one twice is harmless.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from framework.domain.alarms import Alarm
from framework.domain.app import App
from framework.domain.crashes import Crash
from framework.domain.draining import Drain, Maintenance
from framework.domain.edges import Edge, EdgeReport, Shares
from framework.domain.freezing import Freeze
from framework.domain.groups import Group, TreeChange
from framework.domain.health import InstanceHealth
from framework.domain.instance import (
    MOST_FAILURES,
    Instance,
    Orphan,
    TaskFailure,
    Tombstone,
    failure_key,
)
from framework.domain.mesos import Agent
from framework.domain.rollout import (
    Connection,
    Delay,
    Deployment,
    DeploymentPart,
    Framework,
    LaunchStats,
    Plan,
    Wait,
    part_key,
    plan_from,
)
from framework.domain.storm import Storm
from framework.domain.volumes import Reservation, ReservationState

Record = (
    App
    | Instance
    | Agent
    | Deployment
    | DeploymentPart
    | Group
    | TreeChange
    | InstanceHealth
    | Delay
    | TaskFailure
    | Tombstone
    | Orphan
    | Framework
    | LaunchStats
    | Connection
    | Freeze
    | Crash
    | Wait
    | Edge
    | EdgeReport
    | Shares
    | Reservation
    | Drain
    | Maintenance
    | Alarm
    | Storm
)


class Kind(StrEnum):
    """What a change is about; with the record's id it makes the key in the store."""

    APP = "app"
    APP_VERSION = "app-version"  # id: <app id>@<version>
    INSTANCE = "instance"
    AGENT = "agent"
    DEPLOYMENT = "deployment"
    DEPLOYMENT_PART = "deployment-part"  # id: <deployment id>/<number>
    GROUP = "group"
    TREE_CHANGE = "tree-change"  # id: its version, for further parts /<number>
    DELAY = "delay"  # id: app id
    FAILURE = "failure"  # id: app id
    PAST_FAILURE = "past-failure"  # id: <app id>@<slot>
    TOMBSTONE = "tombstone"  # id: task id
    ORPHAN = "orphan"  # id: task id
    FRAMEWORK = "framework"  # id: "framework"
    FREEZE = "freeze"  # id: app id, or EVERYTHING
    CRASH = "crash"  # id: its own
    WAIT = "wait"  # id: app id, or <app id>@ for the configuration that it leaves
    ALARM = "alarm"  # id: its key
    RESERVATION = "reservation"  # id: instance id
    STORM = "storm"  # id: "storm"
    EDGE = "edge"  # id: its name
    SHARES = "shares"  # id: the name whose traffic is divided
    DRAIN = "drain"  # id: agent id or hostname, as it was named
    MAINTENANCE = "maintenance"  # id: agent id
    LAUNCH_STATS = "launch-stats"  # id: app id; never stored
    CONNECTION = "connection"  # id: "connection"; never stored
    HEALTH = "health"  # id: instance id; never stored
    EDGE_REPORT = "edge-report"  # id: the edge's name; never stored


RECORD_TYPES: dict[Kind, type] = {
    Kind.APP: App,
    Kind.APP_VERSION: App,
    Kind.INSTANCE: Instance,
    Kind.AGENT: Agent,
    Kind.DEPLOYMENT: Deployment,
    Kind.DEPLOYMENT_PART: DeploymentPart,
    Kind.GROUP: Group,
    Kind.TREE_CHANGE: TreeChange,
    Kind.DELAY: Delay,
    Kind.FAILURE: TaskFailure,
    Kind.PAST_FAILURE: TaskFailure,
    Kind.TOMBSTONE: Tombstone,
    Kind.ORPHAN: Orphan,
    Kind.FRAMEWORK: Framework,
    Kind.FREEZE: Freeze,
    Kind.CRASH: Crash,
    Kind.WAIT: Wait,
    Kind.DRAIN: Drain,
    Kind.MAINTENANCE: Maintenance,
    Kind.ALARM: Alarm,
    Kind.RESERVATION: Reservation,
    Kind.STORM: Storm,
    Kind.EDGE: Edge,
    Kind.SHARES: Shares,
    Kind.LAUNCH_STATS: LaunchStats,
    Kind.CONNECTION: Connection,
    Kind.HEALTH: InstanceHealth,
    Kind.EDGE_REPORT: EdgeReport,
}
_OF_AN_APP = frozenset(
    {Kind.APP, Kind.APP_VERSION, Kind.INSTANCE, Kind.FAILURE, Kind.HEALTH, Kind.RESERVATION}
)  # what is shown with an app
VOLATILE = frozenset({Kind.LAUNCH_STATS, Kind.CONNECTION, Kind.HEALTH, Kind.EDGE_REPORT})


class Change(NamedTuple):
    """``record`` is the whole new record of (kind, id), or None when it is gone."""

    kind: Kind
    id: str
    record: Record | None


def version_key(app_id: str, version: str) -> str:
    """The id of a historic definition's record."""
    return f"{app_id}@{version}"


class State:
    """All records by kind and id, with the indexes that every reader needs: instances, stored
    versions and reservations of each app, and the reservations to be given back. Read freely;
    change through ``apply``.

    ``revision`` counts changes; ``kind_revisions`` and ``app_revisions`` say at which of them a
    kind, or something shown with an app (itself, its versions, instances, their health and
    volumes, its last failure), changed last. So a reader may keep what it made of the records."""

    __slots__ = (
        "app_revisions",
        "destroying",
        "instances_of",
        "kind_revisions",
        "reservations_of",
        "revision",
        "tables",
        "versions_of",
    )

    def __init__(self) -> None:
        self.tables: dict[Kind, dict[str, Record]] = {kind: {} for kind in Kind}
        self.instances_of: dict[str, dict[str, Instance]] = {}
        self.versions_of: dict[str, dict[str, App]] = {}
        self.reservations_of: dict[str, dict[str, Reservation]] = {}
        self.destroying: dict[str, Reservation] = {}
        self.revision = 0
        self.kind_revisions: dict[Kind, int] = {}
        self.app_revisions: dict[str, int] = {}

    def apply(self, changes: Iterable[Change]) -> None:
        """Put or remove each record, in order."""
        for change in changes:
            self.put(change.kind, change.id, change.record)

    def put(self, kind: Kind, key: str, record: Record | None) -> Record | None:
        """One change; returns the record that was there before."""
        table = self.tables[kind]
        old = table.pop(key, None) if record is None else table.get(key)
        if record is not None:
            table[key] = record
        if kind is Kind.INSTANCE:
            self._index_instance(key, old, record)
        elif kind is Kind.APP_VERSION:
            self._index_version(key, record)
        elif kind is Kind.RESERVATION:
            self._index_reservation(key, old, record)
        self._revise(kind, key, record or old)
        return old

    def _revise(self, kind: Kind, key: str, record: Record | None) -> None:
        """Count the change, after it was made: whoever reads the numbers before the records never
        takes something old for as new as its number."""
        self.revision += 1
        self.kind_revisions[kind] = self.revision
        if kind not in _OF_AN_APP:
            return
        app_id = key
        if kind is Kind.INSTANCE:
            assert record is None or isinstance(record, Instance)
            app_id = "" if record is None else record.app_id
        elif kind is Kind.APP_VERSION:
            app_id = key.rpartition("@")[0]
        elif kind in {Kind.HEALTH, Kind.RESERVATION}:  # shown with the instance
            instance = self.instances.get(key)
            app_id = "" if instance is None else instance.app_id
        if app_id in self.apps or app_id in self.instances_of:
            self.app_revisions[app_id] = self.revision
        else:
            self.app_revisions.pop(app_id, None)

    def _index_instance(self, key: str, old: Record | None, new: Record | None) -> None:
        if new is not None:
            assert isinstance(new, Instance)
            self.instances_of.setdefault(new.app_id, {})[key] = new
        elif old is not None:
            assert isinstance(old, Instance)
            siblings = self.instances_of[old.app_id]
            del siblings[key]
            if not siblings:
                del self.instances_of[old.app_id]

    def _index_version(self, key: str, new: Record | None) -> None:
        app_id, _, version = key.rpartition("@")
        if new is not None:
            assert isinstance(new, App)
            self.versions_of.setdefault(app_id, {})[version] = new
            return
        versions = self.versions_of.get(app_id)
        if versions is not None and versions.pop(version, None) is not None and not versions:
            del self.versions_of[app_id]

    def _index_reservation(self, key: str, old: Record | None, new: Record | None) -> None:
        assert old is None or isinstance(old, Reservation)
        assert new is None or isinstance(new, Reservation)
        if old is not None:
            siblings = self.reservations_of[old.app_id]
            del siblings[key]
            if not siblings:
                del self.reservations_of[old.app_id]
            self.destroying.pop(key, None)
        if new is not None:
            self.reservations_of.setdefault(new.app_id, {})[key] = new
            if new.state is ReservationState.DESTROYING:
                self.destroying[key] = new

    def changes(self) -> list[Change]:
        """Everything that is stored, as changes that rebuild it (a checkpoint)."""
        return [
            Change(kind, key, record)
            for kind, table in self.tables.items()
            if kind not in VOLATILE
            for key, record in table.items()
        ]

    # Typed views of the tables. Tables are heterogeneous by kind, and `put` is their only
    # writer, so each view states what `RECORD_TYPES` guarantees.

    @property
    def apps(self) -> dict[str, App]:
        return self.tables[Kind.APP]  # type: ignore[return-value]  # see above

    @property
    def instances(self) -> dict[str, Instance]:
        return self.tables[Kind.INSTANCE]  # type: ignore[return-value]  # see above

    @property
    def agents(self) -> dict[str, Agent]:
        return self.tables[Kind.AGENT]  # type: ignore[return-value]  # see above

    @property
    def deployments(self) -> dict[str, Deployment]:
        return self.tables[Kind.DEPLOYMENT]  # type: ignore[return-value]  # see above

    @property
    def deployment_parts(self) -> dict[str, DeploymentPart]:
        return self.tables[Kind.DEPLOYMENT_PART]  # type: ignore[return-value]  # see above

    @property
    def groups(self) -> dict[str, Group]:
        return self.tables[Kind.GROUP]  # type: ignore[return-value]  # see above

    @property
    def tree_changes(self) -> dict[str, TreeChange]:
        return self.tables[Kind.TREE_CHANGE]  # type: ignore[return-value]  # see above

    @property
    def health(self) -> dict[str, InstanceHealth]:
        return self.tables[Kind.HEALTH]  # type: ignore[return-value]  # see above

    def plan(self, deployment: Deployment) -> Plan:
        """What a deployment does, put together from its parts."""
        table = self.deployment_parts
        keys = (part_key(deployment.id, number) for number in range(deployment.parts))
        # Asked for once each: for who only reads, one may go at any moment.
        parts = [one for key in keys if (one := table.get(key)) is not None]
        return plan_from(parts, deployment.total_steps)

    @property
    def delays(self) -> dict[str, Delay]:
        return self.tables[Kind.DELAY]  # type: ignore[return-value]  # see above

    @property
    def failures(self) -> dict[str, TaskFailure]:
        return self.tables[Kind.FAILURE]  # type: ignore[return-value]  # see above

    @property
    def past_failures(self) -> dict[str, TaskFailure]:
        return self.tables[Kind.PAST_FAILURE]  # type: ignore[return-value]  # see above

    def failures_of(self, app_id: str) -> list[TaskFailure]:
        """The failures that are kept of an app, the newest first."""
        table = self.past_failures
        keys = (failure_key(app_id, slot) for slot in range(MOST_FAILURES))
        found = [one for key in keys if (one := table.get(key)) is not None]
        return sorted(found, key=lambda one: -one.number)

    @property
    def tombstones(self) -> dict[str, Tombstone]:
        return self.tables[Kind.TOMBSTONE]  # type: ignore[return-value]  # see above

    @property
    def orphans(self) -> dict[str, Orphan]:
        return self.tables[Kind.ORPHAN]  # type: ignore[return-value]  # see above

    @property
    def launch_stats(self) -> dict[str, LaunchStats]:
        return self.tables[Kind.LAUNCH_STATS]  # type: ignore[return-value]  # see above

    @property
    def freezes(self) -> dict[str, Freeze]:
        return self.tables[Kind.FREEZE]  # type: ignore[return-value]  # see above

    @property
    def crashes(self) -> dict[str, Crash]:
        return self.tables[Kind.CRASH]  # type: ignore[return-value]  # see above

    @property
    def alarms(self) -> dict[str, Alarm]:
        return self.tables[Kind.ALARM]  # type: ignore[return-value]  # see above

    @property
    def drains(self) -> dict[str, Drain]:
        return self.tables[Kind.DRAIN]  # type: ignore[return-value]  # see above

    @property
    def maintenance(self) -> dict[str, Maintenance]:
        return self.tables[Kind.MAINTENANCE]  # type: ignore[return-value]  # see above

    @property
    def waits(self) -> dict[str, Wait]:
        return self.tables[Kind.WAIT]  # type: ignore[return-value]  # see above

    @property
    def edges(self) -> dict[str, Edge]:
        return self.tables[Kind.EDGE]  # type: ignore[return-value]  # see above

    @property
    def edge_reports(self) -> dict[str, EdgeReport]:
        return self.tables[Kind.EDGE_REPORT]  # type: ignore[return-value]  # see above

    @property
    def shares(self) -> dict[str, Shares]:
        return self.tables[Kind.SHARES]  # type: ignore[return-value]  # see above

    @property
    def reservations(self) -> dict[str, Reservation]:
        return self.tables[Kind.RESERVATION]  # type: ignore[return-value]  # see above

    @property
    def framework(self) -> Framework | None:
        """Our registration; None before the very first start."""
        record = self.tables[Kind.FRAMEWORK].get("framework")
        assert record is None or isinstance(record, Framework)
        return record

    @property
    def storm(self) -> Storm | None:
        """The storm that lasts, or the operator's hold; None: replacements go as ever."""
        record = self.tables[Kind.STORM].get("storm")
        assert record is None or isinstance(record, Storm)
        return record

    @property
    def connection(self) -> Connection:
        """How we stand with Mesos right now."""
        record = self.tables[Kind.CONNECTION].get("connection")
        assert record is None or isinstance(record, Connection)
        return record or Connection()
