"""External volumes among apps: two apps must not write into the same one by accident.

A volume belongs to the app that names it, unless every app that names it says that it is shared
(app-definition.md, section 3.1).
"""

from collections import defaultdict
from collections.abc import Collection, Sequence

from framework.core.turn import Turn
from framework.domain.app import App, ExternalVolume
from framework.domain.replies import Refused, Why


def conflict(turn: Turn, apps: Sequence[App], removes: Collection[str]) -> Refused | None:
    """Refuse these definitions if a volume of one of them is another app's, when they are put and
    the ``removes`` are gone."""
    if not any(_volumes(app) for app in apps):
        return None
    put = {app.id: app for app in apps}
    others = (
        app for key, app in turn.world.state.apps.items() if key not in put and key not in removes
    )
    users: dict[str, dict[str, bool]] = defaultdict(dict)
    for app in (*put.values(), *others):
        for volume in _volumes(app):
            users[volume.name][app.id] = volume.shared
    for app in apps:
        for volume in _volumes(app):
            sharing = users[volume.name]
            same = sorted(one for one in sharing if one != app.id)
            if same and not all(sharing.values()):
                error = (
                    f"Volume name '{volume.name}' in {app.id} conflicts with volume(s) of same "
                    f"name in app(s): {', '.join(same)}"
                )
                fault = ("/container/volumes", error)
                return Refused(Why.INVALID, app.id, "Object is not valid", (fault,))
    return None


def _volumes(app: App) -> tuple[ExternalVolume, ...]:
    return () if app.container is None else app.container.external_volumes
