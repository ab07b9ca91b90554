"""Several video models in one: a student learns from what others, who never saw a video, say of it.

The teacher is the mean of at least four models, out of fold by video, so that it repeats no label by heart; the
student learns half from it and half from the labels (Skalic & Austin, 2018, the paper's "Ensemble").
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from whenabouts.config import Probability, settings
from whenabouts.core.errors import InvalidData
from whenabouts.core.files import replacing
from whenabouts.core.timing import IntArray
from whenabouts.core.video import recording_of
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.localizers.concepts.fitting import DistillationLoss, Run, identity_of
from whenabouts.localizers.concepts.frames import FrameVideos
from whenabouts.localizers.concepts.model import ConceptModel
from whenabouts.localizers.concepts.networks import NetKind, of_kind
from whenabouts.localizers.concepts.video_models import (
    FloatMatrix,
    VideoModelSettings,
    all_video_scores,
    train_video_model,
)

LEAST_MEMBERS = 4
MEMBERS: tuple[NetKind, ...] = ("logistic", "lstm", "netvlad", "netfv")


@settings
class DistillationSettings:
    """How many folds the teacher has, and which share of the student's loss it is."""

    folds: Annotated[int, Field(ge=2)] = 3
    share: Probability = 0.5


def usual_members(model: VideoModelSettings) -> tuple[VideoModelSettings, ...]:
    """Logistic, LSTM, NetVLAD and NetFV video models, trained like `model` and as wide."""
    return tuple(replace(model, net=of_kind(model.net, kind)) for kind in MEMBERS)


def folds_of(video_ids: Sequence[str], folds: int, seed: int) -> IntArray:
    """The fold (N,) of each video, drawn from the seed: clips of one recording in one, of which all have as many.

    Numbers of recordings differ by one at most.
    """
    numbers = recording_numbers(video_ids)
    count = int(numbers.max(initial=-1)) + 1
    if count < folds:
        raise InvalidData(f"{count} videos can't be shared out to {folds} folds. Add videos, or take fewer folds.")
    fold = np.random.default_rng([seed, folds]).permutation(np.arange(count) % folds)
    return fold[numbers].astype(np.int64)


def recording_numbers(video_ids: Sequence[str]) -> IntArray:
    """The number (N,) of each video's recording, counted in the order in which they first come."""
    known: dict[str, int] = {}
    return np.asarray([known.setdefault(recording_of(each), len(known)) for each in video_ids], np.int64)


def teacher_scores(
    videos: FrameVideos,
    members: Sequence[VideoModelSettings],
    run: Run,
    *,
    vocabulary: Vocabulary,
    folds: int = 3,
) -> FloatMatrix:
    """Mean probabilities (N, C) of the members, each trained without the fold of the video it speaks of.

    With checkpoints a killed run keeps what each finished member has said. InvalidData for fewer than four members.
    """
    if len(members) < LEAST_MEMBERS:
        raise InvalidData(f"A teacher is the mean of {LEAST_MEMBERS} models or more, but got {len(members)}.")
    fold = folds_of(videos.video_ids, folds, run.seed)
    total = np.zeros((len(videos), len(vocabulary)), np.float64)
    for number, member in enumerate(members):
        for held_out in range(folds):
            title = f"Teacher {number + 1} of {len(members)} ({member.net.kind}), fold {held_out + 1} of {folds}"
            run.progress.say(title)
            told = np.flatnonzero(fold == held_out)
            part = run.under(f"teacher-{number}-{held_out}")
            total[told] += _said(videos, member, part, vocabulary=vocabulary, learned=fold != held_out)
    return (total / len(members)).astype(np.float32)


def distil(
    videos: FrameVideos,
    members: Sequence[VideoModelSettings],
    student: VideoModelSettings,
    how: DistillationSettings,
    run: Run,
    *,
    vocabulary: Vocabulary,
) -> ConceptModel:
    """Train the student, an LSTM in the paper, on all videos' labels and on what the teacher says of them."""
    teacher = teacher_scores(videos, members, run, vocabulary=vocabulary, folds=how.folds)
    return train_video_model(
        videos, student, run.under("student"), vocabulary=vocabulary, objective=DistillationLoss(how.share),
        teacher=teacher,
    )  # fmt: skip


def _said(
    videos: FrameVideos, member: VideoModelSettings, run: Run, *, vocabulary: Vocabulary, learned: np.ndarray
) -> FloatMatrix:
    """What a model trained on the `learned` videos says of the others, from its file if it has said it before."""
    rows, told = np.flatnonzero(learned).tolist(), np.flatnonzero(~learned).tolist()
    contents = [videos.contents[index] for index in told]
    identity = identity_of(videos, rows, member, run.seed, contents)
    path = None if run.checkpoints is None else run.checkpoints / "said.safetensors"
    before = None if path is None else _read(path, identity)
    if before is not None:
        return before
    model = train_video_model(videos, member, run, vocabulary=vocabulary, chosen=rows)
    scores = all_video_scores(model, videos, told)
    if path is not None:
        with replacing(path) as part:
            save_file({"scores": torch.from_numpy(scores)}, part, metadata={"identity": identity})
    return scores


def _read(path: Path, identity: str) -> FloatMatrix | None:
    try:
        with safe_open(path, framework="pt") as opened:
            known = (opened.metadata() or {}).get("identity")
        scores: FloatMatrix | None = load_file(path)["scores"].numpy() if known == identity else None
    except (FileNotFoundError, SafetensorError, KeyError):
        return None
    return scores
