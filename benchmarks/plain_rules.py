"""The official rules of moment detection as plain loops over plain JSON, written to be read.

The tests hold the fast code in `whenabouts.evaluation` to these loops, and the benchmark races it against them. No
line here shares anything with the fast code.
"""

import math


def activitynet(truth, results, subset, thresholds):
    """ActivityNet's detection evaluator: {label: [AP at each threshold]}."""
    instances = {}
    for video, entry in truth.items():
        if entry["subset"] == subset:
            for row in entry["annotations"]:
                instances.setdefault(row["label"], []).append((video, row["segment"]))
    found = {label: [] for label in instances}
    for video, rows in results.items():
        for row in rows:
            found[row["label"]].append((row["score"], video, row["segment"]))
    return {label: activitynet_class(instances[label], found[label], thresholds) for label in instances}


def activitynet_class(instances, found, thresholds):
    """AP of one class at each threshold: instances [(video, span)] and found [(score, video, span)] in file order."""
    in_video = {}
    for number, (video, span) in enumerate(instances):
        in_video.setdefault(video, []).append((number, span))
    ranked = sorted(found, key=lambda row: row[0])[::-1]  # stable, then backwards: of equal scores the last read first
    hits = [[] for _ in thresholds]
    taken = [set() for _ in thresholds]
    for _, video, span in ranked:
        overlaps = [(tiou(span, other), number) for number, other in in_video.get(video, [])]
        overlaps = sorted(overlaps, key=lambda pair: (math.isnan(pair[0]), 0 if math.isnan(pair[0]) else pair[0]))[::-1]
        for level, threshold in enumerate(thresholds):
            hit = False
            for overlap, number in overlaps:
                if overlap < threshold:
                    break
                if number not in taken[level]:
                    taken[level].add(number)
                    hit = True
                    break
            hits[level].append(hit)
    return [interpolated(level, len(instances)) for level in hits]


def tiou(first, second):
    """Intersection over union of two spans; 0/0 is not a number."""
    shared = max(0.0, min(first[1], second[1]) - max(first[0], second[0]))
    union = (second[1] - second[0]) + (first[1] - first[0]) - shared
    return shared / union if union else math.nan


def interpolated(hits, positives):
    """Area under the precision envelope; `hits` says of each prediction, best first, whether it is a true positive."""
    precision, recall, right = [0.0], [0.0], 0
    for place, hit in enumerate(hits, start=1):
        right += hit
        precision.append(right / place)
        recall.append(right / positives)
    precision.append(0.0)
    recall.append(1.0)
    for place in range(len(precision) - 2, -1, -1):
        precision[place] = max(precision[place], precision[place + 1])
    return sum(
        (recall[place] - recall[place - 1]) * precision[place]
        for place in range(1, len(recall))
        if recall[place] != recall[place - 1]
    )


def thumos(truth, results, subset, thresholds, *, updated):
    """The THUMOS14 kit (or its update of 2015): {label: [AP at each threshold]}."""
    entries = {video: entry for video, entry in truth.items() if entry["subset"] == subset}
    labels = dict.fromkeys(row["label"] for entry in entries.values() for row in entry["annotations"])
    videos = sorted(set(entries) | set(results))
    return {
        label: [thumos_class(entries, results, videos, label, threshold, updated) for threshold in thresholds]
        for label in labels
    }


def thumos_class(entries, results, videos, label, threshold, updated):
    """AP of one class at one threshold."""
    positives, pool = 0, []
    for video in videos:
        entry = entries.get(video, {})
        instances = [row["segment"] for row in entry.get("annotations", []) if row["label"] == label]
        ambiguous = [row["segment"] for row in entry.get("ambiguous", [])]
        found = [(row["score"], row["segment"]) for row in results.get(video, []) if row["label"] == label]
        found.sort(key=lambda row: -row[0])
        positives += len(instances)
        hit = [False] * len(found)
        for span in instances:
            free = [place for place in range(len(found)) if not hit[place]]
            best = max(free, key=lambda place: hull_overlap(span, found[place][1]), default=None)
            if best is not None and hull_overlap(span, found[best][1]) > threshold:
                hit[best] = True
        for place, (score, span) in enumerate(found):
            if hit[place] or not any(hull_overlap(other, span) > 0 for other in ambiguous):
                pool.append((score, hit[place]))
    if updated:
        pool.sort(key=lambda row: -row[0])
        return not_interpolated([hit for _, hit in pool], positives)
    pool.sort(key=lambda row: (-row[0], not row[1]))
    return eleven_points([hit for _, hit in pool], positives)


def hull_overlap(first, second):
    """Intersection over hull of two spans with their ends put in order."""
    first, second = sorted(first), sorted(second)
    shared = min(first[1], second[1]) - max(first[0], second[0])
    return shared / (max(first[1], second[1]) - min(first[0], second[0])) if shared > 0 else 0.0


def eleven_points(hits, positives):
    """Mean over recall 0, 0.1, ..., 1 of the largest precision at that recall or beyond."""
    curve, right = [], 0
    for place, hit in enumerate(hits, start=1):
        right += hit
        curve.append((right / positives, right / place))
    total = 0.0
    for tenth in range(11):
        total += max((precision for recall, precision in curve if recall >= tenth * 0.1), default=0.0)
    return total / 11


def not_interpolated(hits, positives):
    """Sum of the precision at each true positive over the number of instances."""
    total, right = 0.0, 0
    for place, hit in enumerate(hits, start=1):
        right += hit
        total += right / place if hit else 0.0
    return total / positives
