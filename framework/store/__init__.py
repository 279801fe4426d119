"""Adapter: durable changes. A change is one line of bytes (codec.py) wherever it is kept.

memory.py, sqlite.py and zookeeper/ fulfil the Protocol ``Store`` of framework/interfaces.py;
opening.py picks one by URL. What works on each of them: backup.py, restoring.py, migration.py.
docs/decisions/0005-record-form.md says why records look as they do.
"""
