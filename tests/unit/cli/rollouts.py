"""A deployment of two apps in two steps, as `/v3/deployments` tells of it."""

from typing import Any

ID = "97c136bf-5a28-4821-9d94-480d9fbb01c8"
VERSION = "2026-11-02T10:00:00.000Z"


def progress(app_id: str, **counts: int) -> dict[str, Any]:
    """How far an app is: ``wanted``, and what is not 0 of the other counts."""
    names = ("wanted", "newServing", "newTotal", "oldServing", "oldTotal", "leaving")
    return {"id": app_id, **dict.fromkeys(names, 0), **counts}


def rollout(*apps: dict[str, Any], step: int = 1, **more: Any) -> dict[str, Any]:
    """Step 1 restarts /shop/api, step 2 /shop/web; ``apps`` say how far they are."""
    names = ("/shop/api", "/shop/web")
    return {
        "id": ID,
        "version": VERSION,
        "currentStep": step,
        "totalSteps": 2,
        "paused": False,
        "canary": False,
        "reverts": None,
        "startedAt": "2026-11-02T10:00:00.000Z",
        "progressAt": "2026-11-02T10:00:30.000Z",
        "steps": [{"actions": [{"action": "RestartApplication", "app": name}]} for name in names],
        "apps": list(apps) or [progress(name, wanted=1) for name in names],
        "warnings": [],
        **more,
    }


def app(app_id: str, version: str = VERSION, **more: Any) -> dict[str, Any]:
    """An app as `/v2/apps/ID` shows it when all is well."""
    return {"id": app_id, "version": version, "instances": 2, "tasksRunning": 2, **more}
