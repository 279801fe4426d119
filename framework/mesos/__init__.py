"""The Mesos adapter: our own driver for the v1 scheduler HTTP API.

Bytes in: ``http1`` -> ``recordio`` -> ``wire`` -> events of the domain. Bytes out: actions of the
domain -> ``calls`` (and ``task_info`` for launches) -> ``pipeline`` -> one connection. These parts
do no I/O and are tested byte by byte; ``subscription``, ``call_connection`` and ``driver`` are the
thin shell that owns the sockets and the threads. It decides nothing: it answers by itself only
what it can not express to the core (see ``wire.Decoded``).
"""
