"""YouTube-8M shards into a project: labels, rated segments and features, past all damage, again and again."""

import os
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.errors import InvalidData
from whenabouts.core.progress import Silent
from whenabouts.core.timing import TimeGrid
from whenabouts.data.importers import ImportSettings
from whenabouts.data.importers.protocol import YouTube8mSettings
from whenabouts.data.importers.youtube8m import import_youtube8m
from whenabouts.data.importing import ImportOutcome, import_into
from whenabouts.data.manifest import RatedSegment, WeakLabel, file_of
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings
from whenabouts.data.youtube8m.frames import dequantised
from whenabouts.data.youtube8m.reader import FrameRecord, SegmentRatings, VideoRecord
from whenabouts.data.youtube8m.shards import read_shards, write_shards
from whenabouts.data.youtube8m.tfrecord import write_records

TABLE = "Index,Name,Vertical1,WikiDescription\n7,Diving,Sports,Into water\n2,Cooking,Food,\n0,,Games,\n"
NARROW = {"rgb_width": 4, "audio_width": 2, "classes": 10}


def video(video_id: str, *labels: int, steps: int = 8, rated: tuple[tuple[int, int, float], ...] = ()) -> FrameRecord:
    rng = np.random.default_rng(len(video_id))
    rgb, audio = (rng.integers(0, 256, (steps, width), np.uint8) for width in (4, 2))
    starts, classes, scores = (
        np.asarray(column, np.int64) for column in (zip(*rated, strict=True) if rated else [()] * 3)
    )
    ratings = SegmentRatings(starts, starts + 5, classes, scores.astype(np.float32))
    return FrameRecord(video_id, np.asarray(labels, np.int64), rgb, audio, ratings)


def shards(root: Path, **videos: list[FrameRecord]) -> Path:
    for name, records in videos.items():
        write_records(root / f"{name}.tfrecord", (record.to_bytes() for record in records))
    (root / "vocabulary.csv").write_text(TABLE)
    return root


def run(project: Path, root: Path, *, now_ns: int = 77, **settings: object) -> ImportOutcome:
    narrow = YouTube8mSettings(**NARROW, storage="float32")
    chosen = ImportSettings(youtube8m=narrow, **settings)  # type: ignore[arg-type]
    labels = VocabularySettings()
    return import_into(Project.create(project), "youtube8m", root, chosen, labels, now_ns=now_ns, progress=Silent())


def test_labels_segments_and_features_arrive_in_the_project(tmp_path: Path) -> None:
    rated = video("aAb1", 7, 2, rated=((0, 7, 1), (5, 7, 0), (5, 2, 1), (10, 7, 1)))
    root = shards(tmp_path / "y8m", train00=[rated, video("/odd ..", 0)], validate00=[video("cc", 7)], x=[video("d")])
    outcome = run(tmp_path / "p", root)
    project = Project.open(tmp_path / "p")
    manifest = project.manifest()
    assert manifest.ids == ("/odd ..", "aAb1", "cc", "d")
    entry = manifest.by_id("aAb1")
    assert entry.labels == (
        WeakLabel("Diving", 1.0, "youtube8m", "class 7"), WeakLabel("Cooking", 1.0, "youtube8m", "class 2"),
    )  # fmt: skip
    assert entry.segments == (
        RatedSegment("Diving", 0.0, 5.0, True, "youtube8m"), RatedSegment("Diving", 5.0, 10.0, False, "youtube8m"),
        RatedSegment("Cooking", 5.0, 10.0, True, "youtube8m"),
    )  # fmt: skip
    assert (entry.video.duration_seconds, entry.video.has_audio, entry.usable, entry.split) == (
        8.0,
        True,
        True,
        "train",
    )
    assert [manifest.by_id(name).split for name in ("cc", "d")] == ["validation", "train"]
    assert file_of(entry.video.path) == root.resolve() / "train00.tfrecord"
    assert file_of(manifest.by_id("/odd ..").video.path) == root.resolve() / "train00.tfrecord"
    vocabulary = project.vocabulary()
    assert vocabulary.names == ("class 0", "Cooking", "Diving")
    assert vocabulary.parents == {"class 0": "Games", "Cooking": "Food", "Diving": "Sports"}
    assert vocabulary.descriptions == {"Diving": "Into water"}
    store = project.features()
    for modality, wanted in (("rgb", rated.rgb), ("audio", rated.audio)):
        found = store.read("aAb1", modality)
        assert found.grid == TimeGrid(0.0, 1.0, 1.0, 8, 8.0)
        assert found.values.dtype == np.float32
        assert np.array_equal(found.values, dequantised(wanted))
        assert store.video_ids(modality) == manifest.ids
    assert store.source("rgb") == "youtube-8m rgb 4"
    assert dict(outcome.imported.counts) == {
        "shards": 3, "damaged_shards": 0, "records": 4, "damaged_records": 0, "lost_bytes": 0, "repeated_videos": 0,
        "videos_without_frames": 0, "video_level_records": 0, "labels_without_name": 0, "ratings_yes": 2,
        "ratings_no": 1, "ratings_past_the_end": 1,
    }  # fmt: skip
    assert not outcome.imported.problems
    assert outcome.to_text().startswith("concepts: all 3 of the data set")


