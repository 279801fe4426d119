"""External volumes belong to one app, unless all that name them share them."""

import pytest

from framework.domain.app import App, Container, ExternalVolume
from framework.domain.events import ChangeApps, PutApp
from framework.domain.replies import Why
from tests.unit.core.session import Session

CONFLICT = "Volume name 'data' in /b conflicts with volume(s) of same name in app(s): /a"


def app(app_id: str, name: str = "data", *, shared: bool = False) -> App:
    volume = ExternalVolume("/data", name, shared=shared)
    container = Container("MESOS", external_volumes=(volume,))
    return App(id=app_id, cmd="serve", instances=0, container=container)


@pytest.mark.parametrize("shared", [(False, False), (True, False), (False, True)])
def test_a_volume_of_another_app_is_refused(shared: tuple[bool, bool]) -> None:
    first, second = app("/a", shared=shared[0]), app("/b", shared=shared[1])
    session = Session()
    session.put(first)
    refused = session.refused(ChangeApps((PutApp(second),)))
    assert (refused.why, refused.details) == (Why.INVALID, (("/container/volumes", CONFLICT),))


def test_two_new_apps_of_one_change_are_compared_too() -> None:
    refused = Session().refused(ChangeApps((PutApp(app("/b")), PutApp(app("/a")))))
    assert refused.details == (("/container/volumes", CONFLICT),)


def test_one_may_share_it_have_another_or_take_it_over() -> None:
    session = Session()
    session.put(app("/a", shared=True))
    session.put(app("/b", shared=True), app("/c", "other"))
    session.put(app("/c", "third"))
    session.put(app("/d", "other"))
    session.put(app("/d", "other"))
