"""``/v3/agents`` and ``/v3/framework``: the cluster as this framework knows it."""

from collections.abc import Iterable

from flask import Response

from api.context import Context, Route, flag, json_answer
from api.openapi.operation import PAGING, boolean, describes
from api.paging import listing
from api.render.cluster import agent_object
from framework.domain.events import TearDown
from framework.domain.mesos import Agent


class Cluster:
    def __init__(self, context: Context) -> None:
        self._context = context

    def routes(self) -> Iterable[Route]:
        """All ours."""
        return (
            Route("GET", "/v3/agents", self.list_agents),
            Route("POST", "/v3/framework/teardown", self.tear_down),
        )

    @describes("AgentArray", query=PAGING)
    def list_agents(self) -> Response:
        """Agents as their last offer described them, by hostname."""
        agents = sorted(self._context.view.agents.values(), key=_place)
        return listing("", agents, agent_object, _place)

    @describes(
        "Message", query=(boolean("force", "Also while something is frozen."),), errors=(409,)
    )
    def tear_down(self) -> Response:
        """Remove the framework from Mesos, and every task of every app with it."""
        self._context.ask(TearDown(flag("force")))
        return json_answer({"message": "Framework is being removed; all of its tasks are killed"})


def _place(agent: Agent) -> str:
    return f"{agent.hostname},{agent.id}"
