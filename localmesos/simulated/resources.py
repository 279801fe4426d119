"""Amounts of resources: scalars in integer thousandths, ranges and sets, and their three forms.

Mesos counts scalars in fixed point with three digits, so integers are exact and fast. A bag is
never changed in place: offers, tasks and agents may share one, and an untouched bag that comes
back from a declined offer is still the same object.
"""

import re
from bisect import bisect_right
from collections.abc import Callable

import msgspec

from localmesos.simulated import reserved, wire

Ranges = tuple[tuple[int, int], ...]
"""Disjoint closed ranges in rising order that do not touch one another."""

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_FEW_RANGES = 8
_MAX_INTERNED = 16_384
_MAX_AMOUNT = 1e12


class Bag(msgspec.Struct, frozen=True, gc=False):
    """What an agent has, an offer holds or a task uses. Nothing in it is zero or empty. For what
    is reserved see ``reserved``."""

    scalars: dict[str, int] = {}
    ranges: dict[str, Ranges] = {}
    sets: dict[str, frozenset[str]] = {}


EMPTY = Bag()


def is_empty(bag: Bag) -> bool:
    return not (bag.scalars or bag.ranges or bag.sets)


def plus(a: Bag, b: Bag) -> Bag:
    if is_empty(b):
        return a
    if is_empty(a):
        return b
    scalars = dict(a.scalars)
    for name, milli in b.scalars.items():
        scalars[name] = scalars.get(name, 0) + milli
    ranges = a.ranges
    if b.ranges:
        ranges = dict(ranges)
        for name, more in b.ranges.items():
            ranges[name] = ranges_plus(ranges.get(name, ()), more)
    sets = a.sets
    if b.sets:
        sets = dict(sets)
        for name, items in b.sets.items():
            sets[name] = sets.get(name, frozenset()) | items
    return Bag(scalars, ranges, sets)


def minus(a: Bag, b: Bag) -> Bag:
    """What is left of `a` without `b`; only for an `a` that contains `b`."""
    if is_empty(b):
        return a
    scalars = dict(a.scalars)
    for name, milli in b.scalars.items():
        left = scalars[name] - milli
        if left:
            scalars[name] = left
        else:
            del scalars[name]
    ranges = a.ranges
    if b.ranges:
        ranges = dict(ranges)
        for name, less in b.ranges.items():
            rest = ranges_minus(ranges[name], less)
            if rest:
                ranges[name] = rest
            else:
                del ranges[name]
    sets = a.sets
    if b.sets:
        sets = {name: items - b.sets.get(name, frozenset()) for name, items in sets.items()}
        sets = {name: items for name, items in sets.items() if items}
    return Bag(scalars, ranges, sets)


def contains(a: Bag, b: Bag) -> bool:
    """Whether `b` is a subset of `a`: the test of Mesos' refused-offer filters and of launches."""
    if a is b:
        return True
    have = a.scalars
    for name, milli in b.scalars.items():
        if have.get(name, 0) < milli:
            return False
    for name, ranges in b.ranges.items():
        if not ranges_contain(a.ranges.get(name, ()), ranges):
            return False
    return all(items <= a.sets.get(name, frozenset()) for name, items in b.sets.items())


def ranges_contain(have: Ranges, wanted: Ranges) -> bool:
    for begin, end in wanted:
        at = bisect_right(have, (begin, 1 << 62)) - 1
        if at < 0 or have[at][1] < end:
            return False
    return True


def ranges_minus(have: Ranges, less: Ranges) -> Ranges:
    """Cut `less` out of `have`, which must contain it."""
    for begin, end in less:
        at = bisect_right(have, (begin, 1 << 62)) - 1
        first, last = have[at]
        pieces: Ranges = ()
        if first < begin:
            pieces += ((first, begin - 1),)
        if end < last:
            pieces += ((end + 1, last),)
        have = have[:at] + pieces + have[at + 1 :]
    return have


def ranges_plus(have: Ranges, more: Ranges) -> Ranges:
    if len(more) > _FEW_RANGES or not have:
        return _joined(have + more)
    for begin, end in more:
        at = bisect_right(have, (begin, 1 << 62))
        if at < len(have) and end >= have[at][0]:
            return _joined(have + more)  # they overlap: rare, so no clever way
        low = max(0, at - 1)
        have = have[:low] + _joined((*have[low : at + 1], (begin, end))) + have[at + 1 :]
    return have


def _joined(ranges: Ranges) -> Ranges:
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if joined and begin <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return tuple(joined)


def parse_text(text: str) -> Bag:
    """Read the form of the agent's --resources flag: "cpus:4;ports:[31000-31999];x:{a,b}"."""
    scalars: dict[str, int] = {}
    ranges: dict[str, Ranges] = {}
    sets: dict[str, frozenset[str]] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, colon, value = (piece.strip() for piece in part.partition(":"))
        if not (colon and value and _NAME.fullmatch(name)):
            raise ValueError(f"cannot read the resource {part!r}: write name:value")
        if value[0] == "[":
            ranges[name] = parse_ranges(value)
        elif value[0] == "{":
            sets[name] = frozenset(parse_items(value))
        else:
            scalars[name] = _scalar(name, float(value))
    return Bag(scalars, ranges, sets)


def parse_ranges(text: str) -> Ranges:
    pieces = [piece.partition("-") for piece in parse_items(text)]
    return _joined(tuple((int(begin), int(end or begin)) for begin, _, end in pieces))


def parse_items(text: str) -> tuple[str, ...]:
    """The trimmed items of a bracketed list, "[1-2, 4-5]" or "{a, b}"."""
    return tuple(item for item in (piece.strip() for piece in text[1:-1].split(",")) if item)


