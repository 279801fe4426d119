"""The prober: HTTP, HTTPS and TCP checks of running instances, in one asyncio thread."""
