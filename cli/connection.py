"""Which scheduler a command talks to, and what it says when that does not work.

Every command gets the same options, and every failure its exit code: 1 refused by the API,
2 wrong usage, 3 no scheduler reached. The texts end with what to do next.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import click
from click.shell_completion import CompletionItem

from api.client import (
    DEFAULT_TIMEOUT_SECONDS,
    DEFAULT_URL,
    BadAnswerError,
    ChangedError,
    Client,
    ClientError,
    ConflictError,
    Credentials,
    JsonObject,
    OutcomeUnknownError,
    RefusedError,
    Token,
    UnauthorizedError,
    UnavailableError,
    UnreachableError,
)
from cli.exits import CommandExit
from cli.output import say_aside, visible

P = ParamSpec("P")

_MAX_CREDENTIALS_BYTES = 4096
_COMPLETION_SECONDS = 1.0
_BARE = re.compile(r"(?:Bearer )?[^ ]+")
_BAD_SEGMENTS = frozenset({"", ".", ".."})


class Failure(click.ClickException):
    """Ends the command: the API refused. Its text goes to standard error."""

    exit_code = CommandExit.FAILED

    def __init__(self, message: str) -> None:
        super().__init__(visible(message))


class UnreachableFailure(Failure):
    """Ends the command: no scheduler answered, or none that is ready."""

    exit_code = CommandExit.UNREACHABLE


class IdType(click.ParamType):  # type: ignore[type-arg]  # generic in later releases of click only
    """The id of an app (or group: ``of_groups``) in its absolute form; on the command line its
    first slash may be left out. A shell completes it by those that there are."""

    name = "id"

    def __init__(self, *, of_groups: bool = False) -> None:
        self._of_groups = of_groups

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """click.BadParameter for what can be no id."""
        if value == "/" and self._of_groups:
            return "/"
        path = str(value).strip("/")
        if not _BAD_SEGMENTS.isdisjoint(path.split("/")):
            self.fail(f"{value!r} is not an app id; one looks like /web or /shop/web", param, ctx)
        return "/" + path

    def shell_complete(
        self,
        ctx: click.Context,
        param: click.Parameter,  # noqa: ARG002  click's signature
        incomplete: str,
    ) -> list[CompletionItem]:
        """The ids that begin so."""
        found = known_ids(ctx, self._of_groups)
        slash = "" if incomplete.startswith("/") else "/"
        return [CompletionItem(one) for one in found if one.startswith(slash + incomplete)]


absolute_id = IdType()
group_id = IdType(of_groups=True)


def known_ids(context: click.Context, of_groups: bool) -> list[str]:
    """The ids of apps or groups, for a person who waits for them."""
    if of_groups:
        return ask_quickly(context, lambda client: _group_ids(client.get_group(query=_GROUPS)))
    return ask_quickly(
        context, lambda client: [str(one["id"]) for one in client.list_apps(query=ONLY_IDS)]
    )


ONLY_IDS = {"fields": "id"}
_GROUPS = {"embed": ["group.groups"]}


def _group_ids(group: JsonObject) -> list[str]:
    inner = [_group_ids(one) for one in group.get("groups", [])]
    return [str(group["id"]), *(path for paths in inner for path in paths)]


def ask_quickly(context: click.Context, ask: Callable[[Client], list[str]]) -> list[str]:
    """What the scheduler answers within the time that a person waits for a completion, sorted;
    nothing when anything goes wrong, for there is nowhere to tell it."""
    given = context.params
    with suppress(ClientError, ValueError, OSError, LookupError, TypeError, AttributeError):
        client = Client(
            given.get("urls") or (DEFAULT_URL,),
            timeout_seconds=_COMPLETION_SECONDS,
            credentials=credentials_from(given.get("credentials_file"), given.get("token_file")),
            ca_file=given.get("ca_file"),
            client_certificate=certificate_from(given.get("client_cert"), given.get("client_key")),
        )
        with closing(client):
            return sorted(ask(client))
    return []


# Marathon's keys for errors of structure, which stand alone in its answers.
_STRUCTURE = {
    "error.path.missing": "is missing",
    "error.expected.jsstring": "must be a text",
    "error.expected.jsnumber": "must be a number",
    "error.expected.jsboolean": "must be true or false",
    "error.expected.jsarray": "must be a list",
    "error.expected.jsobject": "must be an object",
    "error.minLength": "is too short",
    "error.maxLength": "is too long",
    "error.min": "is too small",
    "error.max": "is too large",
    "error.pattern": "is not of the right form",
    "error.unknown.enum.literal": "is none of the allowed words",
}

access_options = (
    click.option(
        "--credentials-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar="STAYER_CREDENTIALS_FILE",
        metavar="FILE",
        help="A file with USER:PASSWORD for HTTP Basic. [env STAYER_CREDENTIALS_FILE]",
    ),
    click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        envvar="STAYER_TOKEN_FILE",
        metavar="FILE",
        help="A file with a token, or `Bearer TOKEN`, instead of user and password. "
        "[env STAYER_TOKEN_FILE]",
    ),
    click.option(
        "--ca-file",
        type=click.Path(exists=True, dir_okay=False),
        envvar="STAYER_CA_FILE",
        metavar="FILE",
        help="The certificates to trust for https, PEM. [env STAYER_CA_FILE]",
    ),
    click.option(
        "--client-cert",
        type=click.Path(exists=True, dir_okay=False),
        envvar="STAYER_CLIENT_CERT",
        metavar="FILE",
        help="A certificate to show where https asks for one, PEM. [env STAYER_CLIENT_CERT]",
    ),
    click.option(
        "--client-key",
        type=click.Path(exists=True, dir_okay=False),
        envvar="STAYER_CLIENT_KEY",
        metavar="FILE",
        help="Its key, if it is in a file of its own. [env STAYER_CLIENT_KEY]",
    ),
)
"""What lets a command in, and whom it trusts; `credentials_from` reads the first two,
`certificate_from` the last two."""
_OPTIONS = (
    click.option(
        "--url",
        "urls",
        multiple=True,
        envvar="STAYER_URL",
        metavar="URL",
        help=f"Where the scheduler answers; repeat it for a spare. [env STAYER_URL, separated by "
        f"spaces; default {DEFAULT_URL}]",
    ),
    click.option(
        "--request-timeout",
        type=click.FloatRange(min=0.1, max=3600),
        default=DEFAULT_TIMEOUT_SECONDS,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for an answer.",
    ),
    *access_options,
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
force_option = click.option(
    "--force", is_flag=True, help="Cancel deployments that are in the way, where they are."
)


def with_client(command: Callable[Concatenate[Client, P], None]) -> Callable[..., None]:
    """Give the command its options to reach the API, and the client as first argument."""

    @wraps(command)
    def connected(
        *args: Any,
        urls: tuple[str, ...],
        request_timeout: float,
        credentials_file: Path | None,
        token_file: Path | None,
        ca_file: str | None,
        client_cert: str | None,
        client_key: str | None,
        **options: Any,
    ) -> None:
        try:
            client = Client(
                urls or (DEFAULT_URL,),
                timeout_seconds=request_timeout,
                credentials=credentials_from(credentials_file, token_file),
                ca_file=ca_file,
                client_certificate=certificate_from(client_cert, client_key),
                on_warning=_say_once(),
            )
        except (ValueError, OSError) as error:
            raise click.UsageError(visible(str(error))) from error
        with closing(client), failures_explained():
            command(client, *args, **options)

    for option in reversed(_OPTIONS):
        connected = option(connected)
    return connected


def credentials_from(credentials: Path | None, token: Path | None) -> Credentials | Token | None:
    """What is in one of two files, of which only one may be given. ValueError, OSError."""
    if credentials and token:
        raise ValueError("give --credentials-file or --token-file, not both")
    if token:
        return read_token(token)
    return read_credentials(credentials) if credentials else None


def certificate_from(certificate: str | None, key: str | None) -> tuple[str, str] | None:
    """The files of a client's certificate and of its key. ValueError for a key alone."""
    if key and not certificate:
        raise ValueError("--client-key needs --client-cert: the certificate that it is of")
    return (certificate, key or certificate) if certificate else None


