"""Names to addresses: found together, remembered for a while, never waited for without end."""

import threading

import pytest

from haproxy_bridge.source import resolving
from haproxy_bridge.source.resolving import KEPT_SECONDS, UNKNOWN_SECONDS, Resolver
from tests.polling import eventually


class Names:
    """A directory of names; ``asked`` are those that were looked up."""

    def __init__(self, **known: str) -> None:
        self.known = known
        self.asked: list[str] = []
        self.now = 0.0
        self.answers = threading.Event()
        self.answers.set()

    def lookup(self, host: str) -> str:
        self.asked.append(host)
        self.answers.wait(60)
        if host not in self.known:
            raise OSError("no such name")
        return self.known[host]

    def resolver(self) -> Resolver:
        return Resolver(self.lookup, lambda: self.now)


def test_names_have_addresses_and_addresses_are_their_own() -> None:
    names = Names(a="10.0.0.1")
    hosts = {"a": "", "192.0.2.1": "", "fe80::1%eth0": "", "::1": ""}
    assert names.resolver().addresses(hosts) == {
        "a": "10.0.0.1",
        "192.0.2.1": "192.0.2.1",
        "fe80::1%eth0": "fe80::1%eth0",
        "::1": "::1",
    }
    assert names.asked == ["a"]


def test_a_name_that_is_not_found_falls_back_to_what_is_known_of_it() -> None:
    resolver = Names().resolver()
    assert resolver.addresses({"a": "10.0.0.9", "b": ""}) == {"a": "10.0.0.9", "b": "b"}


def test_a_name_that_is_not_found_is_where_it_was_for_an_earlier_process() -> None:
    earlier = Names(a="10.0.0.1", b="10.0.0.2").resolver()
    earlier.recall({"gone": "10.0.0.3"})
    assert earlier.found() == {"gone": "10.0.0.3"}, "nobody was asked for yet"
    earlier.addresses({"a": "", "b": "", "c": "", "192.0.2.1": ""})
    assert earlier.found() == {"a": "10.0.0.1", "b": "10.0.0.2"}
    later = Names(b="10.0.0.9").resolver()
    later.recall(earlier.found())
    hosts = {"a": "192.0.2.7", "b": "", "c": ""}
    assert later.addresses(hosts) == {"a": "10.0.0.1", "b": "10.0.0.9", "c": "c"}
    assert later.found() == {"a": "10.0.0.1", "b": "10.0.0.9"}


def test_what_was_found_is_not_asked_for_again_for_a_while() -> None:
    names = Names(a="10.0.0.1")
    resolver = names.resolver()
    resolver.addresses({"a": ""})
    names.known["a"] = "10.0.0.2"
    names.now = KEPT_SECONDS - 1
    assert resolver.addresses({"a": ""}) == {"a": "10.0.0.1"}
    names.now = KEPT_SECONDS
    names.answers.clear()
    assert resolver.addresses({"a": ""}) == {"a": "10.0.0.1"}, "nobody waits for what is known"
    names.answers.set()
    eventually(lambda: resolver.addresses({"a": ""}) == {"a": "10.0.0.2"}, "not looked up again")


def test_a_directory_that_fails_leaves_the_address_that_was_known() -> None:
    names = Names(a="10.0.0.1")
    resolver = names.resolver()
    resolver.addresses({"a": ""})
    del names.known["a"]
    names.now = KEPT_SECONDS
    assert resolver.addresses({"a": "10.0.0.9"}) == {"a": "10.0.0.1"}
    eventually(lambda: len(names.asked) == 2, "not looked up again")
    assert resolver.addresses({"a": "10.0.0.9"}) == {"a": "10.0.0.1"}


def test_a_name_that_was_not_found_is_asked_for_again_soon() -> None:
    names = Names()
    resolver = names.resolver()
    assert resolver.addresses({"a": "fallback"}) == {"a": "fallback"}
    resolver.addresses({"a": "fallback"})
    assert len(names.asked) == 1
    names.known["a"] = "10.0.0.1"
    names.now = UNKNOWN_SECONDS
    eventually(lambda: resolver.addresses({"a": ""}) == {"a": "10.0.0.1"}, "not looked up again")


def test_a_lookup_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "WAIT_SECONDS", 0.2)
    hangs = threading.Event()

    def lookup(host: str) -> str:
        if host == "slow":
            hangs.wait(60)
        return "10.0.0.1"

    try:
        found = Resolver(lookup).addresses({"slow": "10.0.0.9", "quick": ""})
        assert found == {"slow": "10.0.0.9", "quick": "10.0.0.1"}
    finally:
        hangs.set()


def test_the_real_directory() -> None:
    assert Resolver().addresses({"localhost": ""}) == {"localhost": "127.0.0.1"}
    assert Resolver().addresses({"no-such-name.invalid": "x"}) == {"no-such-name.invalid": "x"}
