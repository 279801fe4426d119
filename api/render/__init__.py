"""Records as JSON: the objects of ``/v2`` exactly as Marathon's clients know them.

Plain functions from records to dicts. Nothing here is null, no field is there that Marathon does
not have, ports are never negative: old clients break on each of these.
"""
