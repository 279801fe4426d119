"""What is to be done to a node, as far as it is not done yet."""

import difflib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from haproxy_bridge.swap import files

MARK = "# Written by `"
"""How each file of ours begins, but for a first line that its reader needs."""
_LIMIT_SECONDS = 600.0
_SYSTEMD_RUNS = Path("/run/systemd/system")
_SYSTEMCTL = "systemctl"
_NO_SYSTEMD = (
    "no systemd runs here: start haproxy, with a master socket, and the bridge by other means"
)


class File(Struct, frozen=True):
    """A file as it is to be."""

    path: str
    content: str
    mode: int = 0o644


class Command(Struct, frozen=True):
    """A command to run, and what for. ``needed`` False: it changes nothing if nothing else was
    changed, so it only runs then."""

    words: tuple[str, ...]
    why: str
    needed: bool = False


class Plan(Struct, frozen=True):
    """``first`` runs before the files are there and ``then`` after; ``removed`` are files of ours
    that are not to be any more, and ``rivals`` files, whosever, that would undo what is done here;
    ``notes`` what an operator should know."""

    first: tuple[Command, ...] = ()
    files: tuple[File, ...] = ()
    removed: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()
    then: tuple[Command, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing is to be done."""
        return not (self.first or self.files or self.removed or self.rivals or self.then)


class InstallError(Exception):
    """A step failed; those before it are done, and the same can be asked for again."""


def pending(plan: Plan, root: Path) -> Plan:
    """What of the plan is not done under ``root`` yet. In a folder that is not the machine itself
    no command runs. OSError."""
    wanted = tuple(file for file in plan.files if _differs(file, root))
    gone = tuple(path for path in plan.removed if _is_ours(under(root, path)))
    rivals = tuple(path for path in plan.rivals if under(root, path).is_file())
    if not _is_machine(root):
        return Plan(files=wanted, removed=gone, rivals=rivals, notes=plan.notes)
    changed = bool(wanted or gone or rivals)
    first = tuple(command for command in plan.first if command.needed)
    then = tuple(command for command in plan.then if command.needed or changed)
    if _SYSTEMD_RUNS.is_dir():
        return Plan(first, wanted, gone, rivals, then, plan.notes)
    by_hand = tuple(command for command in first + then if command.words[0] == _SYSTEMCTL)
    notes = (_NO_SYSTEMD,) if by_hand else ()
    return Plan(
        first=tuple(command for command in first if command not in by_hand),
        files=wanted,
        removed=gone,
        rivals=rivals,
        then=tuple(command for command in then if command not in by_hand),
        notes=(*plan.notes, *notes),
    )


def under(root: Path, path: str) -> Path:
    """Where a path of the node lies when the node is in a folder."""
    return root / path.lstrip("/")


def _is_machine(root: Path) -> bool:
    return root == Path("/")


def _differs(file: File, root: Path) -> bool:
    path = under(root, file.path)
    present = files.read(path)
    if present is None:
        return True
    return present != file.content.encode() or path.stat().st_mode & 0o777 != file.mode


def _is_ours(path: Path) -> bool:
    present = files.read(path)
    return present is not None and any(
        line.startswith(MARK.encode()) for line in present.splitlines()[:2]
    )


def described(plan: Plan, root: Path) -> Iterator[str]:
    """The plan for people, with what changes of files that are there. OSError."""
    for command in plan.first:
        yield f"run: {' '.join(command.words)}  ({command.why})"
    for file in plan.files:
        path = under(root, file.path)
        before = files.read(path)
        yield f"write: {path} (mode {file.mode:o}{', new' if before is None else ''})"
        yield from _lines(file, before or b"")
    for name in plan.removed:
        yield f"remove: {under(root, name)}"
    for name in plan.rivals:
        path = under(root, name)
        yield f"remove: {path} (another bridge, for the same configuration of haproxy)"
        yield from _lines(File(name, ""), files.read(path) or b"")
    for command in plan.then:
        yield f"run: {' '.join(command.words)}  ({command.why})"
    for note in plan.notes:
        yield f"note: {note}"


def _lines(file: File, before: bytes) -> Iterator[str]:
    old = before.decode("utf-8", "replace").splitlines()
    found = difflib.unified_diff(old, file.content.splitlines(), lineterm="", n=1)
    yield from (f"    {line}" for line in found if not line.startswith(("---", "+++")))


def carry_out(plan: Plan, root: Path) -> None:
    """Do what is to be done. InstallError, OSError."""
    for command in plan.first:
        _run(command)
    for file in plan.files:
        path = under(root, file.path)
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        files.write_atomically(path, file.content.encode(), file.mode)
    for name in (*plan.removed, *plan.rivals):
        under(root, name).unlink(missing_ok=True)
    for command in plan.then:
        _run(command)


def _run(command: Command) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - commands of ours, shown before
            command.words,
            stdin=subprocess.DEVNULL,
            timeout=_LIMIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallError(f"{' '.join(command.words)}: {error}") from error
    if done.returncode != 0:
        raise InstallError(f"{' '.join(command.words)} ended with {done.returncode}")
