"""The shapes of answers, as JSON Schema by name. ``api.render`` makes them; the tests that send
generated requests hold each answer to its shape.

A name with ``?`` at its end is a member that may be missing. Members that are not named here are
allowed: clients have to bear new ones.
"""

from api.openapi.from_fields import JsonSchema, reference
from framework.domain.rollout import ActionName

TEXT: JsonSchema = {"type": "string"}
FLAG: JsonSchema = {"type": "boolean"}
COUNT: JsonSchema = {"type": "integer", "minimum": 0}
NUMBER: JsonSchema = {"type": "number"}
ANYTHING: JsonSchema = {}
TIME: JsonSchema = {"type": "string", "format": "date-time"}
PAIRS: JsonSchema = {"type": "object", "additionalProperties": {"type": "string"}}


def array(items: JsonSchema) -> JsonSchema:
    """An array of this."""
    return {"type": "array", "items": items}


def shape(description: str, **members: JsonSchema) -> JsonSchema:
    """An object of these members."""
    return _shape(description, members)


def _shape(description: str, members: dict[str, JsonSchema]) -> JsonSchema:
    required = [name for name in members if not name.endswith("?")]
    described: JsonSchema = {
        "type": "object",
        "description": description,
        "properties": {name.removesuffix("?"): schema for name, schema in members.items()},
    }
    return {**described, "required": required} if required else described


def list_of(name: str, key: str) -> JsonSchema:
    """An object with one array."""
    return _shape("", {key: array(reference(name))})


def _nullable(schema: JsonSchema) -> JsonSchema:
    return {**schema, "type": [schema["type"], "null"]}


_ID = array(shape("", id=TEXT))
_DELAY = shape("The rest of a back-off.", timeLeftSeconds=COUNT, overdue=FLAG)
_FUNNEL = array(shape("", reason=TEXT, declined=COUNT, processed=COUNT))
_STEPS = array(reference("DeploymentStep"))
_UNUSED = array(shape("", offer=ANYTHING, reason=array(TEXT), timestamp=TIME))
_FREEZE = {"reason?": TEXT, "since?": TIME, "crash?": TEXT}
_DEPLOYMENT = {
    "id": TEXT,
    "version": TIME,
    "affectedApps": array(TEXT),
    "steps": _STEPS,
    "currentStep": COUNT,
    "totalSteps": COUNT,
}

