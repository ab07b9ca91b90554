"""From features of several modalities to the frames that a net reads."""

from dataclasses import replace

import numpy as np
import pytest

from whenabouts.core import FeatureMismatch, FeatureSequence, InvalidData, SegmentLabels, TimeGrid, VideoLabels
from whenabouts.core.progress import Silent
from whenabouts.data.examples import Example
from whenabouts.data.worlds.features import PlantedWorld
from whenabouts.localizers.concepts.frames import FrameSettings, FrameVideos, evenly

RAW = FrameSettings(step_seconds=1.0, standardised=False)


def sequence(video_id: str, rows: list[list[float]], modality: str, hop: float = 1.0) -> FeatureSequence:
    grid = TimeGrid(0.0, hop, hop, len(rows), len(rows) * hop)
    return FeatureSequence(video_id, np.array(rows, np.float32).reshape(len(rows), -1), grid, modality, "x@1")


def example(video_id: str, *sequences: FeatureSequence) -> Example:
    features = {each.modality: each for each in sequences}
    return Example(video_id, features, VideoLabels.of([0]), SegmentLabels.empty())


RGB = sequence("a", [[1, 2], [3, 4], [5, 6]], "rgb")
SOUND = sequence("a", [[10], [20], [30], [40], [50], [60]], "sound", hop=0.5)


def test_modalities_are_joined_by_the_second() -> None:
    videos = FrameVideos([example("a", RGB, SOUND)], RAW, Silent())
    assert [stream.modality for stream in videos.streams] == ["rgb", "sound"]
    assert videos.frames(0).tolist() == [[1, 2, 15], [3, 4, 35], [5, 6, 55]]
    grid, frames = videos.reader.read({"sound": SOUND, "rgb": RGB})
    assert (grid.steps, grid.duration_seconds) == (3, 3.0)
    np.testing.assert_array_equal(frames, videos.frames(0))


def test_frames_of_length_one_and_none() -> None:
    videos = FrameVideos([example("a", RGB, SOUND)], replace(RAW, unit_length=True), Silent())
    np.testing.assert_allclose(np.linalg.norm(videos.frames(0), axis=1), 1.0, rtol=1e-6)
    assert not videos.reader.scaled(replace_values(videos, 0.0)).any()


def replace_values(videos: FrameVideos, value: float):
    from whenabouts.localizers.concepts.frames import Frames

    return Frames(np.full((2, videos.reader.width), value, np.float32), np.ones(2, bool))


def test_standardising_by_hand_where_a_stream_is_missing() -> None:
    """rgb has means 2, 3 and deviations 1, 1 in a; sound 35 and sqrt(350 / 3 x ...) by numpy; b is deaf: 0."""
    rgb = sequence("a", [[1, 2], [3, 4]], "rgb")
    sound = sequence("a", [[10], [30]], "sound")
    deaf = example("b", sequence("b", [[2, 5]], "rgb"))
    videos = FrameVideos([example("a", rgb, sound), deaf], FrameSettings(step_seconds=1.0), Silent())
    assert videos.reader.mean.tolist() == pytest.approx([2.0, 11 / 3, 20.0])
    assert videos.reader.deviation.tolist() == pytest.approx([np.sqrt(2 / 3), np.std([2, 4, 5]), 10.0], rel=1e-6)
    assert videos.frames(0)[:, 2].tolist() == [-1.0, 1.0]
    assert videos.frames(1)[0].tolist() == pytest.approx([0.0, (5 - 11 / 3) / np.std([2, 4, 5]), 0.0])
    np.testing.assert_array_equal(videos.reader.read(deaf.features)[1], videos.frames(1))


def test_little_memory_changes_nothing(world: PlantedWorld) -> None:
    large = FrameVideos(world.examples[:6], FrameSettings(), Silent())
    little = FrameVideos(world.examples[:6], FrameSettings(), Silent(), cache_bytes=2000)
    assert len(little._cache) < 6
    for index in range(6):
        np.testing.assert_array_equal(large.frames(index), little.frames(index))


def test_what_cannot_be_used_is_counted_and_stops_nothing() -> None:
    broken = replace(RGB, values=np.array([[1, np.nan], [3, 4], [5, 6]], np.float32))
    empty = replace(RGB, values=RGB.values[:0], grid=replace(RGB.grid, steps=0, duration_seconds=0.0))
    examples = [example("a", broken), example("b", empty), example("c", RGB)]
    videos = FrameVideos(examples, RAW, Silent())
    assert videos.video_ids == ["c"]
    assert videos.skipped == {"broken features": 1, "without a step of features": 1}
    with pytest.raises(InvalidData, match="2 without a step of features"):
        FrameVideos([examples[1], examples[1]], RAW, Silent())
    with pytest.raises(FeatureMismatch, match="x@2"):
        FrameVideos([examples[2], example("d", replace(RGB, source="x@2"))], RAW, Silent())


@pytest.mark.parametrize(("count", "longest", "rows"), [(3, 5, [0, 1, 2]), (10, 2, [2, 7]), (5, 3, [0, 2, 4])])
def test_long_videos_are_seen_at_even_distances(count: int, longest: int, rows: list[int]) -> None:
    assert evenly(count, longest).tolist() == rows
