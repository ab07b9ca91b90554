"""The format of docs/add-format.md is written and read back: nothing is lost, and what can't be used is told."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from whenabouts.core.files import read_json, write_json
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.exporters import ExportSettings
from whenabouts.data.importers import ImportSettings
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project
from whenabouts.media.numbered import numbered_picture
from whenabouts.media.probe import probe
from whenabouts.media.writing import write_video

LABELS = ("dive", "a, b; c|d", "跳水 <b>", 'say "hi"')


@pytest.fixture
def project(tmp_path: Path) -> Project:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in ("beach", "ä b"):
        write_video(videos / f"{name}.mp4", (numbered_picture(k) for k in range(60)), [k / 12 for k in range(60)])
    home = Project.create(tmp_path / "p")
    home.write_manifest(Manifest(tuple(Entry(probe(path)) for path in sorted(videos.iterdir()))))
    names = Vocabulary(LABELS)
    home.write_vocabulary(names)
    found = Moments.build(["beach", "beach", "ä b", "ä b"], [[0.1, 1 / 3], [0.2, 4.9], [0, 4.75], [1.25, 2.5]],
                          [0, 1, 2, 3], names, scores=[0.1, -2.5, 1e-9, 3])  # fmt: skip
    write_json(home.moments_folder / "moments.json", found.to_json())
    return home


@pytest.fixture
def writing(code_of: Callable[[str, int, str], ModuleType]) -> ModuleType:
    return code_of("add-format.md", 0, "whenabouts.data.exporters.json_lines")


@pytest.fixture
def reading(code_of: Callable[[str, int, str], ModuleType]) -> ModuleType:
    return code_of("add-format.md", 1, "whenabouts.data.importers.json_lines")


def test_what_is_written_is_read_back(
    project: Project, writing: ModuleType, reading: ModuleType, tmp_path: Path
) -> None:
    target = tmp_path / "videos" / "moments.jsonl"
    told = writing.export_json_lines(project, target, ExportSettings(), progress=Silent())
    assert told.figures == {"moments": 4, "videos": 2}
    back = reading.import_json_lines(tmp_path / "videos", ImportSettings())
    assert back.problems == ()
    found = {(entry.id, segment.name, segment.start_seconds, segment.end_seconds)
             for entry in back.entries for segment in entry.segments}  # fmt: skip
    moments = Moments.from_json(read_json(project.moments_folder / "moments.json"))
    assert found == {(row.video_id, row.concept, row.start_seconds, row.end_seconds) for row in moments}


def test_what_can_not_be_read_is_told(project: Project, reading: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.joinpath("a.jsonl").write_text('{"video": "gone", "label": "x", "start": 0, "end": 1}\n'
                                          '{"video": "beach", "label": "x", "start": 3, "end": 1}\n')  # fmt: skip
    folder.joinpath("b.jsonl").write_text('{"video": "beach"}\n')
    back = reading.import_json_lines(folder, ImportSettings())
    assert [problem.file.split()[0] for problem in back.problems] == ["a.jsonl", "a.jsonl", "b.jsonl"]
    assert "line 1 is no moment" in str(back.problems[-1])
    assert back.counts["rows_rejected"] == 2
