"""Projects as YouTube-8M shards: what was imported comes out byte for byte, own features nearly so."""

import json
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core.errors import FeatureMismatch, InvalidData, ProjectError
from whenabouts.core.features import FeatureSequence
from whenabouts.core.labels import SegmentLabels
from whenabouts.core.progress import Silent
from whenabouts.core.timing import TimeGrid
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.exporters.youtube8m import ExportReport, ShardSettings, export_shards
from whenabouts.data.exporters.youtube8m_records import ColumnMoments, by_second, five_seconds
from whenabouts.data.feature_store import FeatureStore
from whenabouts.data.importers import ImportSettings
from whenabouts.data.importers.protocol import YouTube8mSettings
from whenabouts.data.importing import import_into
from whenabouts.data.manifest import Entry, RatedSegment, WeakLabel
from whenabouts.data.project import Project
from whenabouts.data.vocabulary import VocabularySettings
from whenabouts.data.youtube8m.card import CARD, Meaning, ShardCard
from whenabouts.data.youtube8m.reader import FrameRecord, Layout
from whenabouts.data.youtube8m.shards import read_shards, shards_below
from whenabouts.data.youtube8m.vocabulary import read_class_table

VOCABULARY = Vocabulary(("dive", "swim"), {"dive": "into water"}, {"dive": "sports"})


def entry(video_id: str, *names: str, split: str = "train", segments: tuple[RatedSegment, ...] = ()) -> Entry:
    video = Video(video_id, Path(f"{video_id}.mp4"), duration_seconds=20.0, has_audio=True)
    return Entry(video, tuple(WeakLabel(name) for name in names), segments, split=split)


def features(
    video_id: str, modality: str = "rgb", *, steps: int = 20, width: int = 3, hop: float = 1.0, source: str = "net@1"
) -> FeatureSequence:
    rng = np.random.default_rng([len(video_id), width])
    values = rng.gamma(2.0, 3.0, (steps, width)).astype(np.float32) * np.arange(1, width + 1, dtype=np.float32) + 5
    return FeatureSequence(video_id, values, TimeGrid(0.0, hop, hop, steps, steps * hop), modality, source)


def export(folder: Path, entries: list[Entry], store: FeatureStore, **settings: object) -> ExportReport:
    chosen = ShardSettings(**settings)  # type: ignore[arg-type]
    return export_shards(folder, entries, VOCABULARY, store, chosen, progress=Silent())


def store_of(folder: Path, *sequences: FeatureSequence) -> FeatureStore:
    store = FeatureStore(folder)
    store.append(sequences)
    return store


def records(folder: Path) -> dict[str, FrameRecord]:
    card = ShardCard.load(folder)
    assert card is not None
    found = list(read_shards(shards_below(folder), layout=card.layout))
    assert all(isinstance(record, FrameRecord) for record in found)
    return {record.id: record for record in found if isinstance(record, FrameRecord)}


def test_a_project_becomes_shards_and_a_project_again(tmp_path: Path) -> None:
    segments = (RatedSegment("dive", 0.0, 20.0), RatedSegment("swim", 5.0, 10.0, False))
    entries = [entry("a/ä b", "dive", segments=segments), entry("b", "swim"), entry("c", "dive", split="test")]
    sequences = [features(item.id, name, width=width) for item in entries for name, width in (("rgb", 3), ("audio", 2))]
    report = export(tmp_path / "out", entries, store_of(tmp_path / "features", *sequences), videos_per_shard=1)
    assert (report.videos, report.shards, report.seconds, report.ratings) == (3, 3, 60, 5)
    assert not report.left_out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "shards.json", "test0000.tfrecord", "train0000.tfrecord", "train0001.tfrecord", "vocabulary.csv",
    ]  # fmt: skip
    table = read_class_table(tmp_path / "out/vocabulary.csv")
    assert table.vocabulary == VOCABULARY
    assert [row.train_videos for row in table.rows] == [1, 1]
    (note,) = report.notes
    assert "3 numbers of rgb and 2 numbers of audio, not 1024" in note
    assert "--feature_names=rgb,audio --feature_sizes=3,2" in note
    project = Project.create(tmp_path / "p")
    exact = ImportSettings(youtube8m=YouTube8mSettings(storage="float32"))
    import_into(project, "youtube8m", tmp_path / "out", exact, VocabularySettings(), now_ns=1, progress=Silent())
    assert project.vocabulary() == VOCABULARY
    manifest, store = project.manifest(), project.features()
    assert [(item.id, item.split) for item in manifest] == [("a/ä b", "train"), ("b", "train"), ("c", "test")]
    assert [label.name for label in manifest.by_id("a/ä b").labels] == ["dive"]
    spans = [(part.name, part.start_seconds, part.present) for part in manifest.by_id("a/ä b").segments]
    assert spans == [("dive", 0.0, True), ("dive", 5.0, True), ("swim", 5.0, False), ("dive", 10.0, True),
                     ("dive", 15.0, True)]  # fmt: skip
    card = ShardCard.load(tmp_path / "out")
    assert card is not None
    assert card.rgb is not None
    for wanted in sequences:
        found = store.read(wanted.video_id, wanted.modality)
        assert found.source == "net@1, from bytes"
        step = np.asarray((card.rgb if wanted.modality == "rgb" else card.audio).scale) * 4 / 255  # type: ignore[union-attr]
        inside = np.abs(found.values - wanted.values) <= step / 2 * 1.01
        assert inside.mean() > 0.98
    shares = report.to_json()["clipped_share"]
    assert 0 <= shares["rgb"] < 0.02
    assert json.dumps(report.to_json())


