"""The scheduler's settings: durations, limits and defaults that decisions depend on.

Each field carries its help text and its flag's name; flags, environment names and the docs
table are generated from them. Durations are milliseconds, as Marathon's flags are.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields


def _option(default: int, text: str, *, least: int = 0) -> int:
    """A documented field, and the least that it may be."""
    return field(default=default, metadata={"help": text, "least": least})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an operator may set about decisions. Flag names are Marathon's where it has them.
    ValueError for what would mean to ask without end, or to remember nothing."""

    mesos_role: str = field(
        default="*",
        metadata={"help": "Mesos role of apps that do not live in a group of their own"},
    )
    decline_offer_duration: int = _option(
        120_000, "how long Mesos keeps a declined offer from us (ms); new need revives it at once"
    )
    min_revive_offers_interval: int = _option(
        100, "least time between two REVIVE calls for one role (ms)"
    )
    max_revive_offers_interval: int = _option(
        60_000,
        "while something waits, declined offers are asked for again at least this often (ms)",
        least=1,
    )
    offers_at_hand: int = _option(
        0,
        "so many offers stay open for each role while nothing waits, so that a lost task is "
        "replaced at once; other frameworks do not get these meanwhile (0: none)",
    )
    max_launches_per_agent: int = _option(
        64, "tasks of ours that may be starting on one agent at the same time", least=1
    )
    task_launch_reconcile_interval: int = _option(
        10_000, "a launch without any status is asked about this often (ms)", least=1
    )
    task_launch_confirm_timeout: int = _option(
        300_000, "a launch without any status is given up and relaunched after this (ms)"
    )
    task_launch_timeout: int = _option(
        300_000, "a task that stays staging or starting is killed and relaunched after this (ms)"
    )
    kill_retry_timeout: int = _option(
        30_000, "an unanswered kill is sent again after this (ms)", least=1
    )
    drain_timeout: int = _option(
        10_000, "a planned kill waits this long for the edges to take its task out of use (ms)"
    )
    edge_rotation_timeout: int = _option(
        10_000,
        "a new instance waits this long for the edges to send it requests before an old one leaves "
        "for it; 0: not at all (ms)",
    )
    reconciliation_interval: int = _option(
        600_000, "all tasks are reconciled with Mesos this often (ms)", least=1
    )
    local_port_min: int = _option(10_000, "first service port given to apps that ask for port 0")
    local_port_max: int = _option(20_000, "end of the service port range (not included)")
    max_running_deployments: int = _option(
        100, "deployments that may run at the same time", least=1
    )
    zk_max_versions: int = _option(25, "definitions kept per app, the newest included", least=1)
    max_task_failures: int = _option(20, "failures kept per app, the last included; at most 100")
    max_tombstones: int = _option(
        10_000, "given-up tasks remembered, so that they are killed should they return", least=1
    )
    storm_share: int = _option(
        20, "a storm: more than this share of all instances is lost within the window (percent)"
    )
    storm_min_instances: int = _option(
        20, "fewer lost instances than this are no storm, whatever their share"
    )
    storm_window: int = _option(60_000, "losses are counted over this long (ms)")
    storm_replacements_per_second: int = _option(
        5, "in a storm no more lost instances than this are given up and replaced in a second"
    )
    max_orphans: int = _option(10_000, "unknown tasks listed for the operator to adopt or kill")
    draining_seconds: int = _option(
        0, "agents are avoided from this many seconds before their maintenance begins"
    )
    maintenance_lead: int = _option(
        3_600_000,
        "instances leave an agent, and none is launched there, from this long before its "
        "maintenance begins (ms)",
    )
    unhealthy_kill_patience: int = _option(
        60_000,
        "an unhealthy instance that nothing could be placed in the stead of is killed after this "
        "(ms), one at a time of each app",
    )
    health_storm_percent: int = _option(
        50,
        "nothing is killed for its health while more than this share of all checked instances "
        "began to fail at once (percent; 100: never mind)",
    )
    health_storm_fewest: int = _option(
        10, "so many instances, of two apps or more, have to fail at once for that"
    )
    health_storm_window: int = _option(
        120_000, "what begins to fail within this time fails at once (ms)"
    )
    safe_mode: bool = field(
        default=False,
        metadata={
            "help": "launch and kill nothing as long as this process lives; its API is served"
        },
    )
    gpu_scheduling_behavior: str = field(
        default="restricted",
        metadata={"help": "restricted: only apps with gpus use agents with GPUs; or unrestricted"},
    )

    def __post_init__(self) -> None:
        for one in fields(self):
            least = one.metadata.get("least")
            if least is not None and getattr(self, one.name) < least:
                raise ValueError(f"{one.name} must be {least} or more")


@dataclass(frozen=True, slots=True)
class Context:
    """What a decision may know of the world at this moment. ``new_id`` gives a fresh uuid as
    text, ``chance(n)`` a number in [0, n); both from the shell, so a step can be repeated.
    ``behind``: much more has happened already than this step is told."""

    now_ms: int
    new_id: Callable[[], str]
    chance: Callable[[int], int]
    policy: Policy
    behind: bool = False
