"""YouTube-8M records: golden files of the official reader, shards with every kind of trouble, round trips."""

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from whenabouts.core.errors import InvalidData
from whenabouts.data.youtube8m import example_protos
from whenabouts.data.youtube8m.frames import dequantised, nearest_bytes, quantised
from whenabouts.data.youtube8m.reader import OFFICIAL, FrameRecord, Layout, SegmentRatings, VideoRecord, parsed
from whenabouts.data.youtube8m.shards import ReadReport, located, read_shards, shards_below, write_shards
from whenabouts.data.youtube8m.tfrecord import RecordError, read_records, write_records

SMALL = Layout(rgb=4, audio=2, classes=10)
SAME_FOLDER = hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50
)


def frame_record(video_id: str = "v", *, steps: int = 6, seed: int = 0, **parts: object) -> FrameRecord:
    rng = np.random.default_rng(seed)
    rgb, audio = (rng.integers(0, 256, (steps, width), np.uint8) for width in (4, 2))
    return FrameRecord(video_id, np.asarray([seed % 10]), **{"rgb": rgb, "audio": audio, **parts})  # type: ignore[arg-type]


def ratings(*rows: tuple[int, int, int, float]) -> SegmentRatings:
    starts, ends, labels, scores = zip(*rows, strict=True) if rows else ((), (), (), ())
    return SegmentRatings(
        np.asarray(starts, np.int64), np.asarray(ends, np.int64), np.asarray(labels, np.int64),
        np.asarray(scores, np.float32),
    )  # fmt: skip


def same(one: FrameRecord | VideoRecord, other: FrameRecord | VideoRecord) -> bool:
    if type(one) is not type(other) or one.id != other.id or one.labels.tolist() != other.labels.tolist():
        return False
    if isinstance(one, VideoRecord) and isinstance(other, VideoRecord):
        return np.array_equal(one.mean_rgb, other.mean_rgb) and np.array_equal(one.mean_audio, other.mean_audio)
    assert isinstance(one, FrameRecord)
    assert isinstance(other, FrameRecord)
    columns = ("starts", "ends", "labels", "scores")
    rated = all(np.array_equal(getattr(one.ratings, name), getattr(other.ratings, name)) for name in columns)
    return rated and np.array_equal(one.rgb, other.rgb) and np.array_equal(one.audio, other.audio)


def one_record(tmp_path: Path, context: object, lists: object = None, layout: Layout = SMALL) -> object:
    write_records(tmp_path / "x.tfrecord", [b"", example_protos.encode(context, lists)])  # type: ignore[arg-type]
    *_, record = read_records(tmp_path / "x.tfrecord")
    return parsed(record, layout)


def official_matrix(record: FrameRecord, first: int, count: int) -> np.ndarray:
    """Frames (`count`, rgb + audio) from `first` on as the official reader gives them: 0 behind the video's end."""
    frames = dequantised(np.concatenate([record.rgb, record.audio], axis=1)[first : first + count])
    return np.pad(frames, ((0, count - len(frames)), (0, 0)))


