"""Build `dist/stayer-bridge_VERSION_all.deb`: the haproxy bridge alone, for edge nodes with nothing
but Python 3.11+.

It holds the modules of ours that the bridge loads, and the few packages that they need, so that no
package of the node is touched or asked for. Of the one package that is compiled it has the forms
for each Python and machine that Debian and Ubuntu have; they lie side by side.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("click", "msgspec", "rich", "urllib3")
COMPILED = "msgspec"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")
LIBRARY = "usr/lib/stayer-bridge"
LEGACY = ("haproxy-marathon-bridge", "haproxy_marathon_bridge")
_LIST_MODULES = """
import importlib, pkgutil, sys
import cli.haproxy, haproxy_bridge
importlib.import_module("cli.program")
for package in (cli.haproxy, haproxy_bridge):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(found.name)
for module in list(sys.modules.values()):
    print(getattr(module, "__file__", None) or "")
"""
_LAUNCHER = f"""#!/usr/bin/python3 -IS
import os
import sys

_HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, os.path.join(_HERE, "..", "..", "{LIBRARY}"))

from cli.program import main

main()
"""
_CONTROL = """Package: stayer-bridge
Version: {version}
Architecture: all
Maintainer: The Stayer project
Section: net
Priority: optional
Depends: python3 (>= 3.11)
Recommends: haproxy (>= 2.6), openssl
Installed-Size: {kibibytes}
Description: haproxy follows the apps of Stayer or Marathon
 On each edge node, by cron or as a daemon, the running apps become a tested configuration of
 haproxy, swapped in without a dropped request. `stayer-haproxy install` sets a node up.
"""
_AFTER_INSTALLATION = f"""#!/bin/sh
set -e
if [ "$1" = configure ]; then
    python3 -IS -m compileall -q /{LIBRARY}
fi
"""
_BEFORE_REMOVAL = f"""#!/bin/sh
set -e
find /{LIBRARY} -name __pycache__ -prune -exec rm -rf {{}} +
"""
_EPOCH = "315532800"  # 1980: equal input gives an equal package


def main() -> None:
    """Build it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="a folder")
    parser.add_argument(
        "--only-this-python", action="store_true", help="for a trial: nothing is downloaded"
    )
    given = parser.parse_args()
    if shutil.which("dpkg-deb") is None:
        sys.exit("There is no dpkg-deb to build a Debian package with (the package dpkg has it).")
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        version = metadata.version("stayer")
        _our_modules(tree / LIBRARY, version)
        for name in PACKAGES:
            _installed(name, tree / LIBRARY)
        if not given.only_this_python:
            _other_forms(Path(folder), tree / LIBRARY)
        _programs(tree)
        print(_package(tree, version, given.output))  # noqa: T201 - the result


def _our_modules(library: Path, version: str) -> None:
    command = [sys.executable, "-c", _LIST_MODULES]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    for line in sorted({*listed.stdout.split("\n")}):
        path = Path(line)
        if line and path.is_relative_to(ROOT) and ".venv" not in path.parts:
            _copy(path, library / path.relative_to(ROOT))
    about = library / f"stayer-{version}.dist-info" / "METADATA"
    about.parent.mkdir(parents=True)
    about.write_text(f"Metadata-Version: 2.1\nName: stayer\nVersion: {version}\n")


def _installed(name: str, library: Path) -> None:
    for file in metadata.files(name) or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            _copy(Path(str(file.locate())), library / file)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _other_forms(folder: Path, library: Path) -> None:
    wanted = f"{COMPILED}=={metadata.version(COMPILED)}"
    for python in PYTHONS:
        for machine in MACHINES:
            place = folder / f"{python}-{machine}"
            command = [
                *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"),
                *("--disable-pip-version-check", "--only-binary", ":all:"),
                *("--implementation", "cp", "--python-version", python),
                *("--platform", f"manylinux2014_{machine}"),
                *("--platform", f"manylinux_2_28_{machine}"),
                *("--dest", str(place), wanted),
            ]
            subprocess.run(command, check=True)  # noqa: S603 - ours
            for wheel in place.iterdir():
                _compiled(wheel, library)


def _compiled(wheel: Path, library: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith(".so"):
                archive.extract(name, library)


def _programs(tree: Path) -> None:
    programs = tree / "usr/bin"
    programs.mkdir(parents=True)
    launcher = programs / "stayer-haproxy"
    launcher.write_text(_LAUNCHER)
    launcher.chmod(0o755)
    for name in LEGACY:
        (programs / name).symlink_to("stayer-haproxy")
    _copy(ROOT / "LICENSE", tree / "usr/share/doc/stayer-bridge/copyright")


def _package(tree: Path, version: str, output: Path) -> Path:
    kibibytes = sum(path.lstat().st_size for path in tree.rglob("*")) // 1024
    control = tree / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(_CONTROL.format(version=version, kibibytes=kibibytes))
    for name, script in (("postinst", _AFTER_INSTALLATION), ("prerm", _BEFORE_REMOVAL)):
        (control / name).write_text(script)
        (control / name).chmod(0o755)
    for path in (tree, *tree.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
        elif not path.is_symlink() and not path.stat().st_mode & 0o100:
            path.chmod(0o644)
    output.mkdir(parents=True, exist_ok=True)
    package = output / f"stayer-bridge_{version}_all.deb"
    words = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(package)]
    subprocess.run(  # noqa: S603 - ours
        words,
        env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return package


if __name__ == "__main__":
    main()
