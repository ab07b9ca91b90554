"""ActivityNet's rules with numpy or pandas, but one prediction at a time: what evaluators in use look like.

`activitynet(...)` keeps each class's instances in arrays; `activitynet_frames(...)` keeps them in data frames and walks
over their rows, as the official code does (needs pandas, which this project does not).
"""

import numpy as np


def activitynet(truth, results, subset, thresholds):
    """{label: AP at each threshold (T,)}."""
    instances, found = rows_of(truth, results, subset)
    return {label: of_class(instances[label], found[label], thresholds) for label in instances}


def rows_of(truth, results, subset):
    """Instances [(video, start, end)] and predictions [(video, start, end, score)] of each label, in file order."""
    instances = {}
    for video, entry in truth.items():
        if entry["subset"] == subset:
            for row in entry["annotations"]:
                instances.setdefault(row["label"], []).append((video, *row["segment"]))
    found = {label: [] for label in instances}
    for video, rows in results.items():
        for row in rows:
            found[row["label"]].append((video, *row["segment"], row["score"]))
    return instances, found


def of_class(instances, found, thresholds):
    """AP of one class (T,), from arrays."""
    spans = np.asarray([row[1:] for row in instances])
    in_video = {}
    for number, row in enumerate(instances):
        in_video.setdefault(row[0], []).append(number)
    in_video = {video: np.asarray(numbers) for video, numbers in in_video.items()}
    order = np.argsort([row[3] for row in found], kind="stable")[::-1]
    taken = np.zeros((len(thresholds), len(instances)), bool)
    hits = np.zeros((len(thresholds), len(found)), bool)
    for turn, row in enumerate(order):
        video, start, end, _ = found[row]
        if video in in_video:
            decide(in_video[video], tiou((start, end), spans[in_video[video]]), thresholds, taken, hits[:, turn])
    return [interpolated(level, len(instances)) for level in hits]


def activitynet_frames(instances, found, thresholds):
    """{label: AP at each threshold (T,)} from data frames with the columns label, video, start, end (and score)."""
    groups, empty = dict(iter(found.groupby("label"))), found.iloc[:0]
    return {
        label: of_class_frames(own.reset_index(drop=True), groups.get(label, empty), thresholds)
        for label, own in instances.groupby("label", sort=False)
    }


def of_class_frames(instances, found, thresholds):
    """AP of one class (T,), from data frames."""
    found = found.iloc[np.argsort(found["score"].to_numpy(), kind="stable")[::-1]].reset_index(drop=True)
    in_video = instances.groupby("video")
    videos = set(instances["video"])
    taken = np.zeros((len(thresholds), len(instances)), bool)
    hits = np.zeros((len(thresholds), len(found)), bool)
    for turn, row in found.iterrows():
        if row["video"] in videos:
            near = in_video.get_group(row["video"]).reset_index()
            overlaps = tiou(row[["start", "end"]].to_numpy(float), near[["start", "end"]].to_numpy())
            decide(near["index"].to_numpy(), overlaps, thresholds, taken, hits[:, turn])
    return [interpolated(level, len(instances)) for level in hits]


def decide(numbers, overlaps, thresholds, taken, hits):
    """At each threshold give the prediction the free instance of largest overlap, if there is one; mark hits (T,)."""
    best_first = np.argsort(overlaps, kind="stable")[::-1]
    for level, threshold in enumerate(thresholds):
        for place in best_first:
            if overlaps[place] < threshold:
                break
            if not taken[level, numbers[place]]:
                taken[level, numbers[place]] = hits[level] = True
                break


def tiou(span, others):
    """Intersection over union (N,) of one span with others (N, 2)."""
    shared = np.clip(np.minimum(span[1], others[:, 1]) - np.maximum(span[0], others[:, 0]), 0, None)
    return shared / ((others[:, 1] - others[:, 0]) + (span[1] - span[0]) - shared)


def interpolated(hits, positives):
    """Area under the precision envelope; hits (P,) best first."""
    right = np.cumsum(hits)
    precision = np.concatenate([right / np.arange(1, len(hits) + 1), [0]])
    recall = np.concatenate([[0], right / positives])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope[:-1]))
