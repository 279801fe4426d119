"""Random but valid domain records, for every property test that needs some.

Ids are drawn from small pools, so that random histories meet the same record again.
"""

from collections.abc import Callable

from hypothesis import strategies as st

from framework.domain.alarms import Alarm
from framework.domain.app import (
    App,
    Check,
    Container,
    Docker,
    DockerParameter,
    ExecutorResources,
    ExternalVolume,
    Fetch,
    HealthCheck,
    HostVolume,
    KillSelection,
    LinuxInfo,
    Network,
    NetworkMode,
    PersistentVolume,
    PortDefinition,
    PortMapping,
    ReadinessCheck,
    ResourceLimits,
    SecretVolume,
    UnreachableStrategy,
    UpgradeStrategy,
)
from framework.domain.clock import iso
from framework.domain.crashes import Crash
from framework.domain.disks import DiskType
from framework.domain.draining import Drain, Maintenance
from framework.domain.edges import Edge, EdgeKind, Shares
from framework.domain.freezing import EVERYTHING, Freeze
from framework.domain.groups import Group, TreeChange
from framework.domain.ids import instance_id, task_id
from framework.domain.instance import Condition, Goal, Instance, Orphan, TaskFailure, Tombstone
from framework.domain.mesos import Agent, Attribute, TaskState
from framework.domain.rollout import (
    ActionName,
    Delay,
    Deployment,
    DeploymentPart,
    Framework,
    PlannedAction,
    Wait,
)
from framework.domain.state import VOLATILE, Change, Kind, Record, version_key
from framework.domain.storm import Pace, Storm
from framework.domain.volumes import (
    OperationKind,
    PendingOperation,
    Reservation,
    ReservationState,
    Volume,
)

APP_IDS = ("/web", "/prod/web", "/prod/db", "/prod/a/b/c")
AGENT_IDS = tuple(f"5f1c-S{number}" for number in range(4))
ROLES = ("*", "dev", "prod")

app_ids = st.sampled_from(APP_IDS)
agent_ids = st.sampled_from(AGENT_IDS)
roles = st.sampled_from(ROLES)
moments_ms = st.integers(0, 4_102_444_800_000)  # until 2100
versions = moments_ms.map(iso)
texts = st.text(max_size=12)
names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
labels = st.dictionaries(names, texts, max_size=3)
ports = st.integers(1, 65535)
seconds = st.integers(1, 3600)
instance_ids = st.builds(
    instance_id, app_ids, st.sampled_from([f"{number:036x}" for number in range(3)])
)
task_ids = st.builds(task_id, instance_ids, st.integers(1, 3))


def few(
    elements: st.SearchStrategy[object], most: int = 2
) -> st.SearchStrategy[tuple[object, ...]]:
    """A short tuple."""
    return st.lists(elements, max_size=most).map(tuple)


networks = st.one_of(
    st.just((Network(),)),
    st.just((Network(NetworkMode.BRIDGE),)),
    st.builds(Network, st.just(NetworkMode.CONTAINER), names, labels).map(lambda one: (one,)),
)
containers = st.builds(
    Container,
    type=st.sampled_from(["DOCKER", "MESOS"]),
    docker=st.builds(
        Docker,
        image=names,
        force_pull_image=st.booleans(),
        privileged=st.booleans(),
        parameters=few(st.builds(DockerParameter, names, texts)),
        pull_secret=st.none() | names,
    ),
    secret_volumes=few(st.builds(SecretVolume, names, names)),
    external_volumes=few(
        st.builds(ExternalVolume, names, names, size_gib=st.none() | ports, options=labels)
    ),
    linux_info=st.none() | st.builds(LinuxInfo, st.none() | names, st.booleans()),
    volumes=few(st.builds(HostVolume, names, names, st.sampled_from(["RW", "RO"]))),
    persistent_volumes=few(
        st.builds(
            PersistentVolume,
            names,
            st.integers(1, 10**9),
            st.sampled_from(DiskType),
            st.none() | st.integers(1, 10**9),
            few(few(names)),
        )
    ),
    port_mappings=few(
        st.builds(
            PortMapping,
            container_port=ports,
            host_port=st.none() | st.integers(0, 65535),
            service_port=ports,
            protocol=st.sampled_from(["tcp", "udp", "udp,tcp"]),
            name=st.none() | names,
            labels=labels,
        )
    ),
)
health_checks = st.builds(
    HealthCheck,
    protocol=st.sampled_from(["HTTP", "TCP", "COMMAND", "MESOS_HTTP"]),
    path=st.none() | st.just("/health"),
    port_index=st.none() | st.integers(0, 3),
    command=st.none() | texts,
    interval_seconds=seconds,
    max_consecutive_failures=st.integers(0, 5),
)
constraints = st.one_of(
    st.just(("hostname", "UNIQUE")),
    st.builds(lambda field, groups: (field, "GROUP_BY", str(groups)), names, st.integers(1, 9)),
    st.builds(lambda field, value: (field, "CLUSTER", value), names, names),
)


