"""Structure of health checks, readiness checks and the Mesos check."""

from api.schemas.fields import Choice, Flag, ListOf, Part, Text, structure, whole
from api.schemas.networking import PORT_MAX

HEALTH_PROTOCOLS = (
    "HTTP",
    "HTTPS",
    "TCP",
    "COMMAND",
    "MESOS_HTTP",
    "MESOS_HTTPS",
    "MESOS_TCP",
)

HEALTH_CHECK = structure(
    "HealthCheck",
    protocol=Choice(*HEALTH_PROTOCOLS),
    path=Text(longest=2_048),
    portIndex=whole(least=0),
    port=whole(least=0, most=PORT_MAX),
    command=Part(structure("HealthCommand", value=Text(required=True, shortest=1))),
    gracePeriodSeconds=whole(least=0),
    intervalSeconds=whole(least=0),
    timeoutSeconds=whole(least=0),
    maxConsecutiveFailures=whole(least=0),
    delaySeconds=whole(least=0),
    ipProtocol=Choice("IPv4", "IPv6"),
    ignoreHttp1xx=Flag(),
)

_CHECK_COMMAND = structure(
    "CheckCommand", shell=Text(shortest=1), argv=ListOf(Text(), longest=1_024)
)

CHECK = structure(
    "Check",
    http=Part(
        structure(
            "HttpCheck",
            path=Text(longest=2_048),
            portIndex=whole(least=0),
            port=whole(least=0, most=PORT_MAX),
            scheme=Choice("HTTP", "HTTPS"),
        )
    ),
    tcp=Part(structure("TcpCheck", portIndex=whole(least=0), port=whole(least=0, most=PORT_MAX))),
    exec=Part(structure("ExecCheck", command=Part(_CHECK_COMMAND, required=True))),
    intervalSeconds=whole(least=0),
    timeoutSeconds=whole(least=0),
    delaySeconds=whole(least=0),
)

READINESS_CHECK = structure(
    "ReadinessCheck",
    name=Text(longest=255),
    protocol=Choice("HTTP", "HTTPS"),
    path=Text(longest=2_048),
    portName=Text(longest=255),
    intervalSeconds=whole(least=0),
    timeoutSeconds=whole(least=0),
    httpStatusCodesForReady=ListOf(whole(least=100, most=999), longest=128, unique=True),
    preserveLastResponse=Flag(),
)
