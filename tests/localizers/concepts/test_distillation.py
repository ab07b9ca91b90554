"""The teacher never saw the video it speaks of, and the student learns from it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from whenabouts.core import InvalidData, VideoLabels, Vocabulary
from whenabouts.core.progress import Silent
from whenabouts.data.examples import Example
from whenabouts.data.worlds.features import PlantedWorld
from whenabouts.localizers.concepts import distillation
from whenabouts.localizers.concepts.distillation import (
    DistillationSettings,
    distil,
    folds_of,
    teacher_scores,
    usual_members,
)
from whenabouts.localizers.concepts.fitting import DistillationLoss
from whenabouts.localizers.concepts.frames import FrameSettings, FrameVideos
from whenabouts.localizers.concepts.video_models import VideoModelSettings, all_video_scores, train_video_model

from .conftest import LEARNED, QUICK, labels_of, mean_precision, run_of, small

FAST = replace(QUICK, least_steps=60)
MEMBERS = tuple(
    VideoModelSettings(net=small("logistic"), fit=replace(FAST, batch_size=size)) for size in (8, 12, 16, 20)
)
STUDENT = VideoModelSettings(net=small("lstm"), fit=FAST)


@pytest.fixture(scope="module")
def teacher(videos: FrameVideos, vocabulary: Vocabulary) -> np.ndarray:
    return teacher_scores(videos, MEMBERS, run_of(), vocabulary=vocabulary, folds=2)


def test_the_teacher_knows_videos_that_it_never_saw(teacher: np.ndarray, world: PlantedWorld) -> None:
    truth = labels_of(world.examples[:LEARNED], 3)
    assert teacher.shape == (LEARNED, 3)
    assert teacher.dtype == np.float32
    assert mean_precision(teacher, truth) > 0.85


def test_the_teacher_repeats_no_label_by_heart(world: PlantedWorld, vocabulary: Vocabulary) -> None:
    """Labels are drawn at random: who saw a video knows its labels by heart, and out of fold nobody can."""
    rng = np.random.default_rng(0)
    drawn = [replace(example, labels=VideoLabels.of(np.flatnonzero(rng.random(3) < 0.5).tolist())) for example in
             world.examples[:20]]  # fmt: skip
    videos = FrameVideos(drawn, FrameSettings(), Silent())
    deep = VideoModelSettings(net=small("netvlad"), fit=replace(QUICK, least_steps=100, learning_rate=0.02))
    truth = labels_of(drawn, 3)
    inside = all_video_scores(train_video_model(videos, deep, run_of(), vocabulary=vocabulary), videos, range(20))
    outside = teacher_scores(videos, (deep,) * 4, run_of(), vocabulary=vocabulary, folds=2)
    assert mean_precision(inside, truth) > 0.9
    assert mean_precision(outside, truth) < 0.75


def test_it_is_the_mean_of_its_members(teacher: np.ndarray, videos: FrameVideos, vocabulary: Vocabulary) -> None:
    fold = folds_of(videos.video_ids, 2, 0)
    told = np.flatnonzero(fold == 1)
    parts = [
        all_video_scores(
            train_video_model(videos, member, run_of(), vocabulary=vocabulary, chosen=np.flatnonzero(fold == 0)),
            videos,
            told.tolist(),
        )
        for member in MEMBERS
    ]
    np.testing.assert_allclose(teacher[told], np.mean(parts, axis=0), rtol=1e-5, atol=1e-6)


def test_folds_share_videos_out_evenly() -> None:
    names = [f"v{number}" for number in range(11)]
    fold = folds_of(names, 3, seed=4)
    assert sorted(np.bincount(fold).tolist()) == [3, 4, 4]
    assert fold.tolist() == folds_of(names, 3, seed=4).tolist()
    assert fold.tolist() != folds_of(names, 3, seed=5).tolist()
    with pytest.raises(InvalidData, match="2 videos can't be shared out to 3 folds"):
        folds_of(names[:2], 3, seed=0)


def test_clips_of_one_recording_are_in_one_fold() -> None:
    names = [
        f"dive/abcdefgh{number:02d}w_{start:06d}_{start + 10:06d}" for start in (0, 30, 70) for number in range(12)
    ]
    fold = folds_of(names, 3, seed=4).reshape(3, 12)
    assert (fold == fold[0]).all()
    assert np.bincount(fold[0]).tolist() == [4, 4, 4]


def test_the_student_learns_from_the_teacher_alone_where_labels_are_silent(
    videos: FrameVideos, world: PlantedWorld, vocabulary: Vocabulary, held_out: tuple[Example, ...]
) -> None:
    """The labels are turned about; with the teacher's whole share the student still says what the teacher said."""
    turned = [
        replace(example, labels=VideoLabels.of([(int(example.labels.classes[0]) + 1) % 3]))
        for example in world.examples[:LEARNED]
    ]
    wrong = FrameVideos(turned, FrameSettings(), Silent())
    right = labels_of(world.examples[:LEARNED], 3).astype(np.float32)
    found = {}
    for share in (1.0, 0.0):
        student = train_video_model(
            wrong, VideoModelSettings(net=small("convnet"), fit=QUICK), run_of(), vocabulary=vocabulary,
            objective=DistillationLoss(share), teacher=right,
        )  # fmt: skip
        scores = np.stack([row for _, row in student.scores_of(held_out)])
        found[share] = mean_precision(scores, labels_of(held_out, 3))
    assert found[1.0] > 0.9
    assert found[0.0] < 0.7


