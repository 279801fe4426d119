"""Rendered apps as bytes, kept until something changes that they show.

A list of a thousand apps is asked for again and again by every load balancer and page, and between
two of its answers few apps change: all others are sent as they were rendered before. What was kept
is never looked for when something changes; each piece carries the stamp of what it was made of.
"""

import threading
from collections.abc import Callable
from typing import Any

import msgspec

from api.render.json import encode
from framework.domain.app import App
from framework.domain.state import Kind, State

LIMIT_BYTES = 64 * 1024 * 1024
_OVERHEAD_BYTES = 500  # of a piece's key and stamp
_MOST_OF_LIMIT = 8  # a piece larger than this part of the limit would push out too many

Form = frozenset[Any]
"""What is shown of an app beside its definition."""


class Pieces:
    """For any number of threads. The oldest go when they take more than ``limit_bytes``."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, Form], tuple[object, App, msgspec.Raw, int]] = {}
        self.size_bytes = 0

    def of(
        self,
        view: State,
        app: App,
        form: Form,
        deployment_ids: list[str],
        render: Callable[[], dict[str, Any]],
    ) -> msgspec.Raw:
        """The app as ``render`` makes it from the view, the app, and the deployments."""
        # Before it is rendered: what changes meanwhile makes the stamp old, never the piece.
        stamp = (
            view.app_revisions.get(app.id),
            view.kind_revisions.get(Kind.AGENT),
            deployment_ids,
        )
        key = (app.id, form)
        found = self._kept.get(key)
        if found is not None and found[1] is app and found[0] == stamp:
            return found[2]
        text = encode(render())
        piece = msgspec.Raw(text)
        self._keep(key, (stamp, app, piece, len(text) + _OVERHEAD_BYTES))
        return piece

    def _keep(self, key: tuple[str, Form], entry: tuple[object, App, msgspec.Raw, int]) -> None:
        with self._lock:
            old = self._kept.pop(key, None)
            if old is not None:
                self.size_bytes -= old[3]
            if entry[3] > self._limit_bytes // _MOST_OF_LIMIT:
                return
            self._kept[key] = entry
            self.size_bytes += entry[3]
            while self.size_bytes > self._limit_bytes:
                self.size_bytes -= self._kept.pop(next(iter(self._kept)))[3]
