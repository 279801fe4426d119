"""The parts of a process that leads: driver, prober and decisions, put together."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

from api.options import ApiOptions
from cli.exported import driver_metrics, probe_metrics, zookeeper_store_metrics
from cli.flags import read
from cli.keeping import Keeping
from cli.patterns import linear_full_match
from framework.core.policy import Policy
from framework.domain.actions import Halt
from framework.health.options import HealthOptions
from framework.health.prober import AsyncProber
from framework.interfaces import Leader
from framework.mesos.detection import detector_for
from framework.mesos.driver import HttpDriver
from framework.mesos.options import PYMESOS_DRIVER, MesosOptions
from framework.mesos.transport import HttpTransport, Transport
from framework.runtime.moments import steady_clock
from framework.runtime.scheduler import Facts, RunningScheduler
from framework.store.zookeeper import ZooKeeperStore
from framework.zookeeper.options import ZooKeeperOptions
from framework.zookeeper.url import without_credentials

End = Callable[[BaseException | Halt], None]


@dataclass(frozen=True, slots=True)
class Options:
    """Every part's settings."""

    mesos: MesosOptions
    zookeeper: ZooKeeperOptions
    api: ApiOptions
    policy: Policy
    health: HealthOptions

    def settings(self, ports: Mapping[str, int | None]) -> dict[str, object]:
        """All by name, as ``/v2/info`` shows them; ``ports`` are those that were bound."""
        return (
            asdict(self.policy)
            | self.zookeeper.settings()
            | self.api.settings()
            | asdict(self.mesos)
            | {"master": without_credentials(self.mesos.master)}
            | {"ha": bool(self.zookeeper.zk), **ports}
        )


def read_options(values: Mapping[str, Any]) -> Options:
    """The options from the values of all flags. click.UsageError where they contradict;
    ValueError or OSError for a master or a secret that can not be had, now and not only when
    this process leads."""
    api = read(ApiOptions, values)
    mesos = read(MesosOptions, values)
    if not mesos.webui_url and api.http_port and not api.disable_http:
        mesos = replace(mesos, webui_url=f"http://{api.http_address}:{api.http_port}")
    options = Options(
        mesos,
        read(ZooKeeperOptions, values),
        api,
        read(Policy, values),
        read(HealthOptions, values),
    )
    _driver(options)
    return options


def _driver(
    options: Options,
    confirm: Callable[[], None] = lambda: None,
    on_lost: End = lambda _lost: None,
) -> HttpDriver:
    mesos = options.mesos
    detector = detector_for(mesos.master, options.zookeeper, tls=mesos.mesos_tls)
    transport = _transport(mesos)
    return HttpDriver(
        mesos, detector=detector, confirm=confirm, on_lost=on_lost, transport=transport
    )


def _transport(options: MesosOptions) -> Transport:
    """What the operator chose; ValueError where it can not do what the options ask for. Called
    first by the main thread, which pymesos wants to be imported by."""
    if options.mesos_driver != PYMESOS_DRIVER:
        return HttpTransport(options)
    try:
        from framework.mesos.pymesos_driver import PymesosTransport  # here: an extra
    except ImportError as missing:
        raise ValueError(
            f"mesos_driver pymesos needs packages that are not installed ({missing.name}): "
            "see docs/pymesos.md"
        ) from None
    return PymesosTransport(options)


def lead(
    options: Options,
    keeping: Keeping,
    own: Leader,
    ports: Mapping[str, int | None],
    on_end: End,
) -> RunningScheduler:
    """A scheduler on the state that was gained, not started. What Store.load raises."""
    driver = _driver(options, keeping.confirm_now, on_end)
    prober = AsyncProber(options.health, on_failure=on_end, clock=steady_clock())
    store, state = keeping.take()
    facts = Facts(leader=own.address, version=version("stayer"), settings=options.settings(ports))
    scheduler = RunningScheduler(
        store,
        driver,
        prober,
        options.policy,
        linear_full_match,
        state=state,
        confirm=keeping.confirm,
        facts=facts,
        on_end=on_end,
    )
    scheduler.exported.add(lambda: driver_metrics(driver.counts))
    scheduler.exported.add(lambda: probe_metrics(prober.counts))
    if isinstance(store, ZooKeeperStore):
        scheduler.exported.add(lambda: zookeeper_store_metrics(store.counts))
    return scheduler
