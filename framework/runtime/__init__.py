"""The shell around the decisions: threads, queues, clock, ids, journal and metrics.

One thread decides (``loop``), one carries out (``pipeline``): changes durable, then actions, then
publish, then replies, then notices. Anything unexpected ends the process (crash-only): tasks keep
running, the supervisor starts it again, and the stored state is the truth.
"""
