"""Structure of an app definition, of a partial update of one, and of the smaller bodies."""

from typing import Any

from marshmallow import Schema, fields

from api.schemas.checks import CHECK, HEALTH_CHECK, READINESS_CHECK
from api.schemas.fields import (
    Anything,
    Choice,
    EnvironmentValue,
    Flag,
    ListOf,
    MapOf,
    Number,
    Part,
    Text,
    WordOr,
    structure,
    whole,
)
from api.schemas.networking import (
    CONTAINER,
    IP_ADDRESS,
    MAX_PORTS,
    NETWORK,
    PORT_DEFINITION,
    PORT_MAX,
)

MAX_INSTANCES = 1_000_000
MAX_ROLLOUT_SECONDS = 366 * 24 * 60 * 60
MAX_CANARY_STEPS = 20
MAX_MEMBERS = 10_000
MAX_SCALE_FACTOR = 1_000_000
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_ELEMENT = rf"(?:\.\.|{_LABEL}(?:\.{_LABEL})*)"
# Elements are ``..`` or dot-joined lower-case labels; empty ones are skipped.
_PATH = rf"/*(?:{_ELEMENT}(?:/+{_ELEMENT})*/*)?"
_EXECUTOR = r"//cmd|/?[^/]+(?:/[^/]+)*|"

FETCH = structure(
    "Fetch",
    uri=Text(required=True, shortest=1, longest=1_024),
    extract=Flag(),
    executable=Flag(),
    cache=Flag(),
    destPath=Text(longest=4_096),
)

UPGRADE_STRATEGY = structure(
    "UpgradeStrategy",
    minimumHealthCapacity=Number(required=True),
    maximumOverCapacity=Number(required=True),
    canary=whole(least=0, most=MAX_INSTANCES),
    batchSize=whole(least=0, most=MAX_INSTANCES),
    progressDeadlineSeconds=whole(least=0, most=MAX_ROLLOUT_SECONDS),
    minimumHealthySeconds=whole(least=0, most=MAX_ROLLOUT_SECONDS),
    countOldInstances=Flag(),
    canarySteps=ListOf(
        Part(
            structure(
                "CanaryStep",
                share=Number(required=True, least=0, most=100),
                seconds=whole(required=True, least=1, most=MAX_ROLLOUT_SECONDS),
            )
        ),
        longest=MAX_CANARY_STEPS,
    ),
)

UNREACHABLE_STRATEGY = structure(
    "UnreachableStrategy",
    inactiveAfterSeconds=whole(least=0),
    expungeAfterSeconds=whole(least=0),
)

RESIDENCY = structure(
    "Residency",
    relaunchEscalationTimeoutSeconds=whole(least=0),
    taskLostBehavior=Choice("WAIT_FOREVER", "RELAUNCH_AFTER_TIMEOUT"),
)

RESOURCE_LIMITS = structure(
    "ResourceLimits",
    cpus=WordOr("unlimited", Number(least=0)),
    mem=WordOr("unlimited", Number(least=0)),
)


EXECUTOR_RESOURCES = structure(
    "ExecutorResources", cpus=Number(least=0.1), mem=Number(least=32), disk=Number(least=10)
)

SECRET = structure("Secret", source=Text(required=True, longest=1_024))


def _dependencies() -> ListOf:
    return ListOf(Text(shortest=1, longest=1_024, pattern=_PATH), longest=1_024, unique=True)


def _settings() -> dict[str, fields.Field[Any]]:
    """Every field but ``id``: a definition and an update of one have the same."""
    return {
        "cmd": Text(shortest=1),
        "args": ListOf(Text()),
        "user": Text(longest=255),
        "env": MapOf(EnvironmentValue()),
        "instances": whole(least=0, most=MAX_INSTANCES),
        "cpus": Number(least=0.001),
        "mem": Number(least=0),
        "disk": Number(least=0),
        "gpus": whole(least=0),
        "resourceLimits": Part(RESOURCE_LIMITS),
        "executor": Text(longest=4_096, pattern=_EXECUTOR),
        "executorResources": Part(EXECUTOR_RESOURCES),
        "constraints": ListOf(ListOf(Text(), longest=16), longest=128, unique=True),
        "fetch": ListOf(Part(FETCH), longest=256),
        "uris": ListOf(Text(shortest=1, longest=1_024), longest=256),
        "portDefinitions": ListOf(Part(PORT_DEFINITION), longest=MAX_PORTS),
        "ports": ListOf(whole(least=0, most=PORT_MAX), longest=MAX_PORTS),
        "requirePorts": Flag(),
        "backoffSeconds": whole(least=0),
        "backoffFactor": Number(least=1.0),
        "maxLaunchDelaySeconds": whole(least=0),
        "container": Part(CONTAINER),
        "networks": ListOf(Part(NETWORK), longest=16),
        "ipAddress": Part(IP_ADDRESS),
        "healthChecks": ListOf(Part(HEALTH_CHECK), longest=64, unique=True),
        "check": Part(CHECK),
        "readinessChecks": ListOf(Part(READINESS_CHECK), longest=16),
        "dependencies": _dependencies(),
        "upgradeStrategy": Part(UPGRADE_STRATEGY),
        "labels": MapOf(Text()),
        "acceptedResourceRoles": ListOf(Text(longest=255), longest=64, unique=True),
        "role": Text(shortest=1, longest=255),
        "residency": Part(RESIDENCY),
        "secrets": MapOf(Part(SECRET)),
        "expandEnv": Flag(),
        "taskKillGracePeriodSeconds": whole(least=0),
        "killSelection": Choice("YOUNGEST_FIRST", "OLDEST_FIRST"),
        "unreachableStrategy": WordOr("disabled", Part(UNREACHABLE_STRATEGY)),
        "tty": Flag(),
        "version": Text(longest=64),
    }


def _id(*, required: bool) -> Text:
    return Text(required=required, shortest=1, longest=1_024, pattern=_PATH)


APP = structure("App", id=_id(required=True), **_settings())()
APP_UPDATE = structure("AppUpdate", id=_id(required=False), **_settings())()
# What a group holds is read item by item, so that each fault names its place.
GROUP_UPDATE: Schema = structure(
    "GroupUpdate",
    id=_id(required=False),
    apps=ListOf(Anything(read_as=lambda: APP), longest=MAX_MEMBERS),
    groups=ListOf(Anything(read_as=lambda: GROUP_UPDATE), longest=MAX_MEMBERS),
    dependencies=_dependencies(),
    scaleBy=Number(least=0, most=MAX_SCALE_FACTOR),
    version=Text(longest=64),
    enforceRole=Flag(),
)()
GROUP_ROLE = structure("GroupRole", enforceRole=Flag())()
TASK_IDS = structure("TaskIds", ids=ListOf(Text(), required=True, longest=10_000))()
FREEZE = structure(
    "Freeze", apps=ListOf(_id(required=False), longest=10_000), reason=Text(longest=1_000)
)()
APP_FREEZE = structure("AppFreeze", reason=Text(longest=1_000))()
LOGGER_CHANGE = structure(
    "LoggerChange",
    level=Choice("trace", "debug", "info", "warn", "error", required=True),
    logger=Text(required=True, shortest=1, longest=256),
    durationSeconds=whole(least=1),
)()
AGENT_DRAIN = structure(
    "AgentDrain", reason=Text(longest=1_000), deadlineSeconds=whole(least=1, most=31_536_000)
)()
PACE = structure(
    "Pace", pace=Choice("held", "paced", "released", required=True), reason=Text(longest=1_000)
)()
ADOPTION = structure("Adoption", appId=_id(required=True))()
