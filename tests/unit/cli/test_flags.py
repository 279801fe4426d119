"""Flags are generated from the options beside the code; the page about them is held to it."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from api.options import ApiOptions
from cli.flags import OPTIONS, every_field, flags, read, with_flags
from framework.core.policy import Policy
from framework.mesos.options import MesosOptions

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_the_page_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(flags).output
    assert (DOCS / "flags.md").read_text() == printed, "run: stayer flags > docs/flags.md"


def _values(*args: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """What a command with every flag is given."""
    given: dict[str, Any] = {}

    @click.command()
    @with_flags
    def keep(**values: object) -> None:
        given.update(values)

    result = CliRunner().invoke(keep, args, env=env or {})
    assert result.exit_code == 0, result.output
    return given


def test_without_flags_every_option_has_its_default() -> None:
    values = _values()
    for _, options in OPTIONS:
        assert read(options, values) == options()


@pytest.mark.parametrize("flag", ["--decline_offer_duration", "--decline-offer-duration"])
def test_marathons_form_of_a_flag_and_the_usual_one(flag: str) -> None:
    assert read(Policy, _values(flag, "5000")).decline_offer_duration == 5000


@pytest.mark.parametrize("prefix", ["STAYER_", "MARATHON_"])
def test_the_environment_sets_what_no_flag_does(prefix: str) -> None:
    env = {f"{prefix}KILL_RETRY_TIMEOUT": "7000"}
    assert read(Policy, _values(env=env)).kill_retry_timeout == 7000
    flagged = _values("--kill_retry_timeout", "1", env=env)
    assert read(Policy, flagged).kill_retry_timeout == 1


def test_what_is_on_or_off_is_switched_in_marathons_way() -> None:
    assert read(MesosOptions, _values("--disable_checkpoint")).checkpoint is False
    assert read(ApiOptions, _values("--insecure")).insecure is True


def test_a_list_is_split_at_commas() -> None:
    values = _values("--enable_features", "gpu_resources, other")
    assert read(MesosOptions, values).enable_features == ("gpu_resources", "other")


def test_one_flag_feeds_every_part_that_shares_it() -> None:
    values = _values("--mesos_role", "web")
    assert read(Policy, values).mesos_role == "web"
    assert read(MesosOptions, values).mesos_role == "web"
    assert read(ApiOptions, values).mesos_role == "web"


def test_parts_that_share_a_flag_agree_on_its_default() -> None:
    for name in every_field():
        defaults = {
            repr(getattr(options(), name)) for _, options in OPTIONS if hasattr(options, name)
        }
        assert len(defaults) <= 1, f"{name} has several defaults: {defaults}"


def test_contradictions_are_a_usage_error() -> None:
    with pytest.raises(click.UsageError, match="must not be negative"):
        read(MesosOptions, _values("--failover_timeout", "-1"))