def apps(ids: st.SearchStrategy[str] = app_ids) -> st.SearchStrategy[App]:
    """An app definition with any of its fields set."""
    return st.builds(
        App,
        id=ids,
        version=versions,
        created_at=versions,
        last_scaling_at=versions,
        last_config_change_at=versions,
        cmd=st.none() | texts,
        args=few(texts),
        user=st.none() | names,
        env=labels,
        env_secrets=labels,
        expand_env=st.booleans(),
        secrets=labels,
        executor_resources=st.none() | st.builds(ExecutorResources, st.integers(100, 9000)),
        instances=st.integers(0, 1000),
        cpus_millis=st.integers(0, 64_000),
        mem_millis=st.integers(0, 512_000_000),
        disk_millis=st.integers(0, 512_000_000),
        gpus=st.integers(0, 8),
        resource_limits=st.none() | st.builds(ResourceLimits, st.none() | st.integers(-1, 9000)),
        constraints=few(constraints),
        fetch=few(st.builds(Fetch, names, st.booleans(), st.booleans(), st.booleans())),
        networks=networks,
        port_definitions=few(st.builds(PortDefinition, ports, st.just("tcp"), st.none() | names)),
        require_ports=st.booleans(),
        container=st.none() | containers,
        backoff_seconds=st.floats(0, 3600, allow_subnormal=False),
        backoff_factor=st.floats(1, 10),
        health_checks=few(health_checks),
        check=st.none() | st.builds(Check, st.sampled_from(["http", "tcp", "command"])),
        readiness_checks=few(st.builds(ReadinessCheck, names), most=1),
        dependencies=few(app_ids),
        upgrade_strategy=st.builds(UpgradeStrategy, st.floats(0, 1), st.floats(0, 1)),
        labels=labels,
        accepted_resource_roles=st.sampled_from([("*",), ("dev",), ("*", "prod")]),
        role=roles,
        task_kill_grace_period_seconds=st.none() | seconds,
        kill_selection=st.sampled_from(KillSelection),
        unreachable_strategy=st.builds(UnreachableStrategy, seconds, seconds, st.booleans()),
        tty=st.none() | st.booleans(),
    )


def instances(ids: st.SearchStrategy[str] = instance_ids) -> st.SearchStrategy[Instance]:
    """An instance in any condition; its app may be another than its id says."""
    return st.builds(
        Instance,
        id=ids,
        app_id=app_ids,
        version=versions,
        agent_id=agent_ids,
        incarnation=st.integers(1, 999_999_999),
        goal=st.sampled_from(Goal),
        condition=st.sampled_from(Condition),
        since_ms=moments_ms,
        staged_at_ms=moments_ms,
        started_at_ms=moments_ms,
        ports=few(ports, most=3),
        role=roles,
        healthy=st.none() | st.booleans(),
        health_since_ms=moments_ms,
        addresses=few(st.ip_addresses(v=4).map(str)),
        reason=names,
        message=texts,
        kill_reason=texts,
    )


