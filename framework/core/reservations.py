"""What the records say of reservations: which the next launches of an app have to use.

An app with persistent volumes is resident: an instance that waits starts again where its volumes
are and nowhere else, and only instances beyond those get a new reservation. Here are questions
only; ``volumes`` and ``operations`` change the records.
"""

from framework.core import moving
from framework.core.turn import Turn
from framework.core.world import old_key
from framework.domain.app import App, PersistentVolume
from framework.domain.disks import DiskType
from framework.domain.instance import Instance
from framework.domain.volumes import Reservation, ReservationState, Volume

USABLE = frozenset({ReservationState.RESERVING, ReservationState.READY})


def idle(turn: Turn, app: App) -> list[Reservation]:
    """Those that launches of the app have to use first: no task of an instance we know uses them.
    One whose volumes are not those of the app (it was removed and made anew) is only kept."""
    state = turn.world.state
    return sorted(
        (
            one
            for one in state.reservations_of.get(app.id, {}).values()
            if one.state in USABLE
            and _is_free(state.instances.get(one.instance_id))
            and serves(one, app)
        ),
        key=lambda one: one.instance_id,
    )


def _is_free(instance: Instance | None) -> bool:
    return instance is None or instance.waits


def serves(reservation: Reservation, app: App) -> bool:
    """Whether it holds what an instance of the app needs."""
    held = sorted(reservation.volumes, key=lambda one: one.container_path)
    needed = sorted(app.persistent_volumes, key=lambda one: one.container_path)
    ports = len(app.requested_host_ports)
    return (
        len(held) == len(needed)
        and all(map(_is_such, held, needed))
        and scalars_of(app) == reservation.scalars
        and ports == len(reservation.ports)
    )


def _is_such(held: Volume, needed: PersistentVolume) -> bool:
    if (held.container_path, held.type) != (needed.container_path, needed.type):
        return False
    if held.type is not DiskType.MOUNT:
        return held.size_millis == needed.size_mib * 1000
    most = needed.max_size_mib
    return needed.size_mib * 1000 <= held.size_millis and (
        most is None or held.size_millis <= most * 1000
    )


def scalars_of(app: App) -> tuple[tuple[str, int], ...]:
    """What an instance reserves beside its volumes and ports, in thousandths; its executor's
    share with it."""
    executor = app.executor_needs
    wanted = (
        ("cpus", app.cpus_millis + executor.get("cpus", 0)),
        ("mem", app.mem_millis + executor.get("mem", 0)),
        ("disk", app.disk_millis + executor.get("disk", 0)),
        ("gpus", app.gpus * 1000),
    )
    return tuple((name, millis) for name, millis in wanted if millis)


def to_reserve(turn: Turn, app: App) -> int:
    """How many of the app's wanted launches need a new reservation."""
    demands = turn.world.demand
    keys = (app.id, old_key(app.id))
    wanted = sum(demands[key].wanted for key in keys if key in demands)
    return max(0, wanted - len(idle(turn, app)))


def may_be_reserved_for(turn: Turn, instance: Instance) -> bool:
    """Whether an instance of a resident app has no reservation, or lost it."""
    known = turn.world.state.reservations.get(instance.id)
    return known is None or known.state is ReservationState.LOST


def roles_to_look_at(turn: Turn, ready: list[str]) -> set[str]:
    """The roles whose offers hold something that is to be given back or, for these demands, to
    be launched on."""
    state = turn.world.state
    roles = {one.role for one in state.destroying.values() if not one.pending}
    for key in ready:
        app = turn.world.demand[key].app
        if app.persistent_volumes:
            roles |= {one.role for one in idle(turn, app)}
    return roles


def sentences(turn: Turn, app: App) -> tuple[str, ...]:
    """For people: the volumes that the app's launches wait for."""
    if not app.persistent_volumes or app.id not in turn.world.demand:
        return ()
    found = idle(turn, app)
    told = [_sentence(turn, one) for one in found[:_SHOWN]]
    if len(found) > _SHOWN:
        told.append(f"and for the volumes of {len(found) - _SHOWN} other instances")
    return tuple(told)


def _sentence(turn: Turn, one: Reservation) -> str:
    agent = turn.world.state.agents.get(one.agent_id)
    why = "" if agent is None else moving.leaving(turn, agent)
    waits = f"waits for its volume on agent {one.host or one.agent_id} (instance {one.instance_id})"
    return f"{waits}, and {why}" if why else waits


_SHOWN = 5
