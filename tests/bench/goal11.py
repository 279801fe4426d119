"""Goal 11, a whole configuration: ``python -m tests.bench.goal11``.

10,000 apps of ten tasks: the page of the scheduler is read, judged and written as a configuration
for haproxy, as a daemon does it the first time; then again and again after one app changed. The
peer of each: ``haproxy -c`` of the very same configuration in the same run. Then 300 apps, once all
good, once with one of which haproxy refuses a directive, and once with one for which it names no
line: how much longer that takes, checks by haproxy included; the peer of both is the good case.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from haproxy_bridge.guard import GuardOptions, Judge, Memory
from haproxy_bridge.render import Renderer, RenderOptions
from haproxy_bridge.rendered import Rendered
from haproxy_bridge.run import quarantine
from haproxy_bridge.services import Builder, Policy, ServiceOptions
from haproxy_bridge.snapshot import Snapshot
from haproxy_bridge.source.resolving import unresolved
from haproxy_bridge.source.stayer import Pages
from haproxy_bridge.swap.check import check
from tests.bench._edge import TASKS, encoded, page, service, task
from tests.bench.report import Options, Result, options, own_peak_mib, report

Made = TypeVar("Made")

APPS = 10_000
AGENTS = 1_000
CHANGES = 10
FEW = 300
_CHECKS = [{"kind": "http", "path": "/health", "portIndex": 0, "intervalSeconds": 10}]
_BAD = {
    "": {"HAPROXY_0_BACKEND_HTTP_OPTIONS": "  no-such-directive"},
    ", no line named": {
        "HAPROXY_0_VHOST": "bad.example",
        "HAPROXY_0_HTTP_FRONTEND_ACL": "  use_backend nowhere",
    },
}
_SERVICES = ServiceOptions(reserved_ports=frozenset(), policy=Policy(templates=True))
_RENDER = RenderOptions(log="")
_GUARD = GuardOptions()


class Bridge:
    """From a page to a configuration, with all that a daemon remembers of the last one."""

    def __init__(self) -> None:
        self._pages = Pages(unresolved)
        self._judge = Judge(_GUARD)
        self._builder = Builder(_SERVICES, "bench")
        self._renderer = Renderer(_RENDER)
        self._memory = Memory()

    def rendered(self, content: bytes) -> Rendered:
        """What haproxy is to be given."""
        answer = self._pages.snapshot(content, "", "")
        judged = self._judge.judge(answer, self._memory, 0)
        assert judged.snapshot is not None, judged.why
        self._memory = judged.memory
        return self.render(judged.snapshot)

    def render(self, snapshot: Snapshot) -> Rendered:
        """Without reading and judging."""
        return self._renderer.render(self._builder.build(snapshot))


def services(apps: int) -> list[bytes]:
    """So many of ten tasks, each encoded."""
    return [encoded(_service(number, TASKS)) for number in range(apps)]


def _service(number: int, tasks: int, **labels: str) -> dict[str, object]:
    app = f"/bench/app{number}"
    agents = ((number * TASKS + one) % AGENTS for one in range(tasks))
    made = [
        task(app, one, f"10.1.{agent // 250}.{1 + agent % 250}", 31_000 + number % 900, _CHECKS)
        for one, agent in enumerate(agents, 1)
    ]
    return service(number, 1_024 + number, made, labels)


def measure(folder: Path, wanted: Options) -> Iterator[Result]:
    """All of them."""
    apps = wanted.scaled(APPS)
    parts = services(apps)
    bridge = Bridge()
    cpu, wall, made = _timed(lambda: bridge.rendered(page(parts)))
    assert sum(len(one.servers) for one in made.backends) == apps * TASKS
    peer = _checked(folder, made)
    yield Result(
        f"configuration of {apps} apps x {TASKS}", wall, "s", cpu, peer, wall, apps / wall,
        own_peak_mib(), "11",
    )  # fmt: skip
    yield _changed(bridge, parts, peer, wanted)
    yield from _one_bad(folder, wanted)


def _changed(bridge: Bridge, parts: list[bytes], peer: float, wanted: Options) -> Result:
    """One app loses or gets a task, and all is as haproxy is to have it."""
    times, cpu = [], 0.0
    for number in range(max(3, round(CHANGES * min(1.0, wanted.size)))):
        parts[number % len(parts)] = encoded(_service(number % len(parts), TASKS - 1))
        content = page(parts)
        took, wall, _ = _timed(lambda content=content: bridge.rendered(content))  # type: ignore[misc]  # its default binds it
        times.append(wall)
        cpu += took
    middle = sorted(times)[len(times) // 2]
    name = f"the same after one of {len(parts)} changed"
    return Result(name, middle, "s", cpu, peer, sum(times), len(times) / sum(times))


def _one_bad(folder: Path, wanted: Options) -> Iterator[Result]:
    """One app of 300 that haproxy refuses, against none."""
    apps = max(3, wanted.scaled(FEW))
    good = [encoded(_service(number, TASKS)) for number in range(apps)]
    _, peer, settled = _timed(lambda: _settled(folder, good))
    assert len(settled.rendered.backends) == apps
    for name, labels in _BAD.items():
        bad = list(good)
        bad[apps // 2] = encoded(_service(apps // 2, TASKS, **labels))
        cpu, wall, settled = _timed(lambda bad=bad: _settled(folder, bad))  # type: ignore[misc]  # as above
        assert len(settled.rendered.backends) == apps - 1
        yield Result(f"{apps} apps, one of them refused{name}", wall, "s", cpu, peer)


def _settled(folder: Path, parts: list[bytes]) -> quarantine.Settled:
    bridge = Bridge()
    answer = Pages(unresolved).snapshot(page(parts), "", "")
    return quarantine.settled(
        answer, {}, bridge.render, lambda made: check("haproxy", folder, made)
    )


def _checked(folder: Path, made: Rendered) -> float:
    """Seconds that haproxy itself takes to read it."""
    _, wall, refusal = _timed(lambda: check("haproxy", folder, made))
    assert refusal is None, refusal
    return wall


def _timed(run: Callable[[], Made]) -> tuple[float, float, Made]:
    cpu, began = time.process_time(), time.perf_counter()
    result = run()
    return time.process_time() - cpu, time.perf_counter() - began, result


def main() -> None:
    """Measure beside the working directory's disk unless TMPDIR says otherwise."""
    wanted = options(__doc__)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", ".")) as name:
        for result in measure(Path(name), wanted):
            report(result, wanted)


if __name__ == "__main__":
    main()
