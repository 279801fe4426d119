"""`stayer state`: the stored state itself, read and written without a scheduler.

For backups, for moving from one store to another, for looking into what a scheduler would start
from, and for letting a new release write in its own way. See docs/state.md.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cli import shown
from cli.forgetting import forget_framework
from cli.output import Column, print_json, print_pairs, print_table, say, say_aside
from cli.places import Failure, Place, with_place
from framework.core.consistency import Finding, check_state
from framework.domain.state import VOLATILE, Change, Kind, State
from framework.interfaces import StateTooNewError, StoreUnusableError
from framework.store.backup import BackupUnusableError, read_backup, write_backup
from framework.store.codec import Codec
from framework.store.migration import MigrationRefusedError, check_members, migrate
from framework.store.restoring import NotEmptyError, restore

_BIG = 50_000
_KINDS = [kind.value for kind in Kind if kind not in VOLATILE]
_FILE = click.Path(dir_okay=False, path_type=Path)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")


@click.group()
def state() -> None:
    """The stored state: backup, restore, check, show, migrate.

    All but `restore` (and `migrate` of a file) work beside a running scheduler. The store is
    --store, else the environment's STAYER_ZK or STAYER_STORE.
    """


state.add_command(forget_framework)


@state.command()
@click.argument("file", type=_FILE)
@click.option("--overwrite", is_flag=True, help="FILE may exist; it is replaced when all is done.")
@_json
@with_place
def backup(place: Place, file: Path, overwrite: bool, as_json: bool) -> None:
    """Write the whole state to FILE, compressed if its name ends in .gz.

    Only you may read the file: it holds the environments of all apps, secrets and all.
    """
    with place.reading() as store:
        written = write_backup(
            store.load(), store.codec, file, replace=overwrite, report=_tell("written")
        )
    size = file.stat().st_size
    if as_json:
        print_json({"store": str(place), "file": str(file), "bytes": size, **written._asdict()})
        return
    say(f"{written.records} records of {place} are in {file} ({size} bytes).")


@state.command("restore")
@click.argument("file", type=_FILE)
@click.option("--replace", is_flag=True, help="Replace the state that is there.")
@click.option(
    "--previous", type=_FILE, help="Where the state that is replaced goes  [default: a new file]"
)
@click.option("--force", is_flag=True, help="zk:// only: take the state from a living Stayer.")
@_json
@with_place
def restore_(
    place: Place, file: Path, replace: bool, previous: Path | None, force: bool, as_json: bool
) -> None:
    """Put the backup FILE into a store: all of it or nothing. No scheduler may use the store.

    A store that holds a state is left alone unless --replace is given; then that state is written
    to a backup first.
    """
    described, records = read_backup(file, Codec(), report=_tell("read"))
    previous = (previous or _new_file("replaced")) if replace else None
    with place.writing(force=force) as store:
        try:
            done = restore(store, records, previous)
        except NotEmptyError as error:
            raise Failure(
                f"{place} is not empty: {error}. To replace them, which writes a backup of them"
                " first, say --replace. Nothing was changed."
            ) from error
    kept = str(previous) if done.previous is not None else None
    if as_json:
        print_json(
            {"store": str(place), "file": str(file), "records": done.records, "previous": kept}
        )
        return
    if kept:
        say(f"What was there before is in {kept}.")
    say(f"{done.records} records, as of {described.at}, are now in {place}.")


@state.command()
@click.option("--file", type=_FILE, help="Check a backup instead of a store.")
@_json
@with_place
def check(place: Place, file: Path | None, as_json: bool) -> None:
    """Read everything and look for what can not be right. Exit code 1 if something is wrong."""
    where = str(place) if file is None else str(file)
    loaded = State()
    findings: list[tuple[str, str, str, bool]] = []
    try:
        loaded.apply(_all_of(place, file))
        findings += [(one.kind.value, one.id, one.what, one.wrong) for one in _sorted(loaded)]
    except StateTooNewError:
        raise
    except (StoreUnusableError, BackupUnusableError) as error:
        if file is None and not _is_readable(place):
            raise
        findings.append(("store", where, str(error), True))
    counts = _counts(loaded)
    wrong = sum(one[3] for one in findings)
    if as_json:
        names = ("kind", "id", "what", "wrong")
        told = [dict(zip(names, one, strict=True)) for one in findings]
        print_json({"store": where, "counts": counts, "findings": told})
    else:
        _print_findings(findings)
        say(f"{sum(counts.values())} records in {where}: {_verdict(wrong, len(findings) - wrong)}")
    if wrong:
        sys.exit(1)


@state.command()
@click.argument("kind", type=click.Choice(_KINDS), required=False)
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--secrets", is_flag=True, help="Show the values of environments and options too.")
@_json
@with_place
def show(place: Place, kind: str | None, id_: str | None, secrets: bool, as_json: bool) -> None:
    """Show what is stored: how much of each kind, all of one KIND, or one record as JSON."""
    with place.reading() as store:
        if kind is None:
            _show_counts(place, store.codec, store.load(), as_json=as_json)
            return
        found = sorted((one for one in store.load() if one.kind == kind), key=lambda one: one.id)
    if id_ is not None:
        record = next((one for one in found if one.id == id_), None)
        if record is None:
            raise Failure(f"there is no {kind} {id_!r} in {place}")
        print_json(shown.document(record, secrets=secrets))
    elif as_json:
        print_json([shown.document(one, secrets=secrets) for one in found])
    elif found:
        print_table(shown.columns(Kind(kind)), [shown.row(one) for one in found])
    else:
        say(f"There is no {kind} in {place}.")


@state.command("migrate")
@click.option(
    "--backup", "file", type=_FILE, help="The backup to write first  [default: a new file]"
)
@click.option("--force", is_flag=True, help="Although a Stayer of the group could not read it.")
@_json
@with_place
def migrate_(place: Place, file: Path | None, force: bool, as_json: bool) -> None:
    """Let this release write the state in its own schemas. Older releases refuse it from then on.

    A backup in the old schemas is written first. Done beside running Stayers, it takes effect when
    one begins to lead.
    """
    with place.migrating() as (store, members):
        behind = dict(store.codec.behind)
        if behind and not force:
            try:
                check_members(store.codec, members)
            except MigrationRefusedError as error:
                raise Failure(f"{error}, or say --force. Nothing was changed.") from error
        if behind:
            file = file or _new_file("before-migration")
            migrate(store, file)
    if as_json:
        schemas = {kind: {"from": old, "to": new} for kind, (old, new) in behind.items()}
        print_json(
            {"store": str(place), "migrated": schemas, "backup": str(file) if behind else None}
        )
    elif behind:
        say(f"The state as it was before is in {file}.")
        say(f"{place} is written as of release {store.codec.release} now: {_steps(behind)}.")
    else:
        say(f"There is nothing to migrate: {place} is written as of this release already.")


def _tell(verb: str) -> Any:
    """Reports on how far a big one is."""

    def report(done: int, total: int) -> None:
        if total >= _BIG and (done % _BIG == 0 or done == total):
            say_aside(f"{done} of {total} records {verb}")

    return report


def _new_file(what: str) -> Path:
    """A name that nothing has yet, beside where we are."""
    at = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    return Path(f"stayer-state-{what}-{at}.jsonl.gz")


def _all_of(place: Place, file: Path | None) -> list[Change]:
    if file is not None:
        return read_backup(file, Codec())[1]
    with place.reading() as store:
        return list(store.load())


def _is_readable(place: Place) -> bool:
    """Whether the store can be opened, so that what is wrong lies in its records."""
    try:
        with place.reading():
            return True
    except StoreUnusableError:
        return False


def _sorted(loaded: State) -> list[Finding]:
    return sorted(check_state(loaded), key=lambda one: (not one.wrong, one.kind, one.id))


def _counts(loaded: State) -> dict[str, int]:
    counts = {kind: len(loaded.tables[Kind(kind)]) for kind in _KINDS}
    return {kind: count for kind, count in counts.items() if count}


def _print_findings(findings: list[tuple[str, str, str, bool]]) -> None:
    if not findings:
        return
    columns = [Column(title) for title in ("", "KIND", "ID", "WHAT")]
    print_table(columns, [("wrong" if one[3] else "note", *one[:3]) for one in findings])
    say("")


def _verdict(wrong: int, notes: int) -> str:
    noted = f" ({notes} worth a look)" if notes else ""
    return f"{wrong} wrong{noted}" if wrong else f"nothing is wrong{noted}"


def _show_counts(place: Place, codec: Codec, records: Iterable[Change], *, as_json: bool) -> None:
    counts = Counter(one.kind.value for one in records)
    mark = codec.read_mark(codec.mark())
    if as_json:
        print_json(
            {
                "store": str(place),
                "release": mark.release,
                "schemas": mark.schemas,
                "counts": {kind: counts[kind] for kind in _KINDS if counts[kind]},
            }
        )
        return
    print_pairs(
        [
            ("Store", place),
            ("Written as of", f"release {mark.release}"),
            ("To migrate", _steps(dict(codec.behind))),
        ]
    )
    say("")
    columns = [Column("KIND"), Column("RECORDS", right=True), Column("SCHEMA", right=True)]
    rows = [(kind, counts[kind], mark.schemas.get(kind, "-")) for kind in _KINDS]
    print_table(columns, [*rows, ("all", counts.total(), "")])


def _steps(behind: dict[str, tuple[int, int]]) -> str:
    return ", ".join(f"{kind} {old or 'new'} -> {new}" for kind, (old, new) in behind.items())
