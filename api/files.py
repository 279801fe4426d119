"""Files that somebody named in a setting or a flag: read whole, up to a limit."""

from pathlib import Path


def read_bounded(path: str | Path, max_bytes: int) -> bytes:
    """The whole file. OSError, with its name; ValueError if it is larger."""
    with Path(path).open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"{path} has more than {max_bytes} bytes")
    return content
