"""Filling placeholders, quoting words, and saying old directives in present words."""

import pytest

from haproxy_bridge.render.texts import filled, word
from haproxy_bridge.render.translate import translated


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a}", "1"),
        ("{a}{a} {b}", "11 2"),
        ("{unknown} {{a}} {{ hdr(host) }}", "{unknown} {a} { hdr(host) }"),
        ("acl x hdr(host) { -m found } {", "acl x hdr(host) { -m found } {"),
        ("%[src] ${HOME} {0}", "%[src] ${HOME} {0}"),
        ("{a.__class__}", "{a.__class__}"),
    ],
)
def test_only_known_placeholders_are_filled(text: str, expected: str) -> None:
    assert filled(text, {"a": 1, "b": 2}) == expected


def test_what_is_filled_in_is_not_filled_again() -> None:
    assert filled("{a}", {"a": "{b}", "b": "x"}) == "{b}"


def test_words() -> None:
    assert word("a b#'\"\\") == "a\\ b\\#\\'\\\"\\\\"
    for bad in ("", "a\nb", "a\0", "\x7f", "a\u2028b"):
        with pytest.raises(ValueError, match="not a word"):
            word(bad)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "  rspadd  Strict-Transport-Security:\\ max-age=15768000",
            '  http-response add-header Strict-Transport-Security "max-age=15768000"',
        ),
        ("  reqadd X-A:\\ b if { ssl_fc }", '  http-request add-header X-A "b" if { ssl_fc }'),
        ("  reqidel ^X-Secret:.*", "  http-request del-header X-Secret"),
        ("  rspdel Server", "  http-response del-header Server"),
        (
            '  reqirep  "^([^ :]*)\\ /old/?(.*)" "\\1\\ /\\2"',
            "  http-request replace-path ^/old/?(.*) /\\1",
        ),
        (
            '  rspirep "^Location: (https?://h(:[0-9]+)?)?(/.*)" "Location: /new\\3"',
            "  http-response replace-header Location ^(https?://h(:[0-9]+)?)?(/.*) /new\\3",
        ),
        ("  block if bad", "  http-request deny if bad"),
        ("  redispatch", "  option redispatch"),
        ("  option forceclose", "  option httpclose"),
        ("  contimeout 5000", "  timeout connect 5000"),
        ("  clitimeout 5000", "  timeout client 5000"),
        ("  srvtimeout 5000", "  timeout server 5000"),
        ("  monitor-net 10.0.0.0/8", "  http-request return status 200 if { src 10.0.0.0/8 }"),
        (
            "  reqideny ^Host:\\ bad.* if { src 10.0.0.0/8 }",
            "  http-request deny if { req.hdr(Host) -m reg -i ^bad.* } { src 10.0.0.0/8 }",
        ),
        ("  reqdeny ^[^\\ ]*\\ /admin", "  http-request deny if { path -m reg ^/admin }"),
        ("  reqdeny what is this", "  reqdeny what is this"),
        ("  mode health", "  mode http\n  http-request return status 200"),
        (
            "  option httpchk GET /ok HTTP/1.1\\r\\nHost:\\ h.ex",
            '  option httpchk\n  http-check send meth GET uri /ok ver HTTP/1.1 hdr Host "h.ex"',
        ),
        (
            "  option httpchk GET {healthCheckPath}",
            "  option httpchk\n  http-check send meth GET uri {healthCheckPath}",
        ),
        ("  option httpchk", "  option httpchk"),
        ("  balance roundrobin", "  balance roundrobin"),
        ("  reqirep what is this", "  reqirep what is this"),
    ],
)
def test_old_directives(old: str, new: str) -> None:
    assert translated(f"backend x\n{old}\n") == f"backend x\n{new}\n"
