"""Random app definitions and agents, small enough that most of them fit together."""

from framework.domain.app import (
    App,
    CanaryStep,
    Container,
    Docker,
    HealthCheck,
    KillSelection,
    Network,
    NetworkMode,
    PersistentVolume,
    PortDefinition,
    PortMapping,
    ReadinessCheck,
    UnreachableStrategy,
    UpgradeStrategy,
)
from framework.domain.disks import DiskType
from framework.domain.mesos import Agent, Attribute
from framework.domain.records import replace
from tests.simulation.bundles import Bundle
from tests.simulation.holdings import disk_name
from tests.simulation.machines import Machine
from tests.simulation.stage import Stage

APP_IDS = ("/web", "/batch", "/dev/api", "/dev/db", "/x/y/z", "/solo")
_VOLUMES = (
    (PersistentVolume("data", 10),),
    (PersistentVolume("data", 10),),
    (PersistentVolume("data", 10), PersistentVolume("log", 5)),
)
_PATH = PersistentVolume("data", 10, DiskType.PATH)
_MOUNT = PersistentVolume("data", 10, DiskType.MOUNT)
_ON_SSD = (("path", "LIKE", "/ssd.*"),)
_ON_DISKS = (
    (_PATH,),
    (_MOUNT,),
    (replace(_MOUNT, max_size_mib=20),),
    (replace(_PATH, constraints=_ON_SSD),),
    (replace(_MOUNT, constraints=(("path", "UNLIKE", "/ssd.*"),)),),
    (_PATH, PersistentVolume("log", 5, DiskType.PATH), PersistentVolume("own", 5)),
    (_MOUNT, PersistentVolume("log", 10, DiskType.MOUNT, 20)),
)
_ROLES = {"/dev/api": "dev", "/dev/db": "dev", "/x/y/z": "x", "/solo": "solo"}
_CONSTRAINTS: tuple[tuple[tuple[str, ...], ...], ...] = (
    (),
    (),
    (("hostname", "UNIQUE"),),
    (("rack", "GROUP_BY"),),
    (("rack", "GROUP_BY", "2"),),
    (("@zone", "GROUP_BY", "2"), ("hostname", "MAX_PER", "3")),
    (("rack", "MAX_PER", "2"),),
    (("rack", "CLUSTER"),),
    (("rack", "CLUSTER", "r0"),),
    (("rack", "LIKE", "r[01]"),),
    (("disk", "UNLIKE", "spin.*"),),
    (("@region", "IS", "east"),),
    (("@hostname", "UNLIKE", "agent1"), ("rack", "UNIQUE")),
)
_UPGRADES = ((1.0, 1.0), (1.0, 0.0), (0.5, 0.0), (0.0, 0.0), (0.5, 0.5), (0.9, 0.0))
CHECK = HealthCheck("HTTP", port=80, grace_period_seconds=2, max_consecutive_failures=3)
_CHECKS = ((), (), (), (HealthCheck("MESOS_TCP"),), (CHECK,), (CHECK, HealthCheck("MESOS_TCP")))
_UNREACHABLE = (
    UnreachableStrategy(),
    UnreachableStrategy(5, 40),
    UnreachableStrategy(30, 30),
    UnreachableStrategy(disabled=True),
)


def random_app(stage: Stage, app_id: str, *, volumes: bool = False) -> App:
    """A new definition; ``volumes``: with persistent ones, more often than not, where its role
    allows any."""
    app = _random_app(stage, app_id)
    if volumes and app.role != "*" and stage.rng.random() < 0.6:
        return _with_volumes(app, stage.pick(_ON_DISKS if has_disks(stage) else _VOLUMES))
    return app


def has_disks(stage: Stage) -> bool:
    """Whether the agents of this run have disks beside their own."""
    return stage.seed % 4 == 3


def _with_volumes(app: App, volumes: tuple[PersistentVolume, ...]) -> App:
    """What the API asks of such an app."""
    container = app.container or Container(type="MESOS")
    return replace(
        app,
        container=replace(container, persistent_volumes=volumes),
        accepted_resource_roles=("*",),
        unreachable_strategy=UnreachableStrategy(disabled=True),
        upgrade_strategy=replace(app.upgrade_strategy, maximum_over_capacity=0.0),
    )


def changed(stage: Stage, app: App) -> App:
    """Another definition of an app with volumes that may take its place."""
    fresh = _random_app(stage, app.id)
    other = replace(
        app,
        cmd=fresh.cmd,
        constraints=fresh.constraints,
        upgrade_strategy=fresh.upgrade_strategy,
        health_checks=app.health_checks,
        instances=stage.pick((app.instances, fresh.instances)),
        version="",
    )
    return _with_volumes(other, app.persistent_volumes)


