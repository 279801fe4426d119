"""What can go wrong with the genuine Mesos, as messages for the person who started it."""


class EngineError(Exception):
    """The Mesos engine cannot be fetched, loaded, booted or steered; the text says what to do."""
