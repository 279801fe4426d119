"""``/v3/volumes``: persistent volumes and what becomes of them.

Nothing is destroyed unasked but what went with its app. An operator removes what was only kept,
and orphans: what is labelled as ours and in none of our records.
"""

from collections.abc import Iterable

from flask import Response

from api.context import Context, Route, flag, json_answer
from api.errors import NotFoundError
from api.openapi.operation import PAGING, boolean, describes
from api.paging import listing
from api.render.volumes import Kept, find_volume, kept_volumes, volume_object
from framework.domain.events import RemoveVolume


class Volumes:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """All ours."""
        return (
            Route("GET", "/v3/volumes", self.list_all),
            Route("GET", "/v3/volumes/<volume_id>", self.show),
            Route("DELETE", "/v3/volumes/<volume_id>", self.remove),
        )

    @describes("VolumeList", query=PAGING)
    def list_all(self) -> Response:
        """Persistent volumes, by id."""
        view = self._context.view
        found = sorted(kept_volumes(view), key=_place)
        return listing("volumes", found, lambda one: volume_object(one, view), _place)

    @describes("Volume")
    def show(self, volume_id: str) -> Response:
        """One persistent volume."""
        return json_answer(volume_object(self._found(volume_id), self._context.view))

    @describes(
        query=(
            boolean(
                "forget", "Only drop the record, of a volume that Mesos does not have any more."
            ),
        ),
        answers={202: ()},
        errors=(409,),
    )
    def remove(self, volume_id: str) -> Response:
        """Destroy a volume that no instance uses, and all others of its reservation. It stays
        listed until Mesos has said that it is gone."""
        found = self._found(volume_id)
        self._context.ask(RemoveVolume(found.reservation.instance_id, flag("forget")))
        return Response(status=202)

    def _found(self, volume_id: str) -> Kept:
        found = find_volume(self._context.view, volume_id)
        if found is None:
            raise NotFoundError(f"Volume '{volume_id}' does not exist")
        return found


def _place(kept: Kept) -> str:
    return kept.id
