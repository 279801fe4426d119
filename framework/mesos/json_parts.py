"""Forms that recur in Mesos' JSON: labels, durations, environment variables."""

JsonObject = dict[str, object]

NANOSECONDS_PER_SECOND = 1_000_000_000


def labels(values: dict[str, str]) -> JsonObject:
    """A Labels message."""
    return {"labels": [{"key": key, "value": value} for key, value in values.items()]}


def duration(seconds: int) -> JsonObject:
    """A DurationInfo message."""
    return {"nanoseconds": seconds * NANOSECONDS_PER_SECOND}


def secret(data: str) -> JsonObject:
    """A Secret message that holds a value; ``data`` is base64."""
    return {"type": "VALUE", "value": {"data": data}}


def variables(values: dict[str, str]) -> list[JsonObject]:
    """The entries of an Environment message."""
    return [{"name": name, "value": value} for name, value in values.items()]
