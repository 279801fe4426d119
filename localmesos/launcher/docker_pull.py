"""Pulling an image, with its progress in the task's log.

A line for each layer's step would drown everything else, so it is one line every few seconds and
one at the end. Credentials are those of the user's own docker configuration.
"""

import time
from typing import Any

from docker.api.client import APIClient
from docker.errors import ImageNotFound
from docker.utils import parse_repository_tag

from localmesos.launcher import log

_TELL_SECONDS = 3.0
_DONE = frozenset({"Pull complete", "Already exists"})


class PullError(Exception):
    """The image cannot be had."""


def ensure_image(api: APIClient, image: str, *, force: bool) -> None:
    """Pull the image if it is not there, or in any case. Raises PullError or an SDK error."""
    if not force and _is_there(api, image):
        return
    repository, tag = parse_repository_tag(image)
    log.info(f"Pulling image {image}")
    progress = _Progress()
    for event in api.pull(repository, tag=tag or "latest", stream=True, decode=True):
        if "error" in event:
            raise PullError(str(event["error"]))
        progress.take(event)
    log.info(f"Pulled image {image}{progress.summary()}")


def _is_there(api: APIClient, image: str) -> bool:
    try:
        api.inspect_image(image)
    except ImageNotFound:
        return False
    return True


class _Progress:
    """How far the layers are."""

    def __init__(self) -> None:
        self._done: dict[str, bool] = {}
        self._bytes: dict[str, int] = {}
        self._tell_at = time.monotonic() + _TELL_SECONDS

    def take(self, event: dict[str, Any]) -> None:
        """Note an event of the engine, and tell about it when it is time."""
        layer, status = str(event.get("id", "")), str(event.get("status", ""))
        if layer and not status.startswith("Pulling from"):
            self._done[layer] = status in _DONE
        if status == "Downloading":
            self._bytes[layer] = int(event.get("progressDetail", {}).get("current", 0))
        if time.monotonic() >= self._tell_at:
            self._tell_at = time.monotonic() + _TELL_SECONDS
            log.info(f"Pulling{self.summary()}")

    def summary(self) -> str:
        """As in ": 3 of 5 layers, 12.5 MB"."""
        if not self._done:
            return ""
        megabytes = sum(self._bytes.values()) / 1e6
        return f": {sum(self._done.values())} of {len(self._done)} layers, {megabytes:.1f} MB"
