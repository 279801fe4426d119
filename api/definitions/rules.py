"""What an app definition must satisfy as a whole; the texts are Marathon's.

Each rule is a small generator of faults over the record. All of them run, so that a user sees
every mistake at once.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from api.definitions.check_rules import check_faults
from api.definitions.external_rules import external_app_faults
from api.definitions.network_rules import container_faults, network_faults, port_faults
from api.definitions.paths import app_id_errors
from api.definitions.secret_rules import feature_error
from api.definitions.volume_rules import resident_faults
from api.faults import Fault
from api.options import ApiOptions
from constraints import CompilePattern, Problem, parse
from framework.domain.app import App, UpgradeStrategy
from framework.domain.expansion import MAX_REFERENCES, references
from framework.domain.ids import top_level_group

DEFINITION_MAX_BYTES = 508 * 1024
"""A stored record may take 512 KiB; the rest is for its id and the times that are added to it."""

_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2}|[^\x00-\x9f\s])+")
_ROLE_CHARACTERS = {
    " ": "space (\\x20)",
    "\t": "horizontal tab (\\x09)",
    "\n": "line feed (\\x0a)",
    "\v": "vertical tab (\\x0b)",
    "\f": "form feed (\\x0c)",
    "\r": "carriage return (\\x0d)",
    "/": "slash (\\x2f)",
    "\x7f": "backspace (\\x7f)",
}


Enforces = Callable[[str], bool]


def none_enforces(group: str) -> bool:  # noqa: ARG001 - the type's signature
    """No group has a say about roles."""
    return False


@dataclass(frozen=True, slots=True)
class Setting:
    """What a rule may look at besides the app. ``existing_role`` is the role that the app has
    now, which it may always keep; ``enforces`` tells whether a top-level group's name is to be
    the role of the apps in it."""

    options: ApiOptions
    compile_pattern: CompilePattern
    existing_role: str | None = None
    enforces: Enforces = none_enforces

    def enforced_role(self, app_id: str) -> str | None:
        """The role that the app's top-level group asks for; None: it asks for none."""
        group = top_level_group(app_id)
        return group if group is not None and self.enforces(group) else None


def app_faults(app: App, setting: Setting) -> Iterator[Fault]:
    """Everything that is wrong with what the definition means."""
    for rule in _RULES:
        yield from rule(app)
    yield from _constraint_faults(app, setting.compile_pattern)
    yield from _role_faults(app, setting)
    yield from _gpu_faults(app, setting.options)


def _id_faults(app: App) -> Iterator[Fault]:
    for error in app_id_errors(app.id):
        yield Fault("/id", error)


def _command_faults(app: App) -> Iterator[Fault]:
    has_image = app.container is not None and app.container.docker is not None
    both = app.cmd is not None and bool(app.args)
    neither = app.cmd is None and not app.args
    if both or (neither and not has_image):
        yield Fault(
            "/",
            "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.",
        )


def _environment_faults(app: App) -> Iterator[Fault]:
    names = (*app.env, *app.env_secrets)
    if "" in names:
        yield Fault("/env", "must not be empty")
    if any("=" in name for name in names):
        yield Fault("/env", "names must not contain '='")


def _expansion_faults(app: App) -> Iterator[Fault]:
    count = sum(1 for _ in references(app))
    if count > MAX_REFERENCES:
        error = f"got {count} references to variables, expected {MAX_REFERENCES} or less"
        yield Fault("/expandEnv", error)


def _fetch_faults(app: App) -> Iterator[Fault]:
    for index, item in enumerate(app.fetch):
        if not _URI.fullmatch(item.uri):
            yield Fault(f"/fetch({index})/uri", "URI has invalid syntax.")


def _upgrade_faults(app: App) -> Iterator[Fault]:
    strategy = app.upgrade_strategy
    single = app.labels.get("MARATHON_SINGLE_INSTANCE_APP") == "true"
    for name, value in (
        ("minimumHealthCapacity", strategy.minimum_health_capacity),
        ("maximumOverCapacity", strategy.maximum_over_capacity),
    ):
        path = f"/upgradeStrategy/{name}"
        if not 0.0 <= value <= 1.0:
            yield Fault(path, f"got {float(value)}, expected between 0.0 and 1.0")
        elif single and value != 0.0:
            yield Fault(path, f"got {float(value)}, expected 0.0")
    deadline, proving = strategy.progress_deadline_seconds, strategy.minimum_healthy_seconds
    if 0 < deadline <= proving:
        yield Fault(
            "/upgradeStrategy/progressDeadlineSeconds",
            f"got {deadline}, expected more than minimumHealthySeconds, which is {proving}",
        )
    yield from _canary_faults(strategy)
    if single and app.instances > 1:
        yield Fault("/", "Single instance app may only have one instance")


