"""Partial updates: the fields given replace those of the app as it is, whole sub-objects at once.

The merge happens on the JSON form: the stored app is rendered, the update's fields are laid over
it, and the result goes the way of any definition. So an update can not do what a definition can
not.
"""

from dataclasses import dataclass
from typing import Any

from api.definitions.defaults import default_resource_roles
from api.definitions.legacy import legacy_faults
from api.definitions.parse import complete_app, translate_forms
from api.definitions.paths import absolute
from api.definitions.rules import Enforces, Setting, none_enforces
from api.faults import NOT_VALID, Fault, Invalid
from api.options import ApiOptions
from api.render.app import definition
from api.schemas import APP_UPDATE, read
from constraints import CompilePattern
from framework.domain.app import App


@dataclass(frozen=True, slots=True)
class Update:
    """A partial update whose structure is sound. ``id`` is absolute, or empty if not given.
    With ``version`` and no ``fields`` the app goes back to that stored version; with both the
    fields were read from that version, which must still be the present one."""

    id: str
    version: str
    fields: dict[str, Any]


def read_update(body: Any, options: ApiOptions) -> Update | Invalid:
    """The known fields of a partial update, in canonical form."""
    given = read(APP_UPDATE, body)
    if isinstance(given, Invalid):
        return given
    app_id = absolute(given.pop("id")) if "id" in given else ""
    version = given.pop("version", "")
    faults = (*legacy_faults(given), *_mode_faults(given))
    if faults:
        return Invalid(NOT_VALID, faults)
    return Update(app_id, version, translate_forms(given, options))


def merge(
    existing: App,
    update: Update,
    options: ApiOptions,
    compile_pattern: CompilePattern,
    enforces: Enforces = none_enforces,
) -> App | Invalid:
    """The app with the update's fields; its version is left empty."""
    fields = definition(existing)
    for name in _outdated(existing, update.fields, options):
        fields.pop(name, None)
    fields.update(update.fields)
    return complete_app(fields, Setting(options, compile_pattern, existing.role, enforces))


def _outdated(existing: App, given: dict[str, Any], options: ApiOptions) -> list[str]:
    """Fields of the app as it is that only made sense without the given ones."""
    names = []
    if "cmd" in given:
        names.append("args")
    if "args" in given:
        names.append("cmd")
    if "networks" in given and not _turns_to_host(given):
        names.append("portDefinitions")
    derived = tuple(default_resource_roles(existing.role, options))
    if "role" in given and existing.accepted_resource_roles == derived:
        names.append("acceptedResourceRoles")
    return names


def _turns_to_host(given: dict[str, Any]) -> bool:
    return any(network.get("mode") == "host" for network in given.get("networks", []))


def _mode_faults(given: dict[str, Any]) -> list[Fault]:
    """Ports of the one kind given together with networks of the other."""
    networks = given.get("networks", [])
    on_host = any(network.get("mode") == "host" for network in networks)
    if on_host and given.get("container", {}).get("portMappings"):
        return [Fault("/", "portMappings are not allowed with host-networking")]
    if networks and not on_host and given.get("portDefinitions"):
        return [Fault("/", "portDefinitions are only allowed with host-networking")]
    return []
