import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from whenabouts.core.errors import InvalidData
from whenabouts.core.labels import VideoLabels
from whenabouts.core.video import Video
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.data.project import Project
from whenabouts.recognition.backbone import Backbone, BackboneSettings
from whenabouts.recognition.clip_draws import ClipDraws
from whenabouts.recognition.frame_cache import FrameCache, FrameFormat, clip_at
from whenabouts.recognition.labelled_videos import LabelledVideo, labelled_videos
from whenabouts.recognition.pretrain_settings import PretrainSettings
from whenabouts.recognition.pretraining import Pretrained, Run, checkpoint_of, median_aspect, pretrain, pretrain_to
from whenabouts.training.devices import Compute

CPU = Compute(torch.device("cpu"), torch.float32)
SHAPE = BackboneSettings(widths=(8, 16), blocks=(1, 1), stem=8, frames=6, rate=6.0, short_side=24)
PLAN = PretrainSettings(steps=60, batch=12, learning_rate=1e-2, warmup=5, colour=0.1, checkpoint_every=20)
SHORT = dataclasses.replace(PLAN, steps=6, checkpoint_every=2)


def trained(
    project: Project, cache: Path, plan: PretrainSettings, shape: BackboneSettings = SHAPE, *, workers: int = 1
) -> Pretrained:
    vocabulary = project.vocabulary()
    videos = labelled_videos(project.manifest(), vocabulary)
    return pretrain(videos, vocabulary, shape, plan, Run(cache, CPU, seed=4, workers=workers))


def accuracy(backbone: Backbone, project: Project, cache: Path) -> float:
    """Share of clips of the test videos that the classifier names rightly; their numbers tell the truth."""
    frames = FrameCache(cache / "frames", FrameFormat(backbone.settings.rate, *backbone.settings.box))
    right = []
    assert backbone.fc is not None
    for entry in project.manifest().of_split("test"):
        cached = frames.add(entry.video)
        clips = np.stack([clip_at(cached, first, backbone.settings.frames) for first in (0, 3, 6)])
        with torch.inference_mode():
            pixels = backbone.settings.transform().test(torch.from_numpy(clips))
            named = backbone.fc(backbone.net.eval()(pixels)).argmax(1)
        right += (named == int(entry.id[-2:]) % 2).tolist()
    assert len(right) == 24
    return float(np.mean(right))


def assert_same(one: Backbone, other: Backbone) -> None:
    assert one.source == other.source
    for name, tensor in one.tensors().items():
        assert torch.equal(tensor, other.tensors()[name]), name


def test_motion_is_learned_from_video_labels_and_not_from_single_frames(archive: Project, tmp_path: Path) -> None:
    ordered = trained(archive, tmp_path, PLAN)
    assert ordered.videos == 12
    assert ordered.history[-1]["accuracy"] > 0.85
    assert (ordered.useless, ordered.to_json()["learned_nothing"]) == ("", "")
    assert accuracy(ordered.backbone, archive, tmp_path) > 0.85
    single = trained(archive, tmp_path, PLAN, dataclasses.replace(SHAPE, order="single"))
    assert accuracy(single.backbone, archive, tmp_path) < 0.75


def test_a_net_that_has_learned_nothing_says_so(archive: Project, tmp_path: Path) -> None:
    """An absurd rate leaves weights that are finite, and useless; one that suits is told nothing of."""
    absurd = trained(archive, tmp_path, dataclasses.replace(SHORT, steps=20, learning_rate=30.0, warmup=0))
    assert "It has learned nothing that is of use: its training loss at the end is" in absurd.told()
    assert "has 0.6931. Lower the learning rate" in absurd.told()
    assert absurd.to_json()["learned_nothing"] == absurd.useless


def test_the_number_of_workers_changes_nothing(archive: Project, tmp_path: Path) -> None:
    one = trained(archive, tmp_path / "one", SHORT)
    two = trained(archive, tmp_path / "two", SHORT, workers=3)
    assert_same(one.backbone, two.backbone)
    assert one.history == two.history