def _canary_faults(strategy: UpgradeStrategy) -> Iterator[Fault]:
    path = "/upgradeStrategy/canarySteps"
    if strategy.canary_steps and not strategy.canary:
        yield Fault(path, "got steps, expected canary to say of how many instances")
    for number, (one, more) in enumerate(pairwise(strategy.canary_steps), start=1):
        if more.share <= one.share:
            error = f"got {more.share:g}, expected more than {one.share:g}, the step before"
            yield Fault(f"{path}({number})/share", error)


def _unreachable_faults(app: App) -> Iterator[Fault]:
    strategy = app.unreachable_strategy
    inactive, expunge = strategy.inactive_after_seconds, strategy.expunge_after_seconds
    if inactive > expunge:
        yield Fault(
            "/unreachableStrategy",
            f"inactiveAfterSeconds ({inactive}) must be less or equal to "
            f"expungeAfterSeconds, which is {expunge}",
        )


def _limit_faults(app: App) -> Iterator[Fault]:
    limits = app.resource_limits
    if limits is None:
        return
    for name, limit, request in (
        ("cpus", limits.cpus_millis, app.cpus_millis),
        ("mem", limits.mem_millis, app.mem_millis),
    ):
        if limit is not None and 0 <= limit < request:
            yield Fault(
                f"/resourceLimits/{name}",
                "resource limit must be greater than or equal to requested resource "
                f"({request / 1000})",
            )


def _migration_label_faults(app: App) -> Iterator[Fault]:
    version = app.labels.get("DCOS_MIGRATION_API_VERSION")
    if not version:
        return
    needed = ("DCOS_PACKAGE_FRAMEWORK_NAME", "DCOS_MIGRATION_API_PATH")
    if version != "v1" or not all(app.labels.get(name) for name in needed):
        yield Fault(
            "/",
            "DCOS_PACKAGE_FRAMEWORK_NAME and DCOS_MIGRATION_API_PATH must be defined "
            "when using DCOS_MIGRATION_API_VERSION",
        )


def _size_faults(app: App) -> Iterator[Fault]:
    size = len(msgspec.json.encode(app))
    if size > DEFINITION_MAX_BYTES:
        yield Fault(
            "/", f"the definition takes {size} bytes to store, at most {DEFINITION_MAX_BYTES} fit"
        )


_RULES: tuple[Callable[[App], Iterator[Fault]], ...] = (
    _id_faults,
    _command_faults,
    _environment_faults,
    _expansion_faults,
    _fetch_faults,
    container_faults,
    port_faults,
    network_faults,
    check_faults,
    _upgrade_faults,
    external_app_faults,
    _unreachable_faults,
    resident_faults,
    _limit_faults,
    _migration_label_faults,
    _size_faults,
)


def _constraint_faults(app: App, compile_pattern: CompilePattern) -> Iterator[Fault]:
    for index, raw in enumerate(app.constraints):
        outcome = parse(raw, compile_pattern)
        if isinstance(outcome, Problem):
            yield Fault(f"/constraints({index})", outcome.message)


def _role_faults(app: App, setting: Setting) -> Iterator[Fault]:
    enforced = setting.enforced_role(app.id)
    free = {setting.options.mesos_role, top_level_group(app.id)}
    if app.persistent_volumes:
        free.add(setting.options.volume_role or None)
    allowed = ({enforced} if enforced else free) | {setting.existing_role}
    allowed.discard(None)
    if app.role not in allowed:
        expected = ", ".join(sorted(str(role) for role in allowed))
        yield Fault("/role", f"got {app.role}, expected one of: [{expected}]")
    for error in role_errors(app.role):
        yield Fault("/role", error)
    if not app.accepted_resource_roles:
        yield Fault("/acceptedResourceRoles", "must not be empty")
    elif not {"*", app.role}.issuperset(app.accepted_resource_roles):
        yield Fault(
            "/acceptedResourceRoles",
            f"acceptedResourceRoles can only contain * and {app.role}",
        )


def role_errors(role: str) -> Iterator[str]:
    """What Mesos would refuse a role's name for."""
    if role in ("", ".", ".."):
        yield f'A role name must not be "{role}".'
    if role.startswith("-"):
        yield "A role name must not start with a '-'."
    for character, name in _ROLE_CHARACTERS.items():
        if character in role:
            yield f"A role name must not include a {name} character."


def _gpu_faults(app: App, options: ApiOptions) -> Iterator[Fault]:
    if app.gpus == 0:
        return
    if app.container is not None and app.container.type == "DOCKER":
        yield Fault("/", "GPU resources only work with the Mesos containerizer")
    if "gpu_resources" not in options.enable_features:
        yield Fault("/", feature_error("gpu_resources"))
