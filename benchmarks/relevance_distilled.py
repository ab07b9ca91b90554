"""The cell of the distilled video model in the tables of relevance: the paper's third row of its Table 1."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from relevance_ground import (
    FOLDS,
    MAKERS,
    NET,
    VIDEO,
    VIDEO_RATES,
    Place,
    judge_of,
    labelled,
    on_test,
    run_of,
    world_of,
)
from whenabouts.core.progress import Silent
from whenabouts.data.worlds.speech import SpeechWorld
from whenabouts.localizers.concepts.distillation import DistillationSettings, teacher_scores
from whenabouts.localizers.concepts.fitting import DistillationLoss, Run
from whenabouts.localizers.concepts.frames import FrameSettings, FrameVideos
from whenabouts.localizers.concepts.model import ConceptModel
from whenabouts.localizers.concepts.networks import NetKind
from whenabouts.localizers.concepts.video_models import FloatMatrix, VideoModelSettings, train_video_model

STUDENTS: dict[str, NetKind] = {"distilled LSTM": "lstm"}
HOW = DistillationSettings(folds=FOLDS)


def distilled_cell(place: Place, seed: int, ratings: int) -> dict[str, Any]:
    """A student of four video models who never saw the video they speak of: an LSTM, as the paper has."""
    began = time.process_time()
    world, judge = world_of(place, seed, ratings), judge_of(place, seed, ratings)
    videos, run = unrated_videos(place, seed), run_of(seed)
    teacher = teacher_of(videos, run, world)
    rows, recall = {}, {}
    for name in STUDENTS:
        model = student(name, videos, teacher, run, world)
        rows[on_segments(name)] = judge.figures(on_test(model, world))
        recall[f"video.{name}"] = judge.recall(on_videos(model, world))
    return {"rows": rows, "recall": recall, "cpu_seconds": round(time.process_time() - began, 1)}


def on_segments(name: str) -> str:
    return f"video.{name} on segments"


def unrated_videos(place: Place, seed: int) -> FrameVideos:
    """The videos that all video models learn from: those that nobody rates."""
    examples = world_of(place, seed, 0).train.examples
    return FrameVideos([examples[each] for each in labelled(place, seed)], FrameSettings(step_seconds=1.0), Silent())


def teacher_of(videos: FrameVideos, run: Run, world: SpeechWorld) -> FloatMatrix:
    """What the four video models of the tables say (N, C), each trained without the fold of the video."""
    members = [of_rate(kind, VIDEO_RATES[kind]) for kind in MAKERS.video_kinds]
    return teacher_scores(videos, members, run, vocabulary=world.vocabulary, folds=HOW.folds)


def student(name: str, videos: FrameVideos, teacher: FloatMatrix, run: Run, world: SpeechWorld) -> ConceptModel:
    """A video model that learns half from labels and half from the teacher, as long and fast as its kind does alone."""
    how = of_rate(STUDENTS[name], VIDEO_RATES[STUDENTS[name]])
    return train_video_model(videos, how, run.under("student"), vocabulary=world.vocabulary,
                             objective=DistillationLoss(HOW.share), teacher=teacher)  # fmt: skip


def of_rate(kind: NetKind, rate: float) -> VideoModelSettings:
    return replace(VIDEO, net=replace(NET, kind=kind), fit=replace(VIDEO.fit, learning_rate=rate))


def on_videos(model: ConceptModel, world: SpeechWorld) -> Any:
    """Scores (V, C) of whole test videos."""
    told = []
    for example in world.test.examples:
        _, frames = model.reader.read(example.features)
        told.append(model.of_runs(frames, [[0, len(frames)]]))
    return np.nan_to_num(np.concatenate(told))
