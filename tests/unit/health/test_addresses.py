"""Names and addresses: remembered, asked anew beside, never waited for by many for long."""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable

from framework.health.addresses import Addresses, Lookup

PATIENT = 60.0


class _Names:
    """A name server whose answers can be changed and held back."""

    def __init__(self, **known: str) -> None:
        self.known = known
        self.asked: Counter[str] = Counter()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self, host: str, ipv6: bool) -> str | None:
        self.asked[host] += 1
        assert self.may_answer.wait(60)
        return self.known.get(host)


class _Clock(asyncio.SelectorEventLoop):
    """An event loop whose time can be moved on."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


def run(
    names: Lookup, scenario: Callable[[Addresses, _Clock], Awaitable[None]], cache: float = 30
) -> None:
    loop = _Clock()
    addresses = Addresses(loop, cache, names)
    try:
        loop.run_until_complete(scenario(addresses, loop))
    finally:
        addresses.close()
        loop.close()


async def _find(addresses: Addresses, host: str, patience_seconds: float = PATIENT) -> str | None:
    return await addresses.find(host, ipv6=False, patience_seconds=patience_seconds)


async def _answers(addresses: Addresses) -> None:
    """Wait for whatever is being asked."""
    async with asyncio.timeout(PATIENT):
        await asyncio.gather(*addresses._pending.values())


def test_address_needs_no_name_server() -> None:
    names = _Names()

    async def scenario(addresses: Addresses, _: _Clock) -> None:
        assert await _find(addresses, "10.0.0.1") == "10.0.0.1"
        assert await _find(addresses, "::1") is None
        assert await addresses.find("::1", ipv6=True, patience_seconds=PATIENT) == "::1"
        assert await addresses.find("10.0.0.1", ipv6=True, patience_seconds=PATIENT) is None

    run(names, scenario)
    assert not names.asked


def test_many_ask_once_and_it_is_remembered() -> None:
    names = _Names(a="10.0.0.1")

    async def scenario(addresses: Addresses, _: _Clock) -> None:
        assert (
            await asyncio.gather(*(_find(addresses, "a") for _ in range(50))) == ["10.0.0.1"] * 50
        )
        assert await _find(addresses, "a") == "10.0.0.1"

    run(names, scenario)
    assert names.asked == {"a": 1}


def test_old_address_is_used_while_it_is_asked_anew() -> None:
    names = _Names(a="10.0.0.1")

    async def scenario(addresses: Addresses, loop: _Clock) -> None:
        await _find(addresses, "a")
        names.known["a"] = "10.0.0.2"
        names.may_answer.clear()
        loop.ahead += 40
        assert await _find(addresses, "a", 0) == "10.0.0.1"
        assert await _find(addresses, "a", 0) == "10.0.0.1"
        names.may_answer.set()
        await _answers(addresses)
        assert await _find(addresses, "a") == "10.0.0.2"

    run(names, scenario)
    assert names.asked == {"a": 2}


def test_too_old_address_is_not_used() -> None:
    names = _Names(a="10.0.0.1")

    async def scenario(addresses: Addresses, loop: _Clock) -> None:
        await _find(addresses, "a")
        names.known["a"] = "10.0.0.2"
        loop.ahead += 61
        assert await _find(addresses, "a") == "10.0.0.2"

    run(names, scenario)


def test_that_a_name_leads_nowhere_is_remembered_for_a_short_time() -> None:
    names = _Names()

    async def scenario(addresses: Addresses, loop: _Clock) -> None:
        assert await _find(addresses, "a") is None
        loop.ahead += 4
        assert await _find(addresses, "a") is None
        assert names.asked["a"] == 1
        names.known["a"] = "10.0.0.1"
        loop.ahead += 2
        assert await _find(addresses, "a") is None
        await _answers(addresses)
        assert await _find(addresses, "a") == "10.0.0.1"
        assert names.asked["a"] == 2

    run(names, scenario)


def test_silent_name_server_is_waited_for_once() -> None:
    names = _Names(a="10.0.0.1")
    names.may_answer.clear()

    async def scenario(addresses: Addresses, _: _Clock) -> None:
        assert await _find(addresses, "a", 0.01) is None
        assert await _find(addresses, "a") is None, "remembered: not waited for again"
        names.may_answer.set()
        await _answers(addresses)
        assert await _find(addresses, "a") == "10.0.0.1"

    run(names, scenario)
    assert names.asked == {"a": 1}


def test_few_threads_and_a_bounded_queue() -> None:
    names = _Names(**{f"a{number}": "10.0.0.1" for number in range(2_000)})
    names.may_answer.clear()
    before = threading.active_count()

    async def scenario(addresses: Addresses, _: _Clock) -> None:
        waiting = [asyncio.ensure_future(_find(addresses, f"a{n}")) for n in range(2_000)]
        done, _pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result() for task in done} == {None}
        assert threading.active_count() <= before + 4
        names.may_answer.set()
        answers = Counter(await asyncio.gather(*waiting))
        assert answers == {"10.0.0.1": 1_000, None: 1_000}

    run(names, scenario)


def test_broken_resolver_gives_no_address() -> None:
    def broken(host: str, ipv6: bool) -> str | None:
        raise RuntimeError("no resolver today")

    async def scenario(addresses: Addresses, _: _Clock) -> None:
        assert await _find(addresses, "a") is None
        assert await _find(addresses, "b") is None

    run(broken, scenario)


def test_late_answer_after_the_end_is_nobodys() -> None:
    names = _Names()
    names.may_answer.clear()
    before = set(threading.enumerate())

    async def scenario(addresses: Addresses, _: _Clock) -> None:
        assert await _find(addresses, "a", 0.01) is None

    run(names, scenario)
    (thread,) = set(threading.enumerate()) - before
    names.may_answer.set()
    thread.join(PATIENT)  # an exception in it would fail the test
    assert not thread.is_alive()
