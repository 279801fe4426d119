"""Die between any two lines of putting files in place, and look what is there then.

python -m tests.unit.haproxy_bridge.dying FOLDER

A small process of one thread forks itself for each death: forks of the tests' own process are slow,
and what its other threads hold then is held for ever in the copy.
"""

import os
import re
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from haproxy_bridge.rendered import Piece, Rendered
from haproxy_bridge.swap import files

_MAPS = re.compile(rb"stayer-[a-z]+-[0-9a-f]{16}\.map")
_DIED = 9
_MOST_LINES = 2_000


def _made(number: int) -> Rendered:
    name = f"stayer-exact-{number:016x}.map"
    config = f"# {number}\nuse {name}\n".encode()
    return Rendered((Piece(config, 2),), files={name: b"a.example/ a_1\n"})


def _dies_at(line: int, path: Path, rendered: Rendered) -> bool:
    """Install in a process of its own that ends, without any clean-up, before the so manieth line;
    False if there are not so many."""
    child = os.fork()
    if child == 0:
        left = line

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal left
            if frame.f_code.co_filename != files.__file__:
                return trace
            if event == "line":
                left -= 1
                if left < 0:
                    os._exit(_DIED)
            return trace

        sys.settrace(trace)
        files.install(path, rendered, new_generation=True)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == _DIED


def main(folder: Path) -> None:
    """AssertionError if there is a moment at which no whole configuration is there."""
    path = folder / "haproxy.cfg"
    for number in range(7):  # so that generations are full
        files.install(path, _made(number), new_generation=True)
    old, seen = _made(6), set()
    for line in range(_MOST_LINES):
        new = _made(100 + line)
        died = _dies_at(line, path, new)
        content = path.read_bytes()
        assert content in {old.config, new.config}
        seen.add(content == new.config)
        for name in _MAPS.findall(content):
            assert (folder / name.decode()).read_bytes() == b"a.example/ a_1\n"
        if not died:
            break
        files.install(path, old, new_generation=True)
        assert path.read_bytes() == old.config
    assert not died
    assert seen == {True, False}, "it died before and after the moment of change"
    assert line > 20


if __name__ == "__main__":
    main(Path(sys.argv[1]))