def digest(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def golden(shared: Path, kind: str) -> tuple[list[FrameRecord | VideoRecord], list[dict[str, object]]]:
    folder = shared / "golden/y8m/records"
    expected = json.loads((folder / f"{kind}_expected.json").read_text(encoding="utf-8"))
    found = list(read_shards(sorted(folder.glob(f"{kind}_*.tfrecord"))))
    assert len(found) == len(expected) == 20
    return found, expected


@pytest.mark.golden
@pytest.mark.parametrize("kind", ["frame", "segment"])
def test_frame_level_records_as_the_official_reader_gives_them(shared: Path, kind: str) -> None:
    for record, expected in zip(*golden(shared, kind), strict=True):
        assert isinstance(record, FrameRecord)
        assert (record.id, record.labels.tolist(), len(record)) == tuple(
            expected[name] for name in ("id", "labels", "num_frames")
        )
        assert digest(record.rgb) == expected["rgb_uint8_sha256"]
        assert digest(record.audio) == expected["audio_uint8_sha256"]
        assert record.rgb[:1, :8].ravel().tolist() == expected["rgb_first8_of_frame0"]
        assert (int(record.rgb.sum()), int(record.audio.sum())) == (expected["rgb_sum"], expected["audio_sum"])


@pytest.mark.golden
def test_frames_dequantised_and_padded_bit_for_bit(shared: Path) -> None:
    for record, expected in zip(*golden(shared, "frame"), strict=True):
        assert isinstance(record, FrameRecord)
        official = expected["official_reader"]
        matrix = official_matrix(record, 0, 300)
        assert [1, *matrix.shape] == official["video_matrix_shape"]  # type: ignore[index]
        assert min(len(record), 300) == official["num_frames"]  # type: ignore[index]
        assert digest(matrix) == official["video_matrix_float32_sha256"]  # type: ignore[index]


@pytest.mark.golden
def test_rated_segments_and_their_frames_bit_for_bit(shared: Path) -> None:
    past_the_end = 0
    for record, expected in zip(*golden(shared, "segment"), strict=True):
        assert isinstance(record, FrameRecord)
        rated = record.ratings
        rows = zip(rated.starts, rated.ends, rated.labels, rated.scores, strict=True)
        assert [dict(zip(("start", "end", "label", "score"), row, strict=True)) for row in rows] == expected["segments"]
        official = expected["official_reader"]
        starts = list(dict.fromkeys(rated.starts.tolist()))
        matrix = np.zeros((len(starts), 5, 1152), np.float32)
        for row, start in enumerate(starts):
            matrix[row] = official_matrix(record, start, 5)
        assert starts == official["unique_starts_in_order"]  # type: ignore[index]
        assert list(matrix.shape) == official["video_matrix_shape"]  # type: ignore[index]
        assert digest(matrix) == official["video_matrix_float32_sha256"]  # type: ignore[index]
        past_the_end += sum(start >= len(record) for start in starts)
    assert past_the_end


@pytest.mark.golden
def test_video_level_records(shared: Path) -> None:
    for record, expected in zip(*golden(shared, "video"), strict=True):
        assert isinstance(record, VideoRecord)
        assert (record.id, record.labels.tolist()) == (expected["id"], expected["labels"])
        assert digest(record.mean_rgb) == expected["mean_rgb_float32_sha256"]
        assert digest(record.mean_audio) == expected["mean_audio_float32_sha256"]
        both = np.concatenate([record.mean_rgb, record.mean_audio])
        assert digest(both) == expected["official_video_matrix_float32_sha256"]


@pytest.mark.golden
def test_all_odd_and_damaged_files_in_one_run(shared: Path) -> None:
    folder = shared / "golden/y8m/records"
    odd = {row["file"]: row for row in json.loads((folder / "odd_expected.json").read_text(encoding="utf-8"))}
    assert len(odd) == 9
    report = ReadReport()
    found = {name: list(read_shards([folder / name], report=report)) for name in odd}
    told = {problem.place.path.name: (problem.place.number, problem.place.offset) for problem in report.problems}
    assert told == {
        "truncated_in_data.tfrecord": (3, 9518), "truncated_in_header.tfrecord": (4, 14277),
        "crc_corrupt_data.tfrecord": (2, 3589), "no_audio.tfrecord": (1, 0),
    }  # fmt: skip
    assert {name: len(records) for name, records in found.items()} == {
        "truncated_in_data.tfrecord": 2, "truncated_in_header.tfrecord": 3, "crc_corrupt_data.tfrecord": 3,
        "empty.tfrecord": 0, "old_key_video_id.tfrecord": 1, "no_audio.tfrecord": 0,
        "more_than_300_frames.tfrecord": 1, "extra_context_keys.tfrecord": 1, "no_labels_test_split.tfrecord": 1,
    }  # fmt: skip
    assert (report.shards, report.records, report.damaged_shards) == (9, 12, 4)
    assert report.bytes + report.lost_bytes == sum((folder / name).stat().st_size for name in odd)
    (long,) = found["more_than_300_frames.tfrecord"]
    assert isinstance(long, FrameRecord)
    assert len(long) == 303
    assert found["no_labels_test_split.tfrecord"][0].labels.tolist() == []
    assert found["old_key_video_id.tfrecord"][0].id
    (silent,) = read_shards([folder / "no_audio.tfrecord"], layout=Layout(audio=0))
    assert isinstance(silent, FrameRecord)
    assert (silent.rgb.shape, silent.audio.shape) == ((4, 1024), (4, 0))
    with pytest.raises(RecordError, match=r"no_audio\.tfrecord, record 1 at byte 0: the feature list 'audio' is miss"):
        list(read_shards([folder / "no_audio.tfrecord"]))


@pytest.mark.golden
def test_dequantising_is_bit_exact(shared: Path) -> None:
    with np.load(shared / "golden/y8m/metrics/dequantize.npz") as stored:
        assert len(stored["q"]) == 256
        assert dequantised(stored["q"]).tobytes() == stored["x_float32"].tobytes()


def test_the_two_ways_into_bytes() -> None:
    levels = np.arange(256, dtype=np.uint8)
    assert np.array_equal(quantised(dequantised(levels)), levels)
    assert np.array_equal(nearest_bytes(dequantised(levels)), levels)
    assert np.array_equal(nearest_bytes(dequantised(levels).astype(np.float16)), levels)
    assert quantised([-9, -2, 0, 2, 9]).tolist() == [0, 0, 128, 255, 255]
    numbers = np.linspace(-1.9, 1.9, 1001)
    plain = [round((min(max(x, -2.0), 2.0) + 2) * 255 / 4) for x in numbers.tolist()]
    assert quantised(numbers).tolist() == plain
    off = dequantised(nearest_bytes(numbers)) - numbers
    assert np.abs(off).max() <= 2 / 255 + 1e-6
    assert abs((dequantised(quantised(numbers)) - numbers).mean() - 1 / 128) < 1e-3
    for into in (quantised, nearest_bytes):
        with pytest.raises(InvalidData, match="NaN"):
            into([0.0, np.nan])


@pytest.mark.parametrize("steps", [0, 1, 300])
def test_round_trip_of_each_kind(tmp_path: Path, steps: int) -> None:
    rated = frame_record("ä/1", steps=steps, ratings=ratings((0, 5, 3, 1), (5, 10, 3, 0)))
    unlabelled = frame_record("b", steps=steps, seed=3)
    unlabelled = FrameRecord("b", np.zeros(0, np.int64), unlabelled.rgb, unlabelled.audio)
    means = VideoRecord("c", np.asarray([1, 9]), np.asarray([1.5, -2, 0, 3e-9], np.float32), np.ones(2, np.float32))
    wanted = [rated, unlabelled, means]
    (path,) = write_shards(tmp_path, "train", wanted, videos_per_shard=10)
    found = list(read_shards([path], layout=SMALL))
    assert [same(one, other) for one, other in zip(found, wanted, strict=True)] == [True] * 3


@given(st.data())
@SAME_FOLDER
def test_whatever_is_written_is_read(tmp_path: Path, data: st.DataObject) -> None:
    layout = Layout(*data.draw(st.sampled_from([(1, 0), (0, 1), (5, 3), (2, 200)])), classes=0)
    wanted = []
    for _ in range(data.draw(st.integers(0, 5))):
        steps = data.draw(st.integers(0, 4))
        rgb, audio = (np.full((steps, width), data.draw(st.integers(0, 255)), np.uint8)
                      for width in (layout.rgb, layout.audio))  # fmt: skip
        rows = data.draw(
            st.lists(st.tuples(st.integers(0, 99), st.just(200), st.integers(0, 2**62), st.integers(0, 1)))
        )
        labels = np.asarray(data.draw(st.lists(st.integers(0, 2**62), max_size=4)), np.int64)
        name = data.draw(st.text(min_size=1, max_size=9))
        wanted.append(FrameRecord(name, labels, rgb, audio, ratings(*rows)))
    paths = write_shards(tmp_path, "x", wanted, videos_per_shard=2)
    assert len(paths) == -(-len(wanted) // 2)
    found = list(read_shards(paths, layout=layout))
    assert [same(one, other) for one, other in zip(found, wanted, strict=True)] == [True] * len(wanted)


IDENTITY = {"id": (b"v",)}
FRAMES = {"rgb": np.zeros((3, 4), np.uint8), "audio": np.zeros((3, 2), np.uint8)}


@pytest.mark.parametrize(
    ("context", "lists", "told"),
    [
        ({}, FRAMES, "neither 'id' nor 'video_id' is there, only nothing"),
        ({"id": (b"",)}, FRAMES, "the video's id is empty"),
        ({"id": (b"\xff",)}, FRAMES, r"'id' is b'\xff', which is not UTF-8"),
        ({"id": (b"a", b"b")}, FRAMES, "'id' should be one bytes value, but is 2 bytes values"),
        ({"id": np.asarray([5])}, FRAMES, "'id' should be one bytes value, but is 1 int64 value"),
        (IDENTITY, None, "mean_rgb holds 0 values, but 4 are expected"),
        (IDENTITY | {"mean_rgb": np.zeros(4, np.float32)}, None, "mean_audio holds 0 values, but 2 are expected"),
        (IDENTITY | {"mean_rgb": np.asarray([0, 1, np.nan, 0], np.float32), "mean_audio": np.zeros(2, np.float32)},
         None, "mean_rgb holds nan, which is no finite number"),
        (IDENTITY, {"rgb": FRAMES["rgb"]}, "the feature list 'audio' is missing (there: 'rgb')"),
        (IDENTITY, FRAMES | {"rgb": np.zeros((3, 5), np.uint8)}, "rgb frames hold 5 bytes, but 4 are expected"),
        (IDENTITY, FRAMES | {"audio": np.zeros((2, 2), np.uint8)}, "rgb has 3 frames, but audio 2"),
        (IDENTITY | {"labels": np.asarray([3, 10])}, FRAMES, "labels holds 10, but classes are 0..9"),
        (IDENTITY | {"labels": np.asarray([-1])}, FRAMES, "labels holds -1, but classes are 0..9"),
        (IDENTITY | {"labels": (b"x",)}, FRAMES, "labels should hold int64 values, but holds 1 bytes value"),
        (IDENTITY | {"segment_start_times": np.asarray([0, 5]), "segment_labels": np.asarray([1]),
                     "segment_scores": np.ones(1, np.float32)}, FRAMES, "[2, 2, 1, 1] values: one of each is needed"),
        (IDENTITY | {"segment_start_times": np.asarray([-5]), "segment_labels": np.asarray([1]),
                     "segment_scores": np.ones(1, np.float32)}, FRAMES, "start at 0 s or later"),
        (IDENTITY | {"segment_start_times": np.asarray([0]), "segment_labels": np.asarray([1]),
                     "segment_scores": np.asarray([0.5], np.float32)}, FRAMES, "rated 0 or 1, but got [0.5]"),
        (IDENTITY | {"segment_start_times": np.asarray([0]), "segment_labels": np.asarray([11]),
                     "segment_scores": np.ones(1, np.float32)}, FRAMES, "segment_labels holds 11"),
    ],
)  # fmt: skip
def test_records_that_do_not_fit_are_told_with_their_place(
    tmp_path: Path, context: object, lists: object, told: str
) -> None:
    with pytest.raises(RecordError, match=re.escape(told)) as error:
        one_record(tmp_path, context, lists)
    assert str(error.value).startswith(f"{tmp_path / 'x.tfrecord'}, record 2 at byte 16: ")


def test_keys_of_all_years_and_strangers_are_read(tmp_path: Path) -> None:
    old = one_record(tmp_path, {"video_id": (b"old",), "something": (b"else",)}, FRAMES)
    assert isinstance(old, FrameRecord)
    assert old.id == "old"
    rated = {"segment_start_times": np.asarray([5]), "segment_labels": np.asarray([1]),
             "segment_scores": np.ones(1, np.float32)}  # fmt: skip
    without_ends = one_record(tmp_path, IDENTITY | rated, FRAMES)
    assert isinstance(without_ends, FrameRecord)
    assert without_ends.ratings.spans == [(5, 10)]
    with_means = one_record(tmp_path, IDENTITY | {"mean_rgb": np.zeros(4, np.float32)}, FRAMES)
    assert isinstance(with_means, FrameRecord)
    sound_only = one_record(tmp_path, IDENTITY, FRAMES, Layout(rgb=0, audio=2, classes=10))
    assert isinstance(sound_only, FrameRecord)
    assert (sound_only.rgb.shape, sound_only.audio.shape) == ((3, 0), (3, 2))


@pytest.mark.parametrize(
    "parts",
    [{"rgb": np.zeros((6, 4))}, {"rgb": np.zeros(6, np.uint8)}, {"audio": np.zeros((5, 2), np.uint8)}],
)
def test_frame_records_check_themselves(parts: dict[str, np.ndarray]) -> None:
    with pytest.raises(InvalidData):
        frame_record(**parts)


def test_a_run_over_many_shards_goes_past_all_damage(tmp_path: Path) -> None:
    videos = [frame_record(f"v{number}", seed=number) for number in range(12)]
    paths = write_shards(tmp_path, "train", videos, videos_per_shard=3)
    assert [path.name for path in paths] == [f"train{number:04d}.tfrecord" for number in range(4)]
    first = paths[0].read_bytes()
    paths[0].write_bytes(first[:40] + bytes([first[40] ^ 1]) + first[41:])
    paths[1].write_bytes(paths[1].read_bytes()[:-1])
    paths[2].write_bytes(b"video,label\n")
    paths.append(tmp_path / "gone.tfrecord")
    write_records(tmp_path / "strange.tfrecord", [b"\x0b", videos[0].to_bytes()])
    paths.append(tmp_path / "strange.tfrecord")
    report = ReadReport()
    found = [video.id for video in read_shards(paths, layout=SMALL, report=report)]
    assert found == ["v1", "v2", "v3", "v4", "v9", "v10", "v11", "v0"]
    assert [(problem.place.path.name, problem.place.number) for problem in report.problems] == [
        ("train0000.tfrecord", 1), ("train0001.tfrecord", 3), ("train0002.tfrecord", 1), ("gone.tfrecord", 1),
        ("strange.tfrecord", 1),
    ]  # fmt: skip
    assert report.bytes + report.lost_bytes == sum(path.stat().st_size for path in paths if path.exists())
    values = report.to_json()
    assert (values["shards"], values["records"], values["damaged_shards"]) == (6, 8, 5)
    assert len(values["problems"]) == 5
    assert "8 records of 6 shards; 5 problems in 5 shards" in str(report)


def test_shards_are_found_in_order(tmp_path: Path) -> None:
    for name in ("b/train01.tfrecord", "a/validate00.tfrecord", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in shards_below(tmp_path)] == ["validate00.tfrecord", "train01.tfrecord"]
    assert shards_below(tmp_path / "b/train01.tfrecord") == [tmp_path / "b/train01.tfrecord"]
    with pytest.raises(InvalidData, match=r"no \.tfrecord file"):
        shards_below(tmp_path / "c")


@given(data=st.data())
@SAME_FOLDER
def test_no_damage_stops_a_run_and_every_byte_is_accounted_for(tmp_path: Path, data: st.DataObject) -> None:
    videos = [frame_record(f"v{number}", steps=number, seed=number) for number in range(3)]
    (path,) = write_shards(tmp_path, "x", videos, videos_per_shard=9)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 2))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    report = ReadReport()
    for record, video in located([path], layout=SMALL, report=report):
        assert same(video, videos[record.number - 1])
    assert report.bytes + report.lost_bytes == path.stat().st_size