@pytest.mark.golden
def test_imported_shards_come_out_byte_for_byte(shared: Path, tmp_path: Path) -> None:
    root = shared / "golden/y8m/records"
    chosen = ImportSettings(
        include=("segment_*",), youtube8m=YouTube8mSettings(vocabulary=str(shared / "data/y8m/vocabulary.csv"))
    )
    project = Project.create(tmp_path / "p")
    import_into(project, "youtube8m", root, chosen, VocabularySettings(), now_ns=1, progress=Silent())
    report = export_shards(
        tmp_path / "out", project.manifest(), project.vocabulary(), project.features(), ShardSettings(),
        progress=Silent(),
    )  # fmt: skip
    assert (report.videos, sum(report.clipped.values()), report.notes) == (20, 0, [])
    found = records(tmp_path / "out")
    originals = list(read_shards(sorted(root.glob("segment_*.tfrecord"))))
    assert len(originals) == len(found) == 20
    rated = 0
    for original in originals:
        assert isinstance(original, FrameRecord)
        record = found[original.id]
        assert np.array_equal(record.rgb, original.rgb)
        assert np.array_equal(record.audio, original.audio)
        # A segment that is rated as present labels its video.
        yes = set(original.ratings.labels[original.ratings.scores > 0].tolist())
        assert set(record.labels.tolist()) == set(original.labels.tolist()) | yes
        inside = original.ratings.starts < len(original)
        rows = set(zip(original.ratings.starts[inside].tolist(), original.ratings.labels[inside].tolist(),
                       original.ratings.scores[inside].tolist(), strict=True))  # fmt: skip
        assert rows == set(zip(record.ratings.starts.tolist(), record.ratings.labels.tolist(),
                               record.ratings.scores.tolist(), strict=True))  # fmt: skip
        rated += len(rows)
    assert report.ratings == rated > 90


def test_videos_that_can_not_be_written_are_told_and_the_rest_is(tmp_path: Path) -> None:
    entries = [entry(name, "dive") for name in ("fine", "silent", "coarse", "broken", "id\udc80")]
    gone = Entry(Video("gone", Path("gone")), removed=True)
    unreadable = Entry(Video("bad", Path("bad"), status="unreadable", coverage=0.0, reason="The file is empty."))
    named = [item.id for item in entries]
    store = store_of(
        tmp_path / "features",
        *(features(name, hop=2.0 if name == "coarse" else 1.0) for name in [*named, "gone", "bad"] if name != "broken"),
        *(features(name, "audio") for name in [*named, "gone", "bad"] if name != "silent"),
    )  # fmt: skip
    store.append([features("broken")])
    shard = max((tmp_path / "features").glob("*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-4])
    report = export(tmp_path / "out", [*entries, gone, unreadable], store)
    assert sorted(records(tmp_path / "out")) == ["fine"]
    assert report.videos == 1
    told = report.left_out
    assert sorted(told) == ["bad", "broken", "coarse", "gone", "id\udc80", "silent"]
    assert told["silent"] == "it has no audio features"
    assert told["gone"] == "it was removed"
    assert told["bad"] == "The file is empty."
    assert "a step every 2 s, but shards need one every second" in told["coarse"]
    assert "cut off" in told["broken"]
    assert "is no Unicode text" in told["id\udc80"]


def test_one_modality_alone(tmp_path: Path) -> None:
    store = store_of(tmp_path / "features", features("a"), features("a", "audio", width=2))
    export(tmp_path / "rgb", [entry("a")], store, audio="")
    assert records(tmp_path / "rgb")["a"].audio.shape == (20, 0)
    report = export(tmp_path / "audio", [entry("a")], store, rgb="")
    record = records(tmp_path / "audio")["a"]
    assert (record.rgb.shape, record.audio.shape) == ((20, 0), (20, 2))
    assert "--feature_names=audio --feature_sizes=2" in report.notes[0]


def test_sound_that_ends_early_or_late_is_fitted_to_the_pictures(tmp_path: Path) -> None:
    store = store_of(
        tmp_path / "features", features("a"), features("bb"), features("a", "audio", steps=17),
        features("bb", "audio", steps=22),
    )  # fmt: skip
    report = export(tmp_path / "out", [entry("a"), entry("bb")], store)
    found = records(tmp_path / "out")
    assert [len(found[name].audio) for name in ("a", "bb")] == [20, 20]
    assert (found["a"].audio[16:] == found["a"].audio[16]).all()
    assert report.repeated_audio_seconds == 3


def test_numbers_as_they_are_and_what_is_clipped(tmp_path: Path) -> None:
    sequence = features("a", steps=2)
    sequence.values[:] = [[-9, -2, 0], [1, 2, 9]]
    store = store_of(tmp_path / "features", sequence)
    report = export(tmp_path / "out", [entry("a")], store, audio="", scale="none")
    assert records(tmp_path / "out")["a"].rgb.tolist() == [[0, 0, 127], [191, 255, 255]]
    assert (report.clipped["rgb"], report.written["rgb"]) == (2, 6)
    card = ShardCard.load(tmp_path / "out")
    assert card is not None
    assert card.rgb == Meaning("rgb", "net@1", 3)


def test_long_videos_are_noted(tmp_path: Path) -> None:
    store = store_of(tmp_path / "features", features("a", steps=301))
    report = export(tmp_path / "out", [entry("a")], store, audio="")
    assert "1 videos last over 300 s" in report.notes[1]


def test_nothing_to_export_and_places_that_are_taken(tmp_path: Path) -> None:
    store = store_of(tmp_path / "features", features("a"), features("bb"), features("bb", source="net@2"))
    with pytest.raises(InvalidData, match="name a modality"):
        export(tmp_path / "out", [entry("a")], store, rgb="", audio="")
    with pytest.raises(InvalidData, match="No usable video has features"):
        export(tmp_path / "out", [entry("a")], store)
    with pytest.raises(FeatureMismatch):
        export(tmp_path / "out", [entry("a"), entry("bb")], store, audio="")
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/notes.txt").write_text("mine")
    with pytest.raises(ProjectError, match="holds other files"):
        export(tmp_path / "out", [entry("a")], store, audio="")
    single = store_of(tmp_path / "single", features("a"), features("bb"))
    export(tmp_path / "new", [entry("a"), entry("bb")], single, audio="", videos_per_shard=1)
    export(tmp_path / "new", [entry("a")], single, audio="")
    assert len(shards_below(tmp_path / "new")) == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "x"}', '{"format": "whenabouts youtube8m shards 1"}'])
def test_a_broken_card_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / CARD).write_text(text)
    with pytest.raises(InvalidData, match=r"shards\.json can't be read"):
        ShardCard.load(tmp_path)


