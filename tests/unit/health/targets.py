"""Targets for the tests of the prober, and a place for its reports."""

import threading
from dataclasses import dataclass, field

from framework.domain.health import (
    ProbeProtocol,
    ProbeResult,
    ProbesReported,
    ProbeTarget,
    health_key,
)
from framework.domain.ids import instance_id, task_id
from tests.polling import eventually

HOST = "127.0.0.1"


def key(number: int = 0) -> str:
    """The key of the health check of some task."""
    return health_key(task_id(instance_id("/shop/web", f"{number:036x}"), 1), 0)


def target(port: int = 31_000, number: int = 0, **fields: object) -> ProbeTarget:
    """A plain HTTP target that waits long and looks often, unless told otherwise."""
    values: dict[str, object] = {
        "key": key(number),
        "protocol": ProbeProtocol.HTTP,
        "hosts": (HOST,),
        "port": port,
        "interval_seconds": 0.02,
        "timeout_seconds": 30.0,
    }
    return ProbeTarget(**{**values, **fields})  # type: ignore[arg-type]  # checked by the tests


@dataclass
class Heard:
    """What was reported, from whatever thread."""

    results: list[ProbeResult] = field(default_factory=list)
    reports: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def submit(self, report: ProbesReported) -> None:
        with self.lock:
            self.reports += 1
            self.results.extend(report.results)

    def about(self, wanted: str) -> list[ProbeResult]:
        with self.lock:
            return [result for result in self.results if result.key == wanted]

    def first(self, wanted: str) -> ProbeResult:
        return eventually(lambda: self.about(wanted), f"a result of {wanted}")[0]
