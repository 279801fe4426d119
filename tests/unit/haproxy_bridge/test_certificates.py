"""Copies of certificates: each as it last was good, whatever becomes of the file."""

import time
from pathlib import Path

import pytest

from haproxy_bridge.certificates import pem, self_signed
from haproxy_bridge.certificates.pem import BadPemError
from haproxy_bridge.certificates.shelf import Kept, Shelf
from haproxy_bridge.exits import Exit
from haproxy_bridge.render import RenderOptions
from haproxy_bridge.run import metrics
from haproxy_bridge.run.options import NodeOptions
from haproxy_bridge.run.outcome import Outcome
from haproxy_bridge.run.state_file import Certificate, State
from haproxy_bridge.run.tls import FOLDER, Tls
from tests.edge.certificates import certificate
from tests.unit.haproxy_bridge.test_metrics import read

NOW_MS = time.time_ns() // 1_000_000
DAY_MS = 86_400_000


def names(kept: tuple[Kept, ...]) -> dict[str, str]:
    """Problems by the name of the copy, of those that there are."""
    return {Path(one.path).name: one.problem for one in kept if one.found}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "named"
    made.mkdir()
    return made


@pytest.fixture
def shelf(tmp_path: Path, folder: Path) -> Shelf:
    return Shelf(tmp_path / "copies", [str(folder)], "edge.example")


def test_which_certificate_it_is_and_when_it_ends(tmp_path: Path) -> None:
    for days in (10, 40_000):  # beyond 2050 the time has another form
        path = tmp_path / "a.pem"
        fingerprint = certificate(path, "a.example", days)
        found = pem.read(b"a note\r\n\r\n" + path.read_bytes().replace(b"\n", b"\r\n\r\n"))
        assert found.fingerprint == fingerprint
        assert abs(found.ends_ms - NOW_MS - days * DAY_MS) < DAY_MS
        assert b"\n\n" not in found.content
        assert b"\r" not in found.content
        assert b"note" not in found.content
        pem.belong_together(found, tmp_path)


