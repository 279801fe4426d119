"""Groups: the tree that apps live in, and what each change of it was.

Apps name their place by their path; a Group record exists for every path that is a group, the
root ``/`` included, whether it has apps or not. The history of the tree is kept as changes, not
as copies: an earlier tree is today's with the later changes taken back.
"""

from msgspec import Struct


class Group(Struct, frozen=True, gc=False, omit_defaults=True):
    """``version`` is that of the last change in or below it. ``enforce_role`` only at the top
    level: whether apps below it must have the group's name as their role (None: not set)."""

    id: str
    version: str
    dependencies: tuple[str, ...] = ()
    enforce_role: bool | None = None


class TreeChange(Struct, frozen=True, gc=False, omit_defaults=True):
    """One accepted change, or a part of one: a large change is several records of the same
    version, so that none grows with the number of apps. ``apps_before`` maps each touched app to
    the version it had (empty: it was not there), ``groups_before`` each touched group to its
    record (None: not there)."""

    version: str
    apps_before: dict[str, str] = {}
    groups_before: dict[str, Group | None] = {}


def change_key(version: str, number: int) -> str:
    """The id of a change's ``number``-th part, from 0."""
    return f"{version}/{number}" if number else version
