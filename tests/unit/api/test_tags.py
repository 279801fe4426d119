"""The lists of tags in headers."""

import pytest

from api.conditional import MAX_TAGS, Tags, tags_of


def test_lists_of_tags() -> None:
    assert tags_of('"a"') == Tags(strong=("a",))
    assert tags_of(' "a" ,W/"b","" , "c,d"') == Tags(strong=("a", "", "c,d"), weak=("b",))
    assert tags_of(" * ") == Tags(everything=True)
    assert tags_of('"*"') == Tags(strong=("*",))


@pytest.mark.parametrize(
    "header", ["", "a", '"a', 'a"', '"a" "b"', '*, "a"', 'w/"a"', '"a"b', '"\x00"', "W/", ","]
)
def test_what_is_no_list_of_tags(header: str) -> None:
    assert tags_of(header) == Tags(readable=False)


def test_so_many_at_most() -> None:
    assert len(tags_of(",".join(['"a"'] * MAX_TAGS)).strong) == MAX_TAGS
    assert not tags_of(",".join(['"a"'] * (MAX_TAGS + 1))).readable
    assert not tags_of('"a",' * 100_000).readable