@given(data=st.data())
@SAME_FOLDER
def test_damage_that_was_framed_anew_is_read_or_told(tmp_path: Path, data: st.DataObject) -> None:
    """Wrong content under right checksums: each record is either one video or one problem."""
    rated = frame_record(ratings=ratings((0, 5, 3, 1)))
    means = VideoRecord("c", np.asarray([1, 9]), np.zeros(4, np.float32), np.ones(2, np.float32))
    payloads = []
    for video in (rated, means):
        content = bytearray(video.to_bytes())
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        payloads.append(bytes(content[: data.draw(st.integers(0, len(content)))]))
    write_records(tmp_path / "x.tfrecord", payloads)
    report = ReadReport()
    found = list(read_shards([tmp_path / "x.tfrecord"], layout=SMALL, report=report))
    assert len(found) + len(report.problems) == report.records + len(report.problems) == 2
    for problem in report.problems:
        assert str(problem).startswith(f"{tmp_path / 'x.tfrecord'}, record {problem.place.number} at byte ")


def test_an_id_that_is_no_text_can_not_be_written() -> None:
    with pytest.raises(InvalidData, match="is no Unicode text"):
        frame_record("a\udc80")


def test_reprs_show_shapes_not_data() -> None:
    assert repr(frame_record()) == "FrameRecord('v', rgb (6, 4), audio (6, 2), 1 labels, 0 ratings)"
    means = VideoRecord("c", np.asarray([1, 9]), np.zeros(4, np.float32), np.ones(2, np.float32))
    assert repr(means) == "VideoRecord('c', rgb (4,), audio (2,), 2 labels)"
    assert (OFFICIAL.rgb, OFFICIAL.audio, OFFICIAL.classes) == (1024, 128, 3862)
