"""A small table of segments as models might describe them, made without any net."""

from dataclasses import dataclass

import numpy as np

from whenabouts.core import VideoLabels, Vocabulary
from whenabouts.localizers.concepts.described import Account, Described, Fold, OutOfFold, Ratings

CLASSES = 6
NAMES = ("red car", "blue car", "car", "red boat", "blue boat", "boat")
VOCABULARY = Vocabulary(
    NAMES,
    descriptions={name: f"a {name} on its way" for name in NAMES},
    parents={name: name.split()[1] for name in NAMES if " " in name},
)


@dataclass(frozen=True)
class Spoken:
    """Rated segments in honest folds, the same by the final models, and new segments with their truth (N, C)."""

    told: OutOfFold
    whole: Account
    ratings: Ratings
    new: Described
    truth: np.ndarray


def made(
    rng: np.random.Generator, videos: int, *, looks: np.ndarray, each: int = 5, first: int = 0, noise: float = 1.0
):
    """Ids, truth (N, C), encodings (N, d) and scores (N, C) of segments: a class is there for a third of them."""
    ids = np.repeat([f"video-{first + number:04d}" for number in range(videos)], each)
    truth = rng.random((len(ids), CLASSES)) < 0.3
    encodings = (truth @ looks + noise * rng.normal(size=(len(ids), looks.shape[1]))).astype(np.float32)
    logits = 2.0 * truth - 1.0 + rng.normal(scale=1.5, size=truth.shape)
    return ids, truth, encodings, (1 / (1 + np.exp(-logits))).astype(np.float32)


def spoken(seed: int = 0, *, videos: int = 60, folds: int = 3, classes: np.ndarray | None = None) -> Spoken:
    """Sixty videos of five segments, each rated for two classes (of `classes` alone, where given)."""
    rng = np.random.default_rng(seed)
    looks = rng.normal(size=(CLASSES, 8))
    ids, truth, encodings, scores = made(rng, videos, looks=looks)
    allowed = np.arange(CLASSES) if classes is None else classes
    rows = np.repeat(np.arange(len(ids)), 2)
    rated = np.concatenate([rng.choice(allowed, 2, replace=False) for _ in range(len(ids))])
    labels = [VideoLabels.of(np.flatnonzero(truth[ids == name].any(axis=0)).tolist()) for name in np.unique(ids)]
    each = dict(zip(np.unique(ids).tolist(), labels, strict=True))
    ratings = Ratings(rows, rated, truth[rows, rated], tuple(each[name] for name in ids.tolist()))
    number = np.array([int(name[-4:]) for name in ids.tolist()])
    parts = []
    for fold in range(folds):
        others = frozenset(np.unique(ids[number % folds != fold]).tolist())
        turned = encodings @ np.linalg.qr(np.random.default_rng(fold).normal(size=(8, 8)))[0].astype(np.float32)
        said = Described(ids, {"video.net": scores}, {"net": turned}, others)
        parts.append(
            Fold(Account(said, tuple(each[name] for name in sorted(others))), np.flatnonzero(number % folds == fold))
        )
    final = Described(ids, {"video.net": scores}, {"net": encodings}, frozenset(ids.tolist()))
    new_ids, new_truth, new_encodings, new_scores = made(rng, 40, looks=looks, first=1000)
    new = Described(new_ids, {"video.net": new_scores}, {"net": new_encodings})
    return Spoken(OutOfFold(parts), Account(final, tuple(labels)), ratings, new, new_truth)
