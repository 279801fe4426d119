"""Secrets: where their values come from, where they go, and what happens without them."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from framework.domain.actions import Accept, Decline
from framework.domain.app import App, Container, Docker, SecretVolume
from framework.domain.events import CallNotSent
from framework.domain.records import replace
from framework.interfaces import SecretUnavailableError
from framework.mesos.calls import CallEncoder, FrameworkDescription
from framework.mesos.options import MesosOptions
from framework.mesos.pipeline import Pipeline
from framework.mesos.secret_files import MAX_SECRET_BYTES, SecretFiles
from framework.mesos.templates import TaskInfoBuilder
from tests.unit.mesos.launches import a_launch, an_app

VALUE = 'pä"ss\\word'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "secrets"
    (directory / "prod").mkdir(parents=True)
    (directory / "prod" / "db").write_text(VALUE + "\n")
    (directory / "raw").write_bytes(b"\xff\x00")
    return directory


def base64_of(value: bytes) -> str:
    return base64.b64encode(value).decode()


def task_info(app: App, directory: Path, **options: Any) -> dict[str, Any]:
    builder = TaskInfoBuilder(secrets=SecretFiles(str(directory), {}), **options)
    found: dict[str, Any] = msgspec.json.decode(builder.build(a_launch(app)))
    return found


def variable(info: dict[str, Any], name: str) -> Any:
    (found,) = (
        each for each in info["command"]["environment"]["variables"] if each["name"] == name
    )
    return found


DB = an_app(secrets={"db": "prod/db"}, env_secrets={"PASSWORD": "db", "HOST": "db"})


class TestProvider:
    def test_files_then_the_environment(self, directory: Path) -> None:
        environment = {"STAYER_SECRET_PROD_DB": "other", "STAYER_SECRET_MY_KEY_1": "found"}
        secrets = SecretFiles(str(directory), environment)
        assert secrets.value("/prod/db") == f"{VALUE}\n".encode()
        assert secrets.value("my-key.1") == b"found"
        assert SecretFiles("", environment).value("prod/db") == b"other"

    @pytest.mark.parametrize("source", ["../other", "prod/../prod/db", ".", "", "/", "a b", "a\0"])
    def test_a_source_is_a_plain_path(self, directory: Path, source: str) -> None:
        (directory.parent / "other").write_text("not for you")
        with pytest.raises(SecretUnavailableError, match="no path"):
            SecretFiles(str(directory), {}).value(source)

    def test_links_stay_inside(self, directory: Path) -> None:
        (directory.parent / "other").write_text("not for you")
        (directory / "out").symlink_to(directory.parent / "other")
        (directory / "in").symlink_to(directory / "prod" / "db")
        secrets = SecretFiles(str(directory), {})
        assert secrets.value("in") == f"{VALUE}\n".encode()
        with pytest.raises(SecretUnavailableError, match="outside"):
            secrets.value("out")

    def test_what_can_not_be_had_says_why(self, directory: Path) -> None:
        (directory / "large").write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
        (directory / "empty").touch()
        secrets = SecretFiles(str(directory), {})
        for source, why in {
            "large": "longer than 65536 bytes",
            "empty": "empty",
            "prod": "directory",
            "prod/db/x": "no such file, and no variable STAYER_SECRET_PROD_DB_X",
            "gone": "no such file, and no variable STAYER_SECRET_GONE",
        }.items():
            with pytest.raises(SecretUnavailableError, match=why):
                secrets.value(source)

    def test_a_changed_secret_is_found(self, directory: Path) -> None:
        secrets = SecretFiles(str(directory), {})
        secrets.value("prod/db")
        (directory / "prod" / "db").write_text("new")
        assert secrets.value("prod/db") == b"new"


class TestLaunches:
    def test_variables_hold_the_value_and_replace_what_is_given(self, directory: Path) -> None:
        info = task_info(DB, directory)
        assert variable(info, "PASSWORD") == {"name": "PASSWORD", "value": VALUE}
        assert variable(info, "HOST") == {"name": "HOST", "value": VALUE}

    def test_variables_as_secrets_of_mesos(self, directory: Path) -> None:
        data = base64_of(f"{VALUE}\n".encode())
        assert variable(task_info(DB, directory, secret_variables=True), "PASSWORD") == {
            "name": "PASSWORD",
            "type": "SECRET",
            "secret": {"type": "VALUE", "value": {"data": data}},
        }

    def test_files_and_credentials_hold_the_bytes(self, directory: Path) -> None:
        image = Docker("nginx", pull_secret="config")
        container = Container("MESOS", image, secret_volumes=(SecretVolume("key", "raw"),))
        app = an_app(secrets={"raw": "raw", "config": "prod/db"}, container=container)
        info = task_info(app, directory)["container"]
        assert info["volumes"] == [
            {
                "container_path": "key",
                "mode": "RO",
                "source": {
                    "type": "SECRET",
                    "secret": {"type": "VALUE", "value": {"data": base64_of(b"\xff\x00")}},
                },
            }
        ]
        assert info["mesos"]["image"]["docker"] == {
            "name": "nginx",
            "config": {"type": "VALUE", "value": {"data": base64_of(f"{VALUE}\n".encode())}},
        }

    def test_each_launch_asks_anew(self, directory: Path) -> None:
        builder = TaskInfoBuilder(secrets=SecretFiles(str(directory), {}))
        assert b"ss" in bytes(builder.build(a_launch(DB)))
        (directory / "prod" / "db").write_text("new")
        assert b'"PASSWORD","value":"new"' in bytes(builder.build(a_launch(DB)))

    @pytest.mark.parametrize(
        ("secrets", "why"),
        [
            ({"db": "gone"}, r"the secret db \(source gone\) can not be had: no such file"),
            ({"db": "raw"}, "the secret db is no text"),
            ({}, "the secret db is not among the secrets of /dev/web"),
        ],
    )
    def test_without_its_secret_nothing_is_made(
        self, directory: Path, secrets: dict[str, str], why: str
    ) -> None:
        app = an_app(secrets=secrets, env_secrets={"PASSWORD": "db"})
        with pytest.raises(ValueError, match=why):
            task_info(app, directory)

    def test_it_is_not_put_into_other_texts(self, directory: Path) -> None:
        app = replace(
            DB, env={"A": "${PASSWORD}"}, cmd=None, args=("x", "${PASSWORD}"), expand_env=True
        )
        info = task_info(app, directory)
        assert info["command"]["arguments"] == ["x", "${PASSWORD}"]
        assert variable(info, "A")["value"] == "${PASSWORD}"


class TestCalls:
    def pipeline(self, directory: Path) -> Pipeline:
        builder = TaskInfoBuilder(secrets=SecretFiles(str(directory), {}))
        options = MesosOptions()
        encoder = CallEncoder(FrameworkDescription(options, "u", "h"), "f", builder)
        return Pipeline(lambda action: encoder.encode(action) + b"\n")

    def test_only_the_launch_without_its_secret_is_left_out(self, directory: Path) -> None:
        lacking = a_launch(replace(DB, secrets={"db": "gone"}))
        sound = a_launch(DB)
        pipeline = self.pipeline(directory)
        pipeline.add([Accept(("o1",), (lacking, sound, lacking), 5.0), Decline(("o2",), 1.0)])
        sent, outcomes = pipeline.to_send()
        accept, decline = map(json.loads, sent.splitlines())
        (operation,) = accept["accept"]["operations"]
        (task,) = operation["launch"]["task_infos"]
        assert variable(task, "PASSWORD")["value"] == VALUE
        assert accept["accept"]["offer_ids"] == [{"value": "o1"}]
        assert decline["type"] == "DECLINE"
        for event in outcomes.events:
            assert isinstance(event, CallNotSent)
            assert event.action == Accept((), (lacking,), 5.0)
            assert event.why.startswith("the secret db (source gone) can not be had")
        assert len(outcomes.events) == 2

    def test_its_offer_is_answered_all_the_same(self, directory: Path) -> None:
        pipeline = self.pipeline(directory)
        pipeline.add([Accept(("o1",), (a_launch(replace(DB, secrets={})),), 5.0)])
        sent, outcomes = pipeline.to_send()
        assert json.loads(sent)["accept"] == {
            "offer_ids": [{"value": "o1"}],
            "operations": [],
            "filters": {"refuse_seconds": 5.0},
        }
        assert len(outcomes.events) == 1
        assert pipeline.unanswered == 1
