"""Event streams: what happened, told to whoever listens, in order and at once.

The scheduler's notices are numbered and kept in a bounded log (hub.py), rendered as Marathon's
events (catalogue.py), and written to all readers by one thread (writer.py), however many there
are. A reader's connection leaves the HTTP server's threads once its headers are sent
(handover.py).
"""
