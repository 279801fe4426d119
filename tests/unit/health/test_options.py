"""The prober's options: Marathon's name, a sentence each, and no senseless values."""

from dataclasses import fields

import pytest

from framework.health.options import HealthOptions


def test_defaults_are_marathons() -> None:
    assert HealthOptions().max_concurrent_marathon_health_checks == 256


def test_each_has_a_sentence() -> None:
    for field in fields(HealthOptions):
        assert field.metadata["help"].endswith("."), field.name


@pytest.mark.parametrize("name", [field.name for field in fields(HealthOptions)])
@pytest.mark.parametrize("value", [0, -1, 10**9])
def test_senseless_values_are_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        HealthOptions(**{name: value})
