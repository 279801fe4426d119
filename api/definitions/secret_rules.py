"""Rules on secrets and on what refers to them; the texts are Marathon's where it has them.

Judged on the canonical dict, where everything still stands in its place.
"""

from collections.abc import Iterator
from typing import Any

from api.faults import Fault
from api.options import ApiOptions

SECRETS = "secrets"


def secret_faults(app: dict[str, Any], options: ApiOptions) -> Iterator[Fault]:
    """What is wrong with the secrets of a canonical definition. Whether they can be had is seen
    with each launch: they may come later, and go."""
    known = app.get("secrets", {})
    enabled = options.has_feature(SECRETS)
    if known and not enabled:
        yield Fault("/secrets", feature_error(SECRETS))
    for name, secret in known.items():
        if not name:
            yield Fault("/secrets", "must not be empty")
        if not secret["source"]:
            yield Fault(f"/secrets/{name}/source", "must not be empty")
    references = {
        name: value["secret"]
        for name, value in app.get("env", {}).items()
        if not isinstance(value, str)
    }
    if references and not enabled:
        yield Fault(
            "/env",
            "use of secret-references in the environment requires the secrets feature "
            "to be enabled",
        )
    for name, secret in references.items():
        if secret not in known:
            yield Fault(f"/env/{name}", "references an undefined secret")
    yield from _container_faults(app.get("container", {}), known, enabled=enabled)


def feature_error(name: str) -> str:
    """What Marathon says of a field that is switched off, with its stray parenthesis."""
    return f"Feature {name} is not enabled. Enable with --enable_features {name})"


def _container_faults(
    container: dict[str, Any], known: dict[str, Any], *, enabled: bool
) -> Iterator[Fault]:
    docker = container.get("type", "DOCKER") == "DOCKER"
    pull = container.get("docker", {}).get("pullConfig")
    if pull is not None:
        error = _reference_error(pull["secret"], known, "pullConfig", docker=docker)
        path = "/container/docker/pullConfig"
        yield from _faults(path, error if enabled or docker else feature_error(SECRETS))
    for index, volume in enumerate(container.get("volumes", [])):
        if "secret" in volume:
            error = _reference_error(volume["secret"], known, "volume", docker=docker)
            path = f"/container/volumes({index})"
            yield from _faults(path, error if enabled or docker else feature_error(SECRETS))
            if "hostPath" in volume:
                yield Fault(f"{path}/hostPath", "must be empty with a secret")
            if volume.get("mode", "RO") != "RO":
                yield Fault(f"{path}/mode", f"got {volume['mode']}, expected RO")


def _reference_error(secret: str, known: dict[str, Any], what: str, *, docker: bool) -> str:
    if docker:
        what = "pullConfig is" if what == "pullConfig" else "secret volumes are"
        return f"{what} not supported with Docker containerizer"
    return "" if secret in known else f"{what}.secret must refer to an existing secret"


def _faults(path: str, error: str) -> Iterator[Fault]:
    if error:
        yield Fault(path, error)
