"""Lists of users with crypted passwords, for apps whose labels name one of them.

The form is that of htpasswd, ``NAME:CRYPTED`` a line. ``[list]`` above some lines begins a list;
lines before the first one are of the list that the file is named by. Whoever writes a label need
not know, and does not show, anybody's password.
"""

import re

from haproxy_bridge.services.options import Users

MAX_USERS = 10_000
_LIST = re.compile(r"\[([A-Za-z0-9._-]{1,64})\]")
_USER = re.compile(r"([A-Za-z0-9._@-]{1,100}):(\S{1,200})")
_CRYPTED = re.compile(r"\$(?:1|5|6|2[aby]|7|y|gy)\$[A-Za-z0-9./$=,+-]+")


def read(name: str, text: str) -> dict[str, Users]:
    """The lists by name. ValueError with the number of the line, and nothing of what is in it."""
    lists: dict[str, dict[str, str]] = {}
    found = name
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        heading = _LIST.fullmatch(stripped)
        if heading:
            found = heading[1]
            if found in lists:
                raise ValueError(f"line {number}: the list {found} is there twice")
            lists[found] = {}
            continue
        user, crypted = _user(stripped, number)
        users = lists.setdefault(found, {})
        if user in users:
            raise ValueError(f"line {number}: this user is in the list twice")
        users[user] = crypted
    empty = next((one for one, users in lists.items() if not users), "")
    if empty or not lists:
        raise ValueError(f"nobody is in the list {empty or name}")
    if sum(map(len, lists.values())) > MAX_USERS:
        raise ValueError(f"more than {MAX_USERS} users")
    return {one: tuple(users.items()) for one, users in lists.items()}


def _user(line: str, number: int) -> tuple[str, str]:
    match = _USER.fullmatch(line)
    if match is None:
        raise ValueError(f"line {number}: not NAME:CRYPTED-PASSWORD, nor a [list]")
    if match[2].startswith("$apr1$"):
        raise ValueError(
            f"line {number}: haproxy can not check htpasswd's own form ($apr1$): make it with "
            "`openssl passwd -6`, or `htpasswd -B`"
        )
    if not _CRYPTED.fullmatch(match[2]):
        raise ValueError(
            f"line {number}: not a crypted password ($6$..., $5$..., $2y$..., $y$...): make it "
            "with `openssl passwd -6`"
        )
    return match[1], match[2]