def test_a_killed_distillation_keeps_what_members_said(
    videos: FrameVideos, vocabulary: Vocabulary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    how, run = DistillationSettings(folds=2), run_of(checkpoints=tmp_path)
    whole = distil(videos, MEMBERS, STUDENT, how, run_of(), vocabulary=vocabulary)
    trained = []

    def counted(*given, **named):
        trained.append(1)
        if len(trained) == 6:
            raise KeyboardInterrupt
        return train_video_model(*given, **named)

    monkeypatch.setattr(distillation, "train_video_model", counted)
    with pytest.raises(KeyboardInterrupt):
        distil(videos, MEMBERS, STUDENT, how, run, vocabulary=vocabulary)
    again = distil(videos, MEMBERS, STUDENT, how, run, vocabulary=vocabulary)
    assert len(trained) == 6 + 3 + 1  # three of eight members were lacking, and the student
    for name, tensor in whole.tensors().items():
        assert tensor.equal(again.tensors()[name]), name
    assert again.how.net.kind == "lstm"


def test_four_members_at_least(videos: FrameVideos, vocabulary: Vocabulary) -> None:
    with pytest.raises(InvalidData, match="4 models or more, but got 3"):
        teacher_scores(videos, MEMBERS[:3], run_of(), vocabulary=vocabulary)
    assert [member.net.kind for member in usual_members(STUDENT)] == ["logistic", "lstm", "netvlad", "netfv"]
    assert {member.net.hidden for member in usual_members(STUDENT)} == {16}


def test_another_share_is_another_training(videos: FrameVideos, vocabulary: Vocabulary, tmp_path: Path) -> None:
    """A checkpoint of one share is not continued with another."""
    teacher = np.full((LEARNED, 3), 0.5, np.float32)
    how = VideoModelSettings(net=small("logistic"), fit=replace(QUICK, least_steps=101))

    def weights(share: float, **choices):
        model = train_video_model(
            videos, how, run_of(**choices), vocabulary=vocabulary, objective=DistillationLoss(share), teacher=teacher
        )
        return model.tensors()["net.classifier.weight"]

    weights(0.5, checkpoints=tmp_path)
    assert weights(1.0, checkpoints=tmp_path).equal(weights(1.0))