def test_every_trouble_is_told_and_the_rest_imported(tmp_path: Path) -> None:
    root = shards(
        tmp_path / "y8m",
        train00=[video("a", 7), video("b", 5), video("a", 2), video("e", 7, steps=0)],
        train01=[video("c", 7), video("d", 7)],
        train02=[video("f", 7)],
    )  # fmt: skip
    cut = root / "train01.tfrecord"
    cut.write_bytes(cut.read_bytes()[:-3])
    (root / "train02.tfrecord").write_bytes(b"not a record at all")
    means = VideoRecord("v", np.asarray([7]), np.zeros(4, np.float32), np.zeros(2, np.float32))
    write_shards(root, "means", [means, means], videos_per_shard=9)
    outcome = run(tmp_path / "p", root)
    assert Project.open(tmp_path / "p").manifest().ids == ("a", "b", "c")
    problems = [str(problem) for problem in outcome.imported.problems]
    assert len(problems) == 5
    for wanted in (
        "train01.tfrecord: a record can't be used (seen: record 2 at byte ",
        "train02.tfrecord: a record can't be used (seen: record 1 at byte 0: its length does not fit its checksum. P",
        "train00.tfrecord: a video stands there again (seen: a, record 3 at byte ",
        "train00.tfrecord: a video without frames (seen: e, record 4 at byte ",
        "means0000.tfrecord: records without seconds are left out (seen: 2 video-level records)",
    ):
        assert any(problem.startswith(wanted) for problem in problems), wanted
    counts = outcome.imported.counts
    assert (counts["records"], counts["damaged_records"], counts["damaged_shards"]) == (7, 2, 2)
    assert counts["labels_without_name"] == 1
    assert sum(path.stat().st_size for path in (cut, root / "train02.tfrecord")) > counts["lost_bytes"] > 0


def test_an_import_again_reads_nothing_anew_and_notices_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shards(tmp_path / "y8m", train00=[video("a", 7), video("b", 7)], train01=[video("c", 2)])
    run(tmp_path / "p", root)
    stored = len(list((tmp_path / "p/features").iterdir()))
    again = run(tmp_path / "p", root).merged
    assert (again.unchanged, again.new, again.changed) == (["a", "b", "c"], [], [])
    assert len(list((tmp_path / "p/features").iterdir())) == stored
    other = video("b", 2, steps=9)
    shards(root, train00=[video("a", 7)], train01=[other])
    os.utime(root / "train00.tfrecord")
    later = run(tmp_path / "p", root, now_ns=2**62).merged
    assert (later.unchanged, later.changed, later.removed, later.new) == (["a"], ["b"], ["c"], [])
    project = Project.open(tmp_path / "p")
    assert project.manifest().by_id("b").labels[0].name == "Cooking"
    assert np.array_equal(project.features().read("b", "rgb").values, dequantised(other.rgb))


