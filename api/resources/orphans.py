"""``/v3/orphans``: tasks that Mesos calls ours and that no record of ours knows.

They are never killed unasked; an operator adopts each into an app or has it killed.
"""

from collections.abc import Iterable

from flask import Response

from api.context import Context, Route, flag, json_answer, json_body
from api.definitions import absolute
from api.errors import invalid
from api.faults import Invalid
from api.openapi.operation import PAGING, boolean, describes
from api.paging import listing
from api.render.cluster import orphan_object
from api.render.instance import task
from api.render.json import encode_list
from api.schemas import ADOPTION, read
from framework.domain.events import AdoptOrphan, KillOrphan
from framework.domain.instance import Orphan


class Orphans:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """All ours."""
        return (
            Route("GET", "/v3/orphans", self.list_all),
            Route("POST", "/v3/orphans/<task_id>/adopt", self.adopt),
            Route("DELETE", "/v3/orphans/<task_id>", self.kill),
        )

    @describes("OrphanList", query=PAGING)
    def list_all(self) -> Response:
        """Orphaned tasks, the first seen first."""
        view = self._context.view
        orphans = sorted(view.orphans.values(), key=_place)
        return listing("orphans", orphans, lambda one: orphan_object(one, view.agents), _place)

    @describes("TaskList", body=ADOPTION, errors=(409,))
    def adopt(self, task_id: str) -> Response:
        """Make an orphaned task an instance of the app that the body names."""
        body = read(ADOPTION, json_body())
        if isinstance(body, Invalid):
            raise invalid(body)
        done = self._context.ask(AdoptOrphan(task_id, absolute(body["appId"])))
        view = self._context.view
        tasks = (task(one, view.apps.get(one.app_id), view) for one in done.instances)
        return json_answer(encode_list("tasks", tasks))

    @describes(
        query=(boolean("force", "Also while everything is frozen."),),
        answers={202: ()},
        errors=(409,),
    )
    def kill(self, task_id: str) -> Response:
        """Have Mesos kill an orphaned task. It stays listed until Mesos says that it is dead."""
        self._context.ask(KillOrphan(task_id, flag("force")))
        return Response(status=202)


def _place(orphan: Orphan) -> str:
    return f"{orphan.first_seen_ms:016d},{orphan.task_id}"
