#!/usr/bin/env python3
"""Build the images, with the Docker Engine that `docker` reaches: `docker-images/build.py`.

It gathers what the Dockerfile copies: Stayer's wheel and the pinned ones it needs, the package for
edge nodes, and the Mesos library. So a build asks no index of Python packages, and what is fetched
here is fetched with pip's own settings, once. Needs `make install`, and is started by its Python:
`.venv/bin/python docker-images/build.py`. With --wheels it gathers for machines in place of images.
"""

import argparse
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "docker-images"
LOCK = HERE / "requirements.txt"
LOCAL_LOCK = HERE / "requirements-local.txt"
TARGETS = ("scheduler", "edge", "zookeeper", "mesos")
MESOS_MACHINE = "x86_64"
EPOCH = "1767225600"  # as in the Dockerfile
BUILD_WITH = "setuptools==80.9.0\n"
LOCKED_FOR = [(python, machine) for python in ("3.11", "3.13") for machine in ("x86_64", "aarch64")]
"""The Pythons and machines of the bases that images may be built on (Debian 12 and 13)."""
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")


def main() -> None:
    """Build the images that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--base", help="an image of Debian or Ubuntu; without it Debian 12")
    parser.add_argument("--python", default="3.11", help="the base's Python (%(default)s)")
    parser.add_argument("--mirror", help="where the base's packages come from, as a snapshot")
    parser.add_argument("--network", help="of the builds, as in docker build")
    parser.add_argument("--no-cache", action="store_true", help="build every layer anew")
    parser.add_argument("--images", default="stayer", help="before the names (%(default)s)")
    parser.add_argument("--tag", default="latest")
    parser.add_argument(
        "--wheels", type=Path, metavar="FOLDER", help="what provisioned machines install, and end"
    )
    parser.add_argument("--lock", action="store_true", help="renew requirements*.txt, and end")
    given = parser.parse_args()
    if given.lock:
        for path, text in lock().items():
            path.write_text(text)
        return
    if given.wheels:
        gather_wheels(given.wheels.absolute(), given.python)
        return
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"there is no image {', '.join(sorted(unknown))}")
    build(given)


def build(given: argparse.Namespace) -> None:
    """Build in an order in which none waits for another."""
    wanted = given.targets or [*TARGETS]
    if "mesos" in wanted and platform.machine() != MESOS_MACHINE:
        print("Apache's build of Mesos runs on x86-64 only: no image of it here")  # noqa: T201 - the result
        wanted.remove("mesos")
    epoch = os.environ.get("SOURCE_DATE_EPOCH", EPOCH)
    settings = {"SOURCE_DATE_EPOCH": epoch, "BASE": given.base, "DEBIAN_MIRROR": given.mirror}
    options = [f"--build-arg={name}={value}" for name, value in settings.items() if value]
    options += ["--no-cache"] if given.no_cache else []
    options += [f"--network={given.network}"] if given.network else []
    with tempfile.TemporaryDirectory() as folder:
        context = Path(folder) / "context"
        prepare(context, given.python, epoch)
        for target in (each for each in TARGETS if each in wanted):
            if target == "mesos":
                add_mesos(context / "mesos")
                date(context / "mesos", epoch)
            name = f"{given.images}/{target}:{given.tag}"
            run("docker", "build", "--target", target, "--tag", name, *options, str(context))


def prepare(context: Path, python: str, epoch: str) -> None:
    """Gather what all images need."""
    context.mkdir()
    shutil.copy(HERE / "Dockerfile", context)
    shutil.copytree(HERE / "files", context / "files")
    wheels = context / "wheels"
    shutil.copytree(pinned_wheels(python), wheels)
    wheel = own_wheel(context, epoch)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    version = wheel.name.split("-")[1]
    line = f"stayer=={version} --hash=sha256:{digest}\n"
    (wheels / "requirements.txt").write_text(LOCK.read_text() + line)
    wheel.rename(wheels / wheel.name)
    words = [sys.executable, "scripts/build_bridge.py", "--output", str(context)]
    same_python = python == f"{sys.version_info.major}.{sys.version_info.minor}"
    run(*words, *(["--only-this-python"] if same_python else []), quiet=True)
    (package,) = context.glob("stayer-bridge_*.deb")
    run("dpkg-deb", "--extract", str(package), str(context / "bridge"))
    package.unlink()
    date(context, epoch)


def gather_wheels(folder: Path, python: str) -> None:
    """Fill a folder for machines that reach no index: see WHEELS in vagrant/cluster.env."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("*.whl"), *folder.glob("*.egg")):
        old.unlink()
    shutil.copytree(pinned_wheels(python), folder, dirs_exist_ok=True)
    own_wheel(folder, os.environ.get("SOURCE_DATE_EPOCH", EPOCH))
    if platform.machine() == MESOS_MACHINE:
        sys.path.insert(0, str(ROOT))
        from localmesos.apache.fetch import fetch_egg
        from localmesos.apache.index_settings import index_settings
        from localmesos.apache.release import MESOS_1_11

        cache = cache_folder()
        shutil.copy(
            fetch_egg(MESOS_1_11, cache, index_settings(), lambda _done, _all: None), folder
        )


