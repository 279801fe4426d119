"""`stayer completion`: what a shell needs to complete commands, options, and ids.

Ids are asked of the scheduler, quickly and silently: whoever waits for a completion can be told
nothing.
"""

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
)

from cli.connection import ONLY_IDS, ask_quickly

_VARIABLE = "_STAYER_COMPLETE"
_SHELLS: dict[str, type[ShellComplete]] = {
    "bash": BashComplete,
    "fish": FishComplete,
    "zsh": ZshComplete,
}


@click.command()
@click.argument("shell", type=click.Choice(sorted(_SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion for a shell.

    \b
    bash: eval "$(stayer completion bash)"     in ~/.bashrc
    zsh:  eval "$(stayer completion zsh)"      in ~/.zshrc
    fish: stayer completion fish | source      in ~/.config/fish/config.fish
    """
    root = context.find_root()
    made = _SHELLS[shell](root.command, {}, "stayer", _VARIABLE)
    # Not made.source(): that of bash starts a shell first, to look at its version.
    click.echo(made.source_template % made.source_vars())


def deployment_ids(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The deployments under way whose ids begin so."""
    found = ask_quickly(
        context, lambda client: [str(one["id"]) for one in client.list_deployments()]
    )
    return [CompletionItem(one) for one in found if one.startswith(incomplete)]


def task_ids(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The tasks whose ids begin so."""
    found = ask_quickly(
        context, lambda client: [str(one["id"]) for one in client.list_tasks(query=ONLY_IDS)]
    )
    return [CompletionItem(one) for one in found if one.startswith(incomplete)]


def app_versions(
    context: click.Context, _: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The versions of the app that was named before."""
    app_id = str(context.params.get("app_id") or "")
    found = ask_quickly(context, lambda client: client.app_versions(app_id)) if app_id else []
    return [CompletionItem(one) for one in reversed(found) if one.startswith(incomplete)]
