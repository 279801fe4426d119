"""A Stayer on the genuine Mesos for clients that nobody here wrote; all tests of a process share
it, so each keeps to ids of its own."""

import collections
import collections.abc
from collections.abc import Iterator

import pytest

from localmesos.apache.engine import ApacheEngine
from tests.integration.product import Stayer, mesos_tasks, serving
from tests.polling import eventually

# marathon-python 0.13 was written for Python up to 3.9, which had this name here too.
collections.Iterable = collections.abc.Iterable  # type: ignore[attr-defined]  # added on purpose


@pytest.fixture(scope="session")
def stayer(apache: ApacheEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stayer]:
    with serving(apache.url, tmp_path_factory.mktemp("clients")) as stayer:
        yield stayer


@pytest.fixture(autouse=True)
def nothing_left(stayer: Stayer, apache: ApacheEngine) -> Iterator[None]:
    """Tests of other folders count what the shared Mesos has."""
    yield
    stayer.client.send("DELETE", "/v2/groups", query={"force": "true"})
    framework_id = stayer.framework_id
    eventually(lambda: not mesos_tasks(apache.url, framework_id), "the end of all tasks")


@pytest.fixture(scope="session")
def url(stayer: Stayer) -> str:
    """Where the API is."""
    (url,) = stayer.client.urls
    return url
