"""Files that an operator changes while the daemon runs: a broken one changes nothing, and is
told."""

from msgspec.structs import replace

from haproxy_bridge.exits import Exit
from haproxy_bridge.render import RenderOptions
from haproxy_bridge.rendered import Problem, Trouble
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.outcome import Outcome
from haproxy_bridge.run.reread import Files, FilesError

FIRST = NodeOptions()
OTHER = NodeOptions(render=RenderOptions(extra="other"))
WELL = Outcome(exit=Exit.OK)


class Disk:
    """What the files say now; a text for why they can not be used."""

    def __init__(self) -> None:
        self.says: NodeOptions | str = FIRST

    def __call__(self) -> NodeOptions:
        if isinstance(self.says, str):
            raise FilesError(self.says)
        return self.says


def problems(files: Files) -> list[str]:
    found = files.told(WELL).problems
    assert {one.trouble for one in found} <= {Trouble.FILE}
    assert not any(one.keeps_out for one in found)
    return [one.message for one in found]


def test_what_they_say_is_followed() -> None:
    disk = Disk()
    files = Files(FIRST, disk)
    assert not files.look()
    disk.says = replace(OTHER, config="/elsewhere")
    assert files.look()
    assert files.now == replace(OTHER, config=FIRST.config)  # where things lie is not theirs
    assert not files.look()
    assert not Files(FIRST).look()


def test_what_can_not_be_used_is_told_until_it_can() -> None:
    disk = Disk()
    files = Files(FIRST, disk)
    disk.says = "--policy: cut off"
    for _ in range(2):
        assert not files.look()
        assert files.now == FIRST
        (told,) = problems(files)
        assert told.startswith("--policy: cut off; ")
    others = (Problem(Trouble.FILE, "", "of before"), Problem(Trouble.CONFLICT, "/a", "c"))
    found = files.told(replace(WELL, problems=others)).problems
    assert [one.message for one in found] == ["c", told]
    unheard = Outcome(exit=Exit.UNREACHABLE)
    assert files.told(unheard) is unheard
    disk.says = FIRST
    assert not files.look()
    assert files.told(WELL) is WELL


def test_what_haproxy_refuses_is_not_tried_again_until_it_is_another() -> None:
    disk = Disk()
    files = Files(FIRST, disk)
    assert not files.step_back("not because of files")
    disk.says = OTHER
    assert files.look()
    assert files.step_back("unknown keyword")
    assert files.now == FIRST
    assert not files.look()
    assert files.now == FIRST
    (told,) = problems(files)
    assert "unknown keyword" in told
    third = NodeOptions(render=RenderOptions(extra="third"))
    disk.says = third
    assert files.look()
    files.proven()
    assert problems(files) == []
    disk.says = OTHER
    assert files.look()
    assert files.step_back("unknown keyword")
    assert files.now == third
