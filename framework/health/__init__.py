"""The prober: HTTP, HTTPS and TCP checks of running instances, in one asyncio thread.

It looks and reports; what a failure means is decided in `framework/core`. `prober.py` is the
adapter; `schedule.py` and `reports.py` say when to look and what to tell, without any I/O.
"""
