"""A stored record may not change its shape unnoticed: a field that an older release drops, or a
default that means something else tomorrow, would falsify state that exists."""

from tests.unit.store import record_shapes


def test_the_stored_records_have_the_shapes_written_down() -> None:
    assert record_shapes.current() == record_shapes.FILE.read_text(), (
        "The shape of a stored record changed. If a release was made with the old one, raise the"
        " kind's number in SCHEMAS and add to UPGRADES (framework/store/codec.py). Then write the"
        " new shapes down: python -m tests.unit.store.record_shapes"
    )