def test_an_interrupted_training_ends_at_the_same_weights(
    archive: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(archive, tmp_path / "whole", SHORT)
    real = ClipDraws.batch

    def stopping(self: ClipDraws, step: int) -> object:
        if step == 5:
            raise KeyboardInterrupt
        return real(self, step)

    monkeypatch.setattr(ClipDraws, "batch", stopping)
    with pytest.raises(KeyboardInterrupt):
        trained(archive, tmp_path / "cut", SHORT)
    monkeypatch.undo()
    resumed = trained(archive, tmp_path / "cut", SHORT)
    assert resumed.resumed_at == 4
    assert_same(whole.backbone, resumed.backbone)


def test_a_backbone_is_written_and_the_checkpoint_cleared(archive: Project, tmp_path: Path) -> None:
    vocabulary = archive.vocabulary()
    videos = labelled_videos(archive.manifest(), vocabulary)
    run = Run(tmp_path / "cache", CPU, seed=4, workers=1)
    made = pretrain_to(tmp_path / "backbone", videos, vocabulary, SHAPE, SHORT, run)
    assert not checkpoint_of(run.cache).exists()
    assert_same(made.backbone, Backbone.load(tmp_path / "backbone"))
    assert made.backbone.source in made.told()


def test_broken_videos_are_left_out_with_their_reasons(own_archive: Project, tmp_path: Path) -> None:
    vocabulary = own_archive.vocabulary()
    videos = labelled_videos(own_archive.manifest(), vocabulary)
    (tmp_path / "text.mp4").write_text("not a video")
    lost = LabelledVideo(Video("lost", tmp_path / "text.mp4"), VideoLabels.of([0]))
    made = pretrain([*videos, lost], vocabulary, SHAPE, SHORT, Run(tmp_path / "cache", CPU, seed=4))
    assert made.videos == 4
    assert [(video.id, video.status) for video in made.broken] == [("lost", "unreadable")]
    assert made.broken[0].reason
    assert_same(made.backbone, trained(own_archive, tmp_path / "without", SHORT).backbone)


def test_labels_of_one_concept_alone_are_an_error(archive: Project, tmp_path: Path) -> None:
    videos = [item for item in labelled_videos(archive.manifest(), archive.vocabulary()) if 0 in item.labels.classes]
    with pytest.raises(InvalidData, match="at least 2 concepts"):
        pretrain(videos, archive.vocabulary(), SHAPE, SHORT, Run(tmp_path, CPU))


def test_the_box_has_the_median_shape_of_the_archive() -> None:
    videos = [Video(str(k), Path(), width=w, height=h) for k, (w, h) in enumerate([(160, 120), (320, 240), (10, 90)])]
    assert median_aspect(videos) == pytest.approx(4 / 3)
    assert BackboneSettings(short_side=48).boxed(4 / 3).box == (48, 64)
    assert BackboneSettings(short_side=48).boxed(9 / 16).box == (86, 48)
    assert BackboneSettings(height=30, width=20).boxed(2.0).box == (30, 20)


def test_only_usable_labelled_videos_of_the_split_are_learned_from(archive: Project) -> None:
    found = labelled_videos(archive.manifest(), Vocabulary(("going right",)))
    assert sorted(item.video.id for item in found) == [f"video {number:02d}" for number in range(1, 12, 2)]


@pytest.mark.parametrize("loss", ["softmax_all", "sigmoid"])
def test_other_losses_learn_too(archive: Project, tmp_path: Path, loss: str) -> None:
    assert trained(archive, tmp_path, dataclasses.replace(PLAN, steps=40, loss=loss)).history[-1]["accuracy"] > 0.7


def test_rates_and_steps_follow_the_total_batch() -> None:
    """The paper's: 490 M clips, 768 or 2048 in a step of 128 processes, 0.192 for 768, and a hundredth to warm up."""
    paper = PretrainSettings(clips=490_000_000, batch=6, learning_rate=0.192, rate_batch=768, warmup_share=0.01)
    long = paper.plan(0, processes=128)
    assert (long.steps, long.learning_rate, long.warmup) == (638_021, pytest.approx(0.192), 6381)
    short = dataclasses.replace(paper, batch=16).plan(0, processes=128)
    assert (short.steps, short.learning_rate) == (239_258, pytest.approx(0.512))
    assert dataclasses.replace(paper, accumulate=16).plan(0, processes=8) == dataclasses.replace(long, accumulate=16)
