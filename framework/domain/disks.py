"""Disks of an agent: the one that its sandboxes lie on, and those that it offers apart.

Mesos calls the first one root. A PATH disk is a directory that is shared out like the root disk; a
MOUNT disk is a file system of its own, to be had as a whole only.
"""

from enum import StrEnum

from msgspec import Struct


class DiskType(StrEnum):
    """Marathon's names of Mesos' disk sources."""

    ROOT = "root"
    PATH = "path"
    MOUNT = "mount"


class DiskSource(Struct, frozen=True, gc=False, omit_defaults=True):
    """A PATH or MOUNT disk: where it lies on the agent, and Mesos' own JSON of it, to be echoed."""

    type: DiskType
    root: str
    json: str
