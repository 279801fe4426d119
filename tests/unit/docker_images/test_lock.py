"""The images hold what the project asks for: the lock is renewed with each change of that."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
RENEW = "renew it: .venv/bin/python docker-images/build.py --lock"


def test_the_lock_has_what_the_scheduler_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needs = [*project["dependencies"], *project["optional-dependencies"]["scheduler"]]
    text = (ROOT / "docker-images" / "requirements.txt").read_text()
    locked = {
        canonicalize_name(name): version
        for name, version in re.findall(r"^(\S+)==(\S+) \\$", text, re.MULTILINE)
    }
    for each in map(Requirement, needs):
        version = locked.get(canonicalize_name(each.name), "")
        assert version, f"{each} is not in the lock: {RENEW}"
        assert each.specifier.contains(version), f"{each}, and the lock has {version}: {RENEW}"