def test_a_part_of_the_shards_at_a_time(tmp_path: Path) -> None:
    root = shards(tmp_path / "y8m", train00=[video("a", 7)], train01=[video("b", 7)])
    run(tmp_path / "p", root, include=("*00*",))
    second = run(tmp_path / "p", root, include=("*01*",)).merged
    assert (second.new, second.removed) == (["b"], [])
    (root / "train00.tfrecord").unlink()
    third = run(tmp_path / "p", root).merged
    assert third.removed == ["a"]


def test_a_project_with_other_labels_keeps_its_own_way_to_concepts(tmp_path: Path) -> None:
    root = shards(tmp_path / "y8m", train00=[video(name, 7) for name in "abcdef"])
    only = ImportSettings(youtube8m=YouTube8mSettings(**NARROW))
    project = Project.create(tmp_path / "p")
    labels = VocabularySettings(only=("diving",))
    import_into(project, "youtube8m", root, only, labels, now_ns=1, progress=Silent())
    assert project.vocabulary().names == ("diving",)
    assert project.features().read("a", "rgb").values.dtype == np.float16


def test_classes_without_a_table_are_called_by_number(tmp_path: Path) -> None:
    root = shards(tmp_path / "y8m", train00=[video("a", 7)])
    (root / "vocabulary.csv").rename(tmp_path / "names.csv")
    found = import_youtube8m(root, ImportSettings(youtube8m=YouTube8mSettings(**NARROW)))
    assert [label.name for label in found.entries[0].labels] == ["class 7"]
    assert found.vocabulary is None
    assert [problem.file for problem in found.problems] == ["vocabulary.csv"]
    named = YouTube8mSettings(**NARROW, vocabulary=str(tmp_path / "names.csv"), split_names=False)
    found = import_youtube8m(root, ImportSettings(youtube8m=named, split="test"))
    assert [label.name for label in found.entries[0].labels] == ["Diving"]
    assert found.entries[0].split == "test"


def test_a_folder_without_shards_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"no \.tfrecord file below"):
        import_youtube8m(tmp_path, ImportSettings())
    with pytest.raises(InvalidData, match="There is no folder"):
        import_youtube8m(tmp_path / "absent", ImportSettings())


@pytest.mark.golden
def test_the_golden_shards(shared: Path, tmp_path: Path) -> None:
    root = shared / "golden/y8m/records"
    settings = YouTube8mSettings(vocabulary=str(shared / "data/y8m/vocabulary.csv"))
    chosen = ImportSettings(youtube8m=settings)
    project = Project.create(tmp_path / "p")
    outcome = import_into(project, "youtube8m", root, chosen, VocabularySettings(), now_ns=1, progress=Silent())
    counts = outcome.imported.counts
    assert (counts["shards"], counts["records"], counts["damaged_records"]) == (14, 72, 4)
    assert counts["video_level_records"] == 20
    assert len(outcome.imported.entries) + counts["repeated_videos"] == 52
    records = {video.id: video for video in read_shards(sorted(root.glob("segment_*.tfrecord")))}
    assert len(records) == 20
    manifest, store = project.manifest(), project.features()
    assert len(project.vocabulary()) == 3862
    for video_id, record in records.items():
        assert isinstance(record, FrameRecord)
        entry = manifest.by_id(video_id)
        assert [project.vocabulary().index(label.name) for label in entry.labels] == record.labels.tolist()
        assert entry.split == "train"
        rated = sum(start < len(record) for start in record.ratings.starts.tolist())
        assert len(entry.segments) == rated
        values = store.read(video_id, "rgb").values
        assert np.array_equal(values, dequantised(record.rgb).astype(np.float16))
