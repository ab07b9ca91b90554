"""The data doctor: each fault of a project is told with its figure, and empty projects are answered."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.features import FeatureSequence
from whenabouts.core.files import write_json
from whenabouts.core.progress import Silent
from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.doctor.check import check_project
from whenabouts.data.doctor.findings import CheckReport
from whenabouts.data.doctor.looking import Looks, contents_of, frames_of
from whenabouts.data.freshness import Lessons, MomentsCard
from whenabouts.data.importers.media_files import stamp_of
from whenabouts.data.manifest import Entry, Manifest, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings, build_vocabulary


@pytest.fixture
def entry(tmp_path: Path) -> Callable[..., Entry]:
    def made(name: str, *labels: str, split: str = "train", who: str = "", content: str = "") -> Entry:
        path = tmp_path / f"{name}.mp4"
        path.write_text(content or name)
        video = Video(name, path.resolve(), 10.0, has_audio=name < "m")
        return Entry(video, tuple(WeakLabel(label) for label in labels), (), split, "", who, stamp_of(path))

    return made


Make = Callable[..., Entry]


def project_of(folder: Path, entries: list[Entry], *, absent: str = "negative") -> Project:
    project, settings = Project.create(folder), VocabularySettings(min_count=1, absent=absent)
    project.write_manifest(Manifest(tuple(entries)))
    project.write_vocabulary(build_vocabulary(entries, settings)[0], settings)
    return project


def checked(project: Project, frames: bool = False) -> CheckReport:
    report = check_project(project.folder, frames=frames, progress=Silent())
    json.dumps(report.to_json(), allow_nan=False)
    return report


def said(report: CheckReport, severity: str, topic: str) -> str:
    return "\n".join(one.text for one in report.findings if (one.severity, one.topic) == (severity, topic))


def test_a_large_cache_is_told(tmp_path: Path, entry: Make) -> None:
    project = project_of(tmp_path / "p", healthy(entry))
    assert checked(project).figures["cache_bytes"] == 0
    (project.cache_folder / "frames").mkdir(parents=True)
    with (project.cache_folder / "frames" / "x").open("wb") as file:
        file.truncate(2_500_000_000)
    report = checked(project)
    assert report.figures["cache_bytes"] == 2_500_000_000
    assert "takes 2.5 GB. It can be removed" in said(report, "note", "cache")


def healthy(entry: Make) -> list[Entry]:
    return [entry(f"{label}{number}", label) for label in ("dive", "jump") for number in range(5)]


def verdicts(report: CheckReport) -> dict[str, tuple[str, str]]:
    return {one.name: (one.verdict, "; ".join(one.reasons)) for one in report.concepts}


def test_a_healthy_project_can_be_trained_on(tmp_path: Path, entry: Make) -> None:
    held_out = [entry("t1", "dive", split="test"), entry("t2", "jump", split="test")]
    report = checked(project_of(tmp_path / "p", healthy(entry) + held_out))
    assert report.trainable
    assert report.findings == []
    assert verdicts(report) == {"dive": ("works", ""), "jump": ("works", "")}
    assert report.next_step == "Run `whenabouts pretrain` for a backbone, then `whenabouts extract`."


@pytest.mark.parametrize("content", [None, "", "{broken"])
def test_empty_and_broken_projects_are_answered(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "manifest.jsonl").write_text(content)
    report = check_project(tmp_path, frames=True, progress=Silent())
    assert not report.trainable
    assert "whenabouts import" in report.next_step
    assert "import" in said(report, "stop", "project")


def test_a_folder_that_is_not_there_is_answered(tmp_path: Path) -> None:
    assert "There is no folder" in said(
        check_project(tmp_path / "x", frames=True, progress=Silent()), "stop", "project"
    )


def test_a_missing_vocabulary_stops(tmp_path: Path, entry: Make) -> None:
    project = project_of(tmp_path / "p", healthy(entry))
    project.vocabulary_path.unlink()
    report = checked(project)
    assert "vocabulary.json. Run `whenabouts import` first" in said(report, "stop", "labels")
    project.write_vocabulary(Vocabulary(()))
    assert "the vocabulary is empty" in said(checked(project), "stop", "labels")


def test_each_concept_that_can_not_work_says_why(tmp_path: Path, entry: Make) -> None:
    entries = [entry(f"a{n}", "always", "one" if n == 0 else "most", "twin", "copy", who=f"u{n}") for n in range(6)]
    entries += [entry(f"b{n}", "always", "few" if n < 3 else "mine", who="Ann" if n > 2 else "Bob") for n in range(8)]
    entries += [entry("c", "always", "mine", who="Eve")]
    report = checked(project_of(tmp_path / "p", entries))
    assert report.trainable
    also, ann = "all 6 videos also carry always", "are by Ann: the uploader may be learned instead"
    assert verdicts(report) == {
        "always": ("fails", "in all 15 training videos: nothing to tell it from"),
        "copy": ("fails", f"in the very same 6 videos as twin: nothing tells them apart; {also}"),
        "few": ("doubtful", "only 3 training videos; all 3 videos also carry always; 3 of 3 videos "
                + ann.replace("Ann", "Bob")),
        "mine": ("doubtful", f"{also}; 5 of 6 videos {ann}"),
        "most": ("doubtful", "all 5 videos also carry always, copy"),
        "one": ("fails", "1 training video: needs several to learn what they share"),
        "twin": ("fails", f"in the very same 6 videos as copy: nothing tells them apart; {also}"),
    }  # fmt: skip
    assert "concepts that can't be learned: 4 of 7 (always, copy, one and 1 more)" in said(report, "warning", "labels")
    assert report.figures["concepts_fails"] == 4
    assert "always   " in report.to_text()


def test_a_project_without_any_concept_that_works_stops(tmp_path: Path, entry: Make) -> None:
    report = checked(project_of(tmp_path / "p", [entry("a", "one"), entry("b", "two"), entry("c")]))
    assert "no concept can be learned, of 2" in said(report, "stop", "labels")
    assert "training videos without a label of the vocabulary: 1 of 3 (c)" in said(report, "note", "labels")
    assert report.next_step.startswith("Mend what is marked STOP")


def test_a_concept_of_all_videos_is_no_failure_where_silence_means_nothing(tmp_path: Path, entry: Make) -> None:
    entries = [entry(f"a{n}", "always") for n in range(6)]
    report = checked(project_of(tmp_path / "p", entries, absent="unknown"))
    assert verdicts(report) == {"always": ("works", "")}
    assert "absent labels are unknown" in said(report, "note", "labels")


def test_spellings_and_unmeasured_concepts_are_noted(tmp_path: Path, entry: Make) -> None:
    entries = [entry(f"{label}{n}", label) for label in ("cake", "cakes") for n in range(5)]
    report = checked(project_of(tmp_path / "p", [*entries, entry("t", "cake", split="test")]))
    assert "pairs of concepts spelled nearly alike: 1 (cake / cakes)" in said(report, "note", "labels")
    assert "concepts without a held-out video, which can't be measured: 1 (cakes)" in said(report, "note", "splits")


def test_files_that_are_broken_gone_or_changed_are_counted(tmp_path: Path, entry: Make) -> None:
    entries = healthy(entry)
    bad = Video("x", tmp_path / "x.mp4", status="unreadable", coverage=0.0, reason="No frame could be decoded.")
    half = Video("y", tmp_path / "y.mp4", 10.0, status="partial", coverage=0.5, reason="It ends early.")
    entries += [Entry(bad, (WeakLabel("dive"),)), Entry(half), replace(entry("z", "dive"), removed=True)]
    project = project_of(tmp_path / "p", entries)
    (tmp_path / "dive0.mp4").unlink()
    (tmp_path / "dive1.mp4").write_text("something else")
    told = said(checked(project), "warning", "files")
    for wanted in (
        "removed: 1 of 13 videos (z: the file is gone)",
        "unreadable: 1 of 13 videos (x: No frame could be decoded.)",
        "partial: 1 of 13 videos (y: It ends early.)",
        "not found any more: 1 of 13 files (dive0)",
        "changed since the import: 1 of 13 files (dive1)",
    ):
        assert wanted in told


def test_nothing_to_train_on_stops(tmp_path: Path, entry: Make) -> None:
    project = project_of(tmp_path / "p", [replace(one, split="test") for one in healthy(entry)])
    report = checked(project)
    assert "None of the 10 videos can be used for training (splits: {'test': 10})" in said(report, "stop", "files")


def test_what_the_import_could_not_use_is_told_again(tmp_path: Path, entry: Make) -> None:
    project = project_of(tmp_path / "p", healthy(entry))
    project.reports_folder.mkdir()
    imports = [{"counts": {"rows_unmatched": 2, "sidecars_rejected": "x"}}, 3, {"counts": {"rows_unmatched": 1}}, {}]
    (project.reports_folder / "import.json").write_text(json.dumps({"imports": imports}))
    assert said(checked(project), "warning", "import") == (
        "rows that name a video which is not there: 3 (details: reports/import.json)."
    )
    (project.reports_folder / "import.json").write_text("broken")
    assert checked(project).trainable


def test_copies_across_splits_are_a_warning_and_within_one_a_note(tmp_path: Path, entry: Make) -> None:
    entries = [*healthy(entry), entry("t", "dive", "jump", split="test", content="dive0"), entry("u", content="dive1")]
    report = checked(project_of(tmp_path / "p", entries))
    assert "copies of a video in two splits, so that scores come out too good: 1 (1 by file): " in said(
        report, "warning", "splits"
    )
    assert "dive0 = t" in said(report, "warning", "splits")
    assert "dive1 = u" in said(report, "note", "splits")
    assert (report.figures["duplicates"], report.figures["duplicates_across_splits"]) == (2, 1)


def test_copies_by_frames_are_looked_for_across_splits(tmp_path: Path, entry: Make) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (5, 64, 64, 3), dtype=np.uint8)

    def decoded(entries: list[Entry]) -> Iterator[tuple[Entry, object]]:
        for entry in entries:
            same = entry.video.path.stem in ("dive0", "t")
            yield entry, picture if same else 255 - np.roll(picture, len(entry.video.path.stem), 1)

    project = project_of(
        tmp_path / "p", [entry("dive0", "dive"), entry("dive1", "dive"), entry("t", "dive", split="test")]
    )
    report = check_project(project.folder, frames=True, progress=Silent(), looks=Looks(contents_of, decoded))
    assert "copies of a video in two splits, so that scores come out too good: 1 (1 by frames)" in said(
        report, "warning", "splits"
    )
    assert checked(project, frames=False).figures["duplicates"] == 0


def test_files_that_nobody_could_look_into_are_told(tmp_path: Path, entry: Make) -> None:
    project = project_of(tmp_path / "p", healthy(entry))

    def some_unread(entries: Sequence[Entry]) -> Iterator[tuple[Entry, bool | None]]:
        for each in reversed(entries):
            yield each, None if each.id == entries[1].id else True

    looks = Looks(some_unread, frames_of)
    report = check_project(project.folder, frames=False, files=True, progress=Silent(), looks=looks)
    (found,) = [one for one in report.findings if "could not be looked into" in one.text]
    assert found.names == (project.manifest().entries[1].id,)
    assert report.figures["contents_changed"] == 0


def test_later_damage_under_the_same_size_and_time_is_found_when_files_are_read(tmp_path: Path, entry: Make) -> None:
    project = project_of(tmp_path / "p", healthy(entry))
    damaged = next(iter(project.manifest()))
    status, content = damaged.video.path.stat(), bytearray(damaged.video.path.read_bytes())
    content[-1] ^= 1
    damaged.video.path.write_bytes(content)
    os.utime(damaged.video.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "contents_changed" not in checked(project).figures
    report = check_project(project.folder, frames=False, files=True, progress=Silent())
    assert report.figures["contents_changed"] == 1
    assert damaged.id in said(report, "warning", "files")


def test_uploaders_in_all_splits_are_noted(tmp_path: Path, entry: Make) -> None:
    entries = [
        entry(f"a{n}", "dive", "jump" if n else "run", who="Ann", split="test" if n > 5 else "train") for n in range(8)
    ]
    assert "uploaders with videos in all splits: 1 (Ann)" in said(
        checked(project_of(tmp_path / "p", entries)), "note", "splits"
    )


def features(name: str, *, modality: str = "rgb", width: int = 2, source: str = "net@1") -> FeatureSequence:
    return FeatureSequence(name, np.zeros((3, width), np.float32), TimeGrid(0, 1, 1, 3, 3), modality, source)


def test_half_extracted_projects_are_told_what_is_missing(tmp_path: Path, entry: Make) -> None:
    entries = healthy(entry)
    entries[1] = replace(entries[1], changed_ns=2**62)
    project = project_of(tmp_path / "p", entries)
    store = project.features()
    store.append(
        [features(one.id) for one in entries[:4]] + [features(entries[0].id, modality="audio"), features("old")]
    )
    report = checked(project)
    told = said(report, "warning", "features")
    for wanted in ("rgb features are missing: 6 of 10 videos (dive4, jump0, jump1 and 3 more)",
                   "audio features are missing: 9 of 10 videos",
                   "rgb features older than their files: 1 (dive1)"):  # fmt: skip
        assert wanted in told
    assert "rgb features of videos that the manifest lacks: 1 (old)" in said(report, "note", "features")
    assert report.figures["features"]["rgb"] == {"wanted": 10, "present": 4, "stale": 1, "mixed": False}
    assert report.next_step == "Run `whenabouts extract`."


def test_extracted_projects_are_told_to_train(tmp_path: Path, entry: Make) -> None:
    entries = healthy(entry)
    project = project_of(tmp_path / "p", entries)
    project.reports_folder.mkdir()
    rows = [{"id": "dive0", "status": "unreadable", "reason": "cut off"}, {"id": "dive1", "status": "partial"}]
    (project.reports_folder / "extraction.json").write_text(json.dumps({"videos": rows}))
    project.features().append([features(one.id) for one in entries[1:]])
    report = checked(project)
    assert "unreadable when features were extracted: 1 (dive0: cut off)" in said(report, "warning", "features")
    assert report.next_step == "Run `whenabouts train`."


def test_each_stream_s_report_speaks_of_its_own_features_alone(tmp_path: Path, entry: Make) -> None:
    """A video without readable sound lacks "sound" rightly, but not what its pictures show."""
    entries = healthy(entry)
    project = project_of(tmp_path / "p", entries)
    project.reports_folder.mkdir()
    rows = [{"id": "dive0", "status": "unreadable", "reason": "its sound can't be decoded"}]
    (project.reports_folder / "extraction-sound.json").write_text(json.dumps({"videos": rows}))
    project.features().append([features(one.id) for one in entries[1:]])
    project.features().append([features(one.id, modality="sound") for one in entries[1:]])
    told = said(checked(project), "warning", "features")
    assert "unreadable when sound features were extracted: 1 (dive0: its sound can't be decoded)" in told
    assert "rgb features are missing: 1 of 10 videos (dive0)" in told
    assert "sound features are missing" not in told


def test_trained_projects_are_told_to_find_and_then_that_all_is_done(tmp_path: Path, entry: Make) -> None:
    entries = healthy(entry)
    project = project_of(tmp_path / "p", entries)
    project.features().append([features(one.id) for one in entries])
    write_json(project.models_folder / "localizer" / "card.json", {})
    Lessons.of(project, project.manifest().of_split("train")).save(project)
    assert checked(project).next_step == "Run `whenabouts find`."
    write_json(project.moments_folder / "moments.json", {"results": {}})
    MomentsCard.of(project, project.manifest().entries, project.features(), ("rgb",), split="all").save(
        project.moments_folder
    )
    assert checked(project).next_step.startswith("The moments are up to date")
    project.write_manifest(Manifest(tuple(entries[1:])))
    assert checked(project).next_step == "Run `whenabouts train`."


def test_features_that_can_not_be_used_are_found_when_files_are_read(
    tmp_path: Path, entry: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = healthy(entry)
    project = project_of(tmp_path / "p", entries)
    holed = features(entries[3].id)
    holed.values[1] = np.nan
    monkeypatch.setattr("whenabouts.data.shards.storable", lambda sequence: None)  # Another program wrote them.
    project.features().append([features(one.id) for one in entries[:3]] + [holed])
    assert "features_broken" not in checked(project).figures
    report = check_project(project.folder, frames=False, files=True, progress=Silent())
    assert report.figures["features_broken"] == 1
    assert f"1 videos ({entries[3].id}). {entries[3].id}: rgb features hold nan" in said(report, "warning", "features")


def test_mixed_and_broken_features_are_told(tmp_path: Path, entry: Make) -> None:
    entries = healthy(entry)
    project = project_of(tmp_path / "p", entries)
    store = project.features()
    store.append([features(one.id) for one in entries[:9]] + [features(entries[9].id, width=5, source="net@2")])
    (project.features_folder / "cut.safetensors").write_bytes(b"x" * 30)
    report = checked(project)
    assert report.next_step == "Run `whenabouts extract`."
    told = said(report, "warning", "features")
    assert "rgb features come in several backbones: net@1 (9 videos), net@2 (1 videos)" in told
    assert "rgb features come in several widths: 2 (9 videos), 5 (1 videos)" in told
    assert "the file cut.safetensors is broken. Delete it" in told


@pytest.mark.parametrize(
    ("card", "wanted"),
    [
        (
            {"streams": [{"modality": "rgb", "width": 7, "source": "net@1"}]},
            "reads rgb features 7 wide, but they are 2",
        ),
        ({"streams": [{"modality": "rgb", "width": 2, "source": "net@0"}]}, "was trained on rgb features of net@0"),
        ({"streams": [{"modality": "flow", "width": 2}]}, "reads flow features, but there are none"),
        ({"kind": "backbone", "source": "net@3"}, "features are of net@1, but models/m is net@3"),
        ("broken", "the card of the model m can't be read"),
        ({"streams": [{"modality": "rgb", "width": 2, "source": "net@1"}]}, ""),
        ({"kind": "backbone", "source": "net@1"}, ""),
    ],
)
def test_models_that_do_not_fit_are_told(tmp_path: Path, entry: Make, card: object, wanted: str) -> None:
    entries = healthy(entry)
    project = project_of(tmp_path / "p", entries)
    project.features().append([features(one.id) for one in entries])
    folder = project.models_folder / "m"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(card if isinstance(card, str) else json.dumps(card))
    told = said(checked(project), "warning", "models")
    assert wanted in told
    assert bool(told) == bool(wanted)


def test_a_model_of_another_vocabulary_is_noted(tmp_path: Path, entry: Make) -> None:
    entries = healthy(entry)
    project = project_of(tmp_path / "p", entries)
    project.features().append([features(one.id) for one in entries])
    folder = project.models_folder / "m"
    folder.mkdir(parents=True)
    (folder / "card.json").write_text('{"streams": [{"modality": "rgb", "width": 2, "source": "net@1"}]}')
    (folder / "vocabulary.json").write_text('{"names": ["else"]}')
    assert "the model m was trained on another vocabulary" in said(checked(project), "note", "models")
