"""Who asks is answered while ten thousand offers arrive: reading waits for no step, and writing for
the one step that is under way, whatever else has come before it."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from api.application import create_app
from api.options import ApiOptions
from framework.domain.events import OffersReceived, Subscribed
from framework.domain.mesos import Agent, Offer, OfferResource
from framework.interfaces import SubmitEvent
from framework.runtime.scheduler import RunningScheduler
from tests.contract.running import SilentMesos, running_scheduler
from tests.polling import eventually
from tests.unit.api.reading import compile_pattern

OFFERS = 10_000
MOST_FACTS = 2_000  # of a step, however quick they are to decide
ROOM = (OfferResource("cpus", 64_000), OfferResource("mem", 64_000_000))
WAITING = {
    "id": "/waiting",
    "cmd": "sleep 1",
    "instances": 1,
    "constraints": [["hostname", "LIKE", "nowhere-[0-9]+"]],
}
IDLE = {"id": "/idle", "cmd": "sleep 1", "instances": 0}


class QuietMesos(SilentMesos):
    """Accepts the subscription and says no more by itself."""

    def start(self, submit: SubmitEvent, framework_id: str, roles: Sequence[str]) -> None:
        """It is accepted at once."""
        submit(Subscribed("framework-1", "127.0.0.1:5050"))


class Patterns:
    """Compiles them; from ``hold`` to ``release`` whoever asks one must wait."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._free = threading.Event()
        self._free.set()

    def hold(self) -> None:
        self.asked.clear()
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    def compile(self, pattern: str) -> Callable[[str], bool]:
        matches = compile_pattern(pattern)

        def asked(text: str) -> bool:
            self.asked.set()
            assert self._free.wait(60), "nobody released it"
            return matches(text)

        return asked


@pytest.fixture
def patterns() -> Iterator[Patterns]:
    made = Patterns()
    yield made
    made.release()


def offers(events: int) -> list[OffersReceived]:
    """One of each agent, in so many events."""
    made = [Offer(f"flood-{n}", Agent(f"F{n}", f"host-{n}"), "*", ROOM) for n in range(OFFERS)]
    return [OffersReceived(tuple(made[begin::events])) for begin in range(events)]


def decided(scheduler: RunningScheduler, tmp_path: Path) -> list[str]:
    """What each step was told, one line a step."""
    scheduler.loop.journal.dump(tmp_path / "journal")
    return (tmp_path / "journal").read_text().splitlines()


def names(line: str) -> list[str]:
    """The events of a step."""
    return [name for event in json.loads(line)["events"] for name in event]


def post(client: FlaskClient, app: dict[str, object]) -> int:
    return client.post("/v2/apps", json=app).status_code


@pytest.mark.parametrize("events", [1, OFFERS])
def test_an_app_is_read_and_one_is_written(events: int, patterns: Patterns, tmp_path: Path) -> None:
    with running_scheduler(QuietMesos(), patterns=patterns.compile) as scheduler:
        application = create_app(scheduler, ApiOptions(), compile_pattern)
        client = application.test_client()
        assert (post(client, IDLE), post(client, WAITING)) == (201, 201)
        patterns.hold()
        scheduler.loop.submit(*offers(events))
        assert patterns.asked.wait(60), "no offer was looked at"
        # A step is under way, and does not end.
        (last,) = decided(scheduler, tmp_path)[-1:]
        assert client.get("/v2/apps//idle").json["app"]["id"] == "/idle"  # type: ignore[index]  # it is JSON
        queued = scheduler.loop.depth()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(post, application.test_client(), {**IDLE, "id": "/new"})
            eventually(lambda: scheduler.loop.depth() > queued, "the write waits")
            patterns.release()
            assert answer.result(60) == 201
        steps = decided(scheduler, tmp_path)
        assert names(steps[steps.index(last) + 1])[0] == "Asked", "the very next step"
        assert len(names(last)) <= MOST_FACTS