def test_what_can_not_be_used_is_told_without_what_is_in_it(tmp_path: Path) -> None:
    certificate(tmp_path / "a.pem", "a.example")
    certificate(tmp_path / "b.pem", "b.example")
    a, b = ((tmp_path / name).read_text() for name in ("a.pem", "b.pem"))
    begin = a.index("-----BEGIN PRIVATE")
    mixed = a[:begin] + b[b.index("-----BEGIN PRIVATE") :]
    bad = {
        "": "no certificate",
        a[: len(a) // 4]: "no certificate",
        a[:begin]: "no private key",
        a.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"): "encrypted",
        a.replace("-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\n!"): "damaged",
        a[:100] + a[104:]: "damaged",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n" + a[begin:]: "damaged",
        mixed: "mismatch",
    }
    for text, why in bad.items():
        with pytest.raises(BadPemError, match=why):
            pem.belong_together(pem.read(text.encode()), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a.pem", "b.pem"}


def test_a_copy_stays_as_it_last_was_good(folder: Path, shelf: Shelf) -> None:
    first = certificate(folder / "a.pem", "a.example")
    certificate(folder / "b.pem", "b.example")
    (folder / ".hidden").write_text("x")
    (folder / "a.pem.ocsp").write_text("x")
    assert names(shelf.sync(NOW_MS, write=True)) == {"00-a.pem": "", "00-b.pem": ""}
    modes = {path.stat().st_mode & 0o777 for path in Path(shelf.folder).iterdir()}
    assert (modes, Path(shelf.folder).stat().st_mode & 0o777) == ({0o600}, 0o700)

    (folder / "a.pem").write_text("half of a")
    (folder / "b.pem").unlink()
    (kept,) = shelf.sync(NOW_MS, write=True)
    assert kept.found is not None
    assert (kept.found.fingerprint, kept.problem) == (first, "no certificate in PEM is in it")

    certificate(folder / "a.pem", "a.example")
    certificate(folder / "b.pem", "b.example")
    a, b = (folder / "a.pem").read_text(), (folder / "b.pem").read_text()
    (folder / "b.pem").unlink()
    begin = "-----BEGIN PRIVATE"
    (folder / "a.pem").write_text(a.partition(begin)[0] + begin + b.partition(begin)[2])
    (kept,) = shelf.sync(NOW_MS, write=True)
    assert kept.found is not None
    assert kept.found.fingerprint == first
    assert "mismatch" in kept.problem

    new = certificate(folder / "a.pem", "a.example")
    (before,) = shelf.sync(NOW_MS, write=False)
    (after,) = shelf.sync(NOW_MS, write=True)
    assert before.found is not None
    assert after.found is not None
    assert (before.found.fingerprint, after.found.fingerprint) == (first, new)

    (folder / "a.pem").unlink()
    (kept,) = shelf.sync(NOW_MS, write=True)
    assert kept.found is not None
    assert kept.found.fingerprint == new
    assert "is gone" in kept.problem


def test_a_source_that_can_not_be_listed_loses_nothing(tmp_path: Path, folder: Path) -> None:
    certificate(folder / "a.pem", "a.example")
    certificate(tmp_path / "one.pem", "b.example")
    shelf = Shelf(tmp_path / "copies", [str(folder), str(tmp_path / "one.pem")], "h")
    shelf.sync(NOW_MS, write=True)
    folder.rename(tmp_path / "elsewhere")
    found = names(shelf.sync(NOW_MS, write=True))
    assert found.keys() == {"00-a.pem", "01-one.pem"}
    assert (tmp_path / "copies" / "00-a.pem").exists()


def test_a_key_may_lie_beside_its_certificate(folder: Path, shelf: Shelf) -> None:
    certificate(folder / "a.pem", "a.example")
    text = (folder / "a.pem").read_text()
    begin = text.index("-----BEGIN PRIVATE")
    (folder / "a.pem").write_text(text[:begin])
    (folder / "a.pem.key").write_text(text[begin:])
    assert names(shelf.sync(NOW_MS, write=True)) == {"00-a.pem": ""}


def test_without_any_there_is_one_of_its_own_until_there_is(folder: Path, shelf: Shelf) -> None:
    (made,) = shelf.sync(NOW_MS, write=True)
    assert made.found is not None
    assert Path(made.path).stat().st_mode & 0o777 == 0o600
    (again,) = shelf.sync(NOW_MS, write=True)
    assert again.found == made.found
    assert self_signed.is_due(made.found, NOW_MS + 340 * DAY_MS)
    certificate(folder / "a.pem", "a.example")
    shelf.sync(NOW_MS, write=True)
    assert [path.name for path in Path(shelf.folder).iterdir()] == ["00-a.pem"]


def test_without_openssl_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(self_signed.NotMadeError, match="there is no"):
        self_signed.made("h", tmp_path, openssl=str(tmp_path / "openssl"))
    with pytest.raises(self_signed.NotMadeError, match="makes none"):
        self_signed.made("h", tmp_path, openssl="false")
    assert list(tmp_path.iterdir()) == []


def test_a_run_loads_the_copies_and_tells_what_is_wrong(tmp_path: Path, folder: Path) -> None:
    certificate(folder / "a.pem", "a.example", days=3)
    render = RenderOptions(certificates=("named",), socket=str(tmp_path / "none"))
    tls = Tls(NodeOptions(config=str(tmp_path / "haproxy.cfg"), render=render))
    assert tls.looked_at(NOW_MS, write=False) == ("named",)  # beside the configuration
    assert tls.looked_at(NOW_MS, write=True) == (str(tmp_path / FOLDER),)
    told = tls.put_in(Outcome(exit=Exit.OK))
    (problem,) = told.problems
    assert problem.app_id == str(folder / "a.pem")
    assert problem.message.startswith("it ends on ")
    assert not problem.keeps_out
    assert tls.told(told) == told
    tls.looked_at(NOW_MS + 4 * DAY_MS, write=True)
    assert "it ended on" in tls.known[0].problem


def test_metrics_of_certificates() -> None:
    path = '/c/"a\\b.pem'
    known = (Certificate(path, 5_000), Certificate("/c/none.pem", 0, "it is gone"))
    found = read(metrics.text(State(certificates=known), None, 0))
    assert found[f"stayer_bridge_certificate_expiry_timestamp_seconds{path}"] == 5
    assert found["stayer_bridge_certificates_with_problems"] == 1
