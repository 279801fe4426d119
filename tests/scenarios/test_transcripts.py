"""Every transcript is played, and the scheduler must decide what stands in it."""

from pathlib import Path

import pytest

from tests.scenarios.stage import Stage

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


def played(text: str) -> str:
    """The transcript with the decisions as they are made now."""
    stage = Stage()
    lines = []
    for line in text.splitlines():
        if line.startswith("    "):
            continue
        lines.append(line)
        if line and not line.startswith("#"):
            lines += [f"    {decided}" for decided in stage.say(line)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path, request: pytest.FixtureRequest) -> None:
    text = path.read_text()
    now = played(text)
    if request.config.getoption("--rewrite"):
        path.write_text(now)
    assert now == path.read_text(), f"{path.name}: look at the difference, then --rewrite"


def test_there_are_transcripts() -> None:
    assert len(TRANSCRIPTS) >= 10
