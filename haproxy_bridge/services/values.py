"""Values of labels, each read by a function that gives the value or raises BadValueError.

A value that is let through can not leave the word of the configuration that it is put into.
"""

import ipaddress
import re

from haproxy_bridge.services.model import Auth, Host, HostKind

MAX_HOSTS = 100
DYNAMIC = frozenset({"roundrobin", "leastconn", "first", "random"})
"""Algorithms with which haproxy lets servers come and go at run time."""
OBSERVED = {"layer4": ("layer4", 3), "layer7": ("layer7", 10), "false": ("", 1)}
"""What of real requests can count against a server, and how many errors on end do."""
RETRIES = frozenset(
    {"none", "conn-failure", "empty-response", "junk-response", "response-timeout"}
    | {"0rtt-rejected", "401", "403", "404", "408", "425", "500", "501", "502", "503", "504"}
)
MAX_PATHS = 100
MAX_VALUE = 4_096

_TRUE = frozenset({"true", "t", "yes", "y"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0", ""})
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_BALANCE = re.compile(
    r"(?a:roundrobin|static-rr|leastconn|first|source|random(?:\(\d{1,3}\))?|rdp-cookie(?:\([\w-]+\))?"
    r"|uri(?: whole)?(?: len \d+)?(?: depth \d+)?(?: path-only)?|url_param [\w-]+|hdr\([\w-]+\))"
)
_BIND_NAME = re.compile(r"\*|[A-Za-z0-9._-]{1,253}")
_WORDS = re.compile(r"[A-Za-z0-9 ,._/:@=+-]*")
_NOT_OF_PATTERN = re.compile(r"[\s\"'\\#{}]")
_FILE = re.compile(r"/[A-Za-z0-9._/@+-]{1,1000}")
_REALM = re.compile(r"[A-Za-z0-9._ @-]{1,100}")
_USER = re.compile(r"[A-Za-z0-9._@-]{1,100}")
_PASSWORD = re.compile(r"[A-Za-z0-9./$=+-]{1,200}")
_HEADER = re.compile(r"([A-Za-z0-9-]{1,64})(?:: ?([A-Za-z0-9._~@-]{1,100}))?")
_PAIR = re.compile(r"([A-Za-z0-9_.-]{1,64})(?:=([A-Za-z0-9._~@-]{1,100}))?")
_RATE = re.compile(r"(\d{1,7})/(\d{1,5})s?", re.ASCII)
_LIST = re.compile(r"(?:([A-Za-z0-9._ @-]{1,100}):)?([A-Za-z0-9._-]{1,64})")
_BACKEND = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,99}")
_OTHERS = re.compile(r"(?:stayer|marathon)_.*|.*_(?:port)?[0-9]+")
_APP_ID = re.compile(r"/?[A-Za-z0-9._-]{1,255}(?:/[A-Za-z0-9._-]{1,255})*")
MAX_APP_ID = 1_000


class BadValueError(ValueError):
    """The label's value is not understood; the text says what would be right."""


def is_app_id(text: str) -> bool:
    """Whether it is what schedulers take for an id: names of sections are made of it."""
    return len(text) <= MAX_APP_ID and bool(_APP_ID.fullmatch(text))


def boolean(text: str) -> bool:
    """True for true, t, yes and y in any case, as for marathon-lb; everything else is false."""
    return text.strip().lower() in _TRUE


def is_doubtful(text: str) -> bool:
    """Whether it counts as false, but may well be meant otherwise: ``1``, ``on``."""
    return text.strip().lower() not in _TRUE | _FALSE


def number(text: str, lowest: int, highest: int) -> int:
    """A whole number within bounds."""
    stripped = text.strip()
    if not re.fullmatch(r"-?\d{1,9}", stripped) or not lowest <= int(stripped) <= highest:
        raise BadValueError(f"not a number of {lowest}..{highest}: {_shown(text)}")
    return int(stripped)


def choice(text: str, *known: str) -> str:
    """One of the known words, in any case."""
    lowered = text.strip().lower()
    if lowered not in known:
        raise BadValueError(f"not one of {', '.join(known)}: {_shown(text)}")
    return lowered


def hosts(text: str) -> tuple[Host, ...]:
    """Host names behind commas or blanks; ``*.x`` is any name below x, ``~regex`` a pattern."""
    words = [word for word in re.split(r"[,\s]+", text.strip()) if word]
    if len(words) > MAX_HOSTS:
        raise BadValueError(f"more than {MAX_HOSTS} hosts")
    return tuple(dict.fromkeys(map(_host, words)))


def _host(word: str) -> Host:
    if word.startswith("~"):
        return Host(HostKind.REGEX, _pattern(word[1:]))
    name = word.lower()
    name = re.sub(r":\d{1,5}$", "", name).rstrip(".")
    kind = HostKind.SUFFIX if name.startswith("*.") else HostKind.EXACT
    plain = name.removeprefix("*.")
    if len(plain) > 253 or not _HOST.fullmatch(plain):
        raise BadValueError(f"not a host name: {_shown(word)}")
    return Host(kind, f".{plain}" if kind is HostKind.SUFFIX else plain)


def _pattern(text: str) -> str:
    plain = text.isascii() and text.isprintable()
    if not 0 < len(text) <= 200 or not plain or _NOT_OF_PATTERN.search(text.replace("\\.", "")):
        raise BadValueError(
            f"not a pattern without blanks, quotes, braces and hashes: {_shown(text)}"
        )
    try:
        re.compile(text)
    except re.error as error:
        raise BadValueError(f"not a regular expression ({error}): {_shown(text)}") from error
    return text


def paths(text: str) -> tuple[tuple[str, ...], bool]:
    """Path prefixes behind blanks, and whether ``-i`` in front asks to ignore case."""
    words = text.split()
    ignore_case = bool(words) and words[0] == "-i"
    found = words[1:] if ignore_case else words
    for word in found:
        if not _PATH.fullmatch(word) or len(word) > 1_000:
            raise BadValueError(f"not a path that begins with /: {_shown(word)}")
    if len(found) > MAX_PATHS:
        raise BadValueError(f"more than {MAX_PATHS} paths")
    return tuple(found), ignore_case


def path(text: str) -> str:
    """One path."""
    found, _ = paths(text)
    if len(found) != 1:
        raise BadValueError(f"not one path: {_shown(text)}")
    return found[0]


def balance(text: str) -> str:
    """One of haproxy's algorithms with its arguments."""
    words = " ".join(text.split())
    if not _BALANCE.fullmatch(words):
        raise BadValueError(f"not an algorithm of haproxy's balance: {_shown(text)}")
    return words


def is_dynamic(algorithm: str) -> bool:
    """Whether servers of a backend with this algorithm come and go without a reload."""
    return algorithm.split("(", 1)[0].split()[0] in DYNAMIC


def bind_address(text: str) -> str:
    """An address, a name or ``*``."""
    stripped = text.strip()
    if ":" in stripped:
        try:
            return f"[{ipaddress.IPv6Address(_without_scope(stripped.strip('[]')))}]"
        except ValueError as error:
            raise BadValueError(f"not an address to listen on: {_shown(text)}") from error
    if not _BIND_NAME.fullmatch(stripped):
        raise BadValueError(f"not an address to listen on: {_shown(text)}")
    return stripped


def _without_scope(text: str) -> str:
    """The text; ValueError if it names a scope, which may hold any character."""
    if "%" in text:
        raise ValueError("an address with a scope")
    return text


def words(text: str) -> str:
    """Options of a line: words without quotes, braces, hashes or line ends."""
    if not _WORDS.fullmatch(text) or len(text) > MAX_VALUE:
        raise BadValueError(f"options may have letters, digits and ,._/:@=+- only: {_shown(text)}")
    return " ".join(text.split())


def file(text: str) -> str:
    """An absolute path of a file."""
    if not _FILE.fullmatch(text.strip()) or "/../" in text:
        raise BadValueError(f"not an absolute path of a file: {_shown(text)}")
    return text.strip()


def auth(text: str) -> Auth:
    """``realm:user:crypted``, more users behind commas: ``realm:u1:p1,u2:p2``. Crypted passwords
    hold no colon, so one more is a mistake."""
    realm, colon, rest = text.strip().partition(":")
    users = [pair.split(":") for pair in rest.split(",")]
    good = colon and _REALM.fullmatch(realm)
    if not good or not all(len(pair) == 2 and _is_user(*pair) for pair in users):
        raise BadValueError("not REALM:USER:CRYPTED-PASSWORD")  # the value stays out of logs
    return Auth(realm, tuple((user, password) for user, password in users))


def _is_user(user: str, password: str) -> bool:
    return bool(_USER.fullmatch(user) and _PASSWORD.fullmatch(password))


def auth_list(text: str) -> tuple[str, str]:
    """``REALM:LIST`` or ``LIST``, whose realm has its name, then."""
    found = _LIST.fullmatch(text.strip())
    if found is None:
        raise BadValueError(f"not LIST or REALM:LIST, with the name of a list: {_shown(text)}")
    return found[1] or found[2], found[2]


def backend_name(text: str) -> str:
    """A name that no app has without asking for it: these end with a number."""
    stripped = text.strip()
    if not _BACKEND.fullmatch(stripped) or _OTHERS.fullmatch(stripped):
        raise BadValueError(
            "not a name of letters, digits and ._- that begins with a letter (not with "
            f"stayer_ or marathon_) and does not end with _NUMBER: {_shown(text)}"
        )
    return stripped


def observe(text: str) -> tuple[str, int]:
    """``layer4``, ``layer7`` or ``false``; ``layer7/20``: after so many errors on end."""
    mode, slash, count = text.strip().lower().partition("/")
    if mode not in OBSERVED or (slash and not mode):
        known = ", ".join(sorted(OBSERVED))
        raise BadValueError(f"not one of {known}, with /ERRORS behind: {_shown(text)}")
    name, errors = OBSERVED[mode]
    return name, number(count, 1, 1_000) if slash else errors


def retry_on(text: str) -> tuple[str, ...]:
    """What haproxy repeats a request on, behind blanks or commas; ``none`` alone for nothing."""
    words = tuple(dict.fromkeys(word for word in re.split(r"[,\s]+", text.strip().lower()) if word))
    alone = len(words) == 1 or "none" not in words
    if not words or not alone or not RETRIES.issuperset(words):
        raise BadValueError(f"not `none` or some of {', '.join(sorted(RETRIES))}: {_shown(text)}")
    return words


def networks(text: str) -> tuple[str, ...]:
    """Addresses and networks behind blanks or commas."""
    found = []
    for word in re.split(r"[,\s]+", text.strip()):
        try:
            found.append(str(ipaddress.ip_network(_without_scope(word), strict=False)))
        except ValueError as error:
            raise BadValueError(f"not an address or network: {_shown(word)}") from error
    return tuple(found)


def rate(text: str) -> tuple[int, int]:
    """``REQUESTS/SECONDS``, such as ``100/10s``."""
    found = _RATE.fullmatch(text.strip())
    if found is None or not int(found[1]) or not int(found[2]):
        raise BadValueError(f"not REQUESTS/SECONDS, such as 100/10s: {_shown(text)}")
    return int(found[1]), int(found[2])


def header(text: str) -> tuple[str, str]:
    """``Name: value`` of a header; ``Name`` for any value, which is "" then."""
    return _named(_HEADER, text, "NAME: VALUE")


def pair(text: str) -> tuple[str, str]:
    """``name=value`` of a cookie or query; ``name`` for any value, which is "" then."""
    return _named(_PAIR, text, "NAME=VALUE")


def _named(form: re.Pattern[str], text: str, shown: str) -> tuple[str, str]:
    found = form.fullmatch(text.strip(" "))
    if found is None:
        allowed = "letters, digits and ._~@- in the value"
        raise BadValueError(f"not {shown} or a name alone, with {allowed}: {_shown(text)}")
    return found[1], found[2] or ""


def page(text: str) -> str:
    """A page of HTML. It goes into a file of its own, so that nothing in it has to be escaped."""
    if not text.strip() or "\0" in text or not _is_encodable(text):
        raise BadValueError("not a page of HTML: it is empty, or no text")
    return text


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def groups(text: str) -> tuple[str, ...]:
    """Names behind commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _shown(text: str) -> str:
    return repr(text[:60])