def date(folder: Path, epoch: str) -> None:
    """Give all files one time, which they keep in the images."""
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (int(epoch), int(epoch)), follow_symlinks=False)


def pinned_wheels(python: str) -> Path:
    """The folder of all that requirements*.txt name; fetched only if this user has it not yet."""
    locks = (LOCK, LOCAL_LOCK)
    text = "".join(lock.read_text() for lock in locks)
    key = hashlib.sha256(f"{python} {text}".encode()).hexdigest()[:16]
    folder = cache_folder() / f"wheels-{key}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as fresh:
                part = Path(fresh) / "wheels"
                words = ["--no-deps", "--require-hashes", "--dest", str(part)]
                words += [f"--requirement={lock}" for lock in locks]
                run(*PIP, "download", *words, *wheels_for(python))
                part.rename(folder)
    return folder


def wheels_for(python: str, machine: str = platform.machine()) -> list[str]:
    """pip's options for wheels of another Python, perhaps of another machine."""
    platforms = [f"manylinux2014_{machine}", f"manylinux_2_28_{machine}"]
    words = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    return [*words, *(f"--platform={each}" for each in platforms)]


def own_wheel(folder: Path, epoch: str) -> Path:
    """Stayer's own, made of a copy, since building writes beside the sources."""
    with tempfile.TemporaryDirectory() as place:
        source, constraints = Path(place) / "source", Path(place) / "constraints.txt"
        source.mkdir()
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]:
            name = pattern.rstrip("*")
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, source / name, ignore=ignore)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        constraints.write_text(BUILD_WITH)
        words = [*PIP, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source)]
        if f"setuptools=={installed('setuptools')}\n" == BUILD_WITH:  # so no index is asked for it
            run(*words, "--no-build-isolation", SOURCE_DATE_EPOCH=epoch)
        else:  # older pips heed the first when they build, newer ones the second
            pins = str(constraints)
            run(*words, SOURCE_DATE_EPOCH=epoch, PIP_CONSTRAINT=pins, PIP_BUILD_CONSTRAINT=pins)
    (wheel,) = folder.glob("stayer-*.whl")
    return wheel


def installed(name: str) -> str:
    """The version of a package beside us, or nothing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def add_mesos(folder: Path) -> None:
    """Add the library, as `stayer mesos` prepares it for this user."""
    sys.path.insert(0, str(ROOT))
    from localmesos.apache.cache import mesos_library

    library = mesos_library()
    folder.mkdir()
    shutil.copy(library, folder)


def cache_folder() -> Path:
    """The same one as for the Mesos library."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "stayer"


def lock() -> dict[Path, str]:
    """The newest packages that may be used, with the digests of their wheels."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    scheduler = resolved([*project["dependencies"], *extras["scheduler"]])
    more = [each for each in extras["local"] if not each.startswith("stayer[")]
    local = resolved([*scheduler, *more])
    only_local = {name: local[name] for name in local.keys() - scheduler.keys()}
    image, machines = "What the scheduler's image has", "What machines with Mesos have besides"
    return {LOCK: lock_text(image, scheduler), LOCAL_LOCK: lock_text(machines, only_local)}


def resolved(needs: list[str]) -> dict[str, set[str]]:
    """What these need and themselves, as NAME==VERSION, with the digests."""
    digests: dict[str, set[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        for python, machine in LOCKED_FOR:
            words = ["--dry-run", "--ignore-installed", "--target", folder]
            words += ["--report", str(report), *wheels_for(python, machine)]
            # What one Python has, the others get, too: one name has one version in a lock.
            run(*PIP, "install", *words, *needs, *digests)
            for each in json.loads(report.read_text())["install"]:
                name = f"{each['metadata']['name'].lower()}=={each['metadata']['version']}"
                digest = each["download_info"]["archive_info"]["hashes"]["sha256"]
                digests.setdefault(name, set()).add(digest)
    return digests


def lock_text(what: str, digests: dict[str, set[str]]) -> str:
    """As pip reads it."""
    lines = [f"# {what}; renewed with docker-images/build.py --lock."]
    for name in sorted(digests):
        hashes = [f"    --hash=sha256:{digest}" for digest in sorted(digests[name])]
        lines.append(" \\\n".join([name, *hashes]))
    return "\n".join(lines) + "\n"


def run(*words: str, quiet: bool = False, **variables: str) -> None:
    """Run a program; its failure is ours."""
    output = subprocess.DEVNULL if quiet else None
    environment = {**os.environ, **variables}
    done = subprocess.run(words, cwd=ROOT, env=environment, stdout=output, check=False)  # noqa: S603 - ours
    if done.returncode:
        sys.exit(f"{Path(words[0]).name} {words[1]} failed (exit status {done.returncode})")


if __name__ == "__main__":
    main()
