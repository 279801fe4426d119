"""``?limit=`` and ``?after=``: long lists in pages.

The place where a page ends is told by the sort key of its last item, never by a count, so that
nothing is told twice or passed over when items come and go between two pages. The answers look as
without pages; what is beyond a page is in headers, as other APIs have them (RFC 8288).
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Response, request

from api.context import json_answer
from api.errors import UnprocessableError
from api.openapi.operation import MAX_LIMIT, PAGING_HEADERS
from api.projection import chosen_fields, project
from api.render.json import encode_list

MAX_AFTER_CHARS = 4_096
LINK_HEADER, TOTAL_HEADER = PAGING_HEADERS
_LIMIT = re.compile(r"[0-9]{1,4}")

Item = TypeVar("Item")
Headers = dict[str, str]


def listing(
    name: str,
    items: Iterable[Item],
    render: Callable[[Item], Any],
    key: Callable[[Item], str],
    *,
    newest_first: bool = False,
) -> Response:
    """The answer with these items as an array, or with a name as the only member of an object;
    only the page and the fields that the request asks for. ``items`` are in the order of their
    keys, which differ and never change; ``newest_first`` for the reverse order.
    UnprocessableError."""
    chosen, headers = page_of(items, key, newest_first=newest_first)
    fields = chosen_fields()
    shown = (project(render(one), fields) if fields else render(one) for one in chosen)
    return json_answer(encode_list(name, shown), headers=headers, as_it_is=True)


def page_of(
    items: Iterable[Item], key: Callable[[Item], str], *, newest_first: bool = False
) -> tuple[Iterable[Item], Headers]:
    """The items of the page that the request asks for, all if for none; and the headers that tell
    how many there are and where the next page is. UnprocessableError."""
    limit, after = request.args.get("limit"), request.args.get("after")
    if limit is None and after is None:
        return items, {}
    size = _size(limit)
    everything = list(items)
    begin = _place(everything, key, after, newest_first=newest_first)
    page = everything[begin : begin + size]
    headers = {TOTAL_HEADER: str(len(everything))}
    if begin + size < len(everything):
        headers[LINK_HEADER] = f'<{_url(key(page[-1]))}>; rel="next"'
    return page, headers


def _size(limit: str | None) -> int:
    if limit is None:
        return MAX_LIMIT
    if not _LIMIT.fullmatch(limit) or not 0 < int(limit) <= MAX_LIMIT:
        raise UnprocessableError(f"limit must be a whole number from 1 to {MAX_LIMIT}")
    return int(limit)


def _place(
    items: Sequence[Item], key: Callable[[Item], str], after: str | None, *, newest_first: bool
) -> int:
    """How many items are not after this place."""
    if after is None:
        return 0
    if len(after) > MAX_AFTER_CHARS:
        raise UnprocessableError(f"after is longer than {MAX_AFTER_CHARS} characters")
    if newest_first:
        return len(items) - bisect_left(items[::-1], after, key=key)
    return bisect_right(items, after, key=key)


def _url(after: str) -> str:
    """This request's, from that place on; without a host if the client named none."""
    base = request.base_url if request.host else f"/{request.base_url.partition(':///')[2]}"
    query = [pair for pair in request.args.items(multi=True) if pair[0] != "after"]
    return f"{base}?{urlencode([*query, ('after', after)])}"
