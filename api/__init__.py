"""Marathon's REST API over the scheduler, and the client for it.

The server side sees the scheduler only through the Protocol `framework.interfaces.Scheduler`: it
asks commands and reads the published state. The client side (`client.py`) knows nothing of either.
"""
