"""Ids: app paths, and the instance and task ids made from them (Marathon's formats).

``/prod/web`` -> safe id ``prod_web`` -> instance ``prod_web.instance-<uuid>`` -> task
``prod_web.instance-<uuid>._app.<incarnation>``. Mesos limits a task id to 255 bytes, so the
length of an app id is limited here, where ids are made.
"""

MESOS_TASK_ID_MAX_BYTES = 255
_UUID_LENGTH = 36
_INCARNATION_DIGITS = 9
_FIXED = len(".instance-") + _UUID_LENGTH + len("._app.") + _INCARNATION_DIGITS
APP_ID_MAX_BYTES = MESOS_TASK_ID_MAX_BYTES - _FIXED + 1  # the leading slash is not in the task id


def safe_id(app_id: str) -> str:
    """The app's path without its leading slash, ``/`` written as ``_``."""
    return app_id.strip("/").replace("/", "_")


def instance_id(app_id: str, uuid: str) -> str:
    """The id of a new instance of ``app_id``; ``uuid`` in its 36-character form."""
    return f"{safe_id(app_id)}.instance-{uuid}"


def task_id(instance: str, incarnation: int) -> str:
    """The task id of the ``incarnation``-th task (from 1) of an instance."""
    return f"{instance}._app.{incarnation}"


def parse_task_id(task: str) -> tuple[str, int] | None:
    """(instance id, incarnation) of a task id that this framework could have made, else None."""
    instance, separator, incarnation = task.rpartition("._app.")
    if not separator or not incarnation.isascii() or not incarnation.isdigit():
        return None
    if ".instance-" not in instance or len(incarnation) > _INCARNATION_DIGITS:
        return None
    return instance, int(incarnation)


def top_level_group(app_id: str) -> str | None:
    """The first path element when the app lives in a group (``/dev/web`` -> ``dev``), else None."""
    elements = app_id.strip("/").split("/")
    return elements[0] if len(elements) > 1 else None


def discovery_name(app_id: str) -> str:
    """Path elements reversed and dot-joined (``/a/b/c`` -> ``c.b.a``): task name in Mesos."""
    return ".".join(reversed(app_id.strip("/").split("/")))
