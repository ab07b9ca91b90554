"""A part of a manifest is read without the others, and is the part that is dealt out of the whole."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from whenabouts.core.clock import FeatureClock
from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.video import Video
from whenabouts.data import manifest_lines
from whenabouts.data.manifest import Entry, FileStamp, Manifest, WeakLabel
from whenabouts.recognition.shares import Share

# Names of files may hold anything; some of these look like what is looked for.
NAMES = ['a "quoted" one', "back\\slash", "größe", "\udcff not Unicode", '", "removed": true, "changed_ns": 0',
         '{"video": {"id": "other", "path": "p", "duration_seconds": 9.0,', "line\nend\r", "{}", "日本"]  # fmt: skip
SECONDS = [0.0, 0.5, 1e-05, 1.0004, 240.0, 240.0, 3600.123456789012, 1e300]


def some_entries(count: int) -> list[Entry]:
    """Of all kinds: odd names in all places, many of one length, removed ones, some with clocks."""
    rng = np.random.default_rng(count)
    entries = []
    for number in range(count):
        name = f"{NAMES[number % len(NAMES)]} {number}" if number % 3 == 0 else f"video {number}"
        video = Video(name, Path("/media") / name, float(rng.choice(SECONDS)))
        clocks = (FeatureClock("rgb", parts_seconds=1.0),) if number % 11 == 0 else ()
        entries.append(Entry(video, (WeakLabel(NAMES[number % len(NAMES)], evidence=name),), title=name,
                             stamp=FileStamp(number, number), removed=number % 7 == 3, clocks=clocks))  # fmt: skip
    return entries


def parts_of(path: Path, count: int) -> list[list[Entry]]:
    return [Share(number, count).read_entries(path) for number in range(1, count + 1)]


def whole(path: Path, count: int) -> list[list[Entry]]:
    there = [entry for entry in Manifest.load(path) if not entry.removed]
    return [Share(number, count).of(there) for number in range(1, count + 1)]


@pytest.mark.parametrize("count", range(1, 8))
@pytest.mark.parametrize("entries", [0, 1, 5, 120])
def test_parts_that_are_read_alone_make_up_the_whole(tmp_path: Path, entries: int, count: int) -> None:
    path = tmp_path / "manifest.jsonl"
    Manifest(tuple(some_entries(entries))).save(path)
    parts = parts_of(path, count)
    assert parts == whole(path, count)
    names = [entry.id for part in parts for entry in part]
    assert sorted(names) == sorted(entry.id for entry in some_entries(entries) if not entry.removed)


@pytest.mark.parametrize(
    "form",
    [
        lambda rows: "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows),
        lambda rows: "\n \n" + "\r\n".join(map(json.dumps, rows[::-1])),
        lambda rows: "\ufeff" + "\n".join(json.dumps(row, sort_keys=True) for row in rows),
        lambda rows: "\ufeff" + "\n\n".join(map(json.dumps, rows)),
        lambda rows: "\r".join(map(json.dumps, rows)),
        lambda rows: "\n".join(json.dumps({"video": {"id": row["video"]["id"], "path": "p"}}) for row in rows),
    ],
)
def test_parts_are_the_same_however_lines_are_written(tmp_path: Path, form: Callable[[Any], str]) -> None:
    """As other programs do: without spaces, sorted, with other ends of lines, with a mark of Unicode, in part."""
    path = tmp_path / "manifest.jsonl"
    entries = [entry for entry in some_entries(40) if "\udcff" not in entry.id]
    path.write_text(form([{**entry.to_json(), "removed": False} for entry in entries]), "utf-8", newline="")
    assert parts_of(path, 3) == whole(path, 3)
    assert sum(map(len, parts_of(path, 3))) == len(entries)


def test_lines_of_other_parts_are_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "manifest.jsonl"
    Manifest(tuple(Entry(Video(f"é {number}", Path('a, "b"\\'), 2.0 * number)) for number in range(30))).save(path)
    parsed = list[str]()
    real = manifest_lines.entry_of
    monkeypatch.setattr(manifest_lines, "entry_of", lambda line, *words: parsed.append(line) or real(line, *words))
    parts = parts_of(path, 4)
    assert all(parts)
    assert len(parsed) == len(set(parsed)) == sum(map(len, parts)) == 30


def errors(path: Path, count: int) -> list[str]:
    """What is told by the parts that can't be read."""
    told = []
    for number in range(1, count + 1):
        try:
            Share(number, count).read_entries(path)
        except InvalidData as error:
            told.append(str(error))
    return told


