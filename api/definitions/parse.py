"""The way of a definition: structure, old forms, defaults, record, meaning."""

from typing import Any

from api.definitions.convert import to_app
from api.definitions.defaults import has_persistent_volumes, with_defaults
from api.definitions.external_rules import external_faults
from api.definitions.legacy import legacy_faults, translate
from api.definitions.linux_rules import linux_faults
from api.definitions.paths import absolute
from api.definitions.rules import Enforces, Setting, app_faults, none_enforces
from api.definitions.secret_rules import secret_faults
from api.definitions.unsupported import unsupported_faults
from api.definitions.volume_rules import volume_faults
from api.faults import NOT_VALID, Fault, Invalid
from api.options import ApiOptions
from api.schemas import APP, read
from constraints import CompilePattern
from framework.domain.app import App


def parse_app(
    body: Any,
    options: ApiOptions,
    compile_pattern: CompilePattern,
    existing_role: str | None = None,
    enforces: Enforces = none_enforces,
) -> App | Invalid:
    """The canonical app of a whole definition, or all that is wrong with it.

    ``body`` is decoded JSON of any kind. ``existing_role`` is the role that the app of this id has
    now, if there is one. ``enforces``: which top-level groups do (see ``Setting``). The version is
    left empty: whoever stores the app stamps it.
    """
    definition = read(APP, body)
    if isinstance(definition, Invalid):
        return definition
    faults = tuple(legacy_faults(definition))
    if faults:
        return Invalid(NOT_VALID, faults)
    canonical = translate_forms(definition, options)
    return complete_app(canonical, Setting(options, compile_pattern, existing_role, enforces))


def translate_forms(definition: dict[str, Any], options: ApiOptions) -> dict[str, Any]:
    """The definition or update without old forms."""
    return translate(
        definition,
        bridge_name=options.mesos_bridge_name,
        default_network_name=options.default_network_name,
    )


def complete_app(canonical: dict[str, Any], setting: Setting) -> App | Invalid:
    """The app of canonical fields, with defaults; or what is wrong with their meaning."""
    role = setting.enforced_role(absolute(canonical["id"])) or setting.options.mesos_role
    if role == "*" and has_persistent_volumes(canonical):
        role = setting.existing_role or setting.options.volume_role or role
    complete = with_defaults(canonical, setting.options, role)
    app = to_app(complete)
    faults: tuple[Fault, ...] = (
        *unsupported_faults(complete),
        *volume_faults(complete, setting.compile_pattern),
        *secret_faults(complete, setting.options),
        *external_faults(complete, setting.options),
        *linux_faults(complete),
        *app_faults(app, setting),
    )
    return Invalid(NOT_VALID, faults) if faults else app