attributes = st.one_of(
    st.builds(Attribute, names, text=names),
    st.builds(Attribute, names, scalar=st.floats(-1e6, 1e6)),
    st.builds(Attribute, names, ranges=st.just(((1, 5), (7, 9)))),
    st.builds(Attribute, names, items=few(names)),
)
agents = st.builds(
    Agent,
    id=agent_ids,
    hostname=names.map(lambda name: f"{name}.local"),
    attributes=few(attributes, most=3),
    region=st.none() | names,
    zone=st.none() | names,
    address=st.none() | st.ip_addresses(v=4).map(str),
    port=ports,
)
deployments = st.builds(
    Deployment,
    id=st.sampled_from(["d-1", "d-2", "d-3"]),
    version=versions,
    parts=st.integers(0, 3),
    total_steps=st.integers(0, 3),
    current_step=st.integers(0, 3),
    started_at_ms=moments_ms,
    progress=st.integers(0, 9),
    paused=st.booleans(),
    canary=st.booleans(),
    promoted=st.booleans(),
)
deployment_parts = st.builds(
    DeploymentPart,
    deployment_id=st.sampled_from(["d-1", "d-2", "d-3"]),
    actions=few(
        st.builds(PlannedAction, st.integers(1, 3), st.sampled_from(ActionName), app_ids, versions)
    ),
)
groups = st.builds(
    Group,
    id=st.just("/") | app_ids,
    version=versions,
    dependencies=few(app_ids),
    enforce_role=st.none() | st.booleans(),
)
tree_changes = st.builds(
    TreeChange,
    version=versions,
    apps_before=st.dictionaries(app_ids, versions, max_size=2),
    groups_before=st.dictionaries(app_ids, st.none() | groups, max_size=2),
)
delays = st.builds(Delay, app_ids, versions, st.integers(0, 300_000), moments_ms)
failures = st.builds(
    TaskFailure,
    app_id=app_ids,
    task_id=task_ids,
    instance_id=instance_ids,
    state=st.sampled_from(TaskState).map(str),
    message=texts,
    host=names,
    agent_id=agent_ids,
    timestamp_ms=moments_ms,
    version=versions,
    reason=names,
    staged_at_ms=moments_ms,
    started_at_ms=moments_ms,
    number=st.integers(0, 10**6),
)
tombstones = st.builds(Tombstone, task_ids, moments_ms, texts)
orphans = st.builds(
    Orphan,
    task_id=task_ids,
    agent_id=agent_ids,
    state=st.sampled_from(TaskState).map(str),
    first_seen_ms=moments_ms,
    message=texts,
    kill_requested=st.booleans(),
)
frameworks = st.builds(Framework, names, names, moments_ms)
drains = st.builds(Drain, names, moments_ms, texts, moments_ms)
maintenance = st.builds(Maintenance, names, moments_ms, st.none() | moments_ms)
freezes = st.builds(Freeze, st.just("") | app_ids, texts, moments_ms, st.just("") | names)
crashes = st.builds(
    Crash,
    id=names,
    kind=names,
    subject=texts,
    crashes=st.integers(1, 9),
    first_ms=moments_ms,
    last_ms=moments_ms,
    app_id=st.just("") | app_ids,
    error=texts,
    set_aside_ms=st.just(0) | moments_ms,
)
waits = st.builds(
    Wait,
    app_id=app_ids,
    since_ms=moments_ms,
    processed=st.integers(0, 10**9),
    unused=st.integers(0, 10**9),
    last_used_at_ms=st.none() | moments_ms,
    last_unused_at_ms=st.none() | moments_ms,
    refused=st.dictionaries(names, st.integers(1, 10**9), max_size=3),
)

