"""Names of reserved resources and of volumes, so that a bag can hold them beside plain ones.

To a bag a reserved amount is only another name: the resource's own, the role it is reserved for,
and the JSON that tells it apart (its reservation stack and its volume). So adding, taking and
filters work on all of them alike, and what has no reservation costs nothing more.
"""

from collections.abc import Iterable

import msgspec

from localmesos.simulated import wire

_SEPARATOR = "\0"


class Parts(msgspec.Struct):
    """What tells a reserved resource apart."""

    reservations: list[dict[str, object]] = []
    disk: dict[str, object] = {}


_decode = msgspec.json.Decoder(Parts).decode
_decode_stack = msgspec.json.Decoder(list[dict[str, object]]).decode
_decode_disk = msgspec.json.Decoder(dict[str, object]).decode


def name_of(resource: wire.Resource) -> str:
    """The name under which a bag keeps it. ValueError for what is no reservation or volume."""
    if not resource.reservations and not bytes(resource.disk):
        return resource.name
    stack = [_decode_stack(b"[%b]" % bytes(raw))[0] for raw in resource.reservations]
    disk = _decode_disk(resource.disk) if bytes(resource.disk) else {}
    return _named(resource.name, Parts(stack, disk))


def _named(name: str, parts: Parts) -> str:
    if not parts.reservations:
        if parts.disk:
            raise ValueError(f"no volume is to be had of unreserved {name}")
        return name
    role = str(parts.reservations[-1].get("role", "*"))
    if role == "*":
        raise ValueError(f"{name} can not be reserved for the role '*'")
    return _SEPARATOR.join((name, role, msgspec.json.encode(parts, order="sorted").decode()))


def base(name: str) -> str:
    """The resource's own name."""
    return name.partition(_SEPARATOR)[0]


def is_plain(name: str) -> bool:
    return _SEPARATOR not in name


def all_plain(names: Iterable[str]) -> bool:
    """Whether none is reserved: asked for each offer, so quickly."""
    return _SEPARATOR not in "".join(names)


def role_of(name: str) -> str | None:
    """The role that it is reserved for; None: for none."""
    parts = name.split(_SEPARATOR, 2)
    return parts[1] if len(parts) > 1 else None


def parts_of(name: str) -> Parts:
    parts = name.split(_SEPARATOR, 2)
    return _decode(parts[2]) if len(parts) > 1 else Parts()


def unreserved(name: str) -> str:
    """The name without the innermost reservation. ValueError where there is none, or a volume."""
    parts = parts_of(name)
    if not parts.reservations:
        raise ValueError(f"{base(name)} is not reserved")
    if parts.disk:
        raise ValueError(f"A dynamically reserved {base(name)} holds a persistent volume")
    return _named(base(name), Parts(parts.reservations[:-1], {}))


def without_volume(name: str) -> str:
    """The name of the disk that a volume was made of. ValueError where there is no volume."""
    parts = parts_of(name)
    if "persistence" not in parts.disk:
        raise ValueError(f"{base(name)} is no persistent volume")
    return _named(base(name), Parts(parts.reservations, {}))


def volume_id(name: str) -> str | None:
    """The persistence id of a volume; None for what is none."""
    persistence = parts_of(name).disk.get("persistence")
    return str(persistence.get("id")) if isinstance(persistence, dict) else None


def members(name: str) -> bytes:
    """What a Resource message says besides name and value: JSON members, each with its comma."""
    parts = parts_of(name)
    written = b""
    if parts.reservations:
        written += b'"reservations":%b,' % msgspec.json.encode(parts.reservations)
    if parts.disk:
        written += b'"disk":%b,' % msgspec.json.encode(parts.disk)
    return written


def shown(name: str, role: str) -> str:
    """As in Mesos' messages: "disk(allocated: web)(reservations: [...])[id:path]"."""
    parts = parts_of(name)
    text = f"{base(name)}(allocated: {role})"
    if parts.reservations:
        text += f"(reservations: [{','.join(map(_shown_layer, parts.reservations))}])"
    volume = parts.disk.get("volume")
    if isinstance(volume, dict):
        text += f"[{volume_id(name)}:{volume.get('container_path')}]"
    return text


def _shown_layer(layer: dict[str, object]) -> str:
    words = [str(layer.get("type", "DYNAMIC")), str(layer["role"])]
    if "principal" in layer:
        words.append(str(layer["principal"]))
    labels = layer.get("labels")
    if isinstance(labels, dict):
        pairs = [f"{one['key']}: {one.get('value', '')}" for one in labels.get("labels", [])]
        words.append(f"{{{', '.join(pairs)}}}")
    return f"({','.join(words)})"


def summed(amounts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Amounts by the resources' own names."""
    sums: dict[str, int] = {}
    for name, milli in amounts:
        sums[base(name)] = sums.get(base(name), 0) + milli
    return sums
