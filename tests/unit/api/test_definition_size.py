"""The largest definition that the API accepts can be stored, whatever the scheduler adds to it: a
record that is too large for the store would end the process."""

from typing import Any

from api.definitions.rules import DEFINITION_MAX_BYTES
from framework.domain.ids import APP_ID_MAX_BYTES
from framework.store.codec import Codec
from tests.unit.api.reading import app_of, faults_of
from tests.unit.core.session import Session, agent

_LABEL = 10_000


def _of(characters: int) -> dict[str, Any]:
    """A definition with so many characters of labels."""
    labels = {str(n): "x" * min(_LABEL, characters - n) for n in range(0, characters, _LABEL)}
    return {"id": "/" + "i" * (APP_ID_MAX_BYTES - 1), "cmd": "serve", "labels": labels}


def test_the_largest_one_that_is_accepted_can_be_stored() -> None:
    _, faults = faults_of(_of(DEFINITION_MAX_BYTES))
    ((path, message),) = faults
    assert path == "/"
    too_many = int(message.split("takes ")[1].split(" ")[0]) - DEFINITION_MAX_BYTES
    largest = app_of(_of(DEFINITION_MAX_BYTES - too_many))

    session = Session()
    session.running(largest, agent(1))
    codec = Codec()
    lines = [codec.encode(change) for decided in session.steps for change in decided.changes]
    assert max(map(len, lines)) > DEFINITION_MAX_BYTES
