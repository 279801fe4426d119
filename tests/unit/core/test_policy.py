"""Settings that would mean asking without end, or remembering nothing, are none."""

import pytest

from framework.core.policy import Policy


@pytest.mark.parametrize("name", ["kill_retry_timeout", "max_tombstones", "zk_max_versions"])
def test_nothing_is_too_little(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be 1 or more"):
        Policy(**{name: 0})  # type: ignore[arg-type]  # by name
    assert getattr(Policy(**{name: 1}), name) == 1  # type: ignore[arg-type]  # by name


def test_what_may_be_nothing_may_not_be_less() -> None:
    assert Policy(drain_timeout=0).drain_timeout == 0
    with pytest.raises(ValueError, match="drain_timeout must be 0 or more"):
        Policy(drain_timeout=-1)