BROKEN_WITHIN = [
    ('"weight": 1.0', '"weight": 7.0', "the weight lies in"),
    ('"labels": [', '"labels": ["', "is not JSON"),
    ('"fps": null', '"fps": "no rate"', "An entry can't be read"),
    ('"title": ""', '"title": "\udcff"', "is not UTF-8 text"),
    ('"title": ""', '"video": {"id": "another", "path": "p"}, "title": ""', "says two things of one video"),
    ('"title": ""', '"removed": true, "removed": false, "duration_seconds": 3, "title": ""', None),
]


@pytest.mark.parametrize(("there", "instead", "told"), BROKEN_WITHIN)
@pytest.mark.parametrize("count", [2, 5, 7])
def test_a_broken_line_is_told_by_the_part_that_has_it(
    tmp_path: Path, count: int, there: str, instead: str, told: str | None
) -> None:
    """By one alone, with its number; the other parts are those of a manifest that is whole."""
    path = tmp_path / "manifest.jsonl"
    Manifest(tuple(Entry(Video(f"{k}", Path(f"{k}"), 2.0 * k), (WeakLabel("a"),)) for k in range(9))).save(path)
    sound = parts_of(path, count)
    lines = path.read_text().splitlines(keepends=True)
    assert there in lines[4]
    lines[4] = lines[4].replace(there, instead, 1)
    path.write_bytes("".join(lines).encode("utf-8", "surrogateescape"))
    assert len(errors(path, count)) == (told is not None)
    if told is not None:
        (error,) = errors(path, count)
        assert re.search(f"manifest.jsonl line 5.*{told}", error)
    for number, part in enumerate(sound, start=1):
        if "4" not in [entry.id for entry in part]:
            assert Share(number, count).read_entries(path) == part


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("no JSON", "line 5 is not JSON"),
        ('{"video": {"id": "4", "path": "p", "duration_seconds": NaN}}', "line 5: .*4: duration nan"),
        (
            '{"video": {"id": "4", "path": "p", "duration_seconds": -1.0, "removed": false}}',
            "line 5: .*4: duration -1.0",
        ),
        ('{"video": {"id": "", "path": "p"}}', "line 5: .*A video needs an id"),
        ("[]", "line 5 is not a JSON object"),
        ('{"video": {"id": "3", "path": "p"}}', "'3'. stand there more often"),
        ("\udcff", "is not UTF-8 text"),
    ],
)
def test_a_line_that_does_not_show_whose_it_is_is_told_by_all(tmp_path: Path, broken: str, told: str) -> None:
    """In the words of the whole manifest: no part may leave it to the others."""
    path = tmp_path / "manifest.jsonl"
    Manifest(tuple(Entry(Video(f"{k}", Path(f"{k}"), 2.0 * k)) for k in range(9))).save(path)
    lines = path.read_text().splitlines()
    path.write_bytes("\n".join([*lines[:4], broken, *lines[5:]]).encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidData, match=told) as of_all:
        Manifest.load(path)
    assert errors(path, 3) == [str(of_all.value)] * 3


def test_lengths_beyond_all_measure_are_dealt_too(tmp_path: Path) -> None:
    """Milliseconds that no 64 bits hold: the whole manifest is read then."""
    path = tmp_path / "manifest.jsonl"
    Manifest(tuple(Entry(Video(f"{k}", Path(f"{k}"), 1e300 / (k + 1))) for k in range(5))).save(path)
    assert parts_of(path, 2) == whole(path, 2)


def test_a_manifest_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="There is no manifest"):
        Share(1, 2).read_entries(tmp_path / "manifest.jsonl")
