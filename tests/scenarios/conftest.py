"""``pytest --rewrite``: write the decisions of every transcript anew."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite", action="store_true", help="write the decisions of the transcripts anew"
    )
