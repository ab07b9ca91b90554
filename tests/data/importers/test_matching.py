"""Which file a text means."""

from pathlib import Path

import pytest

from whenabouts.data.importers.matching import Matcher
from whenabouts.data.importers.media_files import MediaFile

NAMES = ("a/x.mp4", "b/x.mp4", "b/c/y.v2.mkv", "Título [dQw4w9WgXcQ].webm", "CaSe.MP4", "d/e/z.mp4", "f/e/z.mp4")
FILES = [MediaFile(Path("/media/archive") / name, name, name.rpartition(".")[0]) for name in NAMES]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a/x.mp4", ["a/x.mp4"]),
        ("a/x", ["a/x.mp4"]),
        ("a\\x.mp4", ["a/x.mp4"]),
        ("C:\\Videos\\b\\X.MP4", ["b/x.mp4"]),
        ("/somewhere/else/b/x.mp4", ["b/x.mp4"]),
        ("/media/archive/b/x.mp4", ["b/x.mp4"]),
        ("./a//x.mp4", ["a/x.mp4"]),
        ("x.mp4", ["a/x.mp4", "b/x.mp4"]),
        ("e/z.mp4", ["d/e/z.mp4", "f/e/z.mp4"]),
        ("f/e/z.avi", ["f/e/z.mp4"]),
        ("y.v2.mkv", ["b/c/y.v2.mkv"]),
        ("y.v2", ["b/c/y.v2.mkv"]),
        ("y.v2.mp4", ["b/c/y.v2.mkv"]),
        ("y", []),
        ("dQw4w9WgXcQ", ["Título [dQw4w9WgXcQ].webm"]),
        ("Ti\u0301tulo [dQw4w9WgXcQ]", ["Título [dQw4w9WgXcQ].webm"]),
        ("case", ["CaSe.MP4"]),
        (" CASE.mp4 ", ["CaSe.MP4"]),
        ("", []),
        ("/", []),
        ("..", []),
        ("q.mp4", []),
    ],
)
def test_find(text: str, wanted: list[str]) -> None:
    assert [file.relative for file in Matcher(FILES).find(text)] == wanted
