"""Volumes on PATH and MOUNT disks: which disk each is made on, and the way through its life."""

from framework.core.consistency import check_state
from framework.core.disks import DiskNeed, FreeDisks, disk_needs
from framework.domain.app import App, Container, PersistentVolume
from framework.domain.disks import DiskSource, DiskType
from framework.domain.events import ChangeApps
from framework.domain.mesos import Offer, OfferResource, OperationState
from framework.domain.records import replace
from framework.domain.volumes import OperationKind, Reservation, ReservationState
from tests.unit.core.session import FRAMEWORK_ID, Session, agent, launches
from tests.unit.core.test_volumes import DB, DISK, HOST, ROLE, Volumes, kinds, operations, owned

PATH, MOUNT = DiskType.PATH, DiskType.MOUNT


def disk(root: str, mib: int, kind: DiskType = PATH) -> OfferResource:
    """A free one."""
    source = DiskSource(kind, root, f'{{"root":"{root}"}}')
    return OfferResource("disk", mib * 1000, plain=False, disk_source=source)


def volume(path: str, mib: int, kind: DiskType = PATH, **more: object) -> PersistentVolume:
    return PersistentVolume(path, mib, kind, **more)  # type: ignore[arg-type]  # a test's own words


def app_with(*volumes: PersistentVolume) -> App:
    return replace(DB, container=Container(type="MESOS", persistent_volumes=volumes))


def needs(*volumes: PersistentVolume) -> tuple[DiskNeed, ...]:
    return disk_needs(Session().world, app_with(*volumes))


def chosen(free: list[OfferResource], *volumes: PersistentVolume) -> dict[str, str] | None:
    """The disk of each volume."""
    found = FreeDisks(free).choose(needs(*volumes))
    return None if found is None else {path: root_of(one.source) for path, one in found.items()}


def root_of(entry: OfferResource) -> str:
    return "" if entry.disk_source is None else entry.disk_source.root


def test_path_volumes_spread_and_mount_volumes_take_the_tightest() -> None:
    paths = [disk("/a", 100), disk("/b", 120)]
    assert chosen(paths, volume("one", 60), volume("two", 60)) == {"one": "/b", "two": "/a"}
    assert chosen(paths, volume("one", 60), volume("two", 60), volume("three", 60)) == {
        "one": "/b",
        "two": "/a",
        "three": "/b",
    }
    mounts = [disk("/c", 300, MOUNT), disk("/d", 200, MOUNT), disk("/e", 50, MOUNT)]
    assert chosen(mounts, volume("one", 100, MOUNT)) == {"one": "/d"}
    assert chosen(mounts, volume("one", 201, MOUNT)) == {"one": "/c"}
    assert chosen([*paths, *mounts], volume("one", 301, MOUNT)) is None
    assert chosen([*mounts, DISK], volume("one", 1)) is None, "one of another type"


def test_a_mount_volume_takes_a_whole_disk_within_its_bounds() -> None:
    free = FreeDisks([disk("/c", 300, MOUNT)])
    assert free.choose(needs(volume("data", 100, MOUNT, max_size_mib=299))) is None
    wanted = needs(volume("data", 100, MOUNT, max_size_mib=300))
    assert free.take(wanted)["data"].millis == 300_000
    assert free.choose(wanted) is None, "nothing is left of it"


def test_constraints_are_on_the_place_of_the_disk() -> None:
    free = [disk("/ssd/1", 100), disk("/spinning/1", 500)]
    like = volume("data", 10, constraints=(("path", "LIKE", "/ssd/.*"),))
    assert chosen(free, like) == {"data": "/ssd/1"}
    unlike = volume("data", 10, constraints=(("path", "UNLIKE", "/ssd/.*"),))
    assert chosen(free, unlike) == {"data": "/spinning/1"}
    assert chosen(free, replace(like, constraints=(*like.constraints, *unlike.constraints))) is None


def test_one_volume_leaves_the_disk_that_another_needs() -> None:
    free = [disk("/a", 100, MOUNT), disk("/b", 200, MOUNT)]
    any_size, small = volume("any", 50, MOUNT), volume("small", 50, MOUNT, max_size_mib=100)
    assert chosen(free, any_size, small) == {"any": "/b", "small": "/a"}
    # Both need the same number of disks, and the first choice of one is the only one of the third.
    free = [disk("/a", 100, MOUNT), disk("/b", 110, MOUNT), disk("/c", 120, MOUNT)]
    up_to = [volume(f"{most}", 50, MOUNT, max_size_mib=most) for most in (120, 110, 100)]
    assert chosen(free, *up_to) == {"100": "/a", "110": "/b", "120": "/c"}


def test_a_hopeless_search_ends() -> None:
    free = [disk(f"/{number}", 10, MOUNT) for number in range(30)]
    wanted = [volume(f"{number}", 10, MOUNT) for number in range(31)]
    assert chosen(free, *wanted) is None
    assert chosen(free, *wanted[:-1]) is not None


