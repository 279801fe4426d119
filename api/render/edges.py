"""Edges and shares as the API tells of them."""

from typing import Any

from framework.domain.clock import iso
from framework.domain.edges import Edge, EdgeReport, Shares


def edge_object(edge: Edge, report: EdgeReport | None) -> dict[str, Any]:
    """An edge; what it reports is missing after a new start until it renews its lease."""
    fields: dict[str, Any] = {
        "name": edge.name,
        "kind": edge.kind.value,
        "leaseSeconds": edge.lease_seconds,
        "since": iso(edge.since_ms),
    }
    if report is not None:
        fields |= {
            "seen": iso(report.seen_ms),
            "version": report.version,
            "staleness": report.stale_seconds,
            "quarantined": list(report.quarantined),
            "epoch": report.epoch,
        }
    return fields


def shares_object(shares: Shares) -> dict[str, Any]:
    """How the traffic of a name is divided."""
    return {"group": shares.group, "shares": shares.shares, "since": iso(shares.since_ms)}