def _say_once() -> Callable[[str], None]:
    """Tells each warning the first time: a command that watches gets the same ones again."""
    said: set[str] = set()

    def say(text: str) -> None:
        if text not in said:
            said.add(text)
            say_aside(f"Warning: {text}")

    return say


def read_credentials(path: Path) -> Credentials:
    """USER:PASSWORD from the first line of a file. ValueError says what is wrong, not what was
    read."""
    user, separator, password = _line(path).partition(":")
    if not (user and separator):
        raise ValueError(f"{path} must hold one line USER:PASSWORD")
    return Credentials(user, password)


def read_token(path: Path) -> Token:
    """The token of a file, also with ``Bearer`` before it. ValueError, without it."""
    token = _line(path)
    if not (token.isascii() and token.isprintable()) or _BARE.fullmatch(token) is None:
        raise ValueError(f"{path} must hold one line with a token")
    return Token(token)


def _line(path: Path) -> str:
    """The only line of a file."""
    with path.open("rb") as file:
        content = file.read(_MAX_CREDENTIALS_BYTES + 1)
    try:
        line = content.decode().strip()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None
    if "\n" in line or len(content) > _MAX_CREDENTIALS_BYTES:
        raise ValueError(f"{path} must hold one line of at most {_MAX_CREDENTIALS_BYTES} bytes")
    return line