def _random_app(stage: Stage, app_id: str) -> App:
    role = _ROLES.get(app_id, "*")
    ports = stage.pick((0, 0, 1, 2))
    app = App(
        id=app_id,
        cmd=stage.pick(("ok", "ok", "ok", "crash", "finish", "hang", "error")),
        instances=stage.pick((0, 1, 1, 2, 3, 3, 4, 6)),
        cpus_millis=stage.pick((100, 250, 500, 1_000)),
        mem_millis=stage.pick((32_000, 64_000, 256_000)),
        disk_millis=stage.pick((0, 0, 10_000)),
        gpus=1 if stage.rng.random() < 0.05 else 0,
        constraints=stage.pick(_CONSTRAINTS),
        port_definitions=(PortDefinition(name="web"), PortDefinition())[:ports],
        backoff_seconds=stage.pick((0.1, 1, 1, 5)),
        backoff_factor=stage.pick((1.15, 2)),
        max_launch_delay_seconds=stage.pick((20, 60)),
        health_checks=stage.pick(_CHECKS),
        dependencies=(stage.pick(APP_IDS),) if stage.rng.random() < 0.15 else (),
        upgrade_strategy=_random_upgrade(stage),
        accepted_resource_roles=stage.pick((("*",), ("*",), ("*", "dev"), (role,))),
        role=role,
        kill_selection=stage.pick(tuple(KillSelection)),
        unreachable_strategy=stage.pick(_UNREACHABLE),
    )
    if ports and stage.rng.random() < 0.2:
        app = replace(app, readiness_checks=(ReadinessCheck(port_name="web"),))
    chance = stage.rng.random()
    if chance < 0.12:
        fixed = (PortDefinition(port=stage.pick((8_000, 8_001)), name="web"),)
        return replace(app, port_definitions=fixed, require_ports=True)
    if chance < 0.3:
        return _in_bridge(stage, app)
    return app


def _random_upgrade(stage: Stage) -> UpgradeStrategy:
    minimum, over = stage.pick(_UPGRADES)
    plain = UpgradeStrategy(minimum, over)
    return stage.pick(
        (
            plain,
            plain,
            plain,
            replace(plain, batch_size=stage.between(1, 2)),
            _with_canaries(plain, stage.between(1, 2)),
            replace(plain, minimum_healthy_seconds=stage.pick((1, 10))),
            replace(plain, progress_deadline_seconds=stage.pick((10, 60))),
            replace(plain, count_old_instances=True),
        )
    )


def _with_canaries(plain: UpgradeStrategy, canaries: int) -> UpgradeStrategy:
    """Two of them get their traffic by steps, one waits for a person."""
    steps = (CanaryStep(10.0, 5), CanaryStep(50.0, 20)) if canaries > 1 else ()
    return replace(plain, canary=canaries, canary_steps=steps)


def _in_bridge(stage: Stage, app: App) -> App:
    mappings = (
        PortMapping(container_port=80, host_port=0, name="web"),
        PortMapping(container_port=stage.pick((0, 81)), host_port=None),
    )
    container = Container(docker=Docker("image"), port_mappings=mappings)
    return replace(
        app, networks=(Network(NetworkMode.BRIDGE),), container=container, port_definitions=()
    )


def _disks(stage: Stage) -> list[tuple[str, int]]:
    """Their names and thousandths."""
    kinds = {
        "/ssd": DiskType.PATH,
        "/hdd": DiskType.PATH,
        "/ssd1": DiskType.MOUNT,
        "/hdd1": DiskType.MOUNT,
        "/hdd2": DiskType.MOUNT,
    }
    sizes = {root: stage.pick((0, 15_000, 20_000, 30_000)) for root in kinds}
    return [(disk_name(kind, root), sizes[root]) for root, kind in kinds.items() if sizes[root]]


def random_machine(stage: Stage, number: int) -> Machine:
    """A new agent."""
    rack = Attribute("rack", text=f"r{number % 3}") if stage.rng.random() < 0.7 else None
    slow = Attribute("disk", text="spinning") if stage.rng.random() < 0.3 else None
    info = Agent(
        id=f"S{number}",
        hostname=f"agent{number}",
        attributes=tuple(a for a in (rack, slow) if a is not None),
        region="west" if stage.rng.random() < 0.85 else "east",
        zone=f"z{number % 2}",
    )
    scalars = {
        ("cpus", "*", True): stage.pick((2_000, 4_000)),
        ("mem", "*", True): stage.pick((1_024_000, 2_048_000)),
        ("disk", "*", True): 100_000,
        ("disk", "*", False): 50_000,
    }
    if stage.rng.random() < 0.4:
        scalars |= {("cpus", "dev", True): 1_000, ("mem", "dev", True): 512_000}
    if stage.rng.random() < 0.1:
        scalars[("gpus", "*", True)] = 2_000
    if has_disks(stage):
        scalars |= {(name, "*", False): millis for name, millis in _disks(stage)}
    first = 31_000 if stage.rng.random() < 0.8 else 31_900
    numbers = [*range(first, first + 12), 8_000]
    ports = frozenset(("*", port) for port in numbers)
    if ("cpus", "dev", True) in scalars:
        ports |= {("dev", port) for port in range(32_000, 32_004)}
    return Machine(stage, info, Bundle(scalars, ports))
