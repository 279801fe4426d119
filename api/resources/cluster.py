"""``/v3/agents`` and ``/v3/framework``: the cluster as this framework knows it."""

from collections.abc import Iterable
from functools import partial

from flask import Response, request

from api.context import Context, Route, flag, json_answer, json_body
from api.errors import drain_unknown, invalid
from api.faults import Invalid
from api.openapi.operation import PAGING, boolean, describes
from api.paging import listing
from api.render.cluster import agent_object, agents_of, drain_object
from api.schemas import AGENT_DRAIN, read
from framework.domain.events import DrainAgent, TearDown, UndrainAgent
from framework.domain.mesos import Agent


class Cluster:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """All ours."""
        return (
            Route("GET", "/v3/agents", self.list_agents),
            Route("GET", "/v3/agents/<agent>/drain", self.show_drain),
            Route("PUT", "/v3/agents/<agent>/drain", self.drain),
            Route("DELETE", "/v3/agents/<agent>/drain", self.undrain),
            Route("POST", "/v3/framework/teardown", self.tear_down),
        )

    @describes("AgentArray", query=PAGING)
    def list_agents(self) -> Response:
        """Agents that instances are on, as their last offer described them, and drained ones, by
        hostname. Of others nothing is remembered."""
        view = self._context.view
        agents = sorted(agents_of(view), key=_place)
        return listing("", agents, partial(agent_object, view), _place)

    @describes("AgentDrain", errors=(404,))
    def show_drain(self, agent: str) -> Response:
        """How far a drain is."""
        drain = drain_object(self._context.view, agent)
        if not drain:
            raise drain_unknown(agent)
        return json_answer(drain)

    @describes("AgentDrain", body=AGENT_DRAIN, bare=True)
    def drain(self, agent: str) -> Response:
        """Launch nothing more on an agent, named by its id or hostname, and replace what runs
        there before it is stopped."""
        body = read(AGENT_DRAIN, json_body() if request.get_data() else {})
        if isinstance(body, Invalid):
            raise invalid(body)
        seconds = body.get("deadlineSeconds", 0)
        self._context.ask(DrainAgent(agent, body.get("reason", ""), seconds))
        return json_answer(drain_object(self._context.view, agent))

    @describes(answers={204: ()}, errors=(404,))
    def undrain(self, agent: str) -> Response:
        """Use an agent again, under the name it was drained by."""
        self._context.ask(UndrainAgent(agent))
        return Response(status=204)

    @describes(
        "Message", query=(boolean("force", "Also while something is frozen."),), errors=(409,)
    )
    def tear_down(self) -> Response:
        """Remove the framework from Mesos, and every task of every app with it."""
        self._context.ask(TearDown(flag("force")))
        return json_answer({"message": "Framework is being removed; all of its tasks are killed"})


def _place(agent: Agent) -> str:
    return f"{agent.hostname},{agent.id}"
