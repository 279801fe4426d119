"""What a run of the bridge says. Trouble goes to standard error, changes to standard output, and
nothing to either when there is nothing new.
"""

import difflib
from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from cli.output import Column, print_pairs, print_table, say, say_aside
from haproxy_bridge.rendered import Problem
from haproxy_bridge.run.outcome import SETTLED, Outcome
from haproxy_bridge.run.state_file import State

_COLUMNS = (Column("APP"), Column("TROUBLE"), Column("LABEL"), Column("WHAT"))
_CERTIFICATES = (Column("CERTIFICATE"), Column("ENDS"), Column("TROUBLE"))
_BACKENDS = (Column("SERVICE"), Column("SERVERS", right=True), Column("DRAINING", right=True))


def tell(outcome: Outcome, *, known: tuple[Problem, ...] = (), kept: Collection[str] = ()) -> None:
    """One line for a change, one for each problem that the last run did not have, and for each
    cluster that is kept and was not (``kept``)."""
    for note in outcome.notes:
        say_aside(note)
    for name, why in outcome.kept.items():
        if name not in kept:
            say_aside(f"The last servers of cluster {name} are kept: {why}")
    if outcome.exit not in SETTLED:
        say_aside(f"Nothing was changed ({outcome.exit.name.lower()}): {outcome.why}")
    elif outcome.changed:
        say(changes(outcome))
    for problem in outcome.problems:
        if problem not in known:
            say_aside(sentence(problem))


def changes(outcome: Outcome) -> str:
    """What a run did, or would do, in one line."""
    counts = {"added": outcome.added, "changed": outcome.modified, "removed": outcome.removed}
    parts = [f"{count} servers {word}" for word, count in counts.items() if count]
    if outcome.rerouted:
        parts.append("routes changed at run time")
    if outcome.reloaded or outcome.why:
        parts.append(
            f"reloaded ({outcome.why})" if outcome.reloaded else f"to be reloaded ({outcome.why})"
        )
    if outcome.certificates:
        parts.append(f"{outcome.certificates} certificates put in place")
    whole = f"{outcome.services} services, {outcome.servers} servers"
    return f"{'; '.join(parts) or 'the file was written'}: {whole}"


def sentence(problem: Problem) -> str:
    """A problem in one line."""
    where = f" {problem.label}:" if problem.label else ""
    return f"{problem.trouble.value}: {problem.app_id}:{where} {problem.message}"


def diff(outcome: Outcome, path: str) -> None:
    """The change of the file, as diff -u shows it."""
    lines = difflib.unified_diff(
        outcome.before.decode("utf-8", "replace").splitlines(),
        outcome.after.decode("utf-8", "replace").splitlines(),
        path,
        f"{path} (new)",
        lineterm="",
    )
    for line in lines:
        say(line)
    for line in server_changes(outcome.before, outcome.after):
        say(line)


def server_changes(before: bytes, after: bytes) -> Iterator[str]:
    """Backends, and how many servers come and go there: ``shop_10000: +2 -1 servers``."""
    old, new = _servers(before), _servers(after)
    for name in sorted(old.keys() | new.keys()):
        there, wanted = old.get(name, frozenset()), new.get(name, frozenset())
        if there != wanted:
            counts = (f"+{len(wanted - there)}", f"-{len(there - wanted)}")
            shown = " ".join(count for count in counts if count not in {"+0", "-0"})
            new_one = "" if name in old else " (new)"
            yield f"{name}{new_one}: {shown} servers"


def _servers(config: bytes) -> dict[str, frozenset[str]]:
    """Servers, each with its place, by backend."""
    found: dict[str, set[str]] = {}
    inside: set[str] = set()
    for line in config.decode("utf-8", "replace").splitlines():
        words = line.split()
        if words and not line[0].isspace():
            inside = found.setdefault(words[-1], set()) if words[0] == "backend" else set()
        elif words[:1] == ["server"]:
            inside.add(" ".join(words[1:3]))
    return {name: frozenset(servers) for name, servers in found.items()}


def status(state: State) -> None:
    """What is remembered, as tables."""
    print_pairs(
        [
            ("last run", _time(state.last_run_ms)),
            ("last success", _time(state.last_success_ms)),
            ("last change", _time(state.last_change_ms)),
            ("last reload", _time(state.last_reload_ms)),
            ("changes", state.changes),
            ("reloads", state.reloads),
            ("kept since", state.failure),
            *((f"kept of {name}", why) for name, why in state.kept.items()),
            ("held", state.why_held),
        ]
    )
    if state.applied is not None:
        say("")
        print_table(
            _BACKENDS,
            [
                (one.name, len(one.servers), sum(server.draining for server in one.servers))
                for one in state.applied.backends
            ],
        )
    if state.certificates:
        say("")
        print_table(
            _CERTIFICATES,
            [
                (one.file, _time(one.ends_ms) if one.ends_ms else "", one.problem)
                for one in state.certificates
            ],
        )
    if state.problems:
        say("")
        print_table(
            _COLUMNS,
            [(one.app_id, one.trouble.value, one.label, one.message) for one in state.problems],
        )


def _time(ms: int) -> str:
    when = datetime.fromtimestamp(ms / 1000, UTC)
    return when.isoformat(timespec="seconds").replace("+00:00", "Z") if ms else "never"
