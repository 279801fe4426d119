"""Asking the scheduler, whichever it is, and taking only an answer of the right shape.

Of a Stayer that offers it only what changed since the last answer is asked for, and now and then
the whole all the same.
"""

import time
from collections.abc import Callable
from enum import StrEnum
from urllib.parse import quote

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from api.client import (
    BadAnswerError,
    Client,
    ClientError,
    Page,
    RefusedError,
    UnavailableError,
)
from haproxy_bridge.snapshot import App, Snapshot
from haproxy_bridge.source import marathon, stayer, text
from haproxy_bridge.source.ages import Ages
from haproxy_bridge.source.resolving import Addresses, Resolver

WHOLE_SECONDS = 600.0
"""After so long the whole page is asked for, whatever came meanwhile."""
_WRONG_SHAPE = (
    msgspec.DecodeError,
    UnicodeDecodeError,
    RecursionError,
    text.BadTextError,
    stayer.PartError,
)


class Kind(StrEnum):
    """Which page is read. AUTO: Stayer's if there is one, else Marathon's."""

    AUTO = "auto"
    STAYER = "stayer"
    MARATHON = "marathon"
    TEXT = "text"


class SourceOptions(Struct, frozen=True, kw_only=True):
    """``any_check``: with Marathon, one passed check makes a task healthy, as for marathon-lb."""

    kind: Kind = Kind.AUTO
    any_check: bool = False


class Unchanged(Struct, frozen=True):
    """The scheduler's answer is still the one with the tag that was asked with."""


class Reader:
    """Snapshots of one scheduler, behind one or several URLs. ``resolver`` finds its agents."""

    def __init__(
        self,
        client: Client,
        options: SourceOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._options = options
        self._clock = clock
        self._whole_at = clock()
        self._kind = options.kind
        self.resolver = Resolver()
        self._addresses: Addresses = self.resolver.addresses
        self._known: dict[str, App] = {}
        self._ages = Ages(self._versions)
        self._pages = stayer.Pages(self._addresses)

    @property
    def kind(self) -> Kind:
        """What answers; AUTO until something did."""
        return self._kind

    def read(self, tag: str = "") -> Snapshot | Unchanged:
        """What it says now. ``tag`` is that of an earlier snapshot.

        ClientError whatever goes wrong: nobody answers, it refuses, or its answer is none.
        """
        if self._kind is Kind.TEXT:
            return self._translated(self._client.fetch(text.PATH, accept=text.ACCEPT))
        if tag and tag == self._pages.version:
            return self._changes() or self._whole("")
        return self._whole(tag)

    def _changes(self) -> Snapshot | Unchanged | None:
        """By what changed since the last answer; None if that can not be had, or is of no use."""
        before = self._pages.last
        if self._clock() >= self._whole_at:
            return None
        try:
            page = self._client.fetch(stayer.PATH, {"since": [self._pages.version]})
            found = self._translated(page)
        except UnavailableError:
            raise
        except (RefusedError, BadAnswerError):
            return None
        return Unchanged() if found is before else found

    def _whole(self, tag: str) -> Snapshot | Unchanged:
        page = self._page(tag)
        self._whole_at = self._clock() + WHOLE_SECONDS
        return Unchanged() if page.unchanged else self._translated(page)

    def _page(self, tag: str) -> Page:
        if self._kind is not Kind.MARATHON:
            try:
                page = self._client.fetch(stayer.PATH, tag=tag)
            except RefusedError as error:
                if self._kind is Kind.STAYER or not _is_unknown_page(error):
                    raise
                self._kind = Kind.MARATHON
            else:
                self._kind = Kind.STAYER
                return page
        return self._client.fetch(marathon.PATH, marathon.QUERY, tag=tag)

    def _translated(self, page: Page) -> Snapshot:
        try:
            if self._kind is Kind.TEXT:
                return self._recognized(text.snapshot(page.content, page.url, self._addresses))
            if self._kind is Kind.STAYER:
                return self._pages.snapshot(page.content, page.url, page.tag)
            found = marathon.snapshot(
                page.content,
                page.url,
                page.tag,
                self._definition,
                self._addresses,
                any_check=self._options.any_check,
            )
            return self._recognized(replace(found, apps=self._ages.dated(found.apps)))
        except _WRONG_SHAPE as error:
            raise BadAnswerError(f"{page.url} answers what is no list of apps: {error}") from error

    def _recognized(self, found: Snapshot) -> Snapshot:
        """With the records of the last time for apps that are as they were: nobody who knows a
        record has to look at it again."""
        known = self._known
        apps = [known[app.id] if known.get(app.id) == app else app for app in found.apps]
        self._known = {app.id: app for app in apps}
        return replace(found, apps=tuple(apps))

    def _versions(self, app_id: str) -> bytes | None:
        """ClientError if nobody answers: who is older must not depend on that."""
        try:
            return self._client.fetch(
                f"{marathon.PATH}/{quote(app_id.strip('/'))}/versions"
            ).content
        except RefusedError:
            return None

    def _definition(self, app_id: str, version: str) -> bytes | None:
        try:
            path = f"{marathon.PATH}/{quote(app_id.strip('/'))}/versions/{quote(version, safe='')}"
            return self._client.fetch(path).content
        except ClientError:
            return None  # better a guess at one app's checks than no news of all apps


def _is_unknown_page(error: RefusedError) -> bool:
    """Whether there is no such page; the last releases of Marathon say so with a 500."""
    return error.status in {404, 405} or (error.status == 500 and error.message == "URI not found")
