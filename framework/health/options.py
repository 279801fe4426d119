"""The options of the prober, under Marathon's names where Marathon has them."""

from dataclasses import dataclass, field


def _help(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthOptions:
    """How many looks at once, how often to report, how much to read and to remember."""

    max_concurrent_marathon_health_checks: int = field(
        default=256,
        metadata=_help("HTTP, HTTPS, TCP and readiness checks under way at one time, at most."),
    )
    health_report_interval_ms: int = field(
        default=100,
        metadata=_help("Milliseconds for which results of health checks are gathered."),
    )
    health_answer_limit_bytes: int = field(
        default=65_536,
        metadata=_help("Bytes that are read of an answer to a health check, at most."),
    )
    health_dns_cache_seconds: int = field(
        default=30,
        metadata=_help("Seconds after which the address of an agent's host name is asked anew."),
    )

    def __post_init__(self) -> None:
        for name, least, most in (
            ("max_concurrent_marathon_health_checks", 1, 10_000),
            ("health_report_interval_ms", 10, 1_000),
            ("health_answer_limit_bytes", 1_024, 1_048_576),
            ("health_dns_cache_seconds", 1, 86_400),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be from {least} to {most}")
