"""Structure of what load balancers tell of themselves, and of how traffic is divided."""

from api.schemas.fields import Choice, ListOf, MapOf, Number, Text, structure, whole

MAX_LEASE_SECONDS = 3_600
MAX_SHARE = 1_000_000

EDGE = structure(
    "Edge",
    kind=Choice("daemon", "cron", required=True),
    leaseSeconds=whole(required=True, least=1, most=MAX_LEASE_SECONDS),
    version=Text(longest=256),
    staleness=Number(least=0, most=1e9),
    quarantined=ListOf(Text(longest=1_024), longest=1_000),
    epoch=Number(least=0, most=2**53),
)()
EDGE_ACK = structure(
    "EdgeAck",
    tasks=ListOf(Text(longest=1_024), longest=10_000),
    rotated=ListOf(Text(longest=1_024), longest=10_000),
)()
DEPLOYMENT_SHARE = structure("DeploymentShare", share=Number(required=True, least=0, most=100))()
SHARES = structure("Shares", shares=MapOf(Number(least=0, most=MAX_SHARE)))()
