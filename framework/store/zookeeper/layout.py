"""Where the store keeps what: the names of its znodes, all below one root.

``mark``; ``log/<bucket>/<number>``, the segments; ``checkpoints/<id>/<bucket>/<number>``, the
pieces of each checkpoint; ``checkpoint``, the pointer to the one that counts. Buckets, because
the answer with a node's children has to fit into a packet of 1 MiB.
"""

from typing import NamedTuple

BUCKET_NODES = 1000
_DIGITS = 10  # so that names sort as their numbers do


class Layout(NamedTuple):
    """Paths below ``root``, the znode of the store."""

    root: str

    @property
    def mark(self) -> str:
        """The schemas that the store may hold (codec.py)."""
        return f"{self.root}/mark"

    @property
    def log(self) -> str:
        """The buckets of segments."""
        return f"{self.root}/log"

    @property
    def checkpoints(self) -> str:
        """Every checkpoint, finished or not."""
        return f"{self.root}/checkpoints"

    @property
    def pointer(self) -> str:
        """Which checkpoint counts."""
        return f"{self.root}/checkpoint"

    def log_bucket(self, number: int) -> str:
        """The bucket of a segment."""
        return f"{self.log}/{number // BUCKET_NODES:0{_DIGITS}}"

    def segment(self, number: int) -> str:
        """A segment."""
        return f"{self.log_bucket(number)}/{number:0{_DIGITS}}"

    def checkpoint(self, id_: str) -> str:
        """The buckets of a checkpoint's pieces."""
        return f"{self.checkpoints}/{id_}"

    def piece_bucket(self, id_: str, number: int) -> str:
        """The bucket of a piece."""
        return f"{self.checkpoint(id_)}/{number // BUCKET_NODES:0{_DIGITS}}"

    def piece(self, id_: str, number: int) -> str:
        """A piece of a checkpoint."""
        return f"{self.piece_bucket(id_, number)}/{number:0{_DIGITS}}"


def begins_bucket(number: int) -> bool:
    """Whether a segment or piece makes its bucket."""
    return number % BUCKET_NODES == 0


def numbers(names: list[str]) -> list[int]:
    """The numbers that names of nodes stand for, ascending; what is none of ours is left out."""
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())
