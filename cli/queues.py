"""`stayer queue`: what waits for offers, and why.

The sentences are the scheduler's own; against one that has none (Marathon) they are made here
from the numbers of offers refused for each reason.
"""

from collections.abc import Mapping, Sequence

import click

from api.client import Client
from cli.answers import Explanation, Rejected, Waiting, read_all
from cli.connection import absolute_id, json_option, with_client
from cli.output import Column, print_json, print_pairs, print_table, say

_MAX_SENTENCES = 2

# Marathon's reasons, in words that go on from "3 of 9 agents: ".
_WORDS = {
    "UnfulfilledRole": "for a role that the app does not accept",
    "UnfulfilledConstraint": "a constraint does not allow it",
    "NoCorrespondingReservationFound": "the reservation that an instance needs is not there",
    "AgentMaintenance": "to be taken down for maintenance",
    "InsufficientCpus": "too few cpus",
    "InsufficientMemory": "too little memory",
    "InsufficientDisk": "too little disk",
    "InsufficientGpus": "too few gpus",
    "InsufficientPorts": "the wanted ports are not there",
    "DeclinedScarceResources": "kept for apps that need its gpus",
}

_COLUMNS = (
    Column("APP"),
    Column("WAITING", right=True),
    Column("BACK-OFF", right=True),
    Column("WHY"),
)
_REASON_COLUMNS = (
    Column("REASON"),
    Column("AGENTS NOW", right=True),
    Column("OFFERS SINCE", right=True),
    Column("MEANING"),
)
_OFFER_COLUMNS = (Column("HOST"), Column("AGENT"), Column("AT"), Column("LACKS"))


@click.command()
@click.argument("app_id", metavar="[ID]", type=absolute_id, required=False)
@json_option
@with_client
def queue(client: Client, app_id: str | None, as_json: bool) -> None:
    """What waits for offers and why; with ID the whole story of one app."""
    answer = client.queue(query={"embed": "lastUnusedOffers"} if app_id else None)
    entries = list(zip(read_all(answer, Waiting), answer, strict=True))
    if app_id:
        entries = [(entry, raw) for entry, raw in entries if entry.id == app_id]
        if not entries:
            client.get_app(app_id)  # a 404 says that there is no such app
    told = _told(client, app_id) if entries else {}
    stories = [(entry, raw, told.get(entry.id) or _made_up(entry)) for entry, raw in entries]
    if as_json:
        print_json([{**raw, "explanation": list(story)} for _, raw, story in stories])
    elif not entries:
        say(f"{app_id} waits for nothing." if app_id else "Nothing waits for offers.")
    elif app_id:
        for entry, _, story in stories:
            _tell(entry, story)
    else:
        print_table(_COLUMNS, [_row(entry, story) for entry, _, story in stories])


def _told(client: Client, app_id: str | None) -> Mapping[str, Sequence[str]]:
    """The scheduler's own sentences by app."""
    told: dict[str, list[str]] = {}
    for entry in read_all(client.explain(app_id), Explanation):
        told.setdefault(entry.app_id, []).extend(entry.explanation)
    return told


def _made_up(entry: Waiting) -> Sequence[str]:
    """Sentences from the summary of refused offers."""
    summary = entry.processed_offers_summary
    reasons = [row for row in summary.reject_summary_last_offers if row.declined]
    if reasons:
        agents = max(row.processed for row in summary.reject_summary_last_offers)
        worst_first = sorted(reasons, key=lambda row: -row.declined)
        return [f"{row.declined} of {agents} agents: {_meaning(row)}" for row in worst_first]
    if not entry.delay.overdue and entry.delay.time_left_seconds > 0:
        return ["launches are delayed after failures"]
    if summary.processed_offers_count == 0:
        return ["no offer came yet for this role"]
    return ["waits for the next offer"]


def _meaning(row: Rejected) -> str:
    return _WORDS.get(row.reason, row.reason)


def _delay(entry: Waiting) -> str:
    waits = not entry.delay.overdue and entry.delay.time_left_seconds > 0
    return f"{entry.delay.time_left_seconds} s" if waits else "-"


def _row(entry: Waiting, story: Sequence[str]) -> Sequence[object]:
    lines = list(story[:_MAX_SENTENCES])
    if len(story) > _MAX_SENTENCES:
        more = len(story) - _MAX_SENTENCES
        lines.append(f"and {more} more: stayer queue {entry.id}")
    return (entry.id, entry.count, _delay(entry), "\n".join(lines))


def _tell(entry: Waiting, story: Sequence[str]) -> None:
    """The whole story of one app."""
    summary = entry.processed_offers_summary
    print_pairs(
        [
            ("App", entry.id),
            ("Waiting", f"{entry.count} since {entry.since}"),
            ("Role", entry.role),
            ("Back-off", _delay(entry)),
            ("Offers", _offers(summary.processed_offers_count, summary.unused_offers_count)),
            ("Last used", summary.last_used_offer_at or "never"),
            ("Last unused", summary.last_unused_offer_at or "never"),
            ("Why", "\n".join(story)),
        ]
    )
    if rows := _reasons(entry):
        say("")
        print_table(_REASON_COLUMNS, rows)
    if entry.last_unused_offers:
        say("")
        print_table(
            _OFFER_COLUMNS,
            [
                (
                    unused.offer.hostname,
                    unused.offer.agent_id,
                    unused.timestamp,
                    _lacks(unused.reason),
                )
                for unused in entry.last_unused_offers
            ],
        )


def _offers(processed: int, unused: int) -> str:
    return f"{processed} looked at, {unused} of them left unused"


def _lacks(reasons: Sequence[str]) -> str:
    return ", ".join(_WORDS.get(reason, reason) for reason in reasons)


def _reasons(entry: Waiting) -> list[Sequence[object]]:
    """One row for each reason that any offer was refused for."""
    summary = entry.processed_offers_summary
    since = {row.reason: row for row in summary.reject_summary_launch_attempt}
    now = {row.reason: row for row in summary.reject_summary_last_offers}
    nothing = Rejected("")
    rows: list[Sequence[object]] = []
    for reason in dict.fromkeys([*now, *since]):
        latest, all_of_them = now.get(reason, nothing), since.get(reason, nothing)
        if latest.declined or all_of_them.declined:
            counts = [f"{row.declined} of {row.processed}" for row in (latest, all_of_them)]
            rows.append((reason, *counts, _WORDS.get(reason, "")))
    return rows
