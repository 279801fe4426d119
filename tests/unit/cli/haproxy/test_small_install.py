"""An edge node needs little: the bridge and the client's commands load nothing of the scheduler."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cli.deferred import EXTRAS

ROOT = Path(__file__).resolve().parents[4]
WITHOUT = (
    "import sys\n"
    "class Missing:\n"
    "    def find_spec(self, name, path=None, target=None):\n"
    f"        if name.partition('.')[0] in {sorted(EXTRAS)!r}:\n"
    "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
    "sys.meta_path.insert(0, Missing())\n"
)
CALL = "from cli.main import main\nmain(sys.argv[1:], 'stayer')\n"
OF_THE_BRIDGE = {"api", "cli", "click", "haproxy_bridge", "msgspec", "rich", "urllib3"}


def without(*words: str, script: str = CALL) -> subprocess.CompletedProcess[str]:
    """What `stayer` does where none of the extras is installed."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + script, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_bridge_works_with_what_the_base_brings() -> None:
    for words in (("haproxy", "once", "--help"), ("haproxy", "watch", "--help")):
        done = without(*words)
        assert done.returncode == 0, done.stderr
        assert "Usage: stayer haproxy" in done.stdout


def test_the_bridge_loads_nothing_else_of_ours() -> None:
    script = (
        "import cli.haproxy.commands, cli.haproxy.legacy\n"
        "print(*{name.partition('.')[0] for name in sys.modules})\n"
    )
    done = without(script=script)
    ours = {"framework", "constraints", "localmesos", *OF_THE_BRIDGE}
    assert ours & set(done.stdout.split()) <= OF_THE_BRIDGE


@pytest.mark.parametrize(("command", "extra"), [("serve", "scheduler"), ("local", "local")])
def test_a_command_that_needs_more_says_what_to_install(command: str, extra: str) -> None:
    done = without(command, "--master", "127.0.0.1:5050")
    assert done.returncode == 1
    assert f"pip install 'stayer[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_client_works_too() -> None:
    done = without("app", "list", "--url", "http://127.0.0.1:1")
    assert done.returncode == 3
    assert "No scheduler answers" in done.stderr


def test_each_extra_brings_what_it_is_named_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    packages = {"re2": "google-re2", "werkzeug": "flask"}
    for module, extra in EXTRAS.items():
        wanted = packages.get(module, module.replace("_", "-"))
        assert any(line.startswith(wanted) for line in extras[extra]), module
    base = {line.partition("~")[0].partition(">")[0] for line in project["dependencies"]}
    assert base == {"click", "msgspec", "rich", "urllib3"}
    assert extras["bridge"] == []
