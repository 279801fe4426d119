"""Instances that were healthy and that our own prober finds failing, for as long as they do."""

from collections import Counter, deque


class Failing:
    """Who fails since when. ``holds``: so many that nothing is killed for its health (see
    ``health_storms``)."""

    __slots__ = ("_apps", "_new", "_recent", "_since", "holds")

    def __init__(self) -> None:
        self.holds = False
        self._since: dict[str, tuple[int, str]] = {}  # instance id -> when, app id
        self._apps: Counter[str] = Counter()
        self._recent: deque[tuple[int, str]] = deque()
        self._new: set[str] = set()

    def __len__(self) -> int:
        return len(self._since)

    def __contains__(self, instance_id: str) -> bool:
        return instance_id in self._since

    @property
    def apps(self) -> int:
        """How many apps have failing instances."""
        return len(self._apps)

    def add(self, instance_id: str, app_id: str, at_ms: int) -> None:
        """It began to fail."""
        self.remove(instance_id)
        self._since[instance_id] = (at_ms, app_id)
        self._apps[app_id] += 1
        self._recent.append((at_ms, instance_id))
        self._new.add(instance_id)

    def remove(self, instance_id: str) -> None:
        """It is well again, or looked at no more."""
        known = self._since.pop(instance_id, None)
        if known is None:
            return
        self._new.discard(instance_id)
        self._apps[known[1]] -= 1
        if not self._apps[known[1]]:
            del self._apps[known[1]]

    def lately(self, since_ms: int) -> int:
        """How many of those that fail began to at ``since_ms`` or later."""
        while self._recent and self._recent[0][0] < since_ms:
            at_ms, instance_id = self._recent.popleft()
            if self._since.get(instance_id, (None,))[0] == at_ms:
                self._new.discard(instance_id)
        return len(self._new)
