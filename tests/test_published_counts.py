"""The number of published nets that pages speak of is that of the lists."""

import re
from pathlib import Path

import pytest

from whenabouts.recognition.published import published_names

ROOT = Path(__file__).parents[1]

# On each page, the words around every such number.
TOLD = {
    "docs/guide.md": [r"takes one of (\d+) published nets"],
    "docs/backbones.md": [
        r"name (\d+) files of ig65m-pytorch",
        r"Each of the (\d+)\naddresses",
        r"All (\d+) stand there",
    ],
    "CHANGELOG.md": [r"loads (\d+) published files", r"takes any of (\d+) published nets"],
}


@pytest.mark.parametrize("page", TOLD)
def test_pages_count_published_nets_rightly(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for pattern in TOLD[page]:
        assert re.findall(pattern, text) == [str(len(published_names()))], pattern


def test_names_are_said_once() -> None:
    names = published_names()
    assert len(set(names)) == len(names)
