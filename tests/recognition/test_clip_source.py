import dataclasses
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from whenabouts.core.errors import InvalidData, SettingsError
from whenabouts.core.labels import VideoLabels
from whenabouts.core.progress import Silent
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.project import Project
from whenabouts.media.flow import FlowForm
from whenabouts.media.probe import probe
from whenabouts.recognition.backbone_settings import BackboneSettings
from whenabouts.recognition.clip_draws import ClipDraws
from whenabouts.recognition.clip_source import Clip, ClipFiles, OnDemand, Source, clip_sources, expected_frames, to_keep
from whenabouts.recognition.frame_cache import Cached, FrameCache, FrameFormat, clip_at
from whenabouts.recognition.labelled_videos import LabelledVideo, labelled_videos
from whenabouts.recognition.pretrain_settings import PretrainSettings
from whenabouts.recognition.pretraining import Pretrained, Run, pretrain
from whenabouts.training.devices import Compute

FORM = FrameFormat(6.0, 24, 36)
SHAPE = BackboneSettings(widths=(8, 16), blocks=(1, 1), stem=8, frames=6, rate=6.0, short_side=24, crop=20)
PLAN = PretrainSettings(steps=4, batch=5, learning_rate=1e-2, warmup=1)


@pytest.fixture
def video(tmp_path: Path, moving_video: Callable[..., None]) -> Video:
    moving_video(tmp_path / "a.mp4", 3.0, 2, seed=1)
    return probe(tmp_path / "a.mp4", video_id="a")


@pytest.mark.parametrize("form", [FORM, FrameFormat(5.0, 20, None), FrameFormat(6.0, 24, 36, resize="bilinear")])
def test_clips_of_a_file_are_those_of_kept_frames(tmp_path: Path, video: Video, form: FrameFormat) -> None:
    kept = FrameCache(tmp_path / "cache", form).add(video)
    assert expected_frames(video, form) == kept.frames
    files = ClipFiles(form, 6, workers=2)
    firsts = [7, 0, kept.frames - 6, kept.frames - 2]
    asked = OnDemand(video, kept.frames)
    found = files.take([(asked, first) for first in firsts] + [(kept, 3)])
    files.close()
    for first, clip in zip([*firsts, 3], found, strict=True):
        np.testing.assert_array_equal(clip, clip_at(kept, first, 6))
    assert files.broken == {}


def test_a_broken_file_gives_none_and_is_asked_once(tmp_path: Path, video: Video) -> None:
    broken = OnDemand(Video("broken", tmp_path / "text.mp4"), 30)
    broken.video.path.write_text("not a video")
    files = ClipFiles(FORM, 6, workers=1)
    clips = files.take([(broken, 2), (OnDemand(video, 18), 0)])
    assert clips[0] is None
    assert clips[1] is not None
    assert files.broken["broken"].status == "unreadable"
    assert files.broken["broken"].reason
    broken.video.path.write_bytes(video.path.read_bytes())
    assert files.take([(broken, 2)]) == [None]
    files.close()


def test_the_smallest_videos_are_kept_in_a_given_room() -> None:
    """A second of 6 frames takes 6 x 24 x 36 x 3 bytes, and a header 8192."""
    videos = [Video(name, Path(), duration_seconds=length) for name, length in [("a", 9.0), ("b", 1.0), ("c", 2.0)]]
    one, two = (6 * 24 * 36 * 3 * seconds + 8192 for seconds in (1, 2))
    assert to_keep(videos, FORM, one + two) == {"b", "c"}
    assert to_keep(videos, FORM, one + two - 1) == {"b"}
    assert to_keep(videos, FORM, 0) == set()
    assert to_keep([*videos, Video("unknown", Path())], FORM, 1e12) == {"a", "b", "c"}
    assert to_keep([*videos, Video("unknown", Path())], FORM, math.inf) == {"a", "b", "c", "unknown"}
    with pytest.raises(SettingsError, match="motion"):
        to_keep(videos, dataclasses.replace(FORM, flow=FlowForm()), 1.0)


def test_the_bound_holds_on_disk_though_headers_promise_less(tmp_path: Path, video: Video) -> None:
    modest = dataclasses.replace(video, duration_seconds=1.0)
    cache = FrameCache(tmp_path / "cache", FORM)
    stray = cache.add(dataclasses.replace(video, id="stray"))
    room = 8192 + 6 * 24 * 36 * 3
    (source,) = clip_sources([modest], cache, room, workers=1, progress=Silent())
    assert isinstance(source, OnDemand)
    assert not stray.path.exists()
    assert list(cache.folder.glob("*.safetensors")) == []
    (source,) = clip_sources([video], cache, 8192 + 18 * 24 * 36 * 3, workers=1, progress=Silent())
    assert isinstance(source, Cached)


def trained(
    project: Project,
    cache: Path,
    room: float = math.inf,
    extra: tuple[LabelledVideo, ...] = (),
    plan: PretrainSettings = PLAN,
) -> Pretrained:
    vocabulary = project.vocabulary()
    videos = [*labelled_videos(project.manifest(), vocabulary), *extra]
    cpu = Compute(torch.device("cpu"), torch.float32)
    return pretrain(videos, vocabulary, SHAPE, plan, Run(cache, cpu, seed=4, workers=2, room_bytes=room))


