"""The app that measurements post: as little as runs for long, with a port."""

from typing import Any

HALF = {"minimumHealthCapacity": 0.5, "maximumOverCapacity": 0}
"""The upgradeStrategy of a rolling restart that needs no room beside what runs."""


def definition(app_id: str, instances: int, **more: Any) -> dict[str, Any]:
    """As it is posted, with ``more`` fields."""
    return {
        "id": app_id,
        "cmd": "sleep 100000",
        "cpus": 0.01,
        "mem": 16,
        "disk": 0,
        "instances": instances,
        "portDefinitions": [{"port": 0, "name": "http"}],
        **more,
    }
