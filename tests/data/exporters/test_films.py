"""Copies with chapters and clips of a project's videos: in child processes, counted where they fail."""

from pathlib import Path

import av
import pytest

from whenabouts.core.errors import InvalidData, ProjectError
from whenabouts.core.files import write_json
from whenabouts.core.moments import Moments
from whenabouts.core.progress import Silent
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.exporters import EXPORTERS, ExportSettings
from whenabouts.data.exporters.protocol import ClipSettings
from whenabouts.data.manifest import Entry, Manifest
from whenabouts.data.project import Project
from whenabouts.media.numbered import numbered_picture
from whenabouts.media.probing import probed
from whenabouts.media.writing import write_video

NAMES = Vocabulary(("dive", "cake cutting"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A video of 3 s at 25 frames, one that is gone, and one that is broken."""
    path = tmp_path / "beach one.mp4"
    write_video(path, (numbered_picture(k) for k in range(75)), [k / 25 for k in range(75)])
    (tmp_path / "broken.mp4").write_bytes(path.read_bytes()[:100])
    files = [(path, "beach one"), (tmp_path / "broken.mp4", "broken"), (tmp_path / "gone.mp4", "gone")]
    home = Project.create(tmp_path / "p")
    home.write_manifest(Manifest(tuple(Entry(video) for video in probed(files))))
    home.write_vocabulary(NAMES)
    keep(home, ["beach one", "beach one", "broken", "gone"], [[0.4, 1.0], [2.0, 2.8], [0, 1], [0, 1]], [0, 1, 0, 0])
    return home


def keep(home: Project, ids: list[str], spans: list[list[float]], classes: list[int]) -> None:
    scores = [0.9, 0.8, 0.7, 0.6][: len(ids)]
    moments = Moments.build(ids, spans, classes, NAMES, scores=scores)
    write_json(home.moments_folder / "moments.json", moments.to_json())


def test_chapters_are_embedded_and_failures_told(project: Project, tmp_path: Path) -> None:
    exported = EXPORTERS["chapters"](project, tmp_path / "out", ExportSettings(), progress=Silent())
    assert exported.figures == {"moments": 4, "files": 1, "failed": 2}
    assert [note.split(":")[0] for note in exported.notes] == ["broken", "gone"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["beach one.mp4"]
    with av.open(str(tmp_path / "out" / "beach one.mp4")) as container:
        told = [(float(each["start"] * each["time_base"]), each["metadata"].get("title", ""))
                for each in container.chapters()]  # fmt: skip
    assert told == [(0.0, ""), (0.4, "dive"), (1.0, ""), (2.0, "cake cutting"), (2.8, "")]


@pytest.mark.parametrize("how", ["copy", "exact"])
def test_clips_are_named_by_concept_and_rank(project: Project, tmp_path: Path, how: str) -> None:
    settings = ExportSettings(clips=ClipSettings(how=how, top=2))  # type: ignore[arg-type]
    exported = EXPORTERS["clips"](project, tmp_path / "out", settings, progress=Silent())
    assert exported.figures == {"moments": 2, "files": 2, "failed": 0}
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.mp4"))
    assert names == ["cake cutting/0001 beach one 2.00-2.80.mp4", "dive/0001 beach one 0.40-1.00.mp4"]
    if how == "exact":
        with av.open(str(tmp_path / "out" / names[0])) as container:
            assert sum(1 for _ in container.decode(video=0)) == 20


def test_nothing_that_could_be_written_is_an_error(project: Project, tmp_path: Path) -> None:
    keep(project, ["gone"], [[0.0, 1.0]], [0])
    with pytest.raises(InvalidData, match=r"None of 1 videos could be written. The first: gone: 0001 gone 0.00-1.00"):
        EXPORTERS["clips"](project, tmp_path / "out", ExportSettings(), progress=Silent())
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ProjectError, match="is a file"):
        EXPORTERS["chapters"](project, tmp_path / "file", ExportSettings(), progress=Silent())
