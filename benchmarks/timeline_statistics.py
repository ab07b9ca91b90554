"""How instances lie in the videos of THUMOS14 and ActivityNet 1.3: the numbers that planted timelines are drawn from.

    python benchmarks/timeline_statistics.py ANNOTATIONS   writes src/whenabouts/data/worlds/timeline_statistics.json

ANNOTATIONS holds thumos14.json and activitynet13.json in ActivityNet's layout. Only distributions leave it: quantiles,
correlations and shares over all videos with an instance, never a video.
"""

import argparse
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from whenabouts.core.files import write_json
from whenabouts.core.timing import temporal_iou, union_of

TARGET = Path(__file__).parents[1] / "src/whenabouts/data/worlds/timeline_statistics.json"
SOURCES = {
    "thumos14": ("thumos14.json", "THUMOS14 temporal annotations, validation and test, 20 classes"),
    "activitynet": ("activitynet13.json", "ActivityNet 1.3 annotations, training and validation, 200 classes"),
}
LEVELS = np.concatenate([np.linspace(0, 0.95, 20), [0.97, 0.98, 0.99, 0.995, 1.0]])  # Tails are long.
COMMON = 5  # Two classes belong together when they share so many videos.
TWIN = 0.9
MOST = (1, 2, 5, 10, 20, 40)  # Videos are grouped by how many instances they have at most.
FEWEST = 20  # A group is of so many videos at least.

Video = tuple[float, np.ndarray, list[str]]


def videos_of(path: Path) -> Iterator[Video]:
    """Duration, spans (N, 2) cut to the video, and labels of each video with at least one instance of some length."""
    for video in json.loads(path.read_text(encoding="utf-8"))["database"].values():
        duration = float(video.get("duration") or 0)
        rows = [(*note["segment"], note["label"]) for note in video["annotations"]]
        rows = [(max(0.0, start), min(end, duration), label) for start, end, label in rows]
        rows = [row for row in rows if row[1] > row[0]]
        if rows:
            yield duration, np.array([row[:2] for row in rows]), [row[2] for row in rows]


def quantiles(values: Any) -> list[float]:
    return [round(float(value), 4) for value in np.quantile(np.asarray(values), LEVELS)]


def gaps_of(duration: float, spans: np.ndarray) -> np.ndarray:
    """Stretches without any instance over their mean, those before the first and after the last among them."""
    merged = union_of(spans)
    gaps = np.append(merged[:, 0], duration) - np.insert(merged[:, 1], 0, 0.0)
    return gaps / gaps.mean() if gaps.sum() > 0 else np.zeros(0)


def paired(videos: list[Video]) -> list[dict[str, float]]:
    """What classes that often share videos do there: how often both are one span, and else where the second lies.

    `shift` is from start to start and `length` the second's, both in lengths of the first one (medians).
    """
    seen = Counter(pair for _, _, labels in videos for pair in itertools.combinations(sorted(set(labels)), 2))
    return [told(videos, pair, count) for pair, count in seen.most_common() if count >= COMMON]


def told(videos: list[Video], pair: tuple[str, str], count: int) -> dict[str, float]:
    twins, shifts, lengths = [], [], []
    for _, spans, labels in videos:
        if not set(pair) <= set(labels):
            continue
        first, second = (spans[[label == name for label in labels]] for name in pair)
        overlap = temporal_iou(first, second)
        twins += (overlap.max(axis=1) > TWIN).tolist()
        for span, row in zip(first, overlap, strict=True):
            other, length = second[row.argmax()], span[1] - span[0]
            if 0 < row.max() <= TWIN:
                shifts.append((other[0] - span[0]) / length)
                lengths.append((other[1] - other[0]) / length)
    middle = [float(np.median(values)) if values else 0.0 for values in (shifts, lengths)]
    return {"videos": round(count / len(videos), 4), "twins": round(float(np.mean(twins)), 4),
            "shift": round(middle[0], 4), "length": round(middle[1], 4)}  # fmt: skip


def touching(videos: list[Video]) -> float:
    """Share of instances that overlap another one of their video."""
    found = [((temporal_iou(spans, spans) > 0).sum(axis=1) > 1) for _, spans, _ in videos]
    return float(np.concatenate(found).mean())


def by_instances(counts: np.ndarray, durations: np.ndarray, shares: np.ndarray) -> list[dict[str, Any]]:
    """Duration and share of action, and their rank correlation, of videos with about as many instances."""
    found, least = [], 1
    borders = [most for most in MOST if (counts > most).sum() >= FEWEST]
    for most in [*borders, None]:
        inside = (counts >= least) & (counts <= (most or counts.max()))
        found.append({
            "most": most,
            "videos": int(inside.sum()),
            "duration_seconds": quantiles(durations[inside]),
            "action_share": quantiles(shares[inside]),
            "rank_correlation": round(float(spearmanr(durations[inside], shares[inside]).statistic), 4),
        })  # fmt: skip
        least = (most or 0) + 1
    return found


def statistics(videos: list[Video], source: str) -> dict[str, Any]:
    durations = [duration for duration, _, _ in videos]
    counts = [len(spans) for _, spans, _ in videos]
    shares = [float(np.diff(union_of(spans)).sum()) / duration for duration, spans, _ in videos]
    lengths = [np.diff(spans)[:, 0] for _, spans, _ in videos]
    classes = Counter(len(set(labels)) for _, _, labels in videos)
    return {
        "source": source,
        "videos": len(videos),
        "instances": sum(counts),
        "duration_seconds": quantiles(durations),
        "instances_per_video": quantiles(counts),
        "action_share": quantiles(shares),
        "by_instances": by_instances(np.asarray(counts), np.asarray(durations), np.asarray(shares)),
        "length_over_mean": quantiles(np.concatenate([each / each.mean() for each in lengths if len(each) > 1])),
        "length_seconds": quantiles(np.concatenate(lengths)),
        "gap_over_mean": quantiles(np.concatenate([gaps_of(duration, spans) for duration, spans, _ in videos])),
        "classes_per_video": {str(key): round(classes[key] / len(videos), 4) for key in sorted(classes)},
        "pairs": paired(videos),
        "overlapping": round(touching(videos), 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotations", type=Path)
    folder = parser.parse_args().annotations
    found = {kind: statistics(list(videos_of(folder / name)), source) for kind, (name, source) in SOURCES.items()}
    write_json(TARGET, {"levels": LEVELS.round(4).tolist(), **found}, indent=None)


if __name__ == "__main__":
    main()
