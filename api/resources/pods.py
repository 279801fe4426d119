"""``/v2/pods`` while there are no pods: clients ask whether there could be, and list them with the
apps; they are told that there are none."""

from collections.abc import Iterable

from flask import Response

from api.context import Context, Route, json_answer
from api.definitions import absolute
from api.errors import NotFoundError
from api.openapi.operation import describes

_STATUS = "::status"


class Pods:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """Reading only; HEAD is how clients find out whether there is this resource at all."""
        return (
            Route("GET", "/v2/pods", self.list_all),
            Route("GET", f"/v2/pods/{_STATUS}", self.list_all),
            Route("GET", "/v2/pods/<path:pod_id>", self.show),
        )

    @describes("Pods")
    def list_all(self) -> Response:
        """The pods: there are none yet."""
        return json_answer([])

    @describes(errors=(404,))
    def show(self, pod_id: str) -> Response:
        """One pod, its status, versions or instances. There is no such pod."""
        raise NotFoundError(f"Pod '{absolute(pod_id.partition('::')[0])}' does not exist")
