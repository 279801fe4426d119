"""The checker takes every history that one register explains, and no other."""

import itertools
import random
from math import inf

import pytest

from tests.torture.history import Operation, contradiction


def _history(text: str) -> list[Operation]:
    """One operation a line: its life as a row of dashes from call to return (``>``: unknown), w
    or r and the value, as in ``  ---- w1``."""
    operations = []
    for number, line in enumerate(filter(str.strip, text.splitlines())):
        life, _, what = line.rstrip().rpartition(" ")
        called = len(life) - len(life.lstrip())
        returned = inf if life.endswith(">") else len(life)
        operations.append(Operation(f"client-{number}", what[0] == "w", what[1:], called, returned))
    return operations


GOOD = {
    "nothing": "",
    "one after the other": """
-- w1
   -- r1
      -- w2
         -- r2
""",
    "reads of the beginning": """
-- r0
   -- r0
""",
    "a read during a write tells either": """
------ w1
 -- r0
    -- r1
""",
    "two writes at once, the later called first": """
--- w1
 --- w2
     - r1
""",
    "unknown and never read": """
-> w1
   -- r0
      -- w2
         -- r2
""",
    "unknown and read much later": """
-> w1
   -- r0
      -- w2
         -- r2
            -- r1
               -- r1
""",
    "an unknown write between two known ones": """
-- w1
  -> w2
      -- r1
         -- r2
            -- w3
               -- r3
""",
    "the same value twice": """
-- w1
   -- w2
      -- w1
         -- r1
""",
    "a read called before and answered after all": """
-------------- r1
 -- w1
    -- w2
       -- r2
""",
}
BAD = {
    "a write is lost": """
-- w1
   -- r0
""",
    "a write is lost later": """
-- w1
   -- w2
      -- r1
""",
    "it was there and went": """
------ w1
 - r1
   - r0
""",
    "a value that nobody wrote": """
-- w1
   -- r7
""",
    "read before it was written": """
-- r1
   -- w1
""",
    "two readers disagree about the order": """
----- w1
----- w2
      -- r1
         -- r2
            -- r1
""",
    "an unknown write takes effect twice": """
-> w1
   -- r1
      -- w2
         -- r2
            -- r1
""",
    "an unknown write before its call": """
-- r1
   -> w1
""",
    "a stale read by whoever asks after the answer": """
-- w1
   -- w2
        - r2
          - r1
""",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_explained_by_a_register(text: str) -> None:
    assert contradiction(_history(text), "0") == ""


@pytest.mark.parametrize("text", BAD.values(), ids=BAD)
def test_explained_by_no_register(text: str) -> None:
    assert contradiction(_history(text), "0")


def test_order_of_the_list_does_not_matter() -> None:
    for text in (*GOOD.values(), *BAD.values()):
        history = _history(text)
        found = {bool(contradiction(order, "0")) for order in itertools.permutations(history[:5])}
        assert len(found) == 1


def test_what_is_shown_names_the_operation() -> None:
    shown = contradiction(_history(BAD["a write is lost later"]), "0")
    assert [line[0] for line in shown.splitlines()] == [" ", " ", "!"]
    assert "read  1" in shown.splitlines()[-1]


def _run(chance: random.Random, clients: int, operations: int) -> list[Operation]:
    """A history of a real register: each operation takes effect at one moment within its life,
    some are never heard of."""
    moments = []
    now = [chance.random() for _ in range(clients)]
    for number in range(operations):
        client = chance.randrange(clients)
        called = now[client] + chance.random()
        effect = called + chance.random()
        now[client] = effect + chance.random()
        moments.append((effect, called, now[client], client, number))
    value, history = "0", []
    for _effect, called, returned, client, number in sorted(moments):
        is_write, is_unknown = chance.random() < 0.5, chance.random() < 0.1
        if is_write and not (is_unknown and chance.random() < 0.5):
            value = f"w{number}"  # unknown, and it happened; or known
        if is_write or not is_unknown:
            told = f"w{number}" if is_write else value
            end = inf if is_unknown else returned
            history.append(Operation(f"client-{client}", is_write, told, called, end))
    return history


@pytest.mark.parametrize("seed", range(20))
def test_long_histories_of_a_real_register(seed: int) -> None:
    chance = random.Random(seed)
    history = _run(chance, clients=6, operations=1_000)
    assert contradiction(history, "0") == ""


@pytest.mark.parametrize("seed", range(20))
def test_one_lost_write_in_a_long_history_is_found(seed: int) -> None:
    """Nobody reads what was acknowledged: the writes before and after it hide nothing."""
    chance = random.Random(seed)
    history = _run(chance, clients=1, operations=500)
    writes = [
        (one, two)
        for one, two in itertools.pairwise(history)
        if one.is_write and one.is_known and not two.is_write and two.is_known
    ]
    write, read = chance.choice(writes)
    between = (write.returned + read.called) / 2
    never = Operation(write.client, True, "never seen", between, between)
    assert contradiction([*history, never], "0")
