"""A base for the product's images, made with mmdebstrap, so that none is pulled.

It has all packages of Debian that the Dockerfile asks for, so building needs no network. Making
it takes a minute or two, so it is kept in the user's cache folder until others are asked for.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from localmesos.apache.cache import cache_folder

_DOCKERFILE = Path(__file__).parents[2] / "docker-images" / "Dockerfile"
_SUITE = "bookworm"
_OPTIONS = (
    "--quiet",
    "--format=tar",
    "--variant=apt",
    '--aptopt=Apt::Install-Recommends "false"',
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
)
_SECONDS = 900.0


def base_tar() -> Path:
    """The root file system; it may be used by several processes."""
    assert shutil.which("mmdebstrap"), "the tests need mmdebstrap: scripts/system-packages"
    asked = re.compile(r'RUN settled "debian-packages ([a-z0-9+. -]+)')
    lines = asked.findall(_DOCKERFILE.read_text())
    packages = sorted({name for line in lines for name in line.split()})
    assert "python3" in packages
    words = [*_OPTIONS, f"--include={','.join(packages)}", _SUITE]
    key = hashlib.sha256(repr(words).encode()).hexdigest()[:16]
    path = cache_folder() / f"image-base-{key}.tar"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            part = path.with_name(f"{path.stem}.part")
            environment = {**os.environ, "SOURCE_DATE_EPOCH": "1767225600"}
            command = ["mmdebstrap", *words, str(part)]
            subprocess.run(command, env=environment, check=True, timeout=_SECONDS)
            for old in path.parent.glob("image-base-*[0-9a-f].tar"):
                old.unlink()
            part.replace(path)
    return path
