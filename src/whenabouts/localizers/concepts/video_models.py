"""Video models: which concepts a whole video holds, learned from its labels (Ma et al., 2019, sections 3.1 and 4.1)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from whenabouts.config import CountOrZero, Probability, settings
from whenabouts.core.errors import InvalidData
from whenabouts.core.labels import VideoLabels
from whenabouts.core.timing import IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.localizers.concepts.fitting import (
    Batch,
    FitSettings,
    Objective,
    Run,
    fit_net,
    identity_of,
    label_loss,
)
from whenabouts.localizers.concepts.frames import FrameVideos, evenly
from whenabouts.localizers.concepts.model import ConceptModel, ModelSettings, padded_frames
from whenabouts.localizers.concepts.networks import NetKind, NetSettings, build_net
from whenabouts.localizers.segments import Matrix
from whenabouts.nets.activity_frames import ActivityFrames

FloatMatrix = NDArray[np.float32]


@settings
class VideoModelSettings:
    """A video model and its training.

    Of a longer video `longest` frames are seen, drawn at random in training and evenly spread in use (0: all).
    `sampled_frames` > 0 trains on so many frames drawn at random of each video, which makes a model of segments
    (mxbi, 5th in the challenge). `unknown_weight` is how much an unlabelled concept counts as absent where labels are
    declared to be incomplete; where they are complete it counts fully.
    """

    net: NetSettings = NetSettings()
    fit: FitSettings = FitSettings()
    longest: CountOrZero = 300
    sampled_frames: CountOrZero = 0
    unknown_weight: Probability = 0.5

    @classmethod
    def paper(cls, kind: NetKind = "lstm") -> "VideoModelSettings":
        """Sizes of the paper; batch, rate and epochs of the code it cites (miha-skalic/youtube8mchallenge)."""
        batch, epochs = {"lstm": (256, 7), "netvlad": (160, 10), "netfv": (80, 10)}.get(kind, (256, 5))
        rate = 0.01 if kind == "logistic" else 2e-4
        fit = FitSettings(epochs=epochs, least_steps=0, batch_size=batch, learning_rate=rate, weight_decay=0.0)
        return cls(net=NetSettings.paper(kind), fit=fit)


def train_video_model(
    videos: FrameVideos,
    how: VideoModelSettings,
    run: Run,
    *,
    vocabulary: Vocabulary,
    chosen: Sequence[int] | None = None,
    objective: Objective = label_loss,
    teacher: FloatMatrix | None = None,
) -> ConceptModel:
    """Learn from the labels of videos (of `chosen` alone, where given).

    `teacher` (N, C) over all videos gives probabilities to an objective that asks for them. InvalidData where no video
    has a label, or a single concept is in all.
    """
    rows = np.arange(len(videos)) if chosen is None else np.asarray(chosen, np.int64)
    rows = learnable(videos, rows, len(vocabulary))
    net = build_net(how.net, videos.streams, len(vocabulary), seed=run.seed)
    if isinstance(net, ActivityFrames):
        net.learn(torch.from_numpy(np.stack([videos.labels[index].dense(len(vocabulary)) > 0 for index in rows])))

    def draw(places: IntArray, rng: np.random.Generator) -> Batch:
        picked = rows[places].tolist()
        values, mask = padded_frames([drawn_frames(videos.frames(index), how, rng) for index in picked])
        pairs = [targets_of(videos.labels[index], len(vocabulary), how.unknown_weight) for index in picked]
        targets, weights = (torch.from_numpy(np.stack(column)) for column in zip(*pairs, strict=True))
        beside = None if teacher is None else torch.from_numpy(teacher[picked])
        return Batch(values, mask, targets, weights, beside)

    identity = identity_of(videos, rows.tolist(), how, run.seed, teacher, _name(objective))
    history = fit_net(net, draw, len(rows), how.fit, objective=objective, run=run, identity=identity)
    facts: dict[str, Any] = {"videos": len(rows), "left_out": dict(videos.skipped), "seed": run.seed}
    facts["history"] = history
    model = ModelSettings(net=how.net, frames=videos.reader.how, longest=how.longest)
    learned = rows.tolist() if teacher is None else range(len(videos))  # a teacher has heard of all videos
    return ConceptModel(
        net, model, videos.reader, vocabulary=vocabulary, training=facts, device=run.compute.device,
        learned_from=frozenset(videos.video_ids[index] for index in learned),
    )  # fmt: skip


def _name(objective: Objective) -> str:
    return getattr(objective, "__name__", repr(objective))


def targets_of(labels: VideoLabels, classes: int, unknown_weight: float) -> tuple[FloatMatrix, FloatMatrix]:
    """Targets (C,) of 0 and 1 and weights (C,): a label counts as much as it is trusted, what is known absent fully."""
    targets = np.zeros(classes, np.float32)
    weights = np.where(labels.known(classes), 1.0, unknown_weight).astype(np.float32)
    targets[labels.classes] = 1.0
    weights[labels.classes] = labels.weights
    return targets, weights


def learnable(videos: FrameVideos, rows: IntArray, classes: int) -> IntArray:
    """Those of the videos (rows) that say anything: a label, or that something is absent; InvalidData where too few."""
    labelled = np.array([len(videos.labels[index]) > 0 for index in rows.tolist()], bool)
    known = np.array([videos.labels[index].known(classes).any() for index in rows.tolist()], bool)
    kept: IntArray = rows[known]
    if not labelled.any():
        raise InvalidData(
            f"None of {len(rows)} videos has a label, so nothing can be learned. Import labels; left out were: "
            f"{videos.told()}."
        )
    if classes == 1 and labelled[known].all():
        raise InvalidData(
            f"There is one concept, and all {len(kept)} videos have its label, so nothing tells it from the rest. Add "
            "videos that are known not to show it, or a second concept."
        )
    return kept


def drawn_frames(frames: Matrix, how: VideoModelSettings, rng: np.random.Generator) -> Matrix:
    """The frames of one visit in training, in order of time."""
    count = how.sampled_frames or how.longest
    if not count or len(frames) <= count:
        return frames
    return frames[np.sort(rng.choice(len(frames), count, replace=False))]


def all_video_scores(model: ConceptModel, videos: FrameVideos, chosen: Sequence[int]) -> FloatMatrix:
    """Class probabilities (len(chosen), C) of training videos."""
    scores = np.zeros((len(chosen), len(model.vocabulary)), np.float32)
    for row, index in enumerate(chosen):
        frames = videos.frames(index)
        scores[row] = model.of_pieces([frames[evenly(len(frames), model.how.longest or len(frames))]])[0]
    return scores
