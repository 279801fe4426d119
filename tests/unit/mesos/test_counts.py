"""What is counted of Mesos' events, for the metrics."""

from framework.domain.events import OfferRescinded, OffersReceived, TaskStatusReceived
from framework.domain.mesos import Agent, Offer, TaskState, TaskStatus
from framework.mesos.counts import MEMORY_LIMIT, MEMORY_REQUEST, DriverCounts

OFFER = Offer("o1", Agent("a1", "h1"), "*", ())


def test_offers_and_updates_by_what_they_say() -> None:
    counts = DriverCounts()
    counts.count_event(OffersReceived((OFFER, OFFER)))
    counts.count_event(OffersReceived(()))
    counts.count_event(OfferRescinded("o1"))
    for state, reason in (
        (TaskState.RUNNING, ""),
        (TaskState.FAILED, MEMORY_LIMIT),
        (TaskState.FAILED, MEMORY_REQUEST),
        (TaskState.FAILED, "REASON_COMMAND_EXECUTOR_FAILED"),
    ):
        counts.count_event(TaskStatusReceived(TaskStatus("t", state, reason=reason)))
    assert counts.offers == 2
    assert counts.updates == {TaskState.RUNNING: 1, TaskState.FAILED: 3}
    assert counts.reasons == {MEMORY_LIMIT: 1, MEMORY_REQUEST: 1}
