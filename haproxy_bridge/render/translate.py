"""Directives that haproxy no longer has, in the raw texts of existing apps and operators.

marathon-lb's templates were written for haproxy 1.5 to 1.8. What can be said in the words of 2.x
is; what can not is left, and haproxy's own check names it. (bridge.md 3.4.)
"""

import re
from collections.abc import Callable

_Translation = Callable[[re.Match[str]], str]


def _unescaped(text: str) -> str:
    """An argument without quotes around it or backslashes before its blanks."""
    stripped = text.strip()
    if len(stripped) > 1 and stripped[0] == stripped[-1] == '"':
        stripped = stripped[1:-1]
    return stripped.replace("\\ ", " ")


def _header(text: str) -> tuple[str, str]:
    name, _, value = _unescaped(text).partition(":")
    return name.strip(), value.strip()


def _added(direction: str) -> _Translation:
    def translate(found: re.Match[str]) -> str:
        text, condition = _condition(found[2])
        name, value = _header(text)
        return f"{found[1]}http-{direction} add-header {name} {_quoted(value)}{condition}"

    return translate


def _deleted(direction: str) -> _Translation:
    def translate(found: re.Match[str]) -> str:
        text, condition = _condition(found[2])
        name = _unescaped(text).lstrip("^").partition(":")[0].rstrip(".*")
        return f"{found[1]}http-{direction} del-header {name}{condition}"

    return translate


def _condition(text: str) -> tuple[str, str]:
    """The argument, and a trailing condition with a blank before it."""
    match = re.search(r"\s(?:if|unless)\s.*$", text)
    return (text, "") if match is None else (text[: match.start()], match[0].rstrip())


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _request_line(found: re.Match[str]) -> str:
    """``reqirep "^([^ :]*)\\ /old/?(.*)" "\\1\\ /new/\\2"``: the path within the request's line."""
    words = re.findall(r'"(?:[^"\\]|\\.)*"|(?:\\.|\S)+', found[2])
    if len(words) < 2:
        return found[0]
    search, change = _unescaped(words[0]), _unescaped(words[1])
    line = re.fullmatch(r"\^\(\[\^ ?:?\]\*\) (.*)", search)
    if line is None or not change.startswith("\\1 "):
        return found[0]
    pattern = line[1]
    changed = re.sub(r"\\([2-9])", lambda group: f"\\{int(group[1]) - 1}", change[3:])
    condition = "".join(f" {word}" for word in words[2:])
    return f"{found[1]}http-request replace-path ^{pattern} {changed}{condition}"


def _response_header(found: re.Match[str]) -> str:
    """``rspirep "^Location: old" "Location: new"``."""
    words = re.findall(r'"(?:[^"\\]|\\.)*"|(?:\\.|\S)+', found[2])
    if len(words) < 2:
        return found[0]
    search, change = _unescaped(words[0]), _unescaped(words[1])
    name, _, pattern = search.lstrip("^").partition(":")
    _, _, value = change.partition(":")
    if not re.fullmatch(r"[A-Za-z0-9-]+", name) or not value.strip():
        return found[0]
    condition = "".join(f" {word}" for word in words[2:])
    where = f"^{pattern.strip().lstrip('^')}"
    replacement = f"{_bare(where)} {_bare(value.strip())}{condition}"
    return f"{found[1]}http-response replace-header {name} {replacement}"


def _denied(found: re.Match[str]) -> str:
    """``reqdeny "^Name: pattern"``, or a pattern of the request's line: ``^[^ ]* /path``."""
    text, condition = _condition(found[3])
    pattern, flag = _unescaped(text).strip(), " -i" if found[2] else ""
    header = re.fullmatch(r"\^([A-Za-z0-9-]+):(?: \*|\\s\*)? ?(.*)", pattern)
    line = re.fullmatch(r"\^(?:\[\^ ?:?\]\*|[A-Z.*+]+) (/.*)", pattern)
    if header is not None:
        sample, pattern = f"req.hdr({header[1]})", f"^{header[2]}" if header[2] else "."
    elif line is not None:
        sample, pattern = "path", f"^{line[1]}"
    else:
        return found[0]
    also = condition.replace(" if ", " ", 1) if condition.startswith(" if ") else ""
    if condition and not also:
        return found[0]
    return f"{found[1]}http-request deny if {{ {sample} -m reg{flag} {_bare(pattern)} }}{also}"


def _asked(found: re.Match[str]) -> str:
    """``option httpchk METHOD URI HTTP/1.1\\r\\nName:\\ value``, in the two lines of today."""
    words = re.findall(r"(?:\\.|\S)+", found[2])
    method, uri = ("GET", words[0]) if len(words) == 1 else (words[0], words[1])
    version, *headers = "".join(words[2:3]).replace("\\ ", " ").split("\\r\\n")
    if len(words) > 3 or not re.fullmatch(r"(?:HTTP/)?[0-9.]*", version):
        return found[0]
    sent = f"http-check send meth {method} uri {uri}"
    if version:
        sent += f" ver {version}"
    for header in headers:
        name, colon, value = header.partition(":")
        if header and not (colon and re.fullmatch(r"[A-Za-z0-9-]+", name)):
            return found[0]
        if header:
            sent += f" hdr {name} {_quoted(value.strip())}"
    return f"{found[1]}option httpchk\n{found[1]}{sent}"


def _bare(text: str) -> str:
    return text.replace(" ", "\\ ")


_LINES: tuple[tuple[re.Pattern[str], _Translation | str], ...] = (
    (re.compile(r"^(\s*)reqi?add\s+(.*)$"), _added("request")),
    (re.compile(r"^(\s*)rspi?add\s+(.*)$"), _added("response")),
    (re.compile(r"^(\s*)reqi?del\s+(.*)$"), _deleted("request")),
    (re.compile(r"^(\s*)rspi?del\s+(.*)$"), _deleted("response")),
    (re.compile(r"^(\s*)reqi?rep\s+(.*)$"), _request_line),
    (re.compile(r"^(\s*)rspi?rep\s+(.*)$"), _response_header),
    (re.compile(r"^(\s*)req(i?)deny\s+(.*)$"), _denied),
    (re.compile(r"^(\s*)option\s+httpchk\s+(\S.*?)\s*$"), _asked),
    (
        re.compile(r"^(\s*)mode\s+health\s*$"),
        r"\1mode http\n\1http-request return status 200",
    ),
    (re.compile(r"^(\s*)block\s+((?:if|unless)\s.*)$"), r"\1http-request deny \2"),
    (re.compile(r"^(\s*)redispatch\s*$"), r"\1option redispatch"),
    (re.compile(r"^(\s*)option\s+forceclose\s*$"), r"\1option httpclose"),
    (re.compile(r"^(\s*)option\s+http-tunnel\s*$"), r"\1# option http-tunnel is no more"),
    (re.compile(r"^(\s*)contimeout\s+(\S+)\s*$"), r"\1timeout connect \2"),
    (re.compile(r"^(\s*)clitimeout\s+(\S+)\s*$"), r"\1timeout client \2"),
    (re.compile(r"^(\s*)srvtimeout\s+(\S+)\s*$"), r"\1timeout server \2"),
    (
        re.compile(r"^(\s*)monitor-net\s+(\S+)\s*$"),
        r"\1http-request return status 200 if { src \2 }",
    ),
)


def translated(text: str) -> str:
    """The text with each line that present haproxy would refuse said in its words."""
    return "\n".join(map(_line, text.split("\n")))


def _line(line: str) -> str:
    for pattern, translation in _LINES:
        if pattern.match(line):
            return pattern.sub(translation, line)
    return line
