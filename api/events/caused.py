"""Events of which only the API knows who caused them: that definitions were changed, or were not.

``group_change_success`` says that a change is stored, not that its deployment is done, and
``api_post_event`` goes out for calls about a single app only: arrays, groups, removals and
restarts have none (rest-api.md, sections 2 and 9.1).
"""

from collections.abc import Iterator

from flask import request

from api.events.happening import Happening
from api.render.app import app_object
from api.request_id import current
from framework.domain.app import App
from framework.domain.events import (
    CancelDeployment,
    ChangeApps,
    Command,
    KillTasks,
    RestartApp,
    ResumeApp,
    SuspendApp,
)
from framework.domain.replies import Refused, Reply, Why

_ONE_APP = frozenset(
    {
        ("POST", "/v2/apps"),
        ("PUT", "/v2/apps/<path:app_id>"),
        ("PATCH", "/v2/apps/<path:app_id>"),
    }
)
_MADE_AGAIN = frozenset({Why.CHANGED_MEANWHILE, Why.APP_UNKNOWN, Why.DEPLOYMENT_UNKNOWN})


def changes_definitions(command: Command) -> bool:
    """Whether it is stored as a change of apps or groups."""
    match command:
        case ChangeApps() | RestartApp() | SuspendApp() | ResumeApp():
            return not command.dry_run
        case KillTasks():
            return command.scale and not command.dry_run
        case CancelDeployment():
            return not command.force and not command.dry_run
    return False


def caused(
    command: Command, reply: Reply, *, subject: str, version: str, why: str
) -> Iterator[Happening]:
    """The events of a command that changes definitions, in the context of its request. ``subject``
    is the app or group that the request names; ``version`` and ``why`` are told if it was
    refused."""
    single = _single_app(command)
    if single is not None:
        subject = single.id
    if isinstance(reply, Refused):
        if reply.why not in _MADE_AGAIN:
            yield _happening(
                "group_change_failed", "", groupId=subject, version=version, reason=why
            )
        return
    if single is not None:
        app = reply.apps[0] if reply.apps else single
        caller = {"clientIp": request.remote_addr, "uri": request.path}
        yield _happening("api_post_event", app.id, **caller, appDefinition=app_object(app))
    yield _happening("group_change_success", "", groupId=subject, version=reply.version)


def _single_app(command: Command) -> App | None:
    """The app as it is wanted, of a call that is about just one."""
    rule = request.url_rule
    if not isinstance(command, ChangeApps) or rule is None:
        return None
    if (request.method, rule.rule) not in _ONE_APP:
        return None
    return command.puts[0].app


def _happening(kind: str, app_id: str, **fields: object) -> Happening:
    return Happening(kind, (app_id,) if app_id else (), lambda: fields, current())
