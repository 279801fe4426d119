"""`stayer state forget-framework`: the way on after Mesos has removed the framework for good."""

from pathlib import Path

import click

from cli.output import say
from cli.places import Failure, Place, with_place
from framework.core import identity
from framework.domain.state import State
from framework.interfaces import Store
from framework.store.backup import write_backup


@click.command("forget-framework")
@click.argument("framework_id")
@click.option(
    "--backup",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the state as it is goes first  [default: stayer-state-FRAMEWORK_ID.jsonl.gz]",
)
@click.option("--force", is_flag=True, help="zk:// only: take the state from a living Stayer.")
@with_place
def forget_framework(place: Place, framework_id: str, file: Path | None, force: bool) -> None:
    """Start every app again under a new framework id, since Mesos has removed this one.

    Forgets the id and all instances; apps, histories and deployments stay. Only for a framework
    that is dead (exit code 110): the tasks of a living one would be started a second time.
    """
    with place.reading() as store:
        _checked(store, framework_id)
    file = file or Path(f"stayer-state-{framework_id}.jsonl.gz")
    with place.writing(force=force) as store:
        known = _checked(store, framework_id)
        write_backup(store.load(), store.codec, file)
        store.append(identity.forgotten(known))
    say(f"The state as it was before is in {file}.")
    say(f"{place} has forgotten {framework_id} and its {len(known.instances)} instances.")


def _checked(store: Store, framework_id: str) -> State:
    """The state, if it belongs to this framework."""
    known = State()
    known.apply(list(store.load()))
    told = "" if known.framework is None else known.framework.framework_id
    if told != framework_id:
        whose = f"belongs to {told!r}" if told else "belongs to no framework"
        raise Failure(f"the state {whose}, not to {framework_id!r}. Nothing was changed.")
    return known