def _scalar(name: str, value: float) -> int:
    if not 0 <= value <= _MAX_AMOUNT:
        text = f"{name}:{value:g}"
        raise ValueError(f"Resource '{text}' is invalid: Invalid scalar resource: value <= 0")
    return round(value * 1000)


def _ranges(name: str, pieces: list[wire.Range]) -> Ranges:
    for each in pieces:
        if each.begin > each.end:
            text = f"{name}:[{each.begin}-{each.end}]"
            raise ValueError(f"Resource '{text}' is invalid: Invalid ranges resource: begin > end")
    return tuple((each.begin, each.end) for each in pieces)


_Key = tuple[tuple[tuple[str, int], ...], tuple[tuple[str, Ranges], ...]]
_interned: dict[_Key, Bag] = {}


def from_wire(resources: list[wire.Resource]) -> Bag:
    """Add up what a task asks for. Of a million tasks those that ask for the same share one bag.

    Raises ValueError for a wrong value.
    """
    scalars: dict[str, int] = {}
    ranges: dict[str, Ranges] = {}
    sets: dict[str, frozenset[str]] = {}
    for resource in resources:
        name = reserved.name_of(resource)
        if resource.scalar is not None:
            milli = _scalar(resource.name, resource.scalar.value)
            if milli:
                scalars[name] = scalars.get(name, 0) + milli
        elif resource.ranges is not None:
            asked = _ranges(resource.name, resource.ranges.range)
            ranges[name] = ranges_plus(ranges.get(name, ()), asked)
        elif resource.set is not None:
            sets[name] = sets.get(name, frozenset()) | frozenset(resource.set.item)
        else:
            raise ValueError(f"{resource.name} has no value")
    if sets:
        return Bag(scalars, ranges, sets)
    key = (tuple(scalars.items()), tuple(ranges.items()))
    shared = _interned.get(key)
    if shared is None:
        if len(_interned) >= _MAX_INTERNED:
            _interned.clear()
        shared = _interned[key] = Bag(scalars, ranges)
    return shared


def to_wire(bag: Bag, role: str | None = None) -> bytes:
    """The JSON list of Resource messages, each allocated to `role` where one is given."""
    start = b"{"
    if role is not None:
        start = b'{"allocation_info":{"role":%b},' % msgspec.json.encode(role)
    out = [
        b'%b"name":"%b","scalar":{"value":%b},"type":"SCALAR"}'
        % (*_head(start, name), _decimal(milli))
        for name, milli in bag.scalars.items()
    ]
    for name, ranges in bag.ranges.items():
        text = ",".join([f'{{"begin":{begin},"end":{end}}}' for begin, end in ranges])
        value = b'"%b","ranges":{"range":[%b]},"type":"RANGES"}'
        first, own = _head(start, name)
        out.append(first + b'"name":' + value % (own, text.encode()))
    for name, items in bag.sets.items():
        listed = msgspec.json.encode(sorted(items))
        first, own = _head(start, name)
        out.append(first + b'"name":' + b'"%b","set":{"item":%b},"type":"SET"}' % (own, listed))
    return b"[" + b",".join(out) + b"]"


def _head(start: bytes, name: str) -> tuple[bytes, bytes]:
    """What comes before the name, and the name as it is written."""
    if reserved.is_plain(name):
        return start, name.encode()
    return start + reserved.members(name), reserved.base(name).encode()


def _decimal(milli: int) -> bytes:
    return b"%d.%03d" % divmod(milli, 1000) if milli % 1000 else b"%d.0" % (milli // 1000)


def to_text(bag: Bag, role: str) -> str:
    """The form of Mesos' messages: "cpus(allocated: web):0.1; mem(allocated: web):32"."""
    scalars = {name: f"{milli / 1000:g}" for name, milli in bag.scalars.items()}
    return "; ".join(
        f"{reserved.shown(name, role)}:{value}" for name, value in (scalars | _texts(bag)).items()
    )


def _texts(bag: Bag) -> dict[str, str]:
    """Ranges and sets."""
    texts = {
        name: f"[{', '.join(f'{begin}-{end}' for begin, end in ranges)}]"
        for name, ranges in bag.ranges.items()
    }
    return texts | {name: f"{{{', '.join(sorted(items))}}}" for name, items in bag.sets.items()}


def to_view(bag: Bag) -> dict[str, float | str]:
    """The form of the /state page: scalars as numbers, the rest as text; what is reserved too."""
    view: dict[str, float | str] = {
        name: milli / 1000 for name, milli in reserved.summed(bag.scalars.items()).items()
    }
    for name, text in _texts(bag).items():
        own = reserved.base(name)
        view[own] = f"{view[own]}, {text}" if own in view else text
    return view


def for_role(bag: Bag, role: str) -> Bag:
    """What of it may be offered to a role: what is reserved for nobody, or for it."""
    names = (*bag.scalars, *bag.ranges, *bag.sets)
    if reserved.all_plain(names):
        return bag

    def may(name: str) -> bool:
        return reserved.role_of(name) in {None, role}

    if all(map(may, names)):
        return bag
    return Bag(
        {name: milli for name, milli in bag.scalars.items() if may(name)},
        {name: ranges for name, ranges in bag.ranges.items() if may(name)},
        {name: items for name, items in bag.sets.items() if may(name)},
    )


def renamed(bag: Bag, rename: Callable[[str], str]) -> Bag:
    """The same amounts under other names: those before an operation, or after it."""
    other = EMPTY
    for name, milli in bag.scalars.items():
        other = plus(other, Bag({rename(name): milli}))
    for name, ranges in bag.ranges.items():
        other = plus(other, Bag(ranges={rename(name): ranges}))
    for name, items in bag.sets.items():
        other = plus(other, Bag(sets={rename(name): items}))
    return other