def test_training_from_files_ends_at_the_same_weights(own_archive: Project, tmp_path: Path) -> None:
    whole, files = trained(own_archive, tmp_path / "whole"), trained(own_archive, tmp_path / "files", 0)
    assert whole.backbone.source == files.backbone.source
    assert whole.history == files.history
    assert list((tmp_path / "files").rglob("*.safetensors")) == []
    some = trained(own_archive, tmp_path / "some", 150_000)
    assert 0 < len(list((tmp_path / "some" / "frames").rglob("*.safetensors"))) < 4
    assert some.backbone.source == whole.backbone.source


def test_a_broken_file_that_is_drawn_is_replaced_told_and_counted(own_archive: Project, tmp_path: Path) -> None:
    lost = LabelledVideo(Video("lost", tmp_path / "lost.mp4", duration_seconds=3.0), VideoLabels.of([0]))
    lost.video.path.write_text("not a video")
    made, again = (trained(own_archive, tmp_path / name, 0, (lost,)) for name in ("one", "two"))
    assert [(video.id, video.status) for video in made.broken] == [("lost", "unreadable")]
    assert made.broken[0].reason
    assert made.backbone.source == again.backbone.source


def test_broken_files_alone_end_a_training(tmp_path: Path) -> None:
    videos = []
    for number in range(3):
        path = tmp_path / f"{number}.mp4"
        path.write_text("not a video")
        videos.append(LabelledVideo(Video(str(number), path, duration_seconds=3.0), VideoLabels.of([number % 2])))
    cpu = Compute(torch.device("cpu"), torch.float32)
    with pytest.raises(InvalidData, match="can't be read"):
        pretrain(videos, Vocabulary(("a", "b")), SHAPE, PLAN, Run(tmp_path / "cache", cpu, room_bytes=0.0))


def test_clips_begin_where_the_part_of_their_video_lets_them_end_within_it(tmp_path: Path) -> None:
    shape = SHAPE.boxed(4 / 3)
    firsts: dict[str, set[int]] = {"a": set(), "b": set()}

    def take(wanted: Sequence[tuple[Source, int]]) -> list[Clip | None]:
        for source, first in wanted:
            firsts[source.video.id].add(first)
        return [np.zeros((shape.pictures, *shape.box, 3), np.uint8) for _ in wanted]

    for name in firsts:
        (tmp_path / name).touch()
    sources = [OnDemand(Video(name, tmp_path / name), 60) for name in firsts]
    labels, parts = [VideoLabels.of([number]) for number in range(2)], [range(20, 20 + shape.pictures + 2), range(5, 7)]
    draws = ClipDraws(sources, labels, shape, PLAN, 0, take=take, parts=parts)
    for number in range(20):
        draws.batch(number)
    assert firsts == {"a": {20, 21, 22}, "b": {5}}
    whole = ClipDraws(sources, labels, shape, PLAN, 0, take=take)
    assert whole.identity(Vocabulary(("x", "y"))) != draws.identity(Vocabulary(("x", "y")))


def test_centres_of_videos_are_learned_from_files_as_from_kept_frames(own_archive: Project, tmp_path: Path) -> None:
    every = (0.0, 9.0)
    plan = dataclasses.replace(PLAN, label="once", length="long_centre", short_seconds=every, long_seconds=every,
                               centre_seconds=1.5)  # fmt: skip
    whole = trained(own_archive, tmp_path / "whole")
    kept, files = (trained(own_archive, tmp_path / f"{room}", room, plan=plan) for room in (math.inf, 0.0))
    assert kept.backbone.source == files.backbone.source != whole.backbone.source
    assert kept.videos == whole.videos


OTHER = """
import sys
from pathlib import Path
from whenabouts.core.progress import Silent
from whenabouts.media.probe import probe
from whenabouts.recognition.frame_cache import FrameCache, FrameFormat
folder, *paths = map(Path, sys.argv[1:])
FrameCache(folder, FrameFormat(6.0, 24, 36)).fill([probe(path) for path in paths], workers=1, progress=Silent())
"""


def test_two_processes_fill_one_cache(tmp_path: Path, moving_video: Callable[..., None]) -> None:
    paths = [tmp_path / f"{number}.mp4" for number in range(4)]
    for number, path in enumerate(paths):
        moving_video(path, 2.0, 2, seed=number)
    videos = [probe(path) for path in paths]
    FrameCache(tmp_path / "alone", FORM).fill(videos, workers=1, progress=Silent())
    words = [sys.executable, "-c", OTHER, str(tmp_path / "both"), *map(str, paths)]
    with subprocess.Popen(words) as other:
        found = FrameCache(tmp_path / "both", FORM).fill(videos, workers=1, progress=Silent())
        assert other.wait(120) == 0
    assert [cached.frames for cached in found] == [12] * 4
    alone, both = (sorted((tmp_path / name).rglob("*")) for name in ("alone", "both"))
    assert [path.name for path in alone] == [path.name for path in both]
    for one, two in zip(alone[1:], both[1:], strict=True):
        assert one.read_bytes() == two.read_bytes()
