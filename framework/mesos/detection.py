"""The leading Mesos master as ZooKeeper tells it.

Each master that runs has a child ``json.info_<sequence>`` under the path of the URL; the lowest
leads, and the child's data is its MasterInfo as JSON. ZooKeeper may be away at our start or later:
then the last leader known is still the best guess, since masters that do not lead redirect.
"""

import logging
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any

import msgspec
from kazoo.exceptions import KazooException, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.interfaces import IAsyncResult
from kazoo.protocol.states import KazooState

from framework.mesos.master import Endpoint, MasterDetector, StaticMaster, is_host, parse_endpoint
from framework.zookeeper.options import ZooKeeperOptions
from framework.zookeeper.session import Session
from framework.zookeeper.url import parse_zk_url

_MAX_INFO_BYTES = 64 * 1024
_MAX_CANDIDATES = 16
_ANSWER_LOOK_SECONDS = 0.5
_PACE_SECONDS = 0.1  # between two looks, however often the children change
_RETRY_SECONDS = 1.0
_REFRESH_SECONDS = 60.0  # a look that no watch asked for, should one ever be lost
_STOP_SECONDS = 1.0  # the session may take longer to end, which nobody needs to wait for
_MAX_COMPLAINTS = 100
_CHILD = re.compile(r"json\.info_(-?\d{1,12})")

log = logging.getLogger(__name__)


class _Address(msgspec.Struct, frozen=True):
    port: int
    hostname: str = ""
    ip: str = ""


class _MasterInfo(msgspec.Struct, frozen=True):
    """``ip`` is the older form: an integer whose bytes, the lowest first, are the address."""

    address: _Address | None = None
    hostname: str = ""
    ip: int = 0
    port: int = 5050


@dataclass(frozen=True, slots=True)
class Leader:
    """``endpoint`` is where to connect; ``names`` all the addresses it is known by."""

    endpoint: Endpoint
    names: frozenset[Endpoint]


def detector_for(
    master: str, zookeeper: ZooKeeperOptions | None = None, *, tls: bool = False
) -> MasterDetector:
    """The detector for the option ``master``; ``tls`` says whether masters that ZooKeeper names
    are reached by https. ValueError says what would be right; OSError for a credentials' file."""
    if not master.startswith("zk://"):
        return StaticMaster(parse_endpoint(master))
    return ZooKeeperMaster(master, zookeeper or ZooKeeperOptions(), tls=tls)


def leader_from(data: bytes, *, tls: bool) -> Leader:
    """The master that a MasterInfo in JSON describes. ValueError.

    By the IP address, which agents use too, so that no name needs to be known here; with TLS by
    the host name, which is what the certificate proves."""
    if len(data) > _MAX_INFO_BYTES:
        raise ValueError(f"it holds more than {_MAX_INFO_BYTES} bytes")
    try:
        info = msgspec.json.decode(data, type=_MasterInfo)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(str(error)) from None
    address = info.address
    if address is None:
        ip = str(IPv4Address(info.ip.to_bytes(4, "little"))) if 0 < info.ip < 1 << 32 else ""
        address = _Address(info.port, info.hostname, ip)
    hosts = [host for host in (address.ip, address.hostname or info.hostname) if host]
    if not hosts or not all(map(is_host, hosts)) or not 0 < address.port < 65536:
        raise ValueError("it names no usable address")
    names = [Endpoint(host, address.port, tls) for host in hosts]
    return Leader(names[-1] if tls else names[0], frozenset(names))


def candidates(children: Iterable[str]) -> list[str]:
    """The masters' children, the leading one first."""
    found = [(int(match[1]), name) for name in children if (match := _CHILD.fullmatch(name))]
    return [name for _, name in sorted(found)]


