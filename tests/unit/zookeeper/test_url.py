"""ZooKeeper URLs: what is understood, what is refused, and that no text shows a password."""

import pytest

from framework.zookeeper.url import ZkUrl, parse_zk_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("zk://a:2181/stayer", ZkUrl(("a:2181",), "/stayer")),
        ("zk://a,b:2182,c/x/y/", ZkUrl(("a:2181", "b:2182", "c:2181"), "/x/y")),
        ("zk://[::1]:2181,[::2]/x", ZkUrl(("[::1]:2181", "[::2]:2181"), "/x")),
        ("zk://a", ZkUrl(("a:2181",))),
        ("zk://me:p@ss:w@a/x", ZkUrl(("a:2181",), "/x", "me", "p@ss:w")),
        ("zk://me:p/s,://s@a/x", ZkUrl(("a:2181",), "/x", "me", "p/s,://s")),
    ],
)
def test_a_url_is_understood(text: str, url: ZkUrl) -> None:
    assert parse_zk_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a:2181/x",
        "http://a/x",
        "zk:///x",
        "zk://a,,b/x",
        "zk://a:0/x",
        "zk://a:70000/x",
        "zk://a/x//y",
        "zk://a/../x",
        "zk://a/zookeeper/x",
        "zk://user@a/x",
        "zk://" + ",".join(["a"] * 65) + "/x",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"ZooKeeper|port"):
        parse_zk_url(text)


def test_no_text_shows_the_password() -> None:
    url = parse_zk_url("zk://me:secret@a/x")
    assert "secret" not in repr(url) + str(url)
    for text in (
        "zk://me:secret@a:99999/x",
        "zk://me:/secret@a,/x",
        "zk://secret@a/x",
    ):
        with pytest.raises(ValueError) as refused:  # noqa: PT011 - the text is looked at below
            parse_zk_url(text)
        assert "secre" not in str(refused.value)
