"""Classes that nothing was rated for, or that no video is labelled with: what can be said of them, and by what.

Rivals of the relevance model there: the score of the whole video alone, the models' mean score of the segment alone,
and, where not even a label is there, what models say of the classes whose descriptions are nearest.
"""

import numpy as np
from numpy.typing import ArrayLike

from whenabouts.core.labels import VideoLabels
from whenabouts.core.timing import BoolArray, IntArray
from whenabouts.core.vocabulary import Vocabulary
from whenabouts.localizers.concepts.described import WHOLE, Account, Described, Fold, OutOfFold, Ratings
from whenabouts.localizers.concepts.words import cosines, word_vectors
from whenabouts.localizers.segments import Matrix


def without_ratings(ratings: Ratings, classes: ArrayLike) -> Ratings:
    """Ratings as if nobody had rated these classes (K,)."""
    return ratings.only(~np.isin(ratings.classes, classes))


def without_labels(labels: VideoLabels, classes: ArrayLike) -> VideoLabels:
    """A video's labels as if nobody knew these classes (K,)."""
    kept = ~np.isin(labels.classes, classes)
    negatives = labels.negatives[~np.isin(labels.negatives, classes)]
    return VideoLabels(labels.classes[kept], labels.weights[kept], negatives, labels.absent)


def unknown_to_models(segments: Described, classes: ArrayLike) -> Described:
    """Segments as if models knew nothing of these classes (K,): their scores are missing.

    Encodings stay: they are of nets that may have learned the classes. For encodings that have not, train without
    their labels.
    """
    scores = {name: rows.copy() for name, rows in segments.scores.items()}
    for rows in scores.values():
        rows[:, np.asarray(classes, np.int64)] = np.nan
    return Described(segments.video_ids, scores, segments.encodings, segments.learned_from)


def unlabelled_account(account: Account, classes: ArrayLike) -> Account:
    """An account as if these classes (K,) had no label: no score, and nothing counted from labels."""
    labels = tuple(without_labels(each, classes) for each in account.labels)
    return Account(unknown_to_models(account.segments, classes), labels)


def unlabelled_folds(told: OutOfFold, classes: ArrayLike) -> OutOfFold:
    """The same for the accounts of all folds."""
    return OutOfFold(Fold(unlabelled_account(fold.account, classes), fold.rows) for fold in told.folds)


def by_video(segments: Described) -> Matrix:
    """Scores (N, C) by the whole video alone: all segments of a video are equal; NaN without such scores."""
    whole = [rows for name, rows in segments.scores.items() if name.endswith(WHOLE)]
    mean: Matrix = np.mean(whole, axis=0) if whole else np.full((len(segments), segments.classes), np.nan, np.float32)
    return mean


def by_segment(segments: Described) -> Matrix:
    """Scores (N, C) by the models' mean for the segment alone."""
    return segments.mean_scores


def by_description(segments: Described, vocabulary: Vocabulary, known: BoolArray) -> Matrix:
    """Scores (N, C) of the `known` (C,) class whose description is nearest to that of each class, never its own."""
    nearest = nearest_by_description(vocabulary, known)
    scores = segments.mean_scores[:, np.maximum(nearest, 0)]
    missing: Matrix = np.where(nearest >= 0, scores, np.nan).astype(np.float32)
    return missing


def nearest_by_description(vocabulary: Vocabulary, known: BoolArray) -> IntArray:
    """The `known` (C,) class (C,) with the nearest name and description to each, of equals the first; else -1."""
    near = cosines(word_vectors(vocabulary))
    near[:, ~known] = 0
    np.fill_diagonal(near, 0)
    best = near.argmax(axis=1)
    return np.where(near[np.arange(len(best)), best] > 0, best, -1).astype(np.int64)
