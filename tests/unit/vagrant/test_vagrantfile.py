"""What the Vagrantfile, the settings and the documents name is there: no test starts machines."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
VAGRANT = ROOT / "vagrant"
SCRIPTS = {path.name for path in (VAGRANT / "provision").glob("*.sh")} - {"common.sh"}


def settings() -> dict[str, str]:
    lines = (VAGRANT / "cluster.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_each_script_is_used_and_described() -> None:
    for where in (VAGRANT / "Vagrantfile", ROOT / "docs" / "operations.md"):
        named = set(re.findall(r'(?:provision/|machine, ")([a-z-]+\.sh)', where.read_text()))
        assert named == SCRIPTS, where
    assert all((VAGRANT / "provision" / name).stat().st_mode & 0o111 for name in SCRIPTS)


def test_the_schedulers_are_those_of_the_settings() -> None:
    text = (VAGRANT / "Vagrantfile").read_text()
    (count, network, first) = re.findall(
        r'SCHEDULERS = \(1\.\.(\d)\).*ip: "([\d.]+)#\{(\d+) \+ n\}"', text
    )[0]
    addresses = ",".join(f"{network}{int(first) + n}" for n in range(1, int(count) + 1))
    assert settings()["SCHEDULERS"] == settings()["ZOOKEEPER_SERVERS"] == addresses


def test_the_settings_are_what_the_scripts_read() -> None:
    text = "".join(path.read_text() for path in (VAGRANT / "provision").iterdir())
    read = set(re.findall(r"(?:^wanted |\$\{?)([A-Z][A-Z_]+)\b", text, re.MULTILINE))
    assert read - {"BASH_SOURCE", "EUID"} == {*settings(), "STAYER_CREDENTIALS", "STAYER_SOURCE"}
