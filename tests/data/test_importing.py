"""A whole import of a faulty archive: everything is told, nothing is lost."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.features import FeatureSequence
from whenabouts.core.progress import Silent
from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.data.importers import ImportSettings
from whenabouts.data.importing import ImportOutcome, import_into, reported_imports
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings
from whenabouts.media import probe as probing

Media = Callable[..., Path]


def run(project: Project, kind: str, root: Path, *, min_count: int = 2, **settings: object) -> ImportOutcome:
    labels = VocabularySettings(min_count=min_count)
    return import_into(project, kind, root, ImportSettings(**settings), labels, now_ns=77, progress=Silent())


def test_a_faulty_table_is_imported_and_every_fault_told(media: Media, tmp_path: Path) -> None:
    media("a.mp4", "b.mp4", "c.mp4", "d.mp4", "deep/a.mp4")
    root = media("broken.mp4", seconds="x")
    rows = [
        "a.mp4,dive",
        "b,dive",
        "c,Dive|once",
        "gone.mp4,dive",
        "a.mp4,dive",
        "deep/a.mp4,dive,7",
        "broken,dive",
        "",
    ]
    (root / "t.csv").write_bytes("\ufeffvideo,label\r\n".encode() + "\r\n".join(rows).encode())
    project = Project.create(tmp_path / "project")
    outcome = run(project, "csv", root / "t.csv")
    manifest = project.manifest()
    assert manifest == outcome.manifest
    assert len(manifest) == 6
    assert project.vocabulary().names == ("dive",)
    told = json.loads((project.reports_folder / "import.json").read_text())
    report = told["imports"][0]
    assert report["counts"] == {
        "rows": 7, "rows_read": 5, "rows_rejected": 2, "rows_unmatched": 1, "rows_ambiguous": 0, "rows_repeated": 1,
    }  # fmt: skip
    assert (report["videos"], report["unreadable"], report["unlabelled"]) == (6, 1, 2)
    assert [problem["file"] for problem in report["problems"]] == ["t.csv row 6", "t.csv row 4"]
    assert told["vocabulary"]["dropped"] == [{"name": "once", "videos": 1, "reason": "fewer than 2 training videos"}]
    assert report["settings"]["vocabulary"]["min_count"] == 2
    text = outcome.to_text()
    for wanted in ("unreadable: broken: The file can't be opened", "row 4: no such video (seen: gone.mp4)",
                   "rows rejected: 2", "dropped 1: fewer than 2 training videos: once"):  # fmt: skip
        assert wanted in text


def test_many_problems_of_a_kind_are_counted_not_listed(media: Media, tmp_path: Path) -> None:
    root = media("a.mp4")
    (root / "t.csv").write_text("video,label\n" + "".join(f"gone{number}.mp4,x\n" for number in range(30)))
    text = run(Project.create(tmp_path / "p"), "csv", root).to_text()
    assert text.count("no such video") == 6
    assert "... and 25 more: no such video" in text


def test_an_archive_without_labels_or_with_mere_categories_is_told_what_to_do(media: Media, tmp_path: Path) -> None:
    root = media("a.mp4", "b.mp4")
    bare = run(Project.create(tmp_path / "bare"), "ytdlp", root)
    assert "hint: none of the 2 videos has a label: tags stand in the sidecars that `yt-dlp --w" in bare.to_text()
    held_out = run(Project.create(tmp_path / "test"), "ytdlp", root, split="test")
    assert "hint:" not in held_out.to_text()
    mistyped = run(Project(tmp_path / "test"), "ytdlp", root, split="tset", move_splits=True)
    assert "hint: 'tset' is no usual name of a split (train, val, validation, test); now there are: tset" in (
        mistyped.to_text()
    )
    for name, tags in (("a", ["Dive", "sports"]), ("b", ["dive"])):
        info = {"tags": tags, "categories": ["People & Blogs", "Sports"]}
        (root / f"{name}.info.json").write_text(json.dumps(info))
    text = run(Project.create(tmp_path / "full"), "ytdlp", root, min_count=1).to_text()
    assert "only the site's categories, which hardly name moments: people & blogs; leave" in text
    assert "none of the" not in text


def test_an_empty_folder_changes_nothing(media: Media, tmp_path: Path) -> None:
    root = media("a/1.mp4", "a/2.mp4")
    project = Project.create(tmp_path / "p")
    run(project, "folders", root)
    before = project.manifest_path.read_bytes()
    for path in root.rglob("*.mp4"):
        path.unlink()
    with pytest.raises(InvalidData, match=r"no video below .*import\.endings"):
        run(project, "folders", root)
    assert project.manifest_path.read_bytes() == before


def test_an_unknown_importer_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Known: folders, csv, hashtags, ytdlp"):
        run(Project(tmp_path), "zip", tmp_path)


def test_held_out_videos_do_not_make_concepts(media: Media, tmp_path: Path) -> None:
    media("train/dive/1.mp4", "train/dive/2.mp4", "test/dive/3.mp4", "test/other/4.mp4", "test/other/5.mp4")
    project = Project.create(tmp_path / "p")
    outcome = run(project, "folders", media())
    assert project.vocabulary().names == ("dive",)
    assert outcome.report.concepts[0].held_out_videos == 1


def test_the_vocabulary_after_a_second_import_is_that_of_all(media: Media, tmp_path: Path) -> None:
    media("x/dive/1.mp4", "y/dive/2.mp4")
    project = Project.create(tmp_path / "p")
    run(project, "folders", media() / "x")
    run(project, "folders", media() / "x")
    assert project.vocabulary().names == ()
    assert run(project, "folders", media() / "y").merged.renamed == {}
    assert project.vocabulary().names == ("dive",)
    told = reported_imports(project.reports_folder / "import.json")
    assert [(Path(one["root"]).name, one["new"]) for one in told] == [("x", 0), ("y", 1)]


def test_an_import_keeps_what_another_wrote_in_the_meantime(
    media: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, project = media("x/dive/1.mp4", "y/dive/2.mp4"), Project.create(tmp_path / "p")
    plain, other = probing.probe, list[ImportOutcome]()

    def probe(path: Path, *, video_id: str | None = None) -> Video:
        if not other:
            other.append(None)  # type: ignore[arg-type]
            other[0] = run(project, "folders", root / "y")
        return plain(path, video_id=video_id)

    monkeypatch.setattr(probing, "probe", probe)
    outcome = run(project, "folders", root / "x")
    assert (other[0].figures()["videos_in_project"], outcome.figures()["videos_in_project"]) == (1, 2)
    assert len(project.manifest()) == 2
    assert project.vocabulary().names == ("dive",)
    assert len(reported_imports(project.reports_folder / "import.json")) == 2


def test_features_of_a_changed_file_are_stale_even_if_the_clock_was_set_back(media: Media, tmp_path: Path) -> None:
    root, project = media("dive/1.mp4"), Project.create(tmp_path / "p")
    run(project, "folders", root)
    grid = TimeGrid(0, 1, 1, 4, 4)
    project.features().append([FeatureSequence("dive/1", np.zeros((4, 2), np.float32), grid, "rgb", "net")])
    media("dive/1.mp4", seconds=50)
    assert run(project, "folders", root).merged.changed == ["dive/1"]
    changed_ns = project.manifest().by_id("dive/1").changed_ns
    assert not project.features().has("dive/1", "rgb", newer_than_ns=changed_ns)