def test_a_card_checks_itself_and_survives_saving(tmp_path: Path) -> None:
    card = ShardCard(Meaning("rgb", "net", 2, (1.0, 2.0), (0.5, 3.0)), None, 7)
    card.save(tmp_path)
    assert ShardCard.load(tmp_path) == card
    assert card.layout == Layout(2, 0, 7)
    assert ShardCard.load(tmp_path / "absent") is None
    for mean, scale in (((1.0,), (1.0, 1.0)), ((1.0, np.nan), (1.0, 1.0)), ((1.0, 1.0), (1.0, 0.0))):
        with pytest.raises(InvalidData):
            Meaning("rgb", "net", 2, mean, scale)


def test_seconds_of_finer_steps_are_those_on_screen_in_the_middle() -> None:
    sequence = features("a", steps=9, hop=0.5)
    assert np.array_equal(by_second(sequence), sequence.values[[1, 3, 5, 7, 8]])
    exact = features("a", steps=4)
    assert by_second(exact) is exact.values
    assert len(by_second(features("a", steps=0, hop=0.5))) == 0


def test_segments_become_such_of_five_seconds() -> None:
    rows = [
        (3.0, 8.0, 0, True),  # kept as it is
        (2.5, 21.0, 1, True),  # 5, 10 and 15
        (10.0, 15.0, 1, False),  # contradicts the one before
        (11.0, 14.0, 0, True),  # too short
        (40.0, 45.0, 0, True),  # behind the end
        (0.0, 10.0, 0, False),
    ]
    spans = np.asarray([row[:2] for row in rows])
    segments = SegmentLabels(
        ("v",) * len(rows), spans, np.asarray([row[2] for row in rows]), np.asarray([row[3] for row in rows])
    )
    found = five_seconds(segments, 40)
    ratings = found.ratings
    assert list(zip(ratings.starts, ratings.ends, ratings.labels, ratings.scores, strict=True)) == [
        (0, 5, 0, 0), (3, 8, 0, 1), (5, 10, 0, 0), (5, 10, 1, 1), (15, 20, 1, 1)
    ]  # fmt: skip
    assert (found.short, found.contradicted) == (1, 1)
    assert len(five_seconds(SegmentLabels.empty(), 40).ratings) == 0


def test_moments_of_columns_are_those_of_all_rows_together() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(1e6, 3, (count, 4)) for count in (5, 0, 1, 30)]
    for part in parts:
        part[:, 3] = 7
    moments = ColumnMoments(4)
    for part in parts:
        moments.add(part)
    whole = np.concatenate(parts)
    mean, scale = moments.mean_and_scale()
    assert np.allclose(mean, whole.mean(axis=0), rtol=1e-12)
    assert np.allclose(scale[:3], 2 * whole.std(axis=0)[:3], rtol=1e-6)
    assert scale[3] == 1
