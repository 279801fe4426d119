"""The structure of request bodies, one schema a type, in marshmallow.

A schema answers one question: is every known field there, of its type, and within its fixed
bounds? Unknown fields are dropped, a null counts as absent, and faults carry Marathon's structural
keys. What the fields mean together is judged in ``api.definitions``.
"""

from api.schemas.app import (
    ADOPTION,
    AGENT_DRAIN,
    APP,
    APP_FREEZE,
    APP_UPDATE,
    FREEZE,
    GROUP_ROLE,
    GROUP_UPDATE,
    LOGGER_CHANGE,
    MAX_INSTANCES,
    PACE,
    TASK_IDS,
)
from api.schemas.edges import DEPLOYMENT_SHARE, EDGE, EDGE_ACK, SHARES
from api.schemas.structure import read

__all__ = [
    "ADOPTION",
    "AGENT_DRAIN",
    "APP",
    "APP_FREEZE",
    "APP_UPDATE",
    "DEPLOYMENT_SHARE",
    "EDGE",
    "EDGE_ACK",
    "FREEZE",
    "GROUP_ROLE",
    "GROUP_UPDATE",
    "LOGGER_CHANGE",
    "MAX_INSTANCES",
    "PACE",
    "SHARES",
    "TASK_IDS",
    "read",
]
