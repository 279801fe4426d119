"""The images hold what the project asks for: the lock is renewed with each change of that."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
RENEW = "renew it: .venv/bin/python docker-images/build.py --lock"


def locked(name: str) -> dict[str, str]:
    text = (ROOT / "docker-images" / name).read_text()
    pins = re.findall(r"^(\S+)==(\S+) \\$", text, re.MULTILINE)
    assert len({name for name, _ in pins}) == len(pins)
    return {canonicalize_name(name): version for name, version in pins}


@pytest.mark.parametrize(
    ("extra", "files"),
    [
        ("scheduler", ("requirements.txt",)),
        ("local", ("requirements.txt", "requirements-local.txt")),
    ],
)
def test_the_lock_has_what_is_needed(extra: str, files: tuple[str, ...]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needs = [*project["dependencies"], *project["optional-dependencies"][extra]]
    pinned = {name: version for file in files for name, version in locked(file).items()}
    for each in map(Requirement, needs):
        version = pinned.get(canonicalize_name(each.name), "")
        assert version or each.name == "stayer", f"{each} is not in the lock: {RENEW}"
        assert each.specifier.contains(version or "0"), f"{each}, not {version}: {RENEW}"


def test_images_are_built_with_what_developers_have() -> None:
    """So that building Stayer's wheel asks no index for it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    program = (ROOT / "docker-images" / "build.py").read_text()
    (pinned,) = re.findall(r"setuptools==[\d.]+", program)
    assert pinned in project["optional-dependencies"]["dev"]