class ZooKeeperMaster:
    """``MasterDetector`` over a ZooKeeper session of its own."""

    def __init__(self, url: str, options: ZooKeeperOptions, *, tls: bool = False) -> None:
        """ValueError or OSError if the URL or the credentials can not be used."""
        parsed = parse_zk_url(url)
        if not parsed.path:
            raise ValueError("a Mesos master in ZooKeeper needs a path, as in zk://host/mesos")
        if parsed.user:  # the file is for the ensemble whose URL names nobody
            options = replace(options, zk_credentials_file="")
        self._session = Session(parsed, options)
        self._tls = tls
        self._changed: Callable[[], None] = lambda: None
        self._leader: Leader | None = None
        self._seen = ""  # the child that the leader is from
        self._complaints: set[str] = set()
        self._look_again = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mesos-detection", daemon=True)

    def __str__(self) -> str:
        return str(self._session.url)

    def start(self, changed: Callable[[], None]) -> None:
        """See ``MasterDetector.start``; ZooKeeper need not be there yet."""
        self._changed = changed
        self._session.listen(self._connection_changed)
        self._thread.start()

    def leader(self) -> Endpoint | None:
        """See ``MasterDetector.leader``."""
        leader = self._leader
        return None if leader is None else leader.endpoint

    def leads(self, endpoint: Endpoint) -> bool:
        """See ``MasterDetector.leads``."""
        leader = self._leader
        return leader is None or endpoint in leader.names

    def stop(self) -> None:
        """See ``MasterDetector.stop``."""
        self._stopping.set()
        self._look_again.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)

    def _connection_changed(self, state: KazooState) -> None:
        """Called by kazoo's thread."""
        if state == KazooState.CONNECTED:
            self._look_again.set()
        elif not self._stopping.is_set():
            known = self.leader()
            kept = "no leading master is known" if known is None else f"{known} is kept as leader"
            log.warning("the connection to ZooKeeper at %s is away: %s", self, kept)

    # Everything below runs in the thread made here.

    def _run(self) -> None:
        self._session.client.start_async()
        try:
            patience: float = _REFRESH_SECONDS
            while not self._stopping.is_set():
                self._look_again.wait(patience)
                self._look_again.clear()
                patience = self._look() if self._session.client.connected else _REFRESH_SECONDS
                self._stopping.wait(_PACE_SECONDS)
        finally:
            self._session.close()

    def _look(self) -> float:
        """Look who leads; how many seconds later at most to look again."""
        try:
            name, leader = self._find()
        except NoNodeError:  # a child went while we looked
            return 0.0
        except KazooException as error:
            self._complain(f"ZooKeeper at {self} does not say who leads: {_kind(error)}")
            return _RETRY_SECONDS
        if not self._stopping.is_set() and name != self._seen:
            self._seen, self._leader = name, leader
            log.info("the leading Mesos master of %s is %s", self, self.leader() or "nobody")
            self._changed()
        return _REFRESH_SECONDS

    def _find(self) -> tuple[str, Leader | None]:
        """The child of the leading master and what it says; ("", None) while there is none."""
        client, path = self._session.client, self._session.url.path
        try:
            children = self._answer(client.get_children_async(path, watch=self._watched))
        except NoNodeError:
            if self._answer(client.exists_async(path, watch=self._watched)) is not None:
                raise
            children = []
        for name in candidates(children)[:_MAX_CANDIDATES]:
            data, _stat = self._answer(client.get_async(self._session.path(name)))
            try:
                return name, leader_from(data, tls=self._tls)
            except ValueError as error:
                self._complain(f"{self}/{name} is no Mesos master, the next one is tried: {error}")
        return "", None

    def _watched(self, _event: object) -> None:
        """Called by kazoo's thread."""
        self._look_again.set()

    def _answer(self, asked: IAsyncResult) -> Any:
        """Wait for the answer, for ever while ZooKeeper is away, but not beyond ``stop``."""
        while True:
            try:
                return asked.get(timeout=_ANSWER_LOOK_SECONDS)
            except KazooTimeoutError:
                if self._stopping.is_set():
                    raise KazooException("stopping") from None

    def _complain(self, text: str) -> None:
        """Say each thing once, and only so many things."""
        if text not in self._complaints and len(self._complaints) < _MAX_COMPLAINTS:
            self._complaints.add(text)
            log.warning("%s", text)


def _kind(error: Exception) -> str:
    return str(error) or type(error).__name__
