"""Copying records: the one place that knows how a frozen record is changed."""

from msgspec.structs import replace

__all__ = ["replace"]
