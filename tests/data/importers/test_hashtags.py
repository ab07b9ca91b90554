"""Labels from hashtags in file names and captions."""

from collections.abc import Callable
from pathlib import Path

from whenabouts.data.importers import IMPORTERS, ImportSettings

Media = Callable[..., Path]


def test_names_and_captions(media: Media) -> None:
    root = media("holiday #Dive [beach].mp4", "b.mp4", "c.mp4", "d.mp4")
    (root / "b.txt").write_bytes("\ufeffAt the sea #ΘΑΛΑΣΣΑ #dive #fyp #2019".encode())
    (root / "c.description").write_bytes(b"\xff\xfe broken bytes #jump")
    (root / "e.txt").write_text("#nothing")
    found = IMPORTERS["hashtags"](root, ImportSettings())
    assert {entry.id: [(label.name, label.source) for label in entry.labels] for entry in found.entries} == {
        "b": [("θαλασσα", "hashtags:caption"), ("dive", "hashtags:caption")],
        "c": [("jump", "hashtags:caption")],
        "d": [],
        "holiday #Dive [beach]": [("dive", "hashtags:name"), ("beach", "hashtags:name")],
    }
    assert found.counts == {"captions": 2}