def test_what_is_reserved_for_others_is_not_free() -> None:
    owner = replace(disk("/a", 100), owner=(FRAMEWORK_ID, "x"))
    of_role = replace(disk("/a", 100), role=ROLE, reservations="[{}]")
    assert chosen([owner, of_role], volume("data", 10)) is None


ON_DISKS = app_with(volume("whole", 50, MOUNT), volume("part", 20), PersistentVolume("own", 10))
DISKS = (DISK, disk("/mnt/1", 80, MOUNT), disk("/ssd", 100))


def started(session: Volumes) -> Reservation:
    """The one instance of the app runs."""
    session.put(ON_DISKS)
    session.offer(roomy(session))
    return session.kept


def roomy(session: Volumes) -> Offer:
    return session.offer_of(HOST, *DISKS, role=ROLE)


def test_the_first_launch_reserves_of_each_disk() -> None:
    session = Volumes()
    kept = started(session)
    assert kinds(session) == [OperationKind.RESERVE, OperationKind.CREATE]
    reserve, create = operations(session)
    taken = [(one.source.name, root_of(one.source), one.millis) for one in reserve.resources]
    assert sorted(taken) == [
        ("cpus", "", 500),
        ("disk", "", 10_000),
        ("disk", "/mnt/1", 80_000),
        ("disk", "/ssd", 20_000),
        ("mem", "", 64_000),
    ]
    made = {one.container_path: one for one in kept.volumes}
    assert {path: (one.type, one.root, one.size_millis) for path, one in made.items()} == {
        "whole": (MOUNT, "/mnt/1", 80_000),
        "part": (PATH, "/ssd", 20_000),
        "own": (DiskType.ROOT, "", 10_000),
    }
    by_volume = {one.volume: root_of(one.source) for one in create.resources}
    assert by_volume == {one: one.root for one in kept.volumes}
    (launch,) = launches(session.last)
    assert launch.resources == reserve.resources
    session.finish()
    assert session.kept.state is ReservationState.READY
    assert not [one for one in check_state(session.state) if one.wrong]


def test_it_starts_again_on_the_same_disks() -> None:
    session = Volumes()
    before = started(session)
    session.finish()
    session.kill()
    assert not launches(session.offer(session.offer_of(agent(2), *DISKS, role=ROLE)))
    without = [one for one in owned(before) if root_of(one) != "/ssd"]
    assert not launches(session.offer(session.offer_of(HOST, *DISKS, *without, role=ROLE)))
    (launch,) = launches(session.offer(session.holding(before)))
    assert sorted(one.source.volume_id for one in launch.resources if one.source.volume_id) == (
        sorted(one.persistence_id for one in before.volumes)
    )
    assert sum(one.millis for one in launch.resources if one.source.name == "disk") == 110_000


def test_given_back_in_two_steps_it_is_all_unreserved() -> None:
    session = Volumes()
    before = started(session)
    session.finish()
    session.ask_step(ChangeApps(removes=("/db",), force=True))
    session.kill()
    session.offer(session.holding(before))
    destroy, unreserve = operations(session)
    assert len(destroy.resources) == 3
    session.tell(destroy.id, OperationState.FINISHED)
    session.tell(unreserve.id, OperationState.DROPPED)
    whole, part, own = before.volumes
    scalars = owned(before, volumes=False)
    left = [
        replace(one, volume_id="", container_path="", disk="")
        for one in owned(before)
        if one.volume_id
    ]
    mixed = [one for one in left if root_of(one) != whole.root]
    session.offer(session.offer_of(HOST, *scalars, *mixed, role=ROLE))
    assert not operations(session), "a part of it is not there"
    session.offer(session.offer_of(HOST, *scalars, *left, role=ROLE))
    (unreserve,) = operations(session)
    assert unreserve.kind is OperationKind.UNRESERVE
    assert sum(one.millis for one in unreserve.resources if one.source.name == "disk") == sum(
        one.size_millis for one in (whole, part, own)
    )
    session.finish()
    assert session.state.reservations == {}


def test_the_queue_says_which_disk_is_missing() -> None:
    session = Volumes()
    limits = (("path", "LIKE", "/ssd/.*"),)
    session.put(app_with(volume("data", 50, MOUNT, max_size_mib=60, constraints=limits)))
    session.wait(60)
    session.offer(session.offer_of(HOST, DISK, disk("/ssd/1", 70, MOUNT), role=ROLE))
    stats = session.state.launch_stats["/db"]
    assert "InsufficientDisk" in stats.refused_attempt
    assert any(
        "needs a mount disk of 50 MiB to 60 MiB for data, path LIKE /ssd/.*" in told
        for told in stats.explanation
    ), stats.explanation


def test_orphans_are_shown_with_their_disks() -> None:
    session = Volumes()
    before = started(session)
    other = replace(before, instance_id="db.instance-old")
    session.offer(session.offer_of(HOST, *owned(other), role=ROLE))
    orphan = session.state.reservations["db.instance-old"]
    assert orphan.state is ReservationState.ORPHAN
    assert {(one.type, one.root) for one in orphan.volumes} == {
        (MOUNT, "/mnt/1"),
        (PATH, "/ssd"),
        (DiskType.ROOT, ""),
    }