@contextmanager
def failures_explained() -> Iterator[None]:
    """Turn what the client raises into a text that says what to do next."""
    try:
        yield
    except UnreachableError as error:
        raise UnreachableFailure(_unreachable(error)) from error
    except OutcomeUnknownError as error:
        raise UnreachableFailure(
            f"The request went out, but no answer came back ({error}).\n"
            "It may have been carried out: look with `stayer app list` before repeating it."
        ) from error
    except BadAnswerError as error:
        raise UnreachableFailure(
            f"What answers there does not speak this API: {error}\nCheck --url or STAYER_URL."
        ) from error
    except UnavailableError as error:
        raise UnreachableFailure(
            f"{error.message}\nThe scheduler is not ready (HTTP {error.status}): try again in a "
            "few seconds; its log says what it waits for."
        ) from error
    except RefusedError as error:
        raise Failure(_refusal(error)) from error


def _unreachable(error: UnreachableError) -> str:
    places = "\n".join(f"  {url}: {why}" for url, why in error.causes.items())
    return (
        f"No scheduler answers:\n{places}\n"
        "Start one with `stayer local` (it brings a Mesos of its own) or with\n"
        "`stayer serve --master HOST:PORT`, or name another with --url or STAYER_URL."
    )


def _refusal(error: RefusedError) -> str:
    lines = [error.message, *(f"  {path}: {_in_words(why)}" for path, why in error.details)]
    if error.deployment_ids:
        lines += [f"  deployment {id_}" for id_ in error.deployment_ids]
        lines.append("See `stayer deployment list`. --force cancels them and goes on.")
    elif isinstance(error, ConflictError) and "already exists" in error.message:
        lines.append("To change what exists: `stayer app add --replace FILE`.")
    elif isinstance(error, ChangedError):
        lines = [
            "Nothing is done: somebody else changed it since it was read.",
            "Look at it and repeat the command; --force undoes what they changed.",
        ]
    elif isinstance(error, UnauthorizedError):
        lines.append(
            "Give credentials with --credentials-file (STAYER_CREDENTIALS_FILE) or "
            "--token-file (STAYER_TOKEN_FILE)."
        )
    return "\n".join(lines)


def _in_words(reason: str) -> str:
    words = _STRUCTURE.get(reason)
    return f"{words} ({reason})" if words else reason
