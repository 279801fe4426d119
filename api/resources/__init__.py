"""The resources of the API, one file each: routes and what they read or ask.

A resource is a class over a ``Context`` with ``routes()``; ``api.application`` mounts them all.
"""