SHAPES: dict[str, JsonSchema] = {
    "Error": _shape(
        "Why a request was refused.",
        {
            "message": TEXT,
            "details?": {
                "anyOf": [TEXT, array(shape("", path=TEXT, errors=array(TEXT)))],
                "description": "What is wrong, and where in the body.",
            },
            "deployments?": {**_ID, "description": "Those that hold an app of the request."},
        },
    ),
    "Message": shape("That it was done.", message=TEXT),
    "DeploymentResult": shape(
        "The deployment that carries a change out.", version=TEXT, deploymentId=TEXT
    ),
    "DryRun": _shape(
        "What a change would do, step by step.",
        {"steps": _STEPS, "warnings?": array(reference("DryRunWarning"))},
    ),
    "DryRunWarning": _shape(
        "What may keep the change from ending. With an id: none of the instances of this app that "
        "are to start fits what an agent had free in the offers seen last.",
        {
            "message": TEXT,
            "id?": TEXT,
            "instances?": COUNT,
            "agentsSeen?": COUNT,
            "agentsLookedAt?": COUNT,
            "reasons?": array(shape("", reason=TEXT, agents=COUNT, message=TEXT)),
        },
    ),
    "DeploymentStep": shape(
        "Actions at the same time.",
        actions=array(
            shape(
                "",
                action={
                    "type": "string",
                    "enum": [name.value for name in ActionName],
                },
                app=TEXT,
            )
        ),
    ),
    "ShownApp": {
        "description": "An app with what the server says of it.",
        "allOf": [
            reference("App"),
            _shape(
                "",
                {
                    "version?": TIME,
                    "versionInfo?": shape("", lastScalingAt=TIME, lastConfigChangeAt=TIME),
                    "tasksStaged?": COUNT,
                    "tasksRunning?": COUNT,
                    "tasksHealthy?": COUNT,
                    "tasksUnhealthy?": COUNT,
                    "deployments?": _ID,
                    "tasks?": array(reference("Task")),
                    "lastTaskFailure?": ANYTHING,
                    "readinessCheckResults?": array(ANYTHING),
                    "taskStats?": ANYTHING,
                    "tasksStats?": ANYTHING,
                },
            ),
        ],
    },
    "OneApp": shape("", app=reference("ShownApp")),
    "AppList": list_of("ShownApp", "apps"),
    "AppArray": array(reference("ShownApp")),
    "MatchedApps": list_of("ShownApp", "*"),
    "Versions": shape("The newest first.", versions=array(TIME)),
    "VersionArray": array(TIME),
    "Group": _shape(
        "A group with what is in it.",
        {
            "id": TEXT,
            "version": TIME,
            "dependencies": array(TEXT),
            "enforceRole?": FLAG,
            "apps?": array(reference("ShownApp")),
            "groups?": array(reference("Group")),
            "pods?": array(ANYTHING),
        },
    ),
    "Task": _shape(
        "One instance of an app, running or on its way.",
        {
            "id": TEXT,
            "appId": TEXT,
            "host": TEXT,
            "ports": array(COUNT),
            "slaveId": TEXT,
            "state": {"type": "string", "pattern": "^TASK_[A-Z_]+$"},
            "role": TEXT,
            "version?": TIME,
            "stagedAt?": TIME,
            "startedAt?": TIME,
            "region?": TEXT,
            "zone?": TEXT,
            "ipAddresses?": array(shape("", ipAddress=TEXT, protocol=TEXT)),
            "localVolumes?": array(
                shape("", runSpecId=TEXT, containerPath=TEXT, uuid=TEXT, persistenceId=TEXT)
            ),
            "healthCheckResults?": array(ANYTHING),
            "checkResult?": ANYTHING,
            "servicePorts?": array(COUNT),
        },
    ),
    "OneTask": shape("", task=reference("Task")),
    "TaskList": list_of("Task", "tasks"),
    "Deployment": _shape(
        "A change under way.",
        {**_DEPLOYMENT, "affectedPods": array(TEXT), "currentActions": array(ANYTHING)},
    ),
    "DeploymentArray": array(reference("Deployment")),
    "WatchedDeployment": _shape(
        "A change under way, with how far its apps are.",
        {
            **_DEPLOYMENT,
            "paused": FLAG,
            "canary": FLAG,
            "apps": array(
                _shape(
                    "",
                    {
                        "id": TEXT,
                        "wanted": COUNT,
                        "newServing": COUNT,
                        "newTotal": COUNT,
                        "oldServing": COUNT,
                        "oldTotal": COUNT,
                        "leaving": COUNT,
                        "awaitingEdges?": COUNT,
                    },
                )
            ),
            "startedAt": TIME,
            "progressAt": TIME,
            "warnings": array(TEXT),
            "share?": NUMBER,
            "reverts?": TEXT,
            "deadlineAt?": TIME,
            "canaryStep?": COUNT,
            "canarySteps?": COUNT,
            "nextStepAt?": TIME,
        },
    ),
    "WatchedDeployments": array(reference("WatchedDeployment")),
    "QueueItem": _shape(
        "An app that waits for offers.",
        {
            "count": COUNT,
            "delay": _DELAY,
            "since": TIME,
            "app": reference("ShownApp"),
            "role?": TEXT,
            "processedOffersSummary": _shape(
                "",
                {
                    "processedOffersCount": COUNT,
                    "unusedOffersCount": COUNT,
                    "rejectSummaryLastOffers": _FUNNEL,
                    "rejectSummaryLaunchAttempt": _FUNNEL,
                    "lastUnusedOfferAt?": TIME,
                    "lastUsedOfferAt?": TIME,
                },
            ),
            "lastUnusedOffers?": _UNUSED,
        },
    ),
    "Queue": list_of("QueueItem", "queue"),
    "Waiting": _shape(
        "Why an app waits, in numbers and sentences.",
        {
            "appId": TEXT,
            "role": TEXT,
            "waiting": COUNT,
            "delay": _DELAY,
            "explanation": array(TEXT),
            "since?": TIME,
            "offers?": ANYTHING,
            "refused?": ANYTHING,
            "lastUnusedOffers?": _UNUSED,
        },
    ),
    "WaitingList": list_of("Waiting", "waiting"),
    "Orphan": _shape(
        "A task that Mesos calls ours and that no record knows.",
        {
            "taskId": TEXT,
            "agentId": TEXT,
            "state": TEXT,
            "firstSeen": TIME,
            "killRequested": FLAG,
            "host?": TEXT,
            "message?": TEXT,
        },
    ),
    "OrphanList": list_of("Orphan", "orphans"),
    "Volume": _shape(
        "A persistent volume, or a reservation without any.",
        {
            "id": TEXT,
            "instanceId": TEXT,
            "agentId": TEXT,
            "host": TEXT,
            "role": TEXT,
            "state": TEXT,
            "since": TIME,
            "operations": array(shape("", id=TEXT, kind=TEXT)),
            "containerPath?": TEXT,
            "size?": NUMBER,
            "type?": TEXT,
            "path?": TEXT,
            "appId?": TEXT,
            "why?": TEXT,
        },
    ),
    "VolumeList": list_of("Volume", "volumes"),
    "Agent": _shape(
        "An agent as its last offer described it.",
        {
            "id": TEXT,
            "hostname": TEXT,
            "attributes": PAIRS,
            "region?": TEXT,
            "zone?": TEXT,
            "address?": TEXT,
            "drain?": reference("AgentDrain"),
            "maintenance?": _shape(
                "When Mesos says that it will be unavailable.", {"from": TIME, "until?": TIME}
            ),
        },
    ),
    "AgentDrain": _shape(
        "An agent that is to be empty; so many instances are still there, and so many of these "
        "have volumes there: they stay until the deadline, if there is one.",
        {
            "agent": TEXT,
            "since": TIME,
            "instances": COUNT,
            "withVolumes?": COUNT,
            "deadline?": TIME,
            "reason?": TEXT,
        },
    ),
    "AgentArray": array(reference("Agent")),
    "FreezeState": _shape(
        "What nothing is launched or killed of.",
        {
            "frozen": FLAG,
            "safeMode": FLAG,
            "apps": array(_shape("", {"id": TEXT, **_FREEZE})),
            **_FREEZE,
        },
    ),
    "Crash": _shape(
        "What was handled when the scheduler's decisions crashed.",
        {
            "id": TEXT,
            "kind": TEXT,
            "subject": TEXT,
            "crashes": COUNT,
            "first": TIME,
            "last": TIME,
            "error": TEXT,
            "setAside": FLAG,
            "appId?": TEXT,
            "setAsideSince?": TIME,
        },
    ),
    "CrashList": list_of("Crash", "crashes"),
    "Alarm": _shape(
        "What an operator should look at, for as long as it lasts.",
        {"key": TEXT, "message": TEXT, "since": TIME, "last": TIME},
    ),
    "Replacements": _shape(
        "Whether lost instances are replaced, and how fast.",
        {
            "pace": {"type": "string", "enum": ["usual", "paced", "held", "released"]},
            "waiting": COUNT,
            "since?": TIME,
            "lost?": COUNT,
            "instances?": COUNT,
            "replaced?": COUNT,
            "reason?": TEXT,
        },
    ),
    "Failure": _shape(
        "How a task of an app failed.",
        {
            "appId": TEXT,
            "taskId": TEXT,
            "instanceId": TEXT,
            "state": TEXT,
            "reason": TEXT,
            "message": TEXT,
            "host": TEXT,
            "timestamp": TIME,
            "version": TEXT,
            "slaveId?": TEXT,
            "stagedAt?": TIME,
            "startedAt?": TIME,
            "sandbox?": TEXT,
        },
    ),
    "FailureList": list_of("Failure", "failures"),
    "AlarmList": list_of("Alarm", "alarms"),
    "Service": _shape(
        "An app as load balancers see it.",
        {
            "id": TEXT,
            "version": TEXT,
            "wanted": COUNT,
            "labels": PAIRS,
            "ports": array(shape("", **{"servicePort": COUNT, "protocol": TEXT, "name?": TEXT})),
            "tasks": array(reference("ServiceTask")),
            "createdAtMs?": COUNT,
            "hasChecks?": FLAG,
            "deploying?": FLAG,
            "share?": NUMBER,
            "newShare?": NUMBER,
        },
    ),
    "ServiceTask": _shape(
        "Where a task is reached, port by port, and whether it is to get traffic.",
        {
            "id": TEXT,
            "host": TEXT,
            "endpoints": array(ANYTHING),
            "version": TEXT,
            "startedAtMs": COUNT,
            "health": {"type": "string", "enum": ["up", "down", "unknown"]},
            "address?": TEXT,
            "ready?": FLAG,
            "draining?": FLAG,
            "awaitsEdges?": FLAG,
            "reachable?": FLAG,
            "old?": FLAG,
            "checks?": array({"type": "object"}),
        },
    ),
    "ShownEdge": _shape(
        "A load balancer that follows the scheduler.",
        {
            "name": TEXT,
            "kind": {"type": "string", "enum": ["daemon", "cron"]},
            "leaseSeconds": COUNT,
            "since": TIME,
            "seen?": TIME,
            "version?": TEXT,
            "staleness?": NUMBER,
            "quarantined?": array(TEXT),
            "epoch?": COUNT,
        },
    ),
    "EdgeList": list_of("ShownEdge", "edges"),
    "ShownShares": _shape(
        "How the traffic of a name is divided, in parts by app id.",
        {
            "group": TEXT,
            "shares": {"type": "object", "additionalProperties": NUMBER},
            "since": TIME,
        },
    ),
    "SharesList": list_of("ShownShares", "shares"),
    "ServiceList": _shape(
        "All apps, of which state and leader, and whether its tasks were compared with Mesos.",
        {
            "stateId": TEXT,
            "epoch": COUNT,
            "synced": FLAG,
            "version?": TEXT,
            "digest?": TEXT,
            "since?": TEXT,
            "gone?": array(TEXT),
            "services": array(reference("Service")),
        },
    ),
    "Info": _shape(
        "What this process is and how it is set.",
        {
            "name": TEXT,
            "version": TEXT,
            "buildref": TEXT,
            "elected": FLAG,
            "leader": _nullable(TEXT),
            "frameworkId": _nullable(TEXT),
            "marathon_config": {"type": "object"},
            "zookeeper_config": {"type": "object"},
            "http_config": {"type": "object"},
        },
    ),
    "Leader": shape("host:port of the process that decides.", leader=TEXT),
    "Settings": {"type": "object", "description": "Values by the names of settings."},
    "Loggers": {**PAIRS, "description": "Levels by the names of loggers."},
    "LoggerChanged": _shape(
        "What was set.", {"level": TEXT, "logger": TEXT, "durationSeconds?": COUNT}
    ),
    "Metrics": shape(
        "Marathon's snapshot of metrics.",
        version=TEXT,
        counters={"type": "object"},
        gauges={"type": "object"},
        histograms={"type": "object"},
        meters={"type": "object"},
        timers={"type": "object"},
    ),
    "Plugins": shape("", plugins=array(ANYTHING)),
    "Pods": array(ANYTHING),
    "OpenApi": shape(
        "An OpenAPI document.",
        openapi=TEXT,
        info=ANYTHING,
        servers=ANYTHING,
        tags=ANYTHING,
        security=ANYTHING,
        paths=ANYTHING,
        components=ANYTHING,
    ),
    "Word": TEXT,
}
