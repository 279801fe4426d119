"""Clients that write and read apps through any Stayer, and remember what they were told.

Each app is a register: the value is a label, so that a write is told from every other, or the
count of instances. A request goes to one Stayer once; what becomes of it is known, known not to
have happened, or unknown.
"""

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from api.client import (
    Client,
    ClientError,
    ConflictError,
    InvalidError,
    JsonObject,
    NotFoundError,
    UnreachableError,
)
from tests.torture.history import Operation

LABEL = "value"
_TIMEOUT_SECONDS = 5.0
_PAUSE_SECONDS = 0.1
_WRITE_SHARE = 0.6
_NOT_DONE = (ConflictError, InvalidError, NotFoundError, UnreachableError)


@dataclass(frozen=True, slots=True)
class Register:
    """An app that clients write: ``change`` makes the fields of a PUT from a value, ``value``
    finds it in the app, ``values`` are what to write (empty: a new one each time)."""

    app_id: str
    change: Callable[[str], JsonObject]
    value: Callable[[JsonObject], str]
    values: tuple[str, ...] = ()
    weight: float = 1.0


def label_register(app_id: str, weight: float = 1.0) -> Register:
    """The value is a label: each write is a configuration of its own."""
    return Register(
        app_id,
        lambda value: {"labels": {LABEL: value}},
        lambda app: str(app["labels"].get(LABEL, "")),
        weight=weight,
    )


def count_register(app_id: str, counts: Sequence[int], weight: float = 1.0) -> Register:
    """The value is the count of instances."""
    return Register(
        app_id,
        lambda value: {"instances": int(value)},
        lambda app: str(app["instances"]),
        tuple(map(str, counts)),
        weight,
    )


class Clients:
    """Some threads that ask without end; ``history`` has what each app's were told."""

    def __init__(
        self, urls: Sequence[str], registers: Sequence[Register], seed: int, threads: int = 3
    ) -> None:
        self.history: dict[str, list[Operation]] = {each.app_id: [] for each in registers}
        self.surprises: list[str] = []
        self._urls = tuple(urls)
        self._registers = tuple(registers)
        self._numbers = itertools.count(1)
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(f"client-{n}", random.Random(seed + n)))
            for n in range(threads)
        ]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask no more, and wait for the last answers; harmless when repeated."""
        self._over.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    @property
    def acknowledged(self) -> int:
        """How many writes were."""
        operations = itertools.chain.from_iterable(self.history.values())
        return sum(each.is_write and each.is_known for each in operations)

    def note_read(self, register: Register, called: float, app: JsonObject) -> None:
        """Remember what another read, from ``called`` until now."""
        value = register.value(app)
        read = Operation("at the end", False, value, called, time.monotonic())
        self.history[register.app_id].append(read)

    def _ask(self, name: str, chance: random.Random) -> None:
        clients = [Client((url,), timeout_seconds=_TIMEOUT_SECONDS) for url in self._urls]
        weights = [register.weight for register in self._registers]
        try:
            while not self._over.wait(_PAUSE_SECONDS * chance.random()):
                (register,) = chance.choices(self._registers, weights)
                client = chance.choice(clients)
                if chance.random() < _WRITE_SHARE:
                    value = chance.choice(register.values or (f"v{next(self._numbers)}",))
                    self._write(name, client, register, value)
                else:
                    self._read(name, client, register)
        finally:
            for client in clients:
                client.close()

    def _write(self, name: str, client: Client, register: Register, value: str) -> None:
        called = time.monotonic()
        returned = inf
        try:
            client.update_app(register.app_id, register.change(value), force=True)
            returned = time.monotonic()
        except _NOT_DONE as error:
            if not isinstance(error, UnreachableError):
                self.surprises.append(f"{name} writes {register.app_id}: {error}")
            return
        except ClientError:
            pass  # it may have happened
        self.history[register.app_id].append(Operation(name, True, value, called, returned))

    def _read(self, name: str, client: Client, register: Register) -> None:
        called = time.monotonic()
        try:
            value = register.value(client.get_app(register.app_id))
        except NotFoundError as error:
            self.surprises.append(f"{name} reads {register.app_id}: {error}")
        except ClientError:
            return
        else:
            read = Operation(name, False, value, called, time.monotonic())
            self.history[register.app_id].append(read)
