"""Which URL is asked first, and for how long one that hangs is not."""

from api.endpoints import AVOIDED_SECONDS, Endpoints


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_who_answered_is_first_and_the_others_keep_their_order() -> None:
    found = Endpoints(["a", "b", "c"])
    assert found.in_order() == ("a", "b", "c")
    found.answered("b")
    assert found.in_order() == ("b", "c", "a")


def test_who_failed_is_last_for_a_while() -> None:
    clock = Clock()
    found = Endpoints(["a", "b", "c"], clock)
    found.failed("a")
    assert found.in_order() == ("b", "c", "a"), "also if nobody answered what was asked for"
    clock.now += AVOIDED_SECONDS - 1
    assert found.in_order() == ("b", "c", "a")
    clock.now += 1
    assert found.in_order() == ("a", "b", "c")


def test_who_answers_again_is_not_avoided() -> None:
    found = Endpoints(["a", "b"], Clock())
    found.failed("a")
    found.failed("b")
    assert found.in_order() == ("a", "b"), "nobody is left out"
    found.answered("b")
    assert found.in_order() == ("b", "a")
    found.failed("b")
    found.answered("a")
    assert found.in_order() == ("a", "b")
