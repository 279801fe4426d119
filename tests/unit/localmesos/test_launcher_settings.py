"""What an executor reads from its environment."""

import pytest

from localmesos.launcher.settings import duration_seconds, environment_for_tasks, settings_from

ENVIRONMENT = {
    "MESOS_SLAVE_PID": "slave(12)@10.0.0.1:5051",
    "MESOS_FRAMEWORK_ID": "f",
    "MESOS_EXECUTOR_ID": "e",
}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15mins", 900), ("1.5secs", 1.5), ("250ms", 0.25), ("2weeks", 1209600), ("0ns", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "secs", "-1secs", "5 parsecs", "nansecs", "infsecs"])
def test_wrong_durations(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|convert"):
        duration_seconds(text)


def test_defaults() -> None:
    settings = settings_from(ENVIRONMENT)
    assert settings.agent == ("10.0.0.1", 5051)
    assert settings.path == "/slave(12)/api/v1/executor"
    assert not settings.checkpoint
    assert settings.shutdown_grace_seconds == 5.0


@pytest.mark.parametrize("name", [*ENVIRONMENT])
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        settings_from({**ENVIRONMENT, name: ""})


@pytest.mark.parametrize("pid", ["slave(1)", "@1.2.3.4:5", "slave(1)@1.2.3.4", "slave(1)@x:y"])
def test_a_wrong_agent_is_refused(pid: str) -> None:
    with pytest.raises(ValueError, match="MESOS_SLAVE_PID"):
        settings_from({**ENVIRONMENT, "MESOS_SLAVE_PID": pid})


def test_a_wrong_duration_is_named() -> None:
    with pytest.raises(ValueError, match="MESOS_RECOVERY_TIMEOUT"):
        settings_from({**ENVIRONMENT, "MESOS_RECOVERY_TIMEOUT": "soon"})


def test_a_task_does_not_inherit_secrets_and_plumbing() -> None:
    hidden = {
        "MESOS_EXECUTOR_AUTHENTICATION_TOKEN": "t",
        "MESOS_CONTAINERIZER_PIPE_READ": "5",
        "LIBPROCESS_PORT": "0",
        "LIBPROCESS_IP": "::1",
    }
    assert environment_for_tasks({**hidden, "MESOS_SANDBOX": "/s"}) == {"MESOS_SANDBOX": "/s"}