reservations = st.builds(
    Reservation,
    instance_id=instance_ids,
    app_id=st.just("") | app_ids,
    agent_id=agent_ids,
    host=names,
    role=names,
    framework_id=names,
    state=st.sampled_from(ReservationState),
    since_ms=moments_ms,
    volumes=few(
        st.builds(Volume, names, names, st.integers(1, 10**12), st.sampled_from(DiskType), names)
    ),
    scalars=few(st.tuples(names, st.integers(1, 10**9))),
    ports=few(ports),
    incarnation=st.integers(0, 10**6),
    pending=few(st.builds(PendingOperation, names, st.sampled_from(OperationKind))),
    operations_made=st.integers(0, 10**6),
    why=texts,
)
alarms = st.builds(Alarm, names, texts, moments_ms, moments_ms)

storms = st.builds(
    Storm,
    since_ms=moments_ms,
    lost=st.integers(0, 10**6),
    instances=st.integers(0, 10**6),
    pace=st.sampled_from(Pace),
    reason=texts,
    waiting=st.integers(0, 10**6),
    replaced=st.integers(0, 10**6),
)


edges = st.builds(Edge, names, st.sampled_from(EdgeKind), st.integers(1, 3_600), moments_ms)

shares = st.builds(
    Shares,
    names,
    st.dictionaries(app_ids, st.floats(0, 1e6), min_size=1, max_size=3),
    moments_ms,
)


def _version_id(app: App) -> str:
    return version_key(app.id, app.version)


# Each stored kind: its records, and the id under which one is kept.
_KINDS: dict[Kind, tuple[st.SearchStrategy[Record], Callable[..., str]]] = {
    Kind.APP: (apps(), lambda app: str(app.id)),
    Kind.APP_VERSION: (apps(), _version_id),
    Kind.INSTANCE: (instances(), lambda instance: str(instance.id)),
    Kind.AGENT: (agents, lambda agent: str(agent.id)),
    Kind.DEPLOYMENT: (deployments, lambda deployment: str(deployment.id)),
    Kind.DEPLOYMENT_PART: (deployment_parts, lambda part: f"{part.deployment_id}/0"),
    Kind.GROUP: (groups, lambda group: str(group.id)),
    Kind.TREE_CHANGE: (tree_changes, lambda change: str(change.version)),
    Kind.DELAY: (delays, lambda delay: str(delay.app_id)),
    Kind.FAILURE: (failures, lambda failure: str(failure.app_id)),
    Kind.PAST_FAILURE: (failures, lambda failure: f"{failure.app_id}@{failure.number % 20}"),
    Kind.TOMBSTONE: (tombstones, lambda tombstone: str(tombstone.task_id)),
    Kind.ORPHAN: (orphans, lambda orphan: str(orphan.task_id)),
    Kind.FRAMEWORK: (frameworks, lambda _: "framework"),
    Kind.FREEZE: (freezes, lambda freeze: str(freeze.app_id) or EVERYTHING),
    Kind.CRASH: (crashes, lambda crash: str(crash.id)),
    Kind.WAIT: (waits, lambda wait: str(wait.app_id)),
    Kind.RESERVATION: (reservations, lambda one: str(one.instance_id)),
    Kind.DRAIN: (drains, lambda drain: str(drain.agent)),
    Kind.MAINTENANCE: (maintenance, lambda window: str(window.agent_id)),
    Kind.ALARM: (alarms, lambda alarm: str(alarm.key)),
    Kind.STORM: (storms, lambda _: "storm"),
    Kind.EDGE: (edges, lambda edge: str(edge.name)),
    Kind.SHARES: (shares, lambda one: str(one.group)),
}
assert set(_KINDS) == set(Kind) - VOLATILE


def _changes_of(kind: Kind) -> st.SearchStrategy[Change]:
    records, id_of = _KINDS[kind]
    put = records.map(lambda record: Change(kind, id_of(record), record))
    return put | put.map(lambda change: change._replace(record=None))


changes: st.SearchStrategy[Change] = st.sampled_from(list(_KINDS)).flatmap(_changes_of)
